"""Runs: what training leaves, as one thing to sample from, to score and to compare."""

import contextlib
import dataclasses
import os
import random

import numpy as np

from tgan_chainer import provenance
from tgan_chainer.config import Config
from tgan_chainer.devices import get_device
from tgan_chainer.links import VideoDiscriminator
from tgan_chainer.links.generator import Generator
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.snapshots import (
    AVERAGE_PATH,
    DISCRIMINATOR_PATH,
    GENERATOR,
    GENERATOR_PATH,
    RESUMABLE,
    load_arrays,
    newest_snapshot,
    read_snapshot,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A trained run, or what one snapshot of it holds.

    Attributes:
        path (str): The snapshot file.
        config (Config): All settings.
        iteration (int): Iterations trained.
        generator (Generator): The generator, on the device, with ``config`` and ``iteration`` as attributes.
        discriminator (VideoDiscriminator or None): The discriminator; None if the file holds a generator
            alone, or if it was not asked for.
        label_names (list of str or None): Names of the labels; None if they have none.
        label_prior (float64 array (V,) or None): How often each label occurred in the training data; None if
            the model is not conditional.
        data (dict or None): Facts of the training data, see :class:`~tgan_chainer.datasets.VideoDataset`.
        row (str or None): Name of the paper's row that was trained, such as "tgan_svc_ucf101"; None if it
            was a configuration of one's own, or one for a CPU, or if the file is older than this record.
        changes (list of dict or None): ``{"setting": ..., "here": ..., "row": ...}`` for each setting that
            differed from the row's when training began; None if ``row`` is None.
        wall_time (float or None): Seconds of training; None if the file does not say it.
        provenance (list of dict): Machines and versions, see :func:`tgan_chainer.provenance.read`.
    """

    path: str
    config: Config
    iteration: int
    generator: Generator
    discriminator: VideoDiscriminator | None
    label_names: list | None
    label_prior: np.ndarray | None
    data: dict | None
    row: str | None
    changes: list | None
    wall_time: float | None
    provenance: list


def load_run(source, device=None, with_discriminator=True):
    """Rebuild what was trained. The caller's random numbers stay as they are.

    Args:
        source (str): A results folder (its newest snapshot is taken), a ``snapshot_iter_N.npz`` or a
            ``generator_iter_N.npz``.
        device (~chainer.backend.Device): Where to put the networks; None for the CPU.
        with_discriminator (bool): Whether to load the discriminator, too. False takes a folder's newest
            generator; True, its newest snapshot.

    Returns:
        Run

    Raises:
        InputError: There is no such file, or it is damaged or of another kind.
    """
    device = get_device(-1) if device is None else device
    path = newest_snapshot(source, RESUMABLE if with_discriminator else GENERATOR)
    metadata, arrays = read_snapshot(path)
    config, whole = metadata["config"], metadata["kind"] == RESUMABLE
    prefix = (AVERAGE_PATH if config.generator_ema else GENERATOR_PATH) if whole else ""
    generator = _rebuild(build_generator, config, path, arrays, prefix, device)
    generator.config, generator.iteration = config, metadata["iteration"]
    generator.label_names, generator.trained_on = metadata["label_names"], metadata["data"]
    discriminator = None
    if whole and with_discriminator:
        discriminator = _rebuild(build_discriminator, config, path, arrays, DISCRIMINATOR_PATH, device)
    return Run(
        path=path,
        config=config,
        iteration=metadata["iteration"],
        generator=generator,
        discriminator=discriminator,
        label_names=metadata["label_names"],
        label_prior=generator.label_prior if generator.n_classes else None,
        data=metadata["data"],
        row=metadata["row"],
        changes=metadata["changes"],
        wall_time=metadata["wall_time"],
        provenance=provenance.read(os.path.dirname(os.path.abspath(path))),
    )


def load_generator(source, gpu=-1):
    """Rebuild a trained generator: the ``generator`` of :func:`load_run`.

    Args:
        source (str): A results folder (its newest generator is taken), a ``generator_iter_N.npz`` or a
            ``snapshot_iter_N.npz``.
        gpu (int): Number of the GPU to put it on; -1 for the CPU, None for a GPU if there is one.

    Returns:
        Generator: It has ``config`` (Config) and ``iteration`` (int) as further attributes.

    Raises:
        InputError: There is no such file, or it is damaged or of another kind.
    """
    return load_run(source, get_device(gpu), with_discriminator=False).generator


def _rebuild(build, config, path, arrays, prefix, device):
    with same_random_numbers():  # initial weights are drawn, for nothing
        network = build(config)
    load_arrays(path, arrays, prefix, network)
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
