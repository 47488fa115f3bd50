"""The generator with the best score stays, whatever comes after it."""

import types

import numpy as np
import pytest

from tgan_chainer import Config, build_generator, load_generator
from tgan_chainer.extensions import Best
from tgan_chainer.snapshots import BEST, read_snapshot

CONFIG = Config(channels=1, image_size=16, temporal_width=8, image_width=8, discriminator_width=2)


class Trainer(types.SimpleNamespace):
    def __init__(self, out):
        updater = types.SimpleNamespace(iteration=0, sampled_generator=build_generator(CONFIG))
        super().__init__(out=str(out), elapsed_time=1.0, updater=updater)

    def score(self, best, value):
        """Come to the next iteration, with a score of ``value``, or with none."""
        self.updater.iteration += 1
        next(self.updater.sampled_generator.params()).array[...] = self.updater.iteration
        self.observation = {} if value is None else {"score/inception": np.float64(value)}
        best(self)


def kept(out):
    return read_snapshot(str(out / BEST))[0]["iteration"]


def test_the_best_one_stays_and_can_be_sampled_from(tmp_path):
    best, trainer = Best("score/inception", CONFIG), Trainer(tmp_path)
    best.initialize(trainer)
    for value, iteration in (None, None), (2.0, 2), (None, 2), (3.0, 4), (3.0, 4), (1.0, 4):
        trainer.score(best, value)
        assert (tmp_path / BEST).exists() == (iteration is not None)
        assert iteration is None or kept(tmp_path) == iteration
    assert (next(load_generator(str(tmp_path / BEST)).params()).array == 4).all()


def test_a_resumed_run_knows_how_good_the_best_one_was(tmp_path):
    best, trainer = Best("score/inception", CONFIG), Trainer(tmp_path)
    trainer.score(best, 3.0)
    resumed = Best("score/inception", CONFIG)
    resumed.initialize(trainer)
    trainer.score(resumed, 2.0)
    assert kept(tmp_path) == 1
    other = Best("score/r_sample", CONFIG)  # by another score it is not comparable
    other.initialize(trainer)
    trainer.observation = {"score/r_sample": 0.1}
    other(trainer)
    assert kept(tmp_path) == 2


@pytest.mark.parametrize("content", [b"", b"no snapshot"])
def test_a_damaged_one_is_replaced(tmp_path, content):
    (tmp_path / BEST).write_bytes(content)
    best, trainer = Best("score/inception", CONFIG), Trainer(tmp_path)
    best.initialize(trainer)
    trainer.score(best, 0.5)
    assert kept(tmp_path) == 1
