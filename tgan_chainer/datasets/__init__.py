"""Data sets of videos: one HDF5 layout for all of them, and what is needed to draw Moving MNIST."""

from tgan_chainer.datasets.frames_for_gpu import n_reading_threads, send_and_scale
from tgan_chainer.datasets.parts_of_batches import PartsOfBatches
from tgan_chainer.datasets.video_dataset import RandomWindows, VideoDataset
from tgan_chainer.datasets.video_file import same_data
from tgan_chainer.datasets.video_writer import write_videos

__all__ = [
    "PartsOfBatches",
    "RandomWindows",
    "VideoDataset",
    "n_reading_threads",
    "same_data",
    "send_and_scale",
    "write_videos",
]
