"""Whatever holds videos to be scored: runs of ours, and anyone's folders, arrays and data sets."""

import os
import zipfile

from tgan_chainer import pretrained
from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.video_source.arrays import RANGES, ArraySource
from tgan_chainer.evaluations.video_source.data_sets import DatasetSource
from tgan_chainer.evaluations.video_source.folders import FolderSource
from tgan_chainer.evaluations.video_source.generators import GeneratorSource
from tgan_chainer.evaluations.video_source.source import WINDOWS, VideoSource
from tgan_chainer.reading import reading
from tgan_chainer.snapshots import find_snapshots

__all__ = ["KINDS", "RANGES", "WINDOWS", "DatasetSource", "FolderSource", "GeneratorSource", "VideoSource"]
__all__ += ["open_source"]

KINDS = "a run, a snapshot, a folder of videos, an .npy, .npz or .h5 file"  # that can be opened


def open_source(path, n_frames=16, window="random", fps=None, size=64, value_range=None, gpu=-1):
    """Open what holds videos; which kind it is, its name and its content tell.

    - A results folder of train.py, a snapshot, or a name of weights in the package: samples of the generator,
      labels of a conditional one drawn from their prior (Section 6.5).
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
        value_range (str): Range of floats in arrays: "signed", [-1, 1], or "unit", [0, 1]. None takes the
            former if there is any value below zero, and raises otherwise.
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
    pretrained.check_is_there(path, KINDS)
    if not os.path.exists(path):
        path = pretrained.find(path)
    suffix = os.path.splitext(path)[1].lower()
    if os.path.isdir(path) and not find_snapshots(path):
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
    raise InputError(f"{path}: expected {KINDS}")


def _is_snapshot(path):
    with reading(path, "an npz file"), zipfile.ZipFile(path) as file:
        return "metadata.npy" in file.namelist()
