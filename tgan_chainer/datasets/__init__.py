"""Data sets of videos: one HDF5 layout for all of them, and what is needed to draw Moving MNIST."""

from tgan_chainer.datasets.video_dataset import RandomWindows, VideoDataset, write_videos

__all__ = ["RandomWindows", "VideoDataset", "write_videos"]
