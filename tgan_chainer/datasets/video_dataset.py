"""Videos in one HDF5 file: the writer, and the data set that hands out windows of consecutive frames.

=================  ===========  =======  =====================================================
HDF5 data set      shape        dtype    content
=================  ===========  =======  =====================================================
``/frames``        (F, H, W, C) uint8    frames of all clips, one after another; C is 1 or 3
``/offsets``       (N + 1,)     int64    clip i is ``frames[offsets[i]:offsets[i + 1]]``
``/labels``        (N,)         int64    class of each clip (optional)
``/label_names``   (K,)         str      names of the classes (optional)
``/names``         (N,)         str      names of the clips (optional)
=================  ===========  =======  =====================================================

Further data sets may stand beside them. The root carries the attributes ``format`` (the constant below),
``source`` (where the videos came from, a sentence) and whatever else describes the file.
"""

import contextlib
import hashlib
import io
import os

import h5py
import numpy as np

from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path

import chainer
import chainer.iterators

FORMAT = "tgan_chainer videos 1"

# With so many draws in an order, two epochs never agree by chance: see RandomWindows.
MIN_ORDER = 64


class VideoDataset(chainer.dataset.DatasetMixin):
    """Every window of ``n_frames`` consecutive frames of every clip in a video file.

    Windows are numbered clip after clip, by their first frame. Clips shorter than a window are left out,
    and do not count in any attribute but ``n_short``.

    =============  =================  =======  ==============================
    example        shape              dtype    range
    =============  =================  =======  ==============================
    ``video``      (C, T, H, W)       float32  [-1, 1): (x - 128) / 128
    =============  =================  =======  ==============================

    The file is opened when a process reads its first window, so that the data set can be pickled, sent to
    the workers of ``MultiprocessIterator`` and shared by the threads of ``MultithreadIterator``.

    Args:
        path (str or os.PathLike): A file as :func:`write_videos` makes it.
        n_frames (int): Frames in a window, T.
        with_labels (bool): Whether an example is a pair of the video and its class, a NumPy int32.
        clips (sequence of ints): Numbers of the clips to take, short ones counted; None takes all.

    Attributes:
        path (str): Absolute path of the file.
        n_frames, channels, height, width (int): T, C, H, W.
        n_clips (int): Number of clips with at least ``n_frames`` frames.
        n_short (int): Number of clips left out.
        first_window (int64 array (n_clips + 1,)): The windows of clip i are ``first_window[i]`` to
            ``first_window[i + 1] - 1``.
        labels (int64 array (n_clips,) or None): The class of each clip.
        label_names (list of str or None): The names of the classes.
        source (str): Where the videos came from.

    Raises:
        InputError: The file is missing, damaged or laid out differently, no clip is long enough, or there are
            no labels where they should be.
    """

    def __init__(self, path, n_frames=16, with_labels=False, clips=None):
        if n_frames < 1:
            raise InputError(f"n_frames is {n_frames}; expected at least 1")
        self.path = os.path.abspath(path)
        self.n_frames, self.with_labels = n_frames, with_labels
        self._opened = None
        with _open(self.path) as file:
            offsets, labels, self.label_names = _read_layout(file, self.path)
            _, self.height, self.width, self.channels = file["frames"].shape
            self.source = str(file.attrs.get("source", "unknown"))

        if with_labels and labels is None:
            raise InputError(f"{self.path} has no /labels, which a conditional model or a classifier needs")
        lengths = np.diff(offsets)
        taken = np.ones(len(lengths), bool) if clips is None else np.isin(np.arange(len(lengths)), clips)
        long_enough = (lengths >= n_frames) & taken
        self.n_clips = int(long_enough.sum())
        self.n_short = int(taken.sum()) - self.n_clips
        if self.n_clips == 0:
            raise InputError(
                f"{self.path}: no clip has {n_frames} frames, the longest has {lengths.max()}; "
                "use fewer frames a window or longer videos"
            )
        n_windows = lengths[long_enough] - n_frames + 1
        self.first_window = np.concatenate([[0], np.cumsum(n_windows)])
        self.labels = None if labels is None else labels[long_enough]
        self._first_frame = offsets[:-1][long_enough]

    def __len__(self):
        return int(self.first_window[-1])

    def describe(self):
        """Return what tells this data set from others: a dict of ``source`` (str) and ``n_windows`` (int)."""
        return {"source": self.source, "n_windows": len(self)}

    def __getstate__(self):
        return {**self.__dict__, "_opened": None}

    def clip_of(self, window):
        """Number of the clip that a window lies in, the index into ``labels``.

        Args:
            window (int or int array): Window numbers, 0 to ``len(self) - 1``.

        Returns:
            int64 or int64 array of the same shape, 0 to ``n_clips - 1``.
        """
        return np.searchsorted(self.first_window, window, side="right") - 1

    def get_example(self, i):
        """Read window ``i``; see the class for the format.

        Raises:
            IndexError: There is no such window.
            InputError: The file can no longer be read.
        """
        if not -len(self) <= i < len(self):
            raise IndexError(f"window {i} of {len(self)}")
        i = i % len(self)
        clip = self.clip_of(i)
        start = self._first_frame[clip] + i - self.first_window[clip]
        try:
            frames = self._frames()[start : start + self.n_frames]
        except OSError as error:
            raise InputError(f"{self.path}: frame {start} is unreadable; make the file again") from error
        video = frames.transpose(3, 0, 1, 2).astype(np.float32, order="C")
        video -= 128
        video /= 128
        return (video, np.int32(self.labels[clip])) if self.with_labels else video

    def _frames(self):
        # A forked worker inherits the open file of its parent, and HDF5 is not made for that: it closes its
        # copy and opens its own. Two threads that come here at once both open the file, and one handle is
        # dropped after its first read; a lock would have to be kept out of pickles and forks.
        opened = self._opened
        if opened is None or opened[0] != os.getpid():
            if opened is not None:
                opened[1].close()
            file = _open(self.path)
            opened = self._opened = os.getpid(), file, file["frames"]
        return opened[2]


class RandomWindows(chainer.iterators.OrderSampler):
    """Order sampler: an epoch is one uniformly random window of each clip, the clips in random order.

    "Randomly extracted 16 frames" of every video (Section 6.1). A data set of fewer than 64 clips is passed
    over several times in an epoch.

    Args:
        dataset (VideoDataset): The windows to choose from.
        seed (int): Any integer; together with the data set it fixes all epochs.
    """

    # Chainer's iterators save the order of the epoch in their snapshots, but no state of a sampler, and the
    # parallel ones ask for the next order before the snapshot is taken, as far ahead as they prefetch. So the
    # next order is computed from the present one and the seed, and from nothing else: a resumed training then
    # draws exactly the windows that the interrupted one would have drawn.
    #
    # Since equal orders have equal successors, a short order (one long video: a single number) would soon
    # run in a circle and show the network only some of the windows. Hence MIN_ORDER.

    def __init__(self, dataset, seed):
        self.first_window = dataset.first_window
        self.seed = seed

    def __call__(self, current_order, current_position):
        order = np.asarray(current_order, dtype="<i8")
        digest = hashlib.sha256(f"{self.seed}:".encode() + order.tobytes()).digest()
        rng = np.random.RandomState(np.frombuffer(digest, "<u4"))
        n_clips = len(self.first_window) - 1
        n_passes = -(-MIN_ORDER // n_clips)
        clips = np.concatenate([rng.permutation(n_clips) for _ in range(n_passes)])
        return rng.randint(self.first_window[clips], self.first_window[clips + 1])


@contextlib.contextmanager
def write_videos(path, source, label_names=None, chunk_frames=16, **attributes):
    """Write a video file clip by clip; it appears under its name, whole, when the block succeeds.

    Example::

        with write_videos("clips.h5", source="My own clips.", label_names=["run", "jump"]) as videos:
            videos.append(clip, labels=0, names="first.avi")

    Args:
        path (str or os.PathLike): The file to create or replace.
        source (str): Where the videos come from, a sentence.
        label_names (list of str): Names of the classes, if the clips have ``labels``.
        chunk_frames (int): Frames that are compressed, and later read, together. About the length of a
            window; where all clips are equally short, the length of a clip.
        **attributes: Further root attributes (numbers or strings), such as ``seed`` or ``frame_rate``.

    Yields:
        VideoWriter: Takes the clips.

    Raises:
        InputError: No clip was written, or as :meth:`VideoWriter.append`.
        OSError: As raised by the file system (disk full, no permission, ...).
    """
    with atomic_path(path) as temporary:
        with _Sink(temporary, "w+b") as sink:
            try:
                with h5py.File(sink, "w") as file:
                    writer = VideoWriter(file, chunk_frames, sink)
                    yield writer
                    writer.finish()
                    file.attrs.update(attributes, format=FORMAT, source=source)
                    if label_names is not None:
                        file.create_dataset("label_names", data=list(label_names), dtype=h5py.string_dtype())
            finally:
                sink.check()  # HDF5, too, may have an error then, which does not say what was wrong
        with _open(temporary) as file:
            _read_layout(file, path)


class VideoWriter:
    """Appends clips to the file that :func:`write_videos` opened. Memory use does not grow with the clips."""

    def __init__(self, file, chunk_frames, sink):
        self._file = file
        self._chunk_frames = chunk_frames
        self._sink = sink
        self._offsets = [0]
        self._values = {}

    def append(self, clip, /, **values):
        """Add one clip.

        Args:
            clip (uint8 array (T, H, W, C)): T is at least 1; C is 1 (gray) or 3 (RGB); H, W, C are the same
                for all clips.
            **values: One entry for each data set beside the frames, such as ``labels=3``,
                ``names="v_Archery_g01_c01"`` or ``digits=(4, 2)``; the same ones for every clip.

        Raises:
            InputError: The clip has the wrong shape or dtype.
            OSError: The disk is full, or another failure to write.
        """
        clip = np.asarray(clip)
        if clip.dtype != np.uint8 or clip.ndim != 4 or clip.shape[3] not in (1, 3) or clip.size == 0:
            raise InputError(f"a clip is {clip.dtype} {clip.shape}; expected uint8 (T, H, W, C), C = 1 or 3")
        if "frames" not in self._file:
            # Level 1 makes Moving MNIST 30 times smaller. LZF was larger and, surprisingly, slower to read.
            self._file.create_dataset(
                "frames",
                shape=(0, *clip.shape[1:]),
                maxshape=(None, *clip.shape[1:]),
                dtype=np.uint8,
                chunks=(self._chunk_frames, *clip.shape[1:]),
                compression="gzip",
                compression_opts=1,
            )
        frames = self._file["frames"]
        if clip.shape[1:] != frames.shape[1:]:
            raise InputError(f"a clip has frames {clip.shape[1:]}; expected {frames.shape[1:]} as at first")
        if self._values.keys() != values.keys() and len(self._offsets) > 1:
            raise InputError(f"a clip has {sorted(values)}; expected {sorted(self._values)} as at first")

        start, stop = self._offsets[-1], self._offsets[-1] + len(clip)
        frames.resize(stop, axis=0)
        frames[start:stop] = clip
        self._offsets.append(stop)
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)
        self._sink.check()

    def finish(self):
        """Write what is known only at the end; :func:`write_videos` calls this."""
        if len(self._offsets) == 1:
            raise InputError("no clip was given; expected at least one")
        self._file.create_dataset("offsets", data=np.array(self._offsets, np.int64))
        for name, values in self._values.items():
            dtype = h5py.string_dtype() if isinstance(values[0], str) else None
            self._file.create_dataset(name, data=values, dtype=dtype)


class _Sink(io.FileIO):
    # After a failed write (disk full) HDF5 can neither go on nor close the file, and crashes the process at
    # its exit. So a failure is kept from it, to be raised by check(): the file is thrown away in any case.

    error = None

    def write(self, data):
        data = memoryview(data)
        written = 0
        while written < len(data) and self.error is None:
            try:
                written += super().write(data[written:])
            except OSError as error:
                self._keep(error)
        return len(data)

    def truncate(self, size=None):
        try:
            return super().truncate(size)
        except OSError as error:
            self._keep(error)

    def _keep(self, error):
        self.error = self.error or OSError(error.errno, error.strerror, self.name)

    def check(self):
        if self.error is not None:
            raise self.error


def _open(path):
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; make it by a command of datasets/, such as moving_mnist.py")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: not an HDF5 file, or cut short; make it again") from error


def _read_layout(file, path):
    """Check the layout of an open file; return offsets, labels or None, label names or None."""

    def require(condition, found, expected):
        if not condition:
            raise InputError(
                f"{path}: {found}; expected {expected}; make the file again with a command of datasets/"
            )

    def array(name, kind, ndim):
        require(isinstance(file.get(name), h5py.Dataset), f"there is no /{name}", "a video file")
        data = file[name]
        require(
            np.issubdtype(data.dtype, kind) and data.ndim == ndim,
            f"/{name} is {data.dtype} {data.shape}",
            f"{kind.__name__}, {ndim}-dimensional",
        )
        return data

    require(file.attrs.get("format") == FORMAT, f"its format is {file.attrs.get('format')!r}", f"{FORMAT!r}")
    frames = array("frames", np.uint8, 4)
    require(frames.shape[3] in (1, 3), f"/frames has {frames.shape[3]} channels", "1 or 3")
    offsets = array("offsets", np.integer, 1)[:].astype(np.int64)
    spans_all = len(offsets) > 1 and offsets[0] == 0 and offsets[-1] == len(frames)
    require(
        spans_all and (np.diff(offsets) > 0).all(),
        f"/offsets are {_shorten(offsets)}",
        f"increasing numbers from 0 to {len(frames)}, the number of frames",
    )
    labels = label_names = None
    if "label_names" in file:
        names = file["label_names"]
        is_text = isinstance(names, h5py.Dataset) and h5py.check_string_dtype(names.dtype)
        require(is_text, f"/label_names are {getattr(names, 'dtype', 'a group')}", "strings")
        label_names = names.asstr(errors="replace")[:].tolist()
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


def _shorten(numbers):
    return np.array2string(np.asarray(numbers), threshold=6, edgeitems=2)
