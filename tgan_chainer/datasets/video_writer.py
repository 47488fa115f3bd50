"""Writing a video file clip by clip."""

import contextlib
import hashlib
import io
import json

import h5py
import numpy as np

from tgan_chainer.datasets.video_file import FORMAT, open_video_file, read_facts, read_layout
from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path
from tgan_chainer.interruption import noted_signals
from tgan_chainer.reading import without_odd_bytes


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
        **attributes: Further root attributes: those of :data:`~tgan_chainer.datasets.video_file.FACTS` that
            are known, and others (numbers or strings), such as ``seed``. What is None is left out.

    Yields:
        VideoWriter: Takes the clips.

    Raises:
        InputError: No clip was written, or as :meth:`VideoWriter.append`.
        OSError: As raised by the file system (disk full, no permission, ...).
    """
    known = {name: value for name, value in attributes.items() if value is not None}
    # No exception may pass through HDF5, which would go on with wrong frames: signals wait for the next clip.
    with noted_signals() as check_signals, atomic_path(path) as temporary:
        with _Sink(temporary, "w+b") as sink:
            try:
                # The format of HDF5 1.10: its index has checksums.
                with h5py.File(sink, "w", libver=("v110", "v110")) as file:
                    writer = VideoWriter(file, chunk_frames, sink, check_signals)
                    yield writer
                    fingerprint = writer.finish(label_names)
                    known.update(format=FORMAT, source=source, fingerprint=fingerprint)
                    for name, value in known.items():
                        file.attrs[name] = _texts([value])[0] if isinstance(value, str) else value
            finally:
                sink.check()  # HDF5, too, may have an error then, which does not say what was wrong
        with open_video_file(temporary) as file:
            read_layout(file, path)
            read_facts(file, path)


class VideoWriter:
    """Appends clips to the file that :func:`write_videos` opened. Memory use does not grow with the clips."""

    def __init__(self, file, chunk_frames, sink, check_signals):
        self._file = file
        self._chunk_frames = chunk_frames
        self._sink = sink
        self._check_signals = check_signals
        self._offsets = [0]
        self._values = {}
        self._digest = hashlib.sha256()

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
            KeyboardInterrupt: There was Ctrl-C, SIGTERM or SIGHUP since the last clip.
        """
        self._check_signals()
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
                fletcher32=True,
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
        # Their lengths as well: the same frames may be cut into other clips.
        self._digest.update(np.array([*clip.shape, values.get("labels", -1)], "<i8").tobytes())
        self._digest.update(np.ascontiguousarray(clip))
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)
        self._sink.check()

    def finish(self, label_names=None):
        """Write what is known only at the end; :func:`write_videos` calls this and stores what it returns.

        Args:
            label_names (list of str): Names of the classes.

        Returns:
            str: The SHA-256 of the clips' frames, lengths and labels and of the names of the classes.
        """
        if len(self._offsets) == 1:
            raise InputError("no clip was given; expected at least one")
        self._write("offsets", np.array(self._offsets, np.int64))
        for name, values in self._values.items():
            self._write(name, values)
        if label_names is not None:
            self._write("label_names", list(label_names))
        self._digest.update(json.dumps(label_names).encode())
        return self._digest.hexdigest()

    def _write(self, name, values):
        values = _texts(values) if isinstance(values[0], str) else values
        self._file.create_dataset(name, data=values, chunks=True, fletcher32=True)


def _texts(values):
    """Return an array of texts of a fixed length.

    Others HDF5 keeps in a heap that has no checksums, and with one flipped bit of it searches for ever.
    """
    values = [without_odd_bytes(value).encode() for value in values]
    return np.array(values, h5py.string_dtype("utf-8", max(map(len, values)) or 1))


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
