"""From video files of any kind to one file as :func:`tgan_chainer.datasets.write_videos` makes it.

:func:`read_video` decodes one file, :func:`make_video_file` many: on several threads, in the order given,
going on where an earlier run was interrupted. The commands ``datasets/{ucf101,golf,video_folder}.py`` are
about which files, and how to read one.
"""

import argparse
import contextlib
import dataclasses
import fractions
import gc
import hashlib
import json
import os
import re
import sys

import av
import imageio.v3 as iio
import numpy as np
import tqdm

from tgan_chainer.checks import check_positive_int
from tgan_chainer.datasets.video_writer import write_videos
from tgan_chainer.errors import InputError
from tgan_chainer.files import TEMPORARY_PREFIX, atomic_path, load_json, save_json
from tgan_chainer.parallel import in_order, thread_count

FORMAT = "tgan_chainer parts 1"
PART_CLIPS = 32  # what a kill costs at most; with fewer, flushing to the disk begins to take time

# Of what libav can read, what people have.
VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".gif", ".wmv", ".flv")

# Share of the promised frames that a whole file has at least: headers count some that are never shown.
WHOLE = 0.9

# Bit-exact, so that every machine makes the same file; accurate, because the frames become very small.
SCALING = "bicubic+accurate_rnd+full_chroma_int+bitexact"


@dataclasses.dataclass(frozen=True)
class Clip:
    """One source file.

    Attributes:
        path (str): The file.
        name (str): What to call it, in the video file and in messages.
        label (int): Its class, or None.
    """

    path: str
    name: str
    label: int | None = None

    @property
    def text(self):
        """str: The name without the bytes that are not UTF-8, which HDF5 cannot store."""
        return os.fsencode(self.name).decode(errors="replace")


# Reading one file


def resize_filters(width, height, crop=0):
    """Filters that give every frame one size and then, unless ``crop`` is 0, keep its central square.

    Args:
        width, height (int): Pixels, whatever the shape of the source.
        crop (int): Side of the square, at most ``width`` and ``height``.

    Returns:
        list of tuple: For :func:`read_video`.
    """
    # One thread: the files are decoded side by side, which needs no waiting for each other.
    filters = [("scale", {"width": str(width), "height": str(height), "flags": SCALING, "threads": "1"})]
    if crop:
        # By itself libav rounds half a pixel to the even number.
        corner = {"x": "floor((iw-ow)/2)", "y": "floor((ih-oh)/2)"}
        filters.append(("crop", {"out_w": str(crop), "out_h": str(crop), **corner, "exact": "1"}))
    return filters


def square_filters(size):
    """Filters that make the shorter side of a frame ``size`` pixels long and keep the central square.

    Pixels are taken to be square. See :func:`resize_filters`.
    """
    width = f"if(gt(iw,ih),round({size}*iw/ih),{size})"
    height = f"if(gt(iw,ih),{size},round({size}*ih/iw))"
    return resize_filters(width, height, size)


def read_video(path, filters, fps=None, gray=False):
    """Decode the first video stream of a file of any kind that libav knows, turned upright where it says so.

    Args:
        path (str or os.PathLike): The file.
        filters (list of tuple): libav filters, name and arguments, such as :func:`resize_filters` returns.
        fps (fractions.Fraction): Frames per second to resample to, by leaving out or repeating frames; None
            keeps them all.
        gray (bool): Brightness instead of colours.

    Returns:
        tuple: The frames, uint8 (T, H, W, C), C is 1 (gray) or 3 (RGB); and how many make a second, float or,
        if the file does not say so, None.

    Raises:
        InputError: It is not a video, has no frames, or is damaged or cut short. The message is the reason,
            without the path.
        OSError: It cannot be opened.
    """
    with open(path, "rb") as file:
        if not file.read(1):
            raise InputError("an empty file")
    pixels = "gray" if gray else "rgb24"
    # The scaler itself converts, from colours at full resolution, and the crop is exact to the pixel.
    filters = [*filters, ("format", f"pix_fmts={pixels}")]
    if fps is not None:
        filters.insert(0, ("fps", f"fps={fps.numerator}/{fps.denominator}"))
    try:
        filters = [("transpose", "clock")] * _quarter_turns(path) + filters
        with iio.imopen(path, "r", plugin="pyav") as file:
            n_expected, frame_rate = _stated(file)
            # np.array: what imageio hands out is a view of libav's own frame, padding included.
            frames = [
                np.array(frame) for frame in file.iter(format=pixels, filter_sequence=filters, thread_count=1)
            ]
    except av.FFmpegError as error:
        raise InputError(f"damaged ({error.strerror or error})") from error
    except (OSError, ValueError, RuntimeError, IndexError) as error:
        no_stream = isinstance(error.__cause__, IndexError)
        raise InputError(
            "no video in this file" if no_stream else "not a video that libav can read"
        ) from error
    if not frames:
        raise InputError("no frames in this file")
    if fps is not None:
        n_expected = n_expected * float(fps) / frame_rate if frame_rate else 0
        frame_rate = float(fps)
    if len(frames) < WHOLE * n_expected:
        raise InputError(f"cut short ({len(frames)} frames; expected {n_expected:.0f} by its header)")
    clip = np.stack(frames)
    return (clip[..., None] if gray else clip), frame_rate


def _quarter_turns(path):
    """How often to turn the frames clockwise: phones store them as the sensor sees them, with such a note."""
    # Not by imageio, whose way to such notes fails with PyAV 19. It meets the same errors, and says which.
    with contextlib.suppress(av.FFmpegError, IndexError, ValueError), av.open(path) as file:
        frame = next(file.decode(video=0), None)
        return 0 if frame is None else round(-frame.rotation / 90) % 4
    return 0


def _stated(file):
    """How many frames a file promises, 0 if it does not, and its frame rate or None."""
    n_frames = file.properties().shape[0]
    try:
        metadata = file.metadata()
    except TypeError:  # what imageio makes of a rate that is not known
        return n_frames, None
    # An MP4 that was trimmed promises frames that are not to be shown; its duration does not.
    return min(n_frames, metadata.get("duration", np.inf) * metadata["fps"]), metadata["fps"]


def parse_fps(text):
    """Turn ``25``, ``29.97`` or ``30000/1001`` into a Fraction; a ``type=`` for argparse."""
    try:
        fps = fractions.Fraction(text)
    except (ValueError, ZeroDivisionError):
        fps = fractions.Fraction(0)
    if not 0 < fps <= 1000 or max(fps.numerator, fps.denominator) > 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number such as 25, 29.97 or 30000/1001")
    return fps


# Making the video file


def add_options(parser):
    """Give a command the options that all of them share."""
    parser.add_argument("--gray", action="store_true", help="store brightness instead of colours")
    parser.add_argument(
        "--min-frames",
        type=int,
        metavar="N",
        default=16,
        help="keep out clips with fewer frames (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="files to decode at a time (default: one a core)"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file if it exists, and parts of another run"
    )


def make_video_file(
    out,
    clips,
    read,
    options,
    source,
    label_names=None,
    facts=None,
    min_frames=16,
    workers=None,
    force=False,
):
    """Read all clips and write them, in the order given, to one video file; tell what was left out on stderr.

    Finished clips are kept, not compressed, in the folder ``OUT.parts``, together with a fingerprint of the
    options and of the sources (names, sizes, dates). A run that was interrupted, by whatever, goes on from
    there if the fingerprint agrees, and makes the same file, byte for byte. In the end the folder is removed.

    The file has ``/names``, ``/labels`` if the clips have them, ``/frame_rates`` (float64, (N,)) if they are
    known, and the attribute ``frame_rate`` if they are all the same.

    Args:
        out (str): The file to make. It appears when it is whole.
        clips (list of Clip): The sources.
        read (callable): Takes a path; returns frames, uint8 (T, H, W, C), H, W, C the same for all, and the
            frame rate or None. Raises InputError or OSError if it cannot. Runs on several threads.
        options (dict): Everything else that the frames depend on, for the fingerprint; JSON's own types.
        source, label_names: As for :func:`write_videos`.
        facts (dict): Attributes of the file, as for :func:`write_videos`.
        min_frames (int): Clips with fewer frames are left out.
        workers (int): Threads; None for one a core.
        force (bool): Replace ``out`` if it exists, and parts with another fingerprint.

    Returns:
        int: Exit status: 1 if clips could not be read, else 0.

    Raises:
        InputError: ``out`` exists, parts disagree, an argument is out of range, or no clip could be read.
        OSError: As raised by the file system (disk full, no permission, ...). The parts stay.
    """
    workers = thread_count() if workers is None else workers
    check_arguments(out, force, min_frames, workers)
    options = {**options, "min_frames": min_frames, "source": source, "label_names": label_names}
    options["facts"] = facts
    parts = _Parts(out, clips, options, force)
    with parts.kept():
        parts.make_missing(read, min_frames, workers)
    outcomes = parts.outcomes()

    problems = []
    for clip, outcome in zip(clips, outcomes, strict=True):
        if "broken" in outcome:
            problems.append(f"cannot read {clip.text}: {outcome['broken']}")
        elif "short" in outcome:
            problems.append(f"too short {clip.text}: {outcome['short']} frames")
    for problem in problems:
        print(" ".join(problem.split()), file=sys.stderr)
    n_broken = sum("broken" in outcome for outcome in outcomes)
    n_short = sum("short" in outcome for outcome in outcomes)
    n_good = len(clips) - n_broken - n_short
    if n_good == 0:
        parts.remove()
        raise InputError(
            f"no clip is left of {len(clips)}: {n_broken} cannot be read, "
            f"{n_short} have fewer than {min_frames} frames"
        )
    with parts.kept():
        parts.join(source, label_names, facts or {})
    parts.remove()
    left_out = ""
    if n_short:
        left_out += f"; left out: {n_short} with fewer than {min_frames} frames"
    if n_broken:
        left_out += f"; {n_broken} cannot be read"
    print(f"{out}: {n_good} clips, {os.path.getsize(out) / 1e6:.1f} MB{left_out}")
    return 1 if n_broken else 0


def check_arguments(out, force, min_frames, workers):
    """Raise InputError unless :func:`make_video_file` takes these; for commands with long work before it."""
    check_positive_int(**{"--min-frames": min_frames})
    if workers is not None:
        check_positive_int(**{"--workers": workers})
    if os.path.isdir(out):
        raise InputError(f"{out} is a folder; expected the name of the file to make")
    if os.path.exists(out) and not force:
        raise InputError(f"{out} exists already; name another file, or replace it by --force")


class _Parts:
    # A part is PART_CLIPS clips: their frames one after another in a .raw file and then, as the sign that it
    # is finished, one outcome a clip in a .json file. Not compressed: joining would do it once more.

    def __init__(self, out, clips, options, force):
        self.out = out
        self.clips = clips
        self.folder = f"{out}.parts"
        self.starts = range(0, len(clips), PART_CLIPS)
        fingerprint = self._path("fingerprint.json")
        wanted = _fingerprint(clips, options)
        found = load_json(fingerprint)
        if os.path.isdir(self.folder) and found != wanted:
            if os.listdir(self.folder) and not force:
                raise InputError(
                    f"{self.folder} was left by a run with other options or sources; "
                    "give the same ones to go on, or --force to start anew"
                )
            self._clear()
        if found != wanted:
            save_json(fingerprint, wanted)

    def make_missing(self, read, min_frames, workers):
        """Decode what is not there yet."""
        missing = [start for start in self.starts if not os.path.exists(self._path(start, "json"))]
        todo = [clip for start in missing for clip in self.clips[start : start + PART_CLIPS]]

        def attempt(clip):
            try:
                return read(clip.path)
            except InputError as error:
                return str(error)
            except OSError as error:
                return error.strerror or str(error)

        with (
            collecting_little(),
            contextlib.closing(in_order(attempt, todo, workers)) as results,
            tqdm.tqdm(
                desc="decoding",
                total=len(self.clips),
                initial=len(self.clips) - len(todo),
                unit="clip",
                disable=None,
            ) as bar,
        ):
            for start in missing:
                outcomes = []
                with atomic_path(self._path(start, "raw")) as temporary, open(temporary, "wb") as file:
                    for _ in self.clips[start : start + PART_CLIPS]:
                        outcomes.append(_store(next(results), min_frames, file))
                        bar.update()
                save_json(self._path(start, "json"), outcomes)

    def outcomes(self):
        """What became of each clip: ``shape`` and ``frame_rate``, or ``short``, or ``broken``."""
        return [outcome for start in self.starts for outcome in load_json(self._path(start, "json"))]

    def join(self, source, label_names, facts):
        """Write the one video file, clip by clip."""
        outcomes = self.outcomes()
        good = [outcome for outcome in outcomes if "shape" in outcome]
        rates = {outcome["frame_rate"] for outcome in good}
        known = None not in rates
        attributes = {"frame_rate": rates.pop()} if known and len(rates) == 1 else {}
        labels = any(clip.label is not None for clip in self.clips)
        with (
            write_videos(self.out, source, label_names, **attributes, **facts) as videos,
            tqdm.tqdm(desc="compressing", total=len(good), unit="clip", disable=None) as bar,
        ):
            for start in self.starts:
                with open(self._path(start, "raw"), "rb") as file:
                    part = slice(start, start + PART_CLIPS)
                    for clip, outcome in zip(self.clips[part], outcomes[part], strict=True):
                        if "shape" not in outcome:
                            continue
                        size = int(np.prod(outcome["shape"]))
                        frames = np.frombuffer(file.read(size), np.uint8)
                        values = {"names": clip.text}
                        if labels:
                            values["labels"] = clip.label
                        if known:
                            values["frame_rates"] = outcome["frame_rate"]
                        videos.append(frames.reshape(outcome["shape"]), **values)
                        bar.update()

    @contextlib.contextmanager
    def kept(self):
        """Say on Ctrl-C that nothing is lost."""
        try:
            yield
        except KeyboardInterrupt:
            print(f"what is done is in {self.folder}; the same command goes on from there", file=sys.stderr)
            raise

    def remove(self):
        """Remove the parts, and the folder unless there is something else in it."""
        self._clear()
        with contextlib.suppress(OSError):
            os.rmdir(self.folder)

    def _clear(self):
        # Our own files and no others: a folder of this name need not be ours. The fingerprint goes first, so
        # that after a kill no run takes the rest for whole.
        own = re.compile(rf"fingerprint\.json|\d{{8}}\.(raw|json)|{re.escape(TEMPORARY_PREFIX)}.*")
        for name in sorted(os.listdir(self.folder), key=lambda name: name != "fingerprint.json"):
            if own.fullmatch(name):
                os.remove(os.path.join(self.folder, name))

    def _path(self, name, suffix=None):
        return os.path.join(self.folder, name if suffix is None else f"{name:08d}.{suffix}")


def _store(result, min_frames, file):
    if isinstance(result, str):
        return {"broken": result}
    frames, frame_rate = result
    if len(frames) < min_frames:
        return {"short": len(frames)}
    file.write(np.ascontiguousarray(frames).data)
    return {"shape": frames.shape, "frame_rate": frame_rate}


@contextlib.contextmanager
def collecting_little():
    # imageio calls gc.collect() for every file that it closes, which looks through all of Chainer. Frozen
    # objects are left alone.
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _fingerprint(clips, options):
    digest = hashlib.sha256()
    for clip in clips:
        try:
            status = os.stat(clip.path)
            state = [status.st_size, status.st_mtime_ns]
        except OSError:
            state = None
        digest.update(json.dumps([clip.name, clip.label, state]).encode())
    fingerprint = {"format": FORMAT, "part_clips": PART_CLIPS, "clips": len(clips), "options": options}
    return json.loads(json.dumps({**fingerprint, "sources": digest.hexdigest()}))
