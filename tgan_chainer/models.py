"""Building the networks that a configuration describes."""

from tgan_chainer.links import VideoDiscriminator, VideoGenerator


def build_generator(config):
    """Return the :class:`~tgan_chainer.links.VideoGenerator` of a configuration.

    Args:
        config (Config): Complete, that is with ``channels`` and ``image_size``.
    """
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
    )


def build_discriminator(config):
    """Return the :class:`~tgan_chainer.links.VideoDiscriminator` of a configuration."""
    return VideoDiscriminator(
        channels=config.channels,
        n_frames=config.n_frames,
        image_size=config.image_size,
        width=config.discriminator_width,
        use_beta=config.use_beta,
    )
