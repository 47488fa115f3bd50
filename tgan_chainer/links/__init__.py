from tgan_chainer.links.image_generator import ImageGenerator
from tgan_chainer.links.temporal_generator import TemporalGenerator
from tgan_chainer.links.video_discriminator import VideoDiscriminator
from tgan_chainer.links.video_generator import VideoGenerator

__all__ = ["ImageGenerator", "TemporalGenerator", "VideoDiscriminator", "VideoGenerator"]
