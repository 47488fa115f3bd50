"""Clips of data sets."""

import functools
import zlib

import numpy as np

from tgan_chainer.datasets import VideoDataset
from tgan_chainer.evaluations.video_source.source import Item, VideoSource, identity, seed_of


class DatasetSource(VideoSource):
    """Windows of the clips of a data set, or of some of them: each clip once before any comes again."""

    def __init__(self, path, n_frames, window, clips=None):
        self.dataset = VideoDataset(path, n_frames, clips=clips)
        self._window = window
        self._part = "all" if clips is None else zlib.crc32(np.asarray(clips).tobytes())
        self.description = {
            "kind": "data_set",
            "path": path,
            "source": self.dataset.source,
            "facts": self.dataset.describe(),
            "clips": self.dataset.n_clips,
            "size": self.dataset.width,
        }

    def labels(self, n, seed=0):
        labels = self.dataset.labels
        return None if labels is None else labels[self._choose_clips(n, seed, 0)]

    def items(self, n, seed=0, repeat=0):
        clips = self._choose_clips(n, seed, repeat)
        rng = np.random.RandomState(seed_of(seed, repeat))
        first, stop = self.dataset.first_window[clips], self.dataset.first_window[clips + 1]
        windows = {
            "first": lambda: first,
            "middle": lambda: (first + stop - 1) // 2,
            "random": lambda: rng.randint(first, stop),
        }[self._window]()
        data = self.dataset.facts["fingerprint"] or identity([self.dataset.path])
        how = f"{data}, clips {self._part}, {self.dataset.n_frames} frames"
        read = self.dataset.get_example
        items = []
        for i in windows.tolist():
            name, key = f"{self.dataset.path}, window {i}", f"{how}, window {i}"
            items.append(Item(name, key, functools.partial(read, i)))
        return items

    def _choose_clips(self, n, seed, repeat):
        # One order of all clips after another; a repeat goes on where the one before ended.
        n_clips, start, stop = self.dataset.n_clips, n * repeat, n * (repeat + 1)
        passes = range(start // n_clips, -(-stop // n_clips))
        orders = [np.random.RandomState([seed, i]).permutation(n_clips) for i in passes]
        return np.concatenate(orders)[start - passes[0] * n_clips :][:n]
