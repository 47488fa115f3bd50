"""Videos in folders: files that libav knows, arrays, and images that are frames or strips of frames."""

import functools
import os
import re

import numpy as np
import PIL.Image

from tgan_chainer.datasets.decoding import VIDEO_SUFFIXES, Resizing, read_video
from tgan_chainer.datasets.images import IMAGE_SUFFIXES, read_image
from tgan_chainer.datasets.searching import find_files, natural_key
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.video_source.arrays import check_black, load_array, window_of
from tgan_chainer.evaluations.video_source.source import RESIZING, Item, VideoSource, cut, identity, naming
from tgan_chainer.parallel import thread_count
from tgan_chainer.videos import cut_strip

LONG = 4  # an image so many times longer than wide, or wider, is no frame


class FolderSource(VideoSource):
    """The videos in a folder and its folders, or one video file."""

    def __init__(self, path, n_frames, window, fps, size, value_range):
        self._path, self._videos = path, find_videos(path)
        self._range = value_range
        self.n, self.workers = len(self._videos), thread_count()
        self._n_frames, self._window, self._fps, self._size = n_frames, window, fps, size
        self.description = {
            "kind": "folder" if os.path.isdir(path) else "video",
            "path": path,
            "videos": self.n,
            "size": size,
            "resized": None if size is None else f"the middle square, {RESIZING}",
            "fps": None if fps is None else str(fps),
        }
        if value_range is not None:
            self.description["values_of_arrays"] = value_range

    def items(self, n, seed=0, repeat=0):
        def read(i):
            path, part = self._videos[i]
            with naming(path):
                video = self._read(path, part, np.random.RandomState([seed, i]))
            return np.broadcast_to(video, (3, *video.shape[1:]))

        how = f"{self._n_frames} {self._window} frames, {self._fps} a second, {self._size}, {self._range}"
        items = []
        for i in self._choose(n, seed, repeat).tolist():
            path, part = self._videos[i]
            paths = [path, *part] if isinstance(part, list) else [path]
            row = part if isinstance(part, int) else 0
            key = f"{identity(paths)}, row {row}, {how}, seed {seed}, {i}"
            items.append(Item(path, key, functools.partial(read, i)))
        return items

    def _read(self, path, part, rng):
        """Read a window of a video, float32 (C, T, H, W) in [-1, 1]; see :func:`find_videos`."""
        window = self._n_frames, self._window, rng
        is_array = path.lower().endswith(".npy")
        if part is None and not is_array:
            resizing = None if self._size is None else Resizing(None, None, self._size)
            return window_of(read_video(path, resizing, self._fps)[0], *window)
        if self._fps is not None:
            raise InputError("it has no frame rate that could be changed; leave out --fps")
        if part is None:
            array = load_array(path)
            if array.ndim != 4:
                raise InputError(f"an array {array.shape}; expected one video, (C, T, H, W) or (T, H, W, C)")
            if self._range is None:
                check_black(array)
            return window_of(array, *window, self._range, self._size)
        if isinstance(part, int):
            images = [PIL.Image.fromarray(frame) for frame in cut_strip(read_image(path))[part]]
        else:
            images = [_read_frame(frame) for frame in cut(np.array(part)[None], *window)[0]]
        sizes = sorted({image.size for image in images})
        if len(sizes) > 1:
            sizes = " and ".join(f"{width}×{height}" for width, height in sizes[:2])
            raise InputError(f"its frames are of different sizes, {sizes}; are they one video?")
        return window_of(np.stack([self._square(image) for image in images]), *window)

    def _square(self, image):
        """Return an image's middle square, resized, as an array; all of it if there is no size."""
        if self._size is not None and image.size != (self._size, self._size):
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = left, top, left + side, top + side
            image = image.resize((self._size, self._size), PIL.Image.Resampling.BICUBIC, box=box)
        return np.asarray(image)


def find_videos(folder):
    """Return the videos in a folder and its folders.

    Args:
        folder (str): Where to search, see :func:`~tgan_chainer.datasets.searching.find_files`; or one file.

    Returns:
        list of tuple: A path and, of a folder of images that are frames, their paths in natural order; of an
        image that is a strip of frames, a row; else None.

    Raises:
        InputError: There is none, or it is not certain what a folder of images is.
        OSError: A folder cannot be read.
    """
    suffixes = *VIDEO_SUFFIXES, ".npy", *IMAGE_SUFFIXES
    found = find_files(folder, suffixes) if os.path.isdir(folder) else [folder]
    images, others = {}, []
    for path in found:
        if path.lower().endswith(IMAGE_SUFFIXES):
            images.setdefault(os.path.dirname(path), []).append(path)
        else:
            others.append(path)
    for path in others:
        parent = os.path.dirname(path)
        if parent in images:
            raise InputError(
                f"{parent} holds images ({_name(images[parent][0])}) and videos ({_name(path)}); which of "
                "them are meant? Move one kind elsewhere"
            )
    videos = [(path, None) for path in others]
    for parent, paths in images.items():
        videos += _videos_of(parent, sorted(paths, key=lambda path: natural_key(_name(path))))
    if not videos:
        raise InputError(
            f"{folder} holds no run and no videos; expected files that end in {' '.join(VIDEO_SUFFIXES)} "
            ".npy, or folders of images"
        )
    return sorted(videos, key=lambda video: video[0])


def _videos_of(folder, paths):
    """Return the videos that the images in a folder are: the rows of our own strips, or all together one."""
    with naming(folder):
        first = _read_frame(paths[0])
        if _cut_strip(paths[0]) is None:
            if max(first.size) >= LONG * min(first.size):
                raise InputError(
                    f"{_name(paths[0])}, {first.width}×{first.height} pixels, looks like several frames, but "
                    "not as generate.py writes them; cut it into frames, one a file"
                )
            _check_one_sequence([_name(path) for path in paths])
            return [(folder, paths)]
        strips = {path: _cut_strip(path) for path in paths}
        for path, videos in strips.items():
            if videos is None:
                raise InputError(f"{_name(paths[0])} is a strip of frames, and {_name(path)} is none")
        return [(path, row) for path, videos in strips.items() for row in range(len(videos))]


def _check_one_sequence(names):
    """Raise InputError unless names differ in one number alone."""
    kinds = {}
    for name in names:
        *before, number, after = natural_key(name) if re.search("[0-9]", name) else ("", "", name)
        kinds.setdefault((*before, after.lower()), name)
    if len(kinds) > 1:
        first, second = list(kinds.values())[:2]
        raise InputError(
            f"{first} and {second} are not frames of one video by their names; expected names that differ in "
            "their last number alone, and a folder for each video"
        )


def _read_frame(path):
    with naming(_name(path)):
        return read_image(path)


def _cut_strip(path):
    with naming(_name(path)):
        return cut_strip(read_image(path))


def _name(path):
    return os.path.basename(path)
