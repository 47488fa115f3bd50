"""Temporal Generative Adversarial Nets with Singular Value Clipping (Saito et al., ICCV 2017) in Chainer."""

# First of all: it makes `import chainer`, which all that follows does, work on today's Python and NumPy.
from tgan_chainer import _chainer_compat  # noqa: F401  # isort: skip

from tgan_chainer.functions import clip_singular_values
from tgan_chainer.links import ImageGenerator, TemporalGenerator, VideoDiscriminator, VideoGenerator
from tgan_chainer.snapshots import load_generator
from tgan_chainer.version import __version__
from tgan_chainer.videos import save_videos

__all__ = [
    "__version__",
    "ImageGenerator",
    "TemporalGenerator",
    "VideoDiscriminator",
    "VideoGenerator",
    "clip_singular_values",
    "load_generator",
    "save_videos",
]
