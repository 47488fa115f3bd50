"""The models that can be trained, and building the networks that a configuration describes."""

import inspect
import typing

from tgan_chainer.errors import InputError
from tgan_chainer.links import VideoDiscriminator, VideoGANGenerator, VideoGenerator, VideoGenerator3D

import chainer


class Model(typing.NamedTuple):
    """A kind of generator and what it is called.

    Attributes:
        generator (type): A subclass of :class:`~tgan_chainer.links.Generator`.
        label (str): Its name in the paper's tables and figures.
        conditional (bool): Whether generator and discriminator see labels (Section 5.2).
    """

    generator: type
    label: str
    conditional: bool = False


# By the values of the setting ``model``.
MODELS = {
    "tgan": Model(VideoGenerator, "TGAN"),
    "conditional_tgan": Model(VideoGenerator, "conditional TGAN", conditional=True),  # Section 5.2
    "3d": Model(VideoGenerator3D, "3D model"),  # Section 6.3 (i)
    "video_gan": Model(VideoGANGenerator, "Video GAN"),  # Section 6.3 (ii)
}


# How weights start, by the values of the settings ``temporal_weights`` and ``discriminator_weights``.
INITIALIZERS = {
    "he_normal": chainer.initializers.HeNormal(),  # Section 6.2
    "uniform": chainer.initializers.Uniform(0.01),  # the authors' configuration for Moving MNIST
    "normal": chainer.initializers.Normal(0.01),  # Vondrick et al. (2016)
}


def build_generator(config):
    """Return the generator of a configuration, a :class:`~tgan_chainer.links.Generator`.

    Args:
        config (Config): The configuration, complete with what the data set determines.

    Raises:
        InputError: A setting does not fit the model.
    """
    generator = MODELS[config.model].generator
    arguments = _arguments(_settings_of(generator), config)
    if "temporal_weights" in arguments:
        arguments["temporal_weights"] = INITIALIZERS[config.temporal_weights]
    return generator(**arguments)


def build_discriminator(config):
    """Return the :class:`~tgan_chainer.links.VideoDiscriminator` of a configuration, as above."""
    arguments = _arguments(_settings_of(VideoDiscriminator, "discriminator_width"), config)
    return VideoDiscriminator(**arguments, initialW=INITIALIZERS[config.discriminator_weights])


def ignored_settings(name):
    """Return the settings that only other models' generators take, a set of names.

    Args:
        name (str): A key of ``MODELS``.
    """
    taken = {key: set(_settings_of(model.generator).values()) for key, model in MODELS.items()}
    return set().union(*taken.values()) - taken[name]


def _settings_of(network, width="video_width"):
    """Return the settings that a network takes, a dict: name of its argument → name of the setting."""
    return {name: width if name == "width" else name for name in inspect.signature(network).parameters}


def _arguments(settings, config):
    values = {**vars(config), "n_classes": _n_classes(config)}
    # What is no setting, such as start_length, keeps its default.
    return {name: values[setting] for name, setting in settings.items() if setting in values}


def _n_classes(config):
    """Return the number of labels that the networks see; 0 unless they are conditional."""
    if not MODELS[config.model].conditional:
        return 0
    if config.n_classes is None:
        raise InputError(
            "n_classes must be set for a conditional_tgan: it is the data set's number of labels"
        )
    return config.n_classes
