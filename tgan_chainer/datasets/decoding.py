"""Reading one video file of any kind that libav knows."""

import contextlib
import dataclasses
import os
import struct

import av
import numpy as np
import PIL.Image

from tgan_chainer.datasets.containers import stated_size
from tgan_chainer.datasets.searching import open_file
from tgan_chainer.errors import InputError
from tgan_chainer.texts import count

# The kinds of files that people have, among all that libav can read.
VIDEO_SUFFIXES = (
    *(".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".gif", ".wmv", ".flv"),
    *(".3gp", ".ts", ".mts"),
)

# The names that libav has for these. It knows playlists, too, which would make it open other files.
CONTAINERS = "avi,mov,matroska,mpeg,mpegvideo,mpegts,m4v,gif,asf,flv"

_ONLY = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}

# Share of the stated duration that a whole file has at least, where its container states no size.
WHOLE = 0.9

# What a file can make us keep in memory: 64 MB a frame when it is decoded, and three hours at 25 a second.
MAX_PIXELS, MAX_FRAMES = 1 << 26, 1 << 18

# Bit-exact, so that every machine makes the same file; accurate, because the frames become very small.
SCALING = "bicubic+accurate_rnd+full_chroma_int+bitexact"

FILTERS = "bicubic", "nearest"


@dataclasses.dataclass(frozen=True)
class Resizing:
    """How frames are resized, and then cut to their central square.

    Attributes:
        width, height (int): Pixels to resize to, whatever the shape of the source. None, None: the shorter
            side becomes ``crop`` pixels long, as if pixels were square.
        crop (int): Side of the square to keep, 0 for all.
        filter (str): "bicubic", with antialiasing, or "nearest", the one pixel that a new one's centre lies
            in, as Pillow did for the authors' data.
    """

    width: int | None
    height: int | None
    crop: int
    filter: str = "bicubic"

    def target(self, width, height):
        """Return the width and height that frames of this width and height are resized to."""
        if self.width is not None:
            return self.width, self.height
        shorter = min(width, height)
        return tuple((2 * self.crop * side + shorter) // (2 * shorter) for side in (width, height))

    def window(self, width, height):
        """Return the slices of the rows and columns that are kept of frames of the target's size."""
        if not self.crop:
            return slice(None), slice(None)
        corners = (height - self.crop) // 2, (width - self.crop) // 2
        return tuple(slice(corner, corner + self.crop) for corner in corners)


# Titles that are not UTF-8 make no video unreadable. PyAV 19 has no such option, and does not look at them.
_METADATA = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


def read_video(path, resizing=None, fps=None, gray=False):
    """Decode the first video stream of a file, turned and mirrored as the file says it is to be shown.

    Args:
        path (str or os.PathLike): The file.
        resizing (Resizing): None keeps the frames as they are.
        fps (fractions.Fraction): Frames per second to resample to, by leaving out or repeating frames; None
            keeps them all. An AVI, which stores one frame a tick, may leave out what equals the frame before;
            that is repeated.
        gray (bool): Brightness instead of colours.

    Returns:
        tuple: The frames, uint8 (T, H, W, C), C is 1 (gray) or 3 (RGB); and how many make a second, float or,
        if the file does not say so, None.

    Raises:
        InputError: It is not a video, has no frames, or is damaged or cut short. The message is the reason,
            without the path.
        OSError: It cannot be opened.
    """
    with _opened(path) as (container, stream, size):
        return _decode(container, stream, resizing, fps, gray, whole=size is not None)


def read_header(path):
    """Return what a file says about its first video stream, without decoding it.

    Args:
        path (str or os.PathLike): The file.

    Returns:
        tuple: Width and height in pixels (int), frames a second (float or None), and the number of frames
        (int; 0 if the file does not say it).

    Raises:
        InputError: It is not a video. The message is the reason, without the path.
        OSError: It cannot be opened.
    """
    with _opened(path) as (_, stream, _):
        rate, n_frames = stream.guessed_rate, stream.frames
        if not n_frames and rate and stream.duration:
            n_frames = round(stream.duration * stream.time_base * rate)
        return stream.width, stream.height, float(rate) if rate else None, n_frames


@contextlib.contextmanager
def _opened(path):
    """Open a file; give its container, its first video stream, and how many bytes it says it has, or None."""
    path = os.path.abspath(path)  # whatever stands before a colon would be a protocol
    size = _check_size(path)
    try:
        with av.open(path, options=_ONLY, **_METADATA) as container:
            if not container.streams.video:
                raise InputError("no video in this file")
            yield container, container.streams.video[0], size
    except InputError:
        raise
    except Exception as error:  # libav, PyAV and NumPy have many for a damaged file
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"not a video that libav can read, or damaged ({reason})") from error


def _check_size(path):
    """Return how many bytes a file says it has, or None; raise InputError if there are not so many."""
    with open_file(path) as file:
        size, stated = os.fstat(file.fileno()).st_size, stated_size(file)
    if not size:
        raise InputError("an empty file")
    if stated is not None and stated > size:
        raise InputError(f"cut short ({count(size, 'byte')}; expected at least {stated})")
    return stated


def _decode(container, stream, resizing, fps, gray, whole):
    if stream.codec_context is None:
        raise InputError("libav has no decoder for it")
    if stream.width * stream.height > MAX_PIXELS:
        raise InputError(f"frames of {stream.width}x{stream.height} pixels, too many to decode")
    stream.thread_count = 1  # files are decoded side by side, which needs no waiting for each other
    rate = stream.guessed_rate
    frame_time = 1 / (rate * stream.time_base) if rate else 1

    frames, times, end = [], [], 0
    convert = _Converter(resizing, gray)
    # The sound as well: a container's duration is that of the longest stream.
    for packet in container.demux([stream, *container.streams.audio]):
        if packet.dts is not None:
            length = packet.duration or (frame_time if packet.stream is stream else 0)
            end = max(end, ((packet.pts or packet.dts) + length) * packet.stream.time_base)
        for frame in packet.decode() if packet.stream is stream else ():
            time = frame.dts if frame.pts is None else frame.pts
            times.append(times[-1] + frame_time if time is None and times else time or 0)
            frames.append(convert(frame))
            _check_length(len(frames))
    if not frames:
        raise InputError("no frames in this file")

    # Frames come in the order in which they are shown. Of an AVI libav knows only the times at which they are
    # decoded, and hands them out in another order.
    times = (np.sort(np.array(times, object)) - min(times)) * stream.time_base
    length = times[-1] + frame_time * stream.time_base
    if not whole:
        _check_duration(stream, max(length, end - (stream.start_time or 0) * stream.time_base))
    if fps is None and container.format.name == "avi":
        fps = 1 / stream.time_base
    if fps is None:
        return np.stack(frames), float(rate) if rate else None
    chosen = resampled(times, length, fps)
    _check_length(len(chosen))
    return np.stack([frames[i] for i in chosen]), float(fps)


def _check_length(n_frames):
    if n_frames > MAX_FRAMES:
        raise InputError(f"more than {MAX_FRAMES} frames; cut it into scenes")


def _check_duration(stream, length):
    """Raise InputError if the frames end long before the duration that the file states."""
    if stream.container.format.name == "avi":  # libav has shortened the duration, but not this
        stated = stream.frames * stream.time_base
    elif stream.duration is not None:
        stated = stream.duration * stream.time_base
    else:
        stated = (stream.container.duration or 0) / av.time_base
    if length < WHOLE * stated:
        raise InputError(f"cut short ({float(length):.1f} s; expected {float(stated):.1f} by its header)")


def resampled(times, length, fps):
    """Return which frames are shown at another rate: at each tick the latest one, times being rounded.

    Args:
        times (array (T,)): When the frames are shown, rising from 0, in seconds; fractions, to be exact.
        length (fractions.Fraction): When the last frame ends.
        fps (fractions.Fraction): Ticks a second.

    Returns:
        int64 array: Indices of frames, 0 to T - 1, rising.
    """
    ticks = np.array([(2 * time * fps + 1) // 2 for time in times], np.int64)
    n_ticks = max((2 * length * fps + 1) // 2, 1)
    _check_length(n_ticks)
    return np.searchsorted(ticks, np.arange(n_ticks), side="right") - 1


class _Converter:
    """From libav's frames to arrays, uint8 (H, W, C)."""

    def __init__(self, resizing, gray):
        self._resizing, self._format = resizing, "gray" if gray else "rgb24"
        self._graphs = {}  # a stream may change its size

    def __call__(self, frame):
        key = frame.width, frame.height, frame.format.name
        if key not in self._graphs:
            self._graphs[key] = self._build(frame)
        graph, select = self._graphs[key]
        graph.push(frame)
        image = graph.pull().to_ndarray()
        # A copy: what PyAV hands out may be a view of libav's own frame, padding included.
        return np.array(image.reshape(*image.shape[:2], -1)[select])

    def _build(self, frame):
        upright = _upright(frame)
        width, height = frame.width, frame.height
        if "transpose" in dict(upright):
            width, height = height, width
        filters, select = list(upright), (slice(None), slice(None))
        if self._resizing is not None:
            target = self._resizing.target(width, height)
            rows, columns = self._resizing.window(*target)
            scaled = (width, height) if self._resizing.filter == "nearest" else target
            options = {"width": str(scaled[0]), "height": str(scaled[1]), "flags": SCALING, "threads": "1"}
            filters.append(("scale", options))  # which converts as well, from colours at full resolution
            select = rows, columns
            if self._resizing.filter == "nearest":
                select = np.ix_(_nearest(height, target[1])[rows], _nearest(width, target[0])[columns])
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(template=frame, time_base=frame.time_base),
            *(graph.add(name, **options) for name, options in filters),
            graph.add("format", pix_fmts=self._format),
            graph.add("buffersink"),
        ]
        for one, next_one in zip(nodes, nodes[1:]):
            one.link_to(next_one)
        graph.configure()
        return graph, select


def _nearest(size, new_size):
    """Return the indices of the pixels that the centres of the new ones lie in; of two, the one of Pillow."""
    pixels = PIL.Image.fromarray(np.arange(size, dtype=np.int32)[None])
    return np.asarray(pixels.resize((new_size, 1), PIL.Image.Resampling.NEAREST))[0]


def _upright(frame):
    """Return the filters, names and options, that show a frame as its display matrix says.

    Phones store frames as the sensor sees them, with such a note. The matrix takes the place (x, y) of a
    pixel to (a x + c y, b x + d y); ISO 14496-12, "matrix" of a track header. Other angles than quarter turns
    are taken to the nearest of those.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return []
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    transposed = abs(b) > abs(a)
    across, down = (c, b) if transposed else (a, d)
    return [
        *([("transpose", {"dir": "cclock_flip"})] if transposed else []),
        *([("hflip", {})] if across < 0 else []),
        *([("vflip", {})] if down < 0 else []),
    ]
