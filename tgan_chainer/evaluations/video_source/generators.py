"""Samples of trained generators."""

import numpy as np

from tgan_chainer.devices import get_device
from tgan_chainer.download import sha256_of
from tgan_chainer.evaluations.video_source.source import VideoSource, check_length, cut, naming, seed_of
from tgan_chainer.links.generator import random_states
from tgan_chainer.runs import load_run

import chainer


class GeneratorSource(VideoSource):
    """Samples of a trained generator; the first repeat's are those of generate.py with the same seed."""

    def __init__(self, path, n_frames, window, gpu):
        self.run = load_run(path, get_device(gpu), with_discriminator=False)
        self.generator = self.run.generator
        self._n_frames, self._window = n_frames, window
        self.batch_size = 16 if self.generator.xp is np else 64
        with naming(path):
            check_length(self.generator.video_shape[1], n_frames)
        self.description = {
            "kind": "generator",
            "path": self.run.path,
            "sha256": sha256_of(self.run.path),
            "iteration": self.run.iteration,
            "training": self.run.config.description,
            # Generators of older versions do not know more than a path.
            "trained_on": (self.run.data or {"source": self.run.config.data})["source"],
            "facts": self.run.data,
            "size": self.generator.video_shape[-1],
        }
        if self.generator.n_classes:
            self.description["labels"] = "drawn as often as in the training data"

    def labels(self, n, seed=0):
        if not self.generator.n_classes:
            return None
        labels = self.generator.draw_labels(n, random_states(seed_of(seed, 0))[1])
        return chainer.get_device("@numpy").send(labels)

    def draw(self, n, seed=0, repeat=0, wanted=None):
        seed = seed_of(seed, repeat)
        rng = np.random.RandomState([seed, 2])  # [seed, 1] draws labels
        videos = self.generator.sample(n, seed, self.batch_size, wanted=wanted)
        other = np.empty((1, self.generator.video_shape[1]))  # of which a window is drawn as well
        for is_wanted in [True] * n if wanted is None else wanted:
            video = cut(next(videos) if is_wanted else other, self._n_frames, self._window, rng)
            if is_wanted:
                yield video
