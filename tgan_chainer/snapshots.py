"""Snapshots: everything to resume a run, or just the generator to sample from.

Both kinds are npz files of plain arrays. Next to Chainer's own keys, each has one array ``metadata`` with a
JSON text: the format's name, the iteration, the configuration and, in a snapshot to resume, the states of
the random number generators. They are read without unpickling anything.
"""

import dataclasses
import json
import os
import pickle
import random
import re
import zipfile
import zlib

import numpy as np

from tgan_chainer.config import Config
from tgan_chainer.devices import get_device
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.files import atomic_path
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.version import __version__

from chainer.backends import cuda
from chainer.serializers import DictionarySerializer, NpzDeserializer

RESUMABLE = "snapshot"
GENERATOR = "generator"
_FORMAT = "tgan_chainer snapshot 1"
# Where Chainer's updater puts the networks.
_GENERATOR_PATH, _DISCRIMINATOR_PATH = "updater/model:gen/", "updater/model:dis/"


def snapshot_path(out, kind, iteration):
    """Return the path of a snapshot; ``kind`` is ``RESUMABLE`` or ``GENERATOR``."""
    return os.path.join(out, f"{kind}_iter_{iteration}.npz")


def find_snapshots(out, kind=f"{RESUMABLE}|{GENERATOR}"):
    """Return the paths of a run's complete snapshots, oldest first; all of them or those of one kind."""
    found = []
    for name in os.listdir(out) if os.path.isdir(out) else []:
        match = re.fullmatch(rf"(?:{kind})_iter_(\d+)\.npz", name)
        if match:
            found.append((int(match[1]), os.path.join(out, name)))
    return [path for _, path in sorted(found)]


def save_snapshot(path, trainer, config):
    """Write all that the rest of a run depends on.

    Args:
        path (str): Of the npz file; it appears, complete, only at the end.
        trainer (~chainer.training.Trainer): The run.
        config (Config): Its configuration.

    Raises:
        NonFiniteError: A parameter is NaN or infinite; nothing is written then.
    """
    updater = trainer.updater
    _seed_cupy(updater.device, config.seed, updater.iteration)
    random_states = {"python": random.getstate(), "numpy": _numpy_state()}
    data = updater.get_iterator("main").dataset.describe()
    more = {"label_names": updater.generator.label_names, "data": data, "random_states": random_states}
    _save(path, trainer, updater.iteration, config, **more)


def load_snapshot(path, trainer, config):
    """Bring a trainer to the state that was saved, random numbers included.

    Args:
        path (str): Of a snapshot.
        trainer (~chainer.training.Trainer): Built from ``config``.
        config (Config): Of the run that goes on.

    Raises:
        InputError: The file is missing, truncated, not a resumable snapshot, or of another run than
            ``config`` and the data set describe.
    """
    metadata, arrays = read_snapshot(path)
    if "random_states" not in metadata:
        raise InputError(f"{path} holds a generator alone; resume from a {RESUMABLE}_iter_N.npz")
    for key, saved in vars(metadata["config"]).items():
        if key not in Config.RESUMABLE and saved != getattr(config, key):
            raise InputError(f"{key} cannot change when a run is resumed: it is {saved!r} in {path}")
    if metadata["data"] != trainer.updater.get_iterator("main").dataset.describe():
        raise InputError(f"{path} was trained on other data than {config.data}: {metadata['data']['source']}")
    _load(path, arrays, "", trainer)
    version, internal, gauss_next = metadata["random_states"]["python"]
    random.setstate((version, tuple(internal), gauss_next))
    name, keys, *rest = metadata["random_states"]["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    _seed_cupy(trainer.updater.device, config.seed, trainer.updater.iteration)


def save_generator(path, generator, iteration, config):
    """Write a generator to sample from; arguments as for :func:`save_snapshot`."""
    more = {"label_names": generator.label_names, "data": generator.trained_on}
    _save(path, generator, iteration, config, **more)


def load_generator(source, gpu=-1):
    """Rebuild a trained generator.

    Args:
        source (str): A results folder (its newest generator is taken), a ``generator_iter_N.npz`` or a
            ``snapshot_iter_N.npz``.
        gpu (int): Number of the GPU to put it on; -1 for the CPU, None for a GPU if there is one.

    Returns:
        Generator: With the attributes ``config`` (Config) and ``iteration`` (int) added.

    Raises:
        InputError: There is no such file, or it is damaged or of another kind.
    """
    device = get_device(gpu)
    path = _newest(source, GENERATOR)
    metadata, arrays = read_snapshot(path)
    return _rebuild_generator(path, metadata, arrays, device)


def load_gan(source, gpu=-1):
    """Rebuild a trained generator and its discriminator, of the same iteration.

    Args:
        source (str): A results folder (its newest snapshot is taken) or a ``snapshot_iter_N.npz``.
        gpu (int): As for :func:`load_generator`.

    Returns:
        tuple: The generator, as :func:`load_generator` returns it, and the discriminator.

    Raises:
        InputError: There is no such file, or it is damaged or of another kind.
    """
    device = get_device(gpu)
    path = _newest(source, RESUMABLE)
    metadata, arrays = read_snapshot(path)
    if "random_states" not in metadata:
        raise InputError(f"{path} holds a generator alone; take a {RESUMABLE}_iter_N.npz")
    discriminator = build_discriminator(metadata["config"])
    _load(path, arrays, _DISCRIMINATOR_PATH, discriminator)
    discriminator.to_device(device)
    return _rebuild_generator(path, metadata, arrays, device), discriminator


def _newest(source, kind):
    """Return the path of a results folder's newest snapshot; of anything else, its own."""
    if not os.path.isdir(source):
        return source
    found = find_snapshots(source, kind)
    if not found:
        raise InputError(f"{source} holds no {kind}_iter_N.npz; is it a results folder?")
    return found[-1]


def _rebuild_generator(path, metadata, arrays, device):
    generator = build_generator(metadata["config"])
    _load(path, arrays, _GENERATOR_PATH if "random_states" in metadata else "", generator)
    generator.to_device(device)
    generator.config, generator.iteration = metadata["config"], metadata["iteration"]
    generator.label_names = metadata.get("label_names")
    generator.trained_on = metadata.get("data")
    return generator


def read_snapshot(path):
    """Read a file of either kind.

    Returns:
        tuple: The metadata as a dict, whose ``"config"`` is a :class:`Config`, and the arrays as a dict.

    Raises:
        InputError: The file is missing, truncated, or not ours.
    """
    arrays = read_npz(path, "a results folder or a snapshot")
    try:
        metadata = json.loads(str(arrays.pop("metadata")))
        if metadata["format"] != _FORMAT:
            raise InputError(f"{path} has the format {metadata['format']!r}; this version reads {_FORMAT!r}")
        metadata["config"] = Config.from_dict(metadata["config"], path)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a snapshot of tgan_chainer: it has no metadata") from error
    return metadata, arrays


def read_npz(path, kind):
    """Read all arrays of an npz file into a dict, without unpickling anything.

    Args:
        path (str): The file.
        kind (str): What it should be, for messages, such as "a snapshot".

    Raises:
        InputError: The file is missing, truncated, or no npz file.
    """
    try:
        # Reading everything at once checks every checksum before anything is changed.
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError as error:
        raise InputError(f"there is no {path}; expected {kind}") from error
    # A text file, an image, an .npy and a cut or damaged zip file each end in another one of these.
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is truncated, damaged or not {kind} ({type(error).__name__}); take another one"
        ) from error


def _save(path, target, iteration, config, **more):
    metadata = {
        "format": _FORMAT,
        "version": __version__,
        "iteration": iteration,
        "config": dataclasses.asdict(config),
        **more,
    }
    serializer = DictionarySerializer()
    serializer.save(target)
    arrays = {**serializer.target, "metadata": np.array(json.dumps(metadata))}
    for key, array in arrays.items():
        # NaN would make the newest snapshot a useless one; an object could only be read by unpickling it.
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NonFiniteError(f"{key} holds NaN or infinity after iteration {iteration}")
        if array.dtype.hasobject:
            raise pickle.PicklingError(f"{key} is not a plain array")
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def _load(path, arrays, prefix, target):
    try:
        NpzDeserializer(arrays, prefix).load(target)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} does not fit this run ({type(error).__name__}: {error})") from error


def _numpy_state():
    name, keys, *rest = np.random.get_state()
    return [name, keys.tolist(), *rest]


def _seed_cupy(device, seed, iteration):
    # CuPy has no way to read the state of its generator. Starting it anew at every snapshot, both in the
    # run that goes on and in the one that resumes, makes the two the same.
    if device.xp is cuda.cupy:
        cuda.cupy.random.seed((seed * 1_000_003 + iteration) % 2**32)


def seed_everything(device, seed):
    """Seed the random numbers of Python, NumPy and, on a GPU, CuPy; ``seed`` is in 0 ... 2³² - 1."""
    random.seed(seed)
    np.random.seed(seed)
    _seed_cupy(device, seed, 0)
