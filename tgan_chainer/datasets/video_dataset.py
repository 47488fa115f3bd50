"""The data set that hands out windows of consecutive frames of a video file, and their random order."""

import hashlib
import os

import numpy as np

from tgan_chainer.datasets.chunks import read_frames
from tgan_chainer.datasets.video_file import KIND, check_stored, open_video_file, read_facts, read_layout
from tgan_chainer.errors import InputError
from tgan_chainer.reading import reading

import chainer
import chainer.iterators

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
        path (str or os.PathLike): A file as :func:`~tgan_chainer.datasets.write_videos` makes it.
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
        facts (dict): What is known about all clips of the file, of JSON's own types: what
            :func:`~tgan_chainer.datasets.video_file.read_facts` returns, ``clips``, ``frames``, ``classes``
            (int, None without names), ``size`` (width and height) and ``channels``.

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
        with open_video_file(self.path) as file:
            offsets, labels, self.label_names = read_layout(file, self.path)
            _, self.height, self.width, self.channels = file["frames"].shape
            self.facts = {
                **read_facts(file, self.path),
                "clips": len(offsets) - 1,
                "frames": int(offsets[-1]),
                "classes": self.label_names and len(self.label_names),
                "size": [self.width, self.height],
                "channels": self.channels,
            }
        self.source = self.facts["source"]
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

    @property
    def video_shape(self):
        """(C, T, H, W), a tuple of ints."""
        return self.channels, self.n_frames, self.height, self.width

    @property
    def n_classes(self):
        """int: Number of classes; 0 without labels."""
        if self.labels is None:
            return 0
        return len(self.label_names or range(int(self.labels.max()) + 1))

    def describe(self):
        """Return what :func:`same_data` compares, a dict: the facts, and ``n_windows`` (int)."""
        return {**self.facts, "n_windows": len(self)}

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
        clip, start, stop = self._place(i)
        with reading(self.path, KIND):
            frames = self._stored(start, stop)[start:stop]
        video = frames.transpose(3, 0, 1, 2).astype(np.float32, order="C")
        video -= 128
        video /= 128
        return (video, np.int32(self.labels[clip])) if self.with_labels else video

    def frames_of(self, i):
        """Read window ``i`` as it is stored, which several threads can do at once.

        Returns:
            numpy.ndarray: uint8 (T, H, W, C); with labels a pair of it and the class, a NumPy int32.

        Raises:
            IndexError, InputError: As :meth:`get_example`.
        """
        clip, start, stop = self._place(i)
        with reading(self.path, KIND):
            frames = read_frames(self._stored(start, stop), start, stop)
        return (frames, np.int32(self.labels[clip])) if self.with_labels else frames

    def _place(self, i):
        """Return the clip of window i, the number of its first frame and that after its last one."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"window {i} of {len(self)}")
        i = i % len(self)
        clip = self.clip_of(i)
        start = int(self._first_frame[clip] + i - self.first_window[clip])
        return clip, start, start + self.n_frames

    def _stored(self, start, stop):
        """Return the stored frames, of which those from start to stop are there."""
        stored = self._frames()
        if self.facts["fingerprint"] is None:
            check_stored(stored, start, stop)
        return stored

    def sample(self, n, seed=0, labels=None):
        """Draw random windows of random clips, as a generator draws videos; each clip once if there are n.

        Args:
            n (int): How many.
            seed (int): Fixes which.
            labels (sequence of n ints): Classes of the clips; None takes any.

        Yields:
            numpy.ndarray: float32 (C, T, H, W), see the class.

        Raises:
            InputError: There is no clip of a label.
        """
        random_state = np.random.RandomState(seed)
        order = random_state.permutation(self.n_clips)
        clips = np.resize(order, n)
        for label in set() if labels is None else set(labels):
            of_label = order[self.labels[order] == label]
            if not len(of_label):
                raise InputError(f"{self.path} has no clip of label {label} with {self.n_frames} frames")
            wanted = np.equal(labels, label)
            clips[wanted] = np.resize(of_label, wanted.sum())
        for window in random_state.randint(self.first_window[clips], self.first_window[clips + 1]):
            example = self[window]
            yield example[0] if self.with_labels else example

    def _frames(self):
        # A forked worker inherits the open file of its parent, and HDF5 is not made for that: it closes its
        # copy and opens its own. Two threads that come here at once both open the file, and one handle is
        # dropped after its first read; a lock would have to be kept out of pickles and forks.
        opened = self._opened
        if opened is None or opened[0] != os.getpid():
            if opened is not None:
                opened[1].close()
            file = open_video_file(self.path)
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
