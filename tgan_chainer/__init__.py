"""Temporal Generative Adversarial Nets with Singular Value Clipping (Saito et al., ICCV 2017) in Chainer."""

# First of all. The second makes `import chainer`, which all that follows does, work on today's Python, NumPy.
from tgan_chainer import _interrupt  # isort: skip
from tgan_chainer import _chainer_compat  # noqa: F401  # isort: skip

from tgan_chainer.clipping import SingularValueClipping, WeightClipping
from tgan_chainer.config import Config
from tgan_chainer.datasets import RandomWindows, VideoDataset, write_videos
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.evaluations import frechet_distance, gam, inception_score
from tgan_chainer.functions import clip_singular_values
from tgan_chainer.links import (
    C3D,
    ImageGenerator,
    TemporalGenerator,
    VideoDiscriminator,
    VideoGANGenerator,
    VideoGenerator,
    VideoGenerator3D,
)
from tgan_chainer.losses import CrossEntropyLoss, WassersteinLoss
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.runs import Run, load_generator, load_run
from tgan_chainer.updaters import GANUpdater
from tgan_chainer.version import __version__
from tgan_chainer.videos import save_videos

_interrupt.end()

__all__ = [
    "C3D",
    "Config",
    "CrossEntropyLoss",
    "GANUpdater",
    "ImageGenerator",
    "InputError",
    "NonFiniteError",
    "RandomWindows",
    "Run",
    "SingularValueClipping",
    "TemporalGenerator",
    "VideoDataset",
    "VideoDiscriminator",
    "VideoGANGenerator",
    "VideoGenerator",
    "VideoGenerator3D",
    "WassersteinLoss",
    "WeightClipping",
    "__version__",
    "build_discriminator",
    "build_generator",
    "clip_singular_values",
    "frechet_distance",
    "gam",
    "inception_score",
    "load_generator",
    "load_run",
    "save_videos",
    "write_videos",
]
