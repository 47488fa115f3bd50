"""Runs: what training leaves, as one thing to sample from, to score and to compare."""

import contextlib
import dataclasses
import os
import random

import numpy as np

from tgan_chainer import provenance, snapshots
from tgan_chainer.config import Config
from tgan_chainer.devices import get_device
from tgan_chainer.links import VideoDiscriminator
from tgan_chainer.links.generator import Generator
from tgan_chainer.models import build_discriminator, build_generator


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A run: what one of its snapshots holds, or, while it is trained, its configuration and networks.

    Attributes:
        config (Config): All settings.
        generator (Generator or None): The generator, on the device; None of :func:`read_run`.
        discriminator (VideoDiscriminator or None): The discriminator; None if the file holds a generator
            alone, or if it was not asked for.
        path (str or None): The snapshot file; None of a run in training.
        iteration (int): Iterations trained.
        label_names (list of str or None): Names of the labels; None if they have none.
        data (dict or None): Facts of the training data, see :class:`~tgan_chainer.datasets.VideoDataset`.
        wall_time (float or None): Seconds of training; None if the file does not say it.
        provenance (list of dict): Machines and versions, see :func:`tgan_chainer.provenance.read`.
    """

    config: Config
    generator: Generator | None = None
    discriminator: VideoDiscriminator | None = None
    path: str | None = None
    iteration: int = 0
    label_names: list | None = None
    data: dict | None = None
    wall_time: float | None = None
    provenance: list = dataclasses.field(default_factory=list)

    @property
    def label_prior(self):
        """float64 array (V,) or None: How often each label was in the training data; None without labels."""
        return self.generator.label_prior if self.generator.n_classes else None


def load_run(source, device=None, with_discriminator=True):
    """Rebuild what was trained. The caller's random numbers stay as they are.

    Args:
        source (str): A results folder (its newest snapshot is taken), a ``snapshot_iter_N.npz`` or a
            ``generator_iter_N.npz``.
        device (~chainer.backend.Device): Where to put the networks; None for the CPU.
        with_discriminator (bool): Whether to load the discriminator, too. False takes a folder's newest
            generator, or, where there is none, its newest snapshot; True, its newest snapshot.

    Returns:
        Run

    Raises:
        InputError: There is no such file, or it is damaged or of another kind.
    """
    device = get_device(-1) if device is None else device
    kinds = [snapshots.RESUMABLE] if with_discriminator else [snapshots.GENERATOR, snapshots.RESUMABLE]
    metadata, arrays, facts = _read(snapshots.newest_snapshot(source, *kinds))
    config, path, whole = metadata["config"], facts["path"], metadata["kind"] == snapshots.RESUMABLE
    prefix = (snapshots.AVERAGE_PATH if config.generator_ema else snapshots.GENERATOR_PATH) if whole else ""
    networks = {"generator": _rebuild(build_generator, config, path, arrays, prefix, device)}
    if whole and with_discriminator:
        networks["discriminator"] = _rebuild(
            build_discriminator, config, path, arrays, snapshots.DISCRIMINATOR_PATH, device
        )
    return Run(**facts, **networks)


def read_run(source):
    """Return a :class:`Run` without its networks; arguments and errors are those of :func:`load_run`."""
    return Run(**_read(snapshots.newest_snapshot(source, snapshots.RESUMABLE))[2])


def load_generator(source, gpu=-1):
    """Rebuild a trained generator: the ``generator`` of :func:`load_run`.

    Args:
        source (str): A results folder (its newest generator is taken), a ``generator_iter_N.npz`` or a
            ``snapshot_iter_N.npz``.
        gpu (int): Number of the GPU to put it on; -1 for the CPU, None for a GPU if there is one.

    Returns:
        Generator

    Raises:
        InputError: There is no such file, or it is damaged or of another kind.
    """
    return load_run(source, get_device(gpu), with_discriminator=False).generator


def _read(path):
    """Return the metadata of a snapshot, its arrays, and the attributes of its :class:`Run`."""
    metadata, arrays = snapshots.read_snapshot(path)
    facts = {key: metadata[key] for key in ("config", "iteration", "label_names", "data", "wall_time")}
    made_by = provenance.read(os.path.dirname(os.path.abspath(path)))
    return metadata, arrays, {**facts, "path": path, "provenance": made_by}


def _rebuild(build, config, path, arrays, prefix, device):
    with same_random_numbers():  # initial weights are drawn, for nothing
        network = build(config)
    snapshots.load_arrays(path, arrays, prefix, network)
    network.to_device(device)
    return network


@contextlib.contextmanager
def same_random_numbers():
    """Give Python's and NumPy's random numbers back the states that they had before the block."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
