"""Building the networks that a configuration describes."""

from tgan_chainer.errors import InputError
from tgan_chainer.links import VideoDiscriminator, VideoGANGenerator, VideoGenerator, VideoGenerator3D


def build_generator(config):
    """Return the generator of a configuration, a :class:`~tgan_chainer.links.Generator`.

    Args:
        config (Config): Complete, that is with what the data set determines.
    """
    if config.model in ("3d", "video_gan"):
        sizes = {
            "k0": config.k0,
            "n_frames": config.n_frames,
            "channels": config.channels,
            "image_size": config.image_size,
            "width": config.video_width,
            "use_beta": config.use_beta,
        }
        if config.model == "3d":
            return VideoGenerator3D(**sizes)
        return VideoGANGenerator(**sizes, mask_penalty=config.mask_penalty)
    return VideoGenerator(
        k0=config.k0,
        k1=config.k1,
        n_frames=config.n_frames,
        channels=config.channels,
        image_size=config.image_size,
        temporal_width=config.temporal_width,
        image_width=config.image_width,
        use_z0=config.use_z0,
        use_beta=config.use_beta,
        n_classes=n_classes(config),
    )


def build_discriminator(config):
    """Return the :class:`~tgan_chainer.links.VideoDiscriminator` of a configuration."""
    return VideoDiscriminator(
        channels=config.channels,
        n_frames=config.n_frames,
        image_size=config.image_size,
        width=config.discriminator_width,
        use_beta=config.use_beta,
        use_gamma=config.use_gamma,
        noise=config.noise,
        n_classes=n_classes(config),
    )


def n_classes(config):
    """Return the number of labels that the networks see; 0 unless they are conditional."""
    if config.model != "conditional_tgan":
        return 0
    if config.n_classes is None:
        raise InputError(
            "n_classes must be set for a conditional_tgan: it is the data set's number of labels"
        )
    return config.n_classes
