"""The layout of a video file, how it is opened, and the facts that it states.

=================  ============  =======  =====================================================
HDF5 data set      shape         dtype    content
=================  ============  =======  =====================================================
``/frames``        (F, H, W, C)  uint8    frames of all clips, one after another; C is 1 or 3
``/offsets``       (N + 1,)      int64    clip i is ``frames[offsets[i]:offsets[i + 1]]``
``/labels``        (N,)          int64    class of each clip (optional)
``/label_names``   (K,)          str      names of the classes (optional)
``/names``         (N,)          str      names of the clips (optional)
=================  ============  =======  =====================================================

Further data sets may stand beside them. The root carries the attributes ``format`` (the constant below),
``source`` (where the videos came from, a sentence), ``fingerprint`` (SHA-256 of all clips and labels), those
of ``FACTS`` that are known, and whatever else describes the file.

Frames, offsets and labels carry HDF5's checksums, and so does HDF5's own index (file format 1.10), so that a
changed bit is an error. Files of older versions have none of this, and are read as well.
"""

import functools
import itertools
import os
import subprocess
import sys

import h5py
import numpy as np

from tgan_chainer.errors import InputError
from tgan_chainer.reading import HDF5_MAGIC, reading, without_odd_bytes
from tgan_chainer.texts import count

FORMAT = "tgan_chainer videos 1"

# Attributes that say how the clips were made, and their types; (int,) is a list of whole numbers.
FACTS = {
    "dataset": str,  # "moving_mnist", "ucf101", "golf" or "video_folder"
    "split": str,  # of UCF-101: "all", "train1", "test1", ...
    "resized": (int,),  # width and height that frames were resized to, before the crop
    "crop": int,  # side of the central square that was kept
    "filter": str,  # how frames were resized: "bicubic" (with antialiasing) or "nearest"
    "resampled_to": float,  # frames a second, where clips were resampled
    "gray": bool,
    "official": bool,  # of Moving MNIST: the published clips
    "digits": int,  # of Moving MNIST: in a clip
    "at_wall": str,  # of Moving MNIST: whether digits are "reflected" or "clamped" there
    "fingerprint": str,
}

# What gzip can make of zeros: 1032 bytes of one.
MOST_COMPRESSED = 1032

KIND = "a data set as moving_mnist, ucf101, golf and video_folder make it"


# A changed bit in the heap of texts that older files have makes HDF5 search for ever, out of reach of
# Python's signals. So another process reads all texts first, in so many seconds of a processor.
TEXT_SECONDS = 10
READ_TEXTS = """
import resource, sys
import h5py

resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2])))
with h5py.File(sys.argv[1], "r", locking="best-effort") as file:
    dict(file.attrs)
    for name in file:
        if isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(file[name], h5py.Dataset):
            if h5py.check_string_dtype(file[name].dtype):
                file[name][:]
"""


def open_video_file(path):
    """Open a video file to read from it.

    Returns:
        h5py.File

    Raises:
        InputError: There is no such file, it is not an HDF5 file, damaged, or open for writing elsewhere.
        OSError: It cannot be opened (no permission, a folder, ...).
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; moving_mnist, ucf101, golf and video_folder make data sets")
    with open(path, "rb") as file:  # by itself HDF5 would not say why it cannot
        start = file.read(len(HDF5_MAGIC) + 1)
        status = os.fstat(file.fileno())
    if start[:-1] != HDF5_MAGIC:
        raise InputError(f"{path}: not an HDF5 file, or cut short; expected {KIND}")
    if start[-1] < 2:  # before file format 1.10
        _check_texts(path, status.st_size, status.st_mtime_ns)
    with reading(path, KIND):
        try:
            # HDF5 then goes without a lock on a file system that has none.
            return h5py.File(path, "r", locking="best-effort")
        except BlockingIOError as error:
            raise InputError(f"{path}: another program is writing to it; wait until that is done") from error


@functools.cache
def _check_texts(path, size, time):
    """Raise InputError if HDF5 cannot come to an end with the texts of a file of this size and time."""
    command = [sys.executable, "-c", READ_TEXTS, path, str(TEXT_SECONDS)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode < 0:  # of an error this process will say more
        raise InputError(f"{path} is damaged: HDF5 cannot read its texts; take another copy")


def read_layout(file, path):
    """Check the layout of an open file.

    Args:
        file (h5py.File): As :func:`open_video_file` returns it.
        path (str): Its name, for messages.

    Returns:
        tuple: The offsets, int64 (N + 1,); the labels, int64 (N,), or None; and the names of the classes,
        list of str, or None.

    Raises:
        InputError: It is laid out differently, or damaged.
    """

    def require(condition, found, expected):
        if not condition:
            raise InputError(f"{path}: {found}; expected {expected}; make the file again")

    def array(name, kind, ndim):
        link, data = file.get(name, getlink=True), None
        if isinstance(link, h5py.HardLink):  # others may lead to another file
            data = file[name]
        require(isinstance(data, h5py.Dataset), f"there is no /{name}", "a video file")
        inside = not data.is_virtual and data.external is None
        require(inside, f"/{name} lies in other files", "a file that holds all its data")
        is_text = h5py.check_string_dtype(data.dtype) is not None
        require(
            (is_text if kind is str else np.issubdtype(data.dtype, kind)) and data.ndim == ndim,
            f"/{name} is {data.dtype} {data.shape}",
            f"{kind.__name__}, {ndim}-dimensional",
        )
        stored = data.id.get_storage_size()
        require(
            data.nbytes <= MOST_COMPRESSED * stored and stored <= os.path.getsize(file.filename),
            f"/{name} is {data.shape} by its header, but of {stored} bytes",
            "as much data as the header says",
        )
        return data

    with reading(path, KIND):
        found = _decoded(file.attrs.get("format"))
        require(isinstance(found, str) and found == FORMAT, f"its format is {found!r}", f"{FORMAT!r}")
        frames = array("frames", np.uint8, 4)
        require(frames.shape[3] in (1, 3), f"/frames has {count(frames.shape[3], 'channel')}", "1 or 3")
        _check_chunks(frames, require)
        offsets = array("offsets", np.integer, 1)[:].astype(np.int64)
        spans_all = len(offsets) > 1 and offsets[0] == 0 and offsets[-1] == len(frames)
        require(
            spans_all and (np.diff(offsets) > 0).all(),
            f"/offsets are {_shorten(offsets)}",
            f"increasing numbers from 0 to {len(frames)}, the number of frames",
        )
        labels = label_names = None
        if "label_names" in file:
            label_names = array("label_names", str, 1).asstr(errors="replace")[:].tolist()
        if "labels" in file:
            labels = array("labels", np.integer, 1)[:].astype(np.int64)
            n_clips = len(offsets) - 1
            require(len(labels) == n_clips, f"there are {len(labels)} /labels", f"{n_clips}, one a clip")
            n_classes = np.inf if label_names is None else len(label_names)
            require(
                (labels >= 0).all() and (labels < n_classes).all(),
                f"/labels go from {labels.min()} to {labels.max()}",
                f"at least 0 and less than {n_classes}, the number of /label_names",
            )
    return offsets, labels, label_names


def read_facts(file, path):
    """Return what an open file says about itself.

    Args:
        file, path: As for :func:`read_layout`.

    Returns:
        dict: Of JSON's own types: the keys of ``FACTS``, but ``frame_rate`` for ``resampled_to``; None where
        the file does not say it, as those of older versions; and ``source`` (str, "unknown" without one).

    Raises:
        InputError: An attribute is of another type, or unreadable.
    """

    def attribute(name, kind):
        if name not in file.attrs:
            return None
        value = _decoded(file.attrs[name])
        value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        items, kinds = (value, kind) if isinstance(kind, tuple) else ([value], (kind,))
        if not isinstance(items, list) or not all(type(item) in kinds for item in items):
            raise InputError(
                f"{path}: the attribute {name} is {value!r}; expected {kinds[0].__name__}; make it again"
            )
        return value

    with reading(path, KIND):
        facts = {name: attribute(name, kind) for name, kind in FACTS.items()}
        facts["frame_rate"] = facts.pop("resampled_to")
        return {**facts, "source": attribute("source", str) or "unknown"}


def same_data(a, b):
    """Whether two data sets are the same one, by what they or snapshots say about them.

    Args:
        a, b (dict or None): What :meth:`VideoDataset.describe` returns, now or in an older version, or None.

    Returns:
        bool: By the fingerprints where both have one, else by the source and, where both have it, the number
        of windows. False if one is None.
    """
    if a is None or b is None:
        return False
    if a.get("fingerprint") and b.get("fingerprint"):
        return a["fingerprint"] == b["fingerprint"]
    keys = [key for key in ("source", "n_windows") if key in a and key in b]
    return bool(keys) and all(a[key] == b[key] for key in keys)


def _decoded(value):
    """Return a text for what h5py hands out for one: bytes, or a str with halves of characters."""
    if not isinstance(value, str | bytes):
        return value
    return without_odd_bytes(value) if isinstance(value, str) else value.decode(errors="replace")


def check_stored(frames, start, stop):
    """Raise an error of h5py's if frames are not stored at all, which would be read as black ones.

    In files of older versions one flipped bit of the index makes HDF5 miss a chunk that it lists.
    """
    if frames.chunks is None:
        return
    ranges = [range(0, size, chunk) for size, chunk in zip(frames.shape[1:], frames.chunks[1:])]
    first = start - start % frames.chunks[0]
    for place in itertools.product(range(first, stop, frames.chunks[0]), *ranges):
        frames.id.read_direct_chunk(place)


def _check_chunks(frames, require):
    # A chunk that is not there would be read as black frames, one at the place of another as the frames of
    # that, and one said not to be compressed as noise. New files have checksums of the index, too; this is
    # for those of older versions.
    if frames.chunks is None:
        return
    places = []
    frames.id.chunk_iter(lambda chunk: places.append((chunk.byte_offset, chunk.size, chunk.filter_mask)))
    starts, sizes, left_out = np.array(sorted(places), np.int64).reshape(-1, 3).T
    expected = int(np.prod([-(-n // chunk) for n, chunk in zip(frames.shape, frames.chunks)]))
    whole = len(places) == expected and (starts[1:] >= starts[:-1] + sizes[:-1]).all() and not left_out.any()
    require(whole, "its index of /frames is damaged", "each chunk of frames once")


def _shorten(numbers):
    return np.array2string(np.asarray(numbers), threshold=6, edgeitems=2)
