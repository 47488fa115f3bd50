"""Snapshots: everything to resume a run, or just the generator to sample from.

Both kinds are npz files of plain arrays. Next to Chainer's own keys, each has one array ``metadata`` with a
JSON text. They are read without unpickling anything.

=====================  ======================================================================================
key of the metadata    content
=====================  ======================================================================================
``format``             the constant below
``kind``               "snapshot", to resume, or "generator" (older files have none)
``version``            of this package
``iteration``          iterations trained
``config``             all settings
``data``               facts of the training data, see :class:`~tgan_chainer.datasets.VideoDataset`
``label_names``        names of the labels, or null
``row``, ``changes``   for whoever reads the file without this package: the configuration in the paper that
                       the settings come nearest to, and where they differ from it, a list of ``{"setting":
                       ..., "here": ..., "row": ...}`` (older files have the one that was named, or neither)
``wall_time``          seconds of training
``score``              of the best generator: its name, its value, and what it was measured by
``precision``          "half" of a generator that was written in half precision, see
                       :mod:`tgan_chainer.pretrained`; others have none
``random_states``      of a snapshot: states of the random number generators
=====================  ======================================================================================
"""

import dataclasses
import json
import os
import pickle
import random
import re

import numpy as np

from tgan_chainer import pretrained
from tgan_chainer.config import Config
from tgan_chainer.datasets import same_data
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.files import atomic_path
from tgan_chainer.reading import printable, read_npz, reading, short
from tgan_chainer.version import __version__

from chainer.backends import cuda
from chainer.serializers import DictionarySerializer, NpzDeserializer

BEST = "generator_best.npz"  # beside those of each interval, the one with the best score
RESUMABLE = "snapshot"
GENERATOR = "generator"
_FORMAT = "tgan_chainer snapshot 1"
KIND = "a results folder or a snapshot"
# Where Chainer's updater puts the networks.
GENERATOR_PATH, DISCRIMINATOR_PATH = "updater/model:gen/", "updater/model:dis/"
AVERAGE_PATH = "updater/model:gen_ema/"  # of the generator, where there is one


def snapshot_path(out, kind, iteration):
    """Return the path of a snapshot; ``kind`` is ``RESUMABLE`` or ``GENERATOR``."""
    return os.path.join(out, f"{kind}_iter_{iteration}.npz")


def find_snapshots(out, *kinds):
    """Return the paths of a run's complete snapshots, oldest first; all of them or those of some kinds.

    Of the same iteration the one to resume comes first.
    """
    found = []
    for name in os.listdir(out) if os.path.isdir(out) else []:
        match = re.fullmatch(rf"({RESUMABLE}|{GENERATOR})_iter_(\d+)\.npz", name)
        if match and match[1] in (kinds or match[1]):
            found.append((int(match[2]), match[1] == GENERATOR, os.path.join(out, name)))
    return [path for *_, path in sorted(found)]


def newest_snapshot(source, *kinds):
    """Return the path of a results folder's newest snapshot of some kinds, or of the weights of a name.

    Of a file it is its own. Raises InputError if there is none.
    """
    pretrained.check_is_there(source, KIND)
    if not os.path.exists(source):
        return pretrained.find(source)
    if not os.path.isdir(source):
        return source
    found = find_snapshots(source, *kinds)
    if not found:
        names = " and no ".join(f"{kind}_iter_N.npz" for kind in kinds)
        raise InputError(f"{source} holds no {names}; is it a results folder?")
    return found[-1]


def state_of(updater):
    """Return all that the next iterations depend on, which several processes have in common.

    Returns:
        dict: Name → numpy.ndarray.
    """
    serializer = DictionarySerializer()
    serializer.save(updater)
    name, keys, position, *_ = np.random.get_state()
    return {**serializer.target, "random numbers": np.append(keys, np.uint32(position))}


def save_snapshot(path, trainer, config, **facts):
    """Write all that the rest of a run depends on. :func:`seed_cupy` has to be called before.

    Args:
        path (str): The npz file; it appears, complete, only at the end.
        trainer (~chainer.training.Trainer): The run.
        config (Config): Its configuration.
        **facts: ``data``, ``label_names``, ``row`` and ``changes`` of the metadata.

    Raises:
        NonFiniteError: A parameter is NaN or infinite; nothing is written then.
    """
    updater = trainer.updater
    random_states = {"python": random.getstate(), "numpy": _numpy_state()}
    facts |= {"wall_time": trainer.elapsed_time, "random_states": random_states}
    _save(path, trainer, RESUMABLE, updater.iteration, config, facts)


def save_generator(path, generator, iteration, config, **facts):
    """Write a generator to sample from; ``facts`` may have ``wall_time`` and ``score``; else see above."""
    _save(path, generator, GENERATOR, iteration, config, facts)


def load_snapshot(path, trainer, config):
    """Bring a trainer to the state that was saved, random numbers included.

    Args:
        path (str): A snapshot to resume.
        trainer (~chainer.training.Trainer): Built from ``config``.
        config (Config): Configuration of the run that goes on.

    Returns:
        dict: The metadata.

    Raises:
        InputError: The file is missing, truncated, not a resumable snapshot, or of another run than
            ``config`` and the data set describe.
    """
    metadata, arrays = read_snapshot(path, RESUMABLE)
    config.check_can_resume(metadata["config"], path)
    updater = trainer.updater
    if not same_data(metadata["data"], updater.get_iterator("main").dataset.describe()):
        source = printable(metadata["data"]["source"])
        raise InputError(f"{path} was trained on other data than {config.data}: {source}")
    load_arrays(path, arrays, "", trainer)
    with reading(path, f"a snapshot of {config.model}"):
        for optimizer in updater.get_all_optimizers().values():
            for name, parameter in optimizer.target.namedparams():
                for key, array in (parameter.update_rule.state or {}).items():
                    _check_array(f"{key} of {name}", array, parameter)
        if updater.iteration != metadata["iteration"]:
            raise ValueError(f"it says both iteration {updater.iteration} and {metadata['iteration']}")
        version, internal, gauss_next = metadata["random_states"]["python"]
        random.setstate((version, tuple(internal), gauss_next))
        name, keys, *rest = metadata["random_states"]["numpy"]
        np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    seed_cupy(updater.device, config.seed, updater.iteration)
    return metadata


def read_snapshot(path, kind=None):
    """Read a file of either kind, or of one.

    Returns:
        tuple: The metadata as a dict, whose ``"config"`` is a :class:`Config`, and the arrays as a dict.

    Raises:
        InputError: The file is missing, truncated, not ours, or not of this kind.
    """
    arrays = read_npz(path, KIND)
    with reading(path, KIND):
        if "metadata" not in arrays:
            raise InputError(f"{path} is not a snapshot of tgan_chainer: it has no metadata")
        metadata = json.loads(str(arrays.pop("metadata")))
        if metadata["format"] != _FORMAT:
            raise InputError(f"{path} has the format {short(metadata['format'])}; expected {_FORMAT!r}")
        metadata.setdefault("kind", RESUMABLE if "random_states" in metadata else GENERATOR)
        if metadata["kind"] == GENERATOR and metadata.get("precision") == "half":
            half = {key: array.astype(np.float32) for key, array in arrays.items() if array.dtype == "e"}
            arrays.update(half)
        _check_metadata(metadata)
        if metadata["wall_time"] is None and metadata["kind"] == RESUMABLE:  # of an older version
            metadata["wall_time"] = float(arrays["_snapshot_elapsed_time"])
        metadata["config"] = Config.from_dict(metadata["config"], path)
    if kind not in (None, metadata["kind"]):
        raise InputError(f"{path} holds a generator alone; take a {RESUMABLE}_iter_N.npz")
    return metadata, arrays


def load_arrays(path, arrays, prefix, target):
    """Fill a network or a trainer with arrays of exactly its shapes and types, all of them finite.

    Args:
        path (str): Where they come from, for messages.
        arrays (dict): As :func:`read_snapshot` returns them.
        prefix (str): What their names begin with.
        target: A ~chainer.Link or ~chainer.training.Trainer.

    Raises:
        InputError: An array is missing or does not fit.
    """
    with reading(path, f"a snapshot of such a {type(target).__name__}"):
        _ExactDeserializer(arrays, prefix).load(target)


class _ExactDeserializer(NpzDeserializer):
    # Chainer's would broadcast one number over a whole weight, and cast.

    def __getitem__(self, key):
        return _ExactDeserializer(self.npz, self.path + key.strip("/") + "/")

    def __call__(self, key, value):
        name = self.path + key.lstrip("/")
        array = self.npz[name]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity")
        if hasattr(value, "dtype"):
            _check_array(name, array, value)
        elif value is not None and array.shape:
            raise ValueError(f"{name} is an array, not one value")
        return super().__call__(key, value)


def _check_array(name, array, wanted):
    if (array.dtype, array.shape) != (wanted.dtype, wanted.shape):
        found, wanted = (f"{one.dtype} {one.shape}" for one in (array, wanted))
        raise ValueError(f"{name} is {found}, not {wanted}")


def _check_metadata(metadata):
    """Raise ValueError or KeyError unless the metadata of a snapshot have what its readers take from them."""
    none = type(None)
    types = {
        "kind": str,
        "iteration": int,
        "config": dict,
        "data": (dict, none),
        "label_names": (list, none),
        "wall_time": (int, float, none),
    }
    metadata.setdefault("wall_time", None)  # older files lack it
    if metadata["kind"] == RESUMABLE:
        types |= {"random_states": dict, "data": dict}
    for key, kind in types.items():
        if not isinstance(metadata[key], kind) or isinstance(metadata[key], bool):
            raise ValueError(f"its {key} is {short(metadata[key])}")
    if metadata["kind"] not in (RESUMABLE, GENERATOR) or metadata["iteration"] < 0:
        raise ValueError(f"it is a {short(metadata['kind'])} of iteration {short(metadata['iteration'])}")
    if not all(isinstance(name, str) for name in metadata["label_names"] or []):
        raise ValueError("its label_names are not all text")
    if metadata["data"] is not None and not isinstance(metadata["data"]["source"], str):
        raise ValueError("its source of data is not a text")


def _save(path, target, kind, iteration, config, facts):
    metadata = {
        "format": _FORMAT,
        "kind": kind,
        "version": __version__,
        "iteration": iteration,
        "config": dataclasses.asdict(config),
        "data": None,
        "label_names": None,
        **facts,
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


def _numpy_state():
    name, keys, *rest = np.random.get_state()
    return [name, keys.tolist(), *rest]


def seed_cupy(device, seed, iteration):
    """Start CuPy's random numbers anew, on a GPU, at every snapshot.

    CuPy has no way to read the state of its generator. So the run that goes on and the one that resumes draw
    the same numbers.
    """
    if device.xp is cuda.cupy:
        cuda.cupy.random.seed((seed * 1_000_003 + iteration) % 2**32)


def seed_everything(device, seed):
    """Seed the random numbers of Python, NumPy and, on a GPU, CuPy; ``seed`` is in 0 ... 2³² - 1."""
    random.seed(seed)
    np.random.seed(seed)
    seed_cupy(device, seed, 0)
