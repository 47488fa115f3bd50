from tgan_chainer.links.c3d import C3D
from tgan_chainer.links.generator import Generator
from tgan_chainer.links.image_generator import ImageGenerator
from tgan_chainer.links.temporal_generator import TemporalGenerator
from tgan_chainer.links.video_discriminator import VideoDiscriminator
from tgan_chainer.links.video_gan_generator import VideoGANGenerator
from tgan_chainer.links.video_generator import VideoGenerator
from tgan_chainer.links.video_generator_3d import VideoGenerator3D

__all__ = [
    "C3D",
    "Generator",
    "ImageGenerator",
    "TemporalGenerator",
    "VideoDiscriminator",
    "VideoGANGenerator",
    "VideoGenerator",
    "VideoGenerator3D",
]
