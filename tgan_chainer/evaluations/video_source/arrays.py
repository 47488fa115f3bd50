"""Videos in arrays, and arrays as videos."""

import functools

import numpy as np

from tgan_chainer.datasets.images import resize_frames
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.video_source import source
from tgan_chainer.reading import read_npy, read_npz

RANGES = "signed", "unit"

MAX_RATIO = 100  # of the size of videos to that of a compressed file, which may also be made to do harm


class ArraySource(source.VideoSource):
    """The videos in one array."""

    def __init__(self, path, n_frames, window, size, value_range):
        self._array, self._path = load_array(path), path
        if self._array.ndim != 5 or not len(self._array):
            raise InputError(
                f"{path}: an array {self._array.shape}; expected videos (N, C, T, H, W) or (N, T, H, W, C)"
            )
        self.n, self._size, self._range = len(self._array), size, value_range
        self._n_frames, self._window = n_frames, window
        with source.naming(path):
            if value_range is None:
                check_black(self._array[: min(self.n, 100)])
            first = channels_first(self._array[0])
            source.check_length(first.shape[1], n_frames)
        self.description = {
            "kind": "array",
            "path": path,
            "videos": self.n,
            "shape": list(self._array.shape),
            "values": range_text(self._array, value_range),
            "size": first.shape[-1] if size is None else size,
        }
        if size not in (None, first.shape[-1]):
            self.description["resized_from"] = f"{first.shape[-1]} ({source.RESIZING})"

    def items(self, n, seed=0, repeat=0):
        def name(i):
            return f"{self._path}, video {i}"

        def read(i):
            rng = np.random.RandomState([seed, i])
            with source.naming(name(i)):
                return window_of(self._array[i], self._n_frames, self._window, rng, self._range, self._size)

        array = source.identity([self._path])
        how = f"{array}, {self._n_frames} {self._window} frames, {self._size}, {self._range}"
        keys = {i: f"{how}, video {i}, seed {seed}" for i in self._choose(n, seed, repeat).tolist()}
        return [source.Item(name(i), key, functools.partial(read, i)) for i, key in keys.items()]


def load_array(path):
    """Return the array in an .npy file, without reading it, or the one in an .npz file.

    Raises:
        InputError: There is none, or not one alone, it is damaged, or of another type than uint8 and floats.
        OSError: It cannot be opened.
    """
    if path.lower().endswith(".npy"):
        array = read_npy(path, "an array")
    else:
        arrays = read_npz(path, "an array", MAX_RATIO)
        if len(arrays) != 1:
            raise InputError(f"{path} holds {len(arrays)} arrays; expected one, of videos")
        (array,) = arrays.values()
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise InputError(f"{path}: an array of {array.dtype}; expected uint8, or float in [-1, 1]")
    return array


def check_black(array):
    """Raise InputError if floats seem to lie in [0, 1] instead of [-1, 1]."""
    if array.dtype != np.uint8 and array.size and array.min() >= 0 and array.max() <= 1:
        raise InputError(
            "no value is below zero; expected floats in [-1, 1], black being -1, or uint8 (--range "
            "unit: these are in [0, 1]; --range signed: they are right)"
        )


def channels_first(array):
    """Return one video, channels first or last, as (C, T, H, W), without copying it."""
    if not array.size:
        raise InputError(f"{array.shape}; a video has frames, and they have pixels")
    if array.shape[0] not in (1, 3):
        if array.shape[-1] not in (1, 3):
            raise InputError(f"{array.shape}; expected one or three channels, first or last")
        array = np.moveaxis(array, -1, 0)
    _, _, h, w = array.shape
    if h != w:
        raise InputError(f"frames of {w}×{h} pixels; they must be square")
    return array


def _check_values(array, value_range):
    """Raise InputError if floats are not finite numbers of the range."""
    if array.dtype == np.uint8:
        return
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise InputError("NaN or infinite values, which cannot be scored")
    lowest = 0 if value_range == "unit" else -1
    if low < lowest - 0.001 or high > 1.001:
        raise InputError(f"values in [{low:g}, {high:g}]; expected floats in [{lowest}, 1], or uint8")


def window_of(array, n_frames, window, rng, value_range=None, size=None):
    """Return a window of one video, uint8 or float, as float32 (C, n_frames, H, W) in [-1, 1]."""
    array = channels_first(array)
    _check_values(array, value_range)
    array = source.cut(array, n_frames, window, rng)  # before anything is copied: a video may be long
    video = array.astype(np.float32, order="C")
    if array.dtype == np.uint8:
        video -= 128
        video /= 128
    elif value_range == "unit":
        video = 2 * video - 1
    return _resize(video, size)


def _resize(video, size):
    """Resize the square frames of a video, by Pillow's bicubic filter, as images are."""
    if size is None or video.shape[-1] == size:
        return video
    flat = video.reshape(-1, *video.shape[-2:])
    return resize_frames(flat, size).reshape(*video.shape[:2], size, size).clip(-1, 1)


def range_text(array, value_range):
    return str(array.dtype) if array.dtype == np.uint8 else f"{array.dtype}, {value_range or 'signed'}"
