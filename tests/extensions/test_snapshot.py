"""Snapshots on the way: a whole one is there from the first one on, and only the newest ones stay."""

import os
import types

import numpy as np
import pytest

from tgan_chainer import Config, GANUpdater, build_discriminator, build_generator, load_generator
from tgan_chainer.errors import NonFiniteError
from tgan_chainer.extensions import Snapshot
from tgan_chainer.optimizers import build_optimizer
from tgan_chainer.snapshots import find_snapshots, read_snapshot

import chainer

KINDS = "snapshot", "generator"
CONFIG = Config(
    channels=1, image_size=16, temporal_width=8, image_width=8, discriminator_width=2, batch_size=2, keep=2
)


class Processes(types.SimpleNamespace):
    """Two processes, of which this one is not the first."""

    size, is_first = 2, False

    def check_same(self, state, when):
        self.compared = when


@pytest.fixture
def trainer(tmp_path):
    np.random.seed(0)
    videos = list(np.random.uniform(-1, 1, (2, 1, 16, 16, 16)).astype(np.float32))
    networks = {"gen": build_generator(CONFIG), "dis": build_discriminator(CONFIG)}
    optimizers = {name: build_optimizer(CONFIG, name).setup(network) for name, network in networks.items()}
    iterator = chainer.iterators.SerialIterator(videos, 2, shuffle=False)
    updater = GANUpdater(iterator, optimizers, device="@numpy")
    trainer = chainer.training.Trainer(updater, (10, "iteration"), str(tmp_path / "run"))
    trainer._start_at = 0.0  # as run() does; it would leave no time to look between iterations
    return trainer


def test_both_files_are_there_and_only_the_newest_stay(trainer):
    snapshot = Snapshot(CONFIG, label_names=["a", "b"], data={"source": "noise"})
    for iteration in range(1, 5):
        trainer.updater.update()
        snapshot(trainer)
        names = [os.path.basename(path) for path in find_snapshots(trainer.out)]
        expected = [f"{kind}_iter_{i}.npz" for i in (iteration - 1, iteration) if i for kind in KINDS]
        assert names == expected
    metadata, _ = read_snapshot(os.path.join(trainer.out, "snapshot_iter_4.npz"))
    assert (metadata["iteration"], metadata["label_names"]) == (4, ["a", "b"])
    generator = load_generator(os.path.join(trainer.out, "generator_iter_4.npz"))
    trained = dict(trainer.updater.generator.namedparams())
    assert all((trained[name].array == parameter.array).all() for name, parameter in generator.namedparams())


def test_all_stay_if_asked_for(trainer):
    for _ in range(3):
        trainer.updater.update()
        Snapshot(CONFIG.replace(keep=0))(trainer)
    assert len(find_snapshots(trainer.out)) == 6


@pytest.mark.parametrize("what", ["loss", "parameter"])
def test_what_is_not_finite_is_not_written_and_removes_nothing(trainer, what):
    snapshot = Snapshot(CONFIG.replace(keep=1))
    trainer.updater.update()
    snapshot(trainer)
    before = find_snapshots(trainer.out)
    trainer.updater.update()
    if what == "parameter":
        next(trainer.updater.generator.params()).array[...] = np.nan
    else:  # of a GPU losses are looked at rarely, and before a snapshot
        trainer.updater._unchecked.append((2, "gen/loss", np.float32(np.nan)))
    with pytest.raises(NonFiniteError):
        snapshot(trainer)
    assert find_snapshots(trainer.out) == before
    assert sorted(os.listdir(trainer.out)) == sorted(map(os.path.basename, before))


def test_of_several_processes_the_first_one_writes_and_all_compare(trainer):
    processes = Processes()
    trainer.updater.update()
    Snapshot(CONFIG, processes)(trainer)
    assert processes.compared == "after iteration 1" and not os.path.exists(trainer.out)
