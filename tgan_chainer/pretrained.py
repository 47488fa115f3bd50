"""Trained generators that come with the package, or are fetched once, known by their names.

``weights/catalogue.json`` is a table of them: for each name the ``file``, its ``size`` and ``sha256``, the
``url`` to fetch it from where it is not in the package, a ``summary``, the ``licence``, the ``command`` that
trained it, and what the ``yardstick`` says of it. Each file is a snapshot of a generator in half precision
and so holds its configuration, its iteration and the facts of its data as well.
"""

import json
import os

import numpy as np

from tgan_chainer.checks import suggestion
from tgan_chainer.download import cache_folder, download, sha256_of
from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path, load_json
from tgan_chainer.reading import read_npz

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights")
CATALOGUE = os.path.join(FOLDER, "catalogue.json")


def catalogue():
    """Return the table, a dict: name → dict with the keys above."""
    return load_json(CATALOGUE)


def listing():
    """Return the table as text, a line for each name."""
    return "\n".join(f"{name:18}{entry['summary']}" for name, entry in catalogue().items())


def find(name):
    """Return the path of the file behind a name, or None if there is no such name.

    A file that is not in the package is fetched, once, to the cache, and checked.

    Raises:
        InputError: It cannot be fetched, or is not what it should be.
    """
    entry = catalogue().get(name)
    if entry is None:
        return None
    path = os.path.join(FOLDER, entry["file"])
    if entry.get("url") and not os.path.exists(path):
        path = os.path.join(cache_folder(), entry["file"])
        download(entry["url"], path, size=entry["size"], sha256=entry["sha256"])
    return path


def check_is_there(source, expected):
    """Raise InputError unless a source is there, as a file, a folder or a name in the table.

    Args:
        source (str): What a command was given.
        expected (str): What it can be besides such a name, for the message.
    """
    names = list(catalogue())
    if not os.path.exists(source) and source not in names:
        hint = suggestion(os.path.basename(source), names) or f"or one of {', '.join(names)}"
        raise InputError(f"there is no {source}; expected {expected}, {hint}")


def save_half(snapshot, path):
    """Write a copy of a ``generator_iter_N.npz`` in half precision, a third as large.

    Statistics of batch normalization keep their precision; they may be too small for half of it.

    Args:
        snapshot (str): What to copy.
        path (str): The file to create or replace.

    Returns:
        dict: ``file``, ``size`` and ``sha256``, for the table.

    Raises:
        InputError: It is no generator alone, or a number is too large for half precision.
    """
    arrays = read_npz(snapshot, "a generator")
    metadata = json.loads(str(arrays.pop("metadata")))
    if metadata["kind"] != "generator":
        raise InputError(f"{snapshot} is no generator_iter_N.npz")
    metadata["config"]["data"] = os.path.join("data", os.path.basename(metadata["config"]["data"]))
    half = {
        key: array if array.dtype != np.float32 or "avg_" in key else array.astype(np.float16)
        for key, array in arrays.items()
    }
    for key, array in half.items():
        if array.dtype == np.float16 and not np.isfinite(array).all():
            raise InputError(f"{snapshot}: {key} has numbers too large for half precision")
    metadata = np.array(json.dumps({**metadata, "precision": "half"}))
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **half, metadata=metadata)
    return {"file": os.path.basename(path), "size": os.path.getsize(path), "sha256": sha256_of(path)}
