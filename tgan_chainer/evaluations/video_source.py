"""Whatever holds videos to be scored: runs of ours, and anyone's folders, arrays and data sets."""

import contextlib
import os
import re
import zipfile
import zlib

import numpy as np
from PIL import Image

from tgan_chainer.checks import check_positive_int
from tgan_chainer.datasets import VideoDataset
from tgan_chainer.datasets.decoding import VIDEO_SUFFIXES, collecting_little, read_video, square_filters
from tgan_chainer.download import sha256_of
from tgan_chainer.errors import InputError
from tgan_chainer.parallel import in_order, thread_count
from tgan_chainer.runs import load_generator
from tgan_chainer.snapshots import GENERATOR, find_snapshots

WINDOWS = "random", "first", "middle"
RANGES = "signed", "unit"
AHEAD = 64  # videos decoded while others are scored: two batches of a GPU, 50 MB
RESIZING = "by bicubic interpolation with antialiasing"  # Pillow's for arrays and images, libav's for videos
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def open_source(path, n_frames=16, window="random", fps=None, size=64, value_range=None, gpu=-1):
    """Open what holds videos; which kind it is, its name and its content tell.

    - A results folder of train.py, or a snapshot: samples of the generator, labels of a conditional one drawn
      from their prior (Section 6.5).
    - ``.h5``, a video file of ours: windows of its clips.
    - ``.npy``, or ``.npz`` with one array: videos, uint8 or float in [-1, 1], (N, C, T, H, W) or (N, T, H,
      W, C).
    - A folder, searched through: video files that libav knows, ``.npy`` files of one video each (as above,
      without N), and folders of images, one frame each, in natural order.

    Args:
        path (str or os.PathLike): What to open.
        n_frames (int): Frames of the videos to hand out. From longer ones a window is taken.
        window (str): Which one: "random", "first" or "middle".
        fps (fractions.Fraction): Rate that video files are resampled to; None keeps their frames.
        size (int): What the shorter side of files and images is resized to before the middle square is taken,
            as the data sets are, and what arrays are resized to; None keeps all as they are. Data sets and
            what runs make stay as they are.
        value_range (str): Of floats in arrays: "signed" for [-1, 1], "unit" for [0, 1]. None takes [-1, 1] if
            there is any value below zero, and raises otherwise.
        gpu (int): Where a generator runs, as for :func:`tgan_chainer.load_generator`.

    Returns:
        VideoSource

    Raises:
        InputError: There is no such thing, or it cannot be used.
    """
    path = os.fspath(path)
    check_positive_int(n_frames=n_frames)
    if window not in WINDOWS:
        raise InputError(f"window must be one of {', '.join(WINDOWS)}, not {window!r}")
    if value_range not in (None, *RANGES):
        raise InputError(f"value_range must be one of {', '.join(RANGES)}, not {value_range!r}")
    if size is not None:
        check_positive_int(size=size)
    if not os.path.exists(path):
        raise InputError(
            f"there is no {path}; expected a run, a snapshot, a folder of videos, .npy, .npz or .h5"
        )
    suffix = os.path.splitext(path)[1].lower()
    if os.path.isdir(path) and not find_snapshots(path, GENERATOR):
        return FolderSource(path, n_frames, window, fps, size, value_range)
    if fps is not None:
        raise InputError(f"fps is for folders with video files; {path} has no frame rate to change")
    if suffix in (".npy", ".npz") and not (suffix == ".npz" and _is_snapshot(path)):
        return ArraySource(path, n_frames, window, size, value_range)
    if value_range is not None:
        raise InputError(f"value_range is for arrays and folders of them; {path} is neither")
    if os.path.isdir(path) or suffix == ".npz":
        return GeneratorSource(path, n_frames, window, gpu)
    if suffix in (".h5", ".hdf5"):
        return DatasetSource(path, n_frames, window)
    raise InputError(f"{path}: expected a run, a snapshot, a folder of videos, an .npy, .npz or .h5 file")


class VideoSource:
    """Videos to draw samples from.

    Attributes:
        n (int or None): How many there are; None if any number can be drawn.
        description (dict): What a result should say about them.
    """

    n = None

    def draw(self, n, seed=0, repeat=0):
        """Draw n videos, of different repeats different ones.

        Of a finite source the repeats share no video: they are successive parts of one random order.

        Args:
            n (int): How many.
            seed (int): Together with ``repeat`` it fixes which.
            repeat (int): 0, 1, ...

        Yields:
            numpy.ndarray: float32 (C, T, H, W) in [-1, 1].

        Raises:
            InputError: There are not so many, or one cannot be used.
        """
        raise NotImplementedError

    def _choose(self, n, seed, repeat):
        """Return the indices of a finite source's videos."""
        start = n * repeat
        if start + n > self.n:
            raise InputError(
                f"{self.description['path']} holds {self.n} videos; {start + n} were asked for "
                f"({n} samples, {repeat + 1} times)"
            )
        return np.random.RandomState(seed).permutation(self.n)[start : start + n]


def seed_of(seed, repeat):
    """Return the seed of a repeat: of the first one ``seed``; of others one that no repeat of others has."""
    return int(np.random.RandomState([seed, repeat]).randint(2**32, dtype=np.uint64)) if repeat else seed


class GeneratorSource(VideoSource):
    """Samples of a trained generator; the first repeat's are those of generate.py with the same seed."""

    def __init__(self, path, n_frames, window, gpu):
        if os.path.isdir(path):
            path = find_snapshots(path, GENERATOR)[-1]
        self.generator = load_generator(path, gpu)
        self._n_frames, self._window = n_frames, window
        with _naming(path):
            _check_length(self.generator.video_shape[1], n_frames)
        self.description = {
            "kind": "generator",
            "path": path,
            "sha256": sha256_of(path),
            "iteration": self.generator.iteration,
            "training": self.generator.config.description,
            # Generators of older versions do not know more than a path.
            "trained on": (self.generator.trained_on or {"source": self.generator.config.data})["source"],
            "frames": _size_text(self.generator.video_shape[-1]),
        }
        if self.generator.n_classes:
            self.description["labels"] = "drawn as often as in the training data"

    def draw(self, n, seed=0, repeat=0):
        seed = seed_of(seed, repeat)
        rng = np.random.RandomState([seed, 2])  # [seed, 1] draws labels
        batch_size = 16 if self.generator.xp is np else 64
        for video in self.generator.sample(n, seed, batch_size):
            yield _cut(video, self._n_frames, self._window, rng)


class DatasetSource(VideoSource):
    """Windows of the clips of a data set, or of some of them: each clip once before any comes again."""

    def __init__(self, path, n_frames, window, clips=None):
        self.dataset = VideoDataset(path, n_frames, clips=clips)
        self._window = window
        self.description = {
            "kind": "data set",
            "path": path,
            "source": self.dataset.source,
            "clips": self.dataset.n_clips,
            "frames": _size_text(self.dataset.width),
        }

    def draw(self, n, seed=0, repeat=0):
        # One order of all clips after another; a repeat goes on where the one before ended.
        n_clips, start, stop = self.dataset.n_clips, n * repeat, n * (repeat + 1)
        passes = range(start // n_clips, -(-stop // n_clips))
        orders = [np.random.RandomState([seed, i]).permutation(n_clips) for i in passes]
        clips = np.concatenate(orders)[start - passes[0] * n_clips :][:n]
        rng = np.random.RandomState(seed_of(seed, repeat))
        first, stop = self.dataset.first_window[clips], self.dataset.first_window[clips + 1]
        windows = {
            "first": lambda: first,
            "middle": lambda: (first + stop - 1) // 2,
            "random": lambda: rng.randint(first, stop),
        }[self._window]()
        yield from in_order(self.dataset.get_example, windows.tolist(), workers=1, ahead=AHEAD)


class ArraySource(VideoSource):
    """The videos in one array."""

    def __init__(self, path, n_frames, window, size, value_range):
        self._array, self._path = _load_array(path), path
        if self._array.ndim != 5 or not len(self._array):
            raise InputError(
                f"{path}: an array {self._array.shape}; expected videos (N, C, T, H, W) or (N, T, H, W, C)"
            )
        self.n, self._size, self._range = len(self._array), size, value_range
        self._n_frames, self._window = n_frames, window
        with _naming(path):
            if value_range is None:
                _check_black(self._array[: min(self.n, 100)])
            first = _channels_first(self._array[0])
            _check_length(first.shape[1], n_frames)
        self.description = {
            "kind": "array",
            "path": path,
            "videos": self.n,
            "shape": list(self._array.shape),
            "values": _range_text(self._array, value_range),
            "frames": _size_text(first.shape[-1] if size is None else size),
        }
        if size not in (None, first.shape[-1]):
            self.description["resized from"] = f"{_size_text(first.shape[-1])} ({RESIZING})"

    def draw(self, n, seed=0, repeat=0):
        def read(i):
            rng = np.random.RandomState([seed, i])
            with _naming(f"{self._path}, video {i}"):
                return _window_of(self._array[i], self._n_frames, self._window, rng, self._range, self._size)

        yield from in_order(read, self._choose(n, seed, repeat).tolist(), workers=1, ahead=AHEAD)


class FolderSource(VideoSource):
    """The videos in a folder and its folders."""

    def __init__(self, path, n_frames, window, fps, size, value_range):
        self._path, self._paths = path, find_videos(path)
        self._range = value_range
        self.n = len(self._paths)
        self._n_frames, self._window, self._fps, self._size = n_frames, window, fps, size
        self.description = {
            "kind": "folder",
            "path": path,
            "videos": self.n,
            "frames": "as they are" if size is None else f"{_size_text(size)}, the middle square, {RESIZING}",
            "frame rate": "as they are" if fps is None else f"{fps} a second",
        }
        if value_range is not None:
            self.description["values of arrays"] = value_range

    def draw(self, n, seed=0, repeat=0):
        def read(i):
            with _naming(self._paths[i]):
                video = self._read(self._paths[i], np.random.RandomState([seed, i]))
            return np.broadcast_to(video, (3, *video.shape[1:]))

        with collecting_little():
            yield from in_order(read, self._choose(n, seed, repeat).tolist(), thread_count(), AHEAD)

    def _read(self, path, rng):
        """Read a window of a video, float32 (C, T, H, W) in [-1, 1]."""
        if self._fps is not None and (os.path.isdir(path) or path.lower().endswith(".npy")):
            raise InputError("it has no frame rate that could be changed; leave out --fps")
        window = self._n_frames, self._window, rng
        if os.path.isdir(path):
            paths = _cut(np.array(find_frames(path))[None], *window)[0]
            frames = [read_image(frame, self._size) for frame in paths]
            if len({frame.shape for frame in frames}) > 1:
                raise InputError("its frames are of different sizes")
            return _window_of(np.stack(frames), *window)
        if path.lower().endswith(".npy"):
            array = _load_array(path)
            if array.ndim != 4:
                raise InputError(f"an array {array.shape}; expected one video, (C, T, H, W) or (T, H, W, C)")
            if self._range is None:
                _check_black(array)
            return _window_of(array, *window, self._range, self._size)
        filters = [] if self._size is None else square_filters(self._size)
        return _window_of(read_video(path, filters, self._fps)[0], *window)


def find_videos(folder):
    """Return the paths of the videos in a folder and its folders, sorted: files, and folders of images."""
    found, seen = [], set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if os.path.realpath(parent) in seen:  # by another link
            folders.clear()
            continue
        seen.add(os.path.realpath(parent))
        folders[:] = [name for name in folders if not name.startswith(".")]
        names = [name for name in names if not name.startswith(".")]
        images = [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]
        videos = [name for name in names if name.lower().endswith((*VIDEO_SUFFIXES, ".npy"))]
        if images and videos:
            raise InputError(
                f"{parent} holds images ({min(images)}) and videos ({min(videos)}); which of them are meant? "
                "Move one kind elsewhere"
            )
        found += [parent] if images else [os.path.join(parent, name) for name in videos]
    if not found:
        raise InputError(
            f"{folder} holds no run and no videos; expected files that end in {' '.join(VIDEO_SUFFIXES)} "
            ".npy, or folders of images"
        )
    return sorted(found)


def find_frames(folder):
    """Return the paths of a folder's images in natural order: frame_2 before frame_10."""
    names = [name for name in sorted(os.listdir(folder)) if name.lower().endswith(IMAGE_SUFFIXES)]
    names = [name for name in names if not name.startswith(".")]
    key = {
        name: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)] for name in names
    }
    return [os.path.join(folder, name) for name in sorted(names, key=key.get)]


def read_image(path, size):
    """Read an image, uint8 (H, W, 3); its middle square, resized to ``size``, unless that is None."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):  # Pillow would cut them off at 255
                raise InputError(f"{os.path.basename(path)} has more than 8 bits a channel; convert it to 8")
            image = image.convert("RGB")
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError) as error:  # PIL's for files that are none, or damaged
        raise InputError(f"{os.path.basename(path)} is no image that can be read ({error})") from error
    if size is not None and image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = left, top, left + side, top + side
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image)


def _is_snapshot(path):
    try:
        with zipfile.ZipFile(path) as file:
            return "metadata.npy" in file.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} is truncated, damaged or no npz file ({error})") from error


def _load_array(path):
    try:
        array = np.load(path, mmap_mode="r" if path.lower().endswith(".npy") else None, allow_pickle=False)
        if isinstance(array, np.lib.npyio.NpzFile):
            with array as file:
                if len(file.files) != 1:
                    raise InputError(f"{path} holds {len(file.files)} arrays; expected one, of videos")
                array = file[file.files[0]]
    except InputError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is truncated, damaged or no array ({error})") from error
    if not isinstance(array, np.ndarray):  # what NumPy makes of another file in a zip archive
        raise InputError(f"{path} holds no array; expected one, of videos")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise InputError(f"{path}: an array of {array.dtype}; expected uint8, or float in [-1, 1]")
    return array


def _check_black(array):
    """Raise InputError if floats seem to lie in [0, 1] instead of [-1, 1]."""
    if array.dtype != np.uint8 and array.size and array.min() >= 0 and array.max() <= 1:
        raise InputError(
            "no value is below zero; expected floats in [-1, 1], black being -1, or uint8 (--range "
            "unit: these are in [0, 1]; --range signed: they are right)"
        )


def _channels_first(array):
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


def _window_of(array, n_frames, window, rng, value_range=None, size=None):
    """Return a window of one video, uint8 or float, as float32 (C, n_frames, H, W) in [-1, 1]."""
    array = _channels_first(array)
    _check_values(array, value_range)
    array = _cut(array, n_frames, window, rng)  # before anything is copied: a video may be long
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
    frames = [Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC) for frame in flat]
    return np.stack(frames).reshape(*video.shape[:2], size, size).clip(-1, 1)


def _check_length(length, n_frames):
    if length < n_frames:
        raise InputError(f"{length} frames; at least {n_frames} are needed")


@contextlib.contextmanager
def _naming(name):
    """Put a name before the messages of errors."""
    try:
        yield
    except (InputError, OSError) as error:
        raise InputError(f"{name}: {error}") from error


def _cut(video, n_frames, window, rng):
    """Take a window of frames of (C, T, ...)."""
    _check_length(video.shape[1], n_frames)
    n_places = video.shape[1] - n_frames + 1
    start = {"first": 0, "middle": (n_places - 1) // 2, "random": None}[window]
    if start is None:
        start = rng.randint(n_places)
    return video[:, start : start + n_frames]


def _size_text(size):
    return f"{size}×{size}"


def _range_text(array, value_range):
    return str(array.dtype) if array.dtype == np.uint8 else f"{array.dtype}, {value_range or 'signed'}"
