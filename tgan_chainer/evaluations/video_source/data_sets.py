"""Clips of data sets."""

import numpy as np

from tgan_chainer.datasets import VideoDataset
from tgan_chainer.evaluations.video_source.source import AHEAD, VideoSource, seed_of, size_text
from tgan_chainer.parallel import in_order


class DatasetSource(VideoSource):
    """Windows of the clips of a data set, or of some of them: each clip once before any comes again."""

    def __init__(self, path, n_frames, window, clips=None):
        self.dataset = VideoDataset(path, n_frames, clips=clips)
        self._window = window
        self.description = {
            "kind": "data set",
            "path": path,
            "source": self.dataset.source,
            "clips": self.dataset.n_clips,
            "frames": size_text(self.dataset.width),
        }

    def draw(self, n, seed=0, repeat=0):
        # One order of all clips after another; a repeat goes on where the one before ended.
        n_clips, start, stop = self.dataset.n_clips, n * repeat, n * (repeat + 1)
        passes = range(start // n_clips, -(-stop // n_clips))
        orders = [np.random.RandomState([seed, i]).permutation(n_clips) for i in passes]
        clips = np.concatenate(orders)[start - passes[0] * n_clips :][:n]
        rng = np.random.RandomState(seed_of(seed, repeat))
        first, stop = self.dataset.first_window[clips], self.dataset.first_window[clips + 1]
        windows = {
            "first": lambda: first,
            "middle": lambda: (first + stop - 1) // 2,
            "random": lambda: rng.randint(first, stop),
        }[self._window]()
        yield from in_order(self.dataset.get_example, windows.tolist(), workers=1, ahead=AHEAD)
