"""From many sources to one file as :func:`tgan_chainer.datasets.write_videos` makes it.

On several threads, in the order given, going on where an earlier run was interrupted. The commands
``datasets/{ucf101,golf,video_folder}.py`` are about which files, and how to read one.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import sys
import zlib

import numpy as np
import tqdm

from tgan_chainer.checks import check_positive_int
from tgan_chainer.datasets.video_writer import write_videos
from tgan_chainer.errors import InputError
from tgan_chainer.files import TEMPORARY_PREFIX, atomic_path, check_can_write, load_json, locked, save_json
from tgan_chainer.parallel import in_order, thread_count
from tgan_chainer.reading import message_line, printable, without_odd_bytes
from tgan_chainer.texts import count

FORMAT = "tgan_chainer parts 2"
PART_CLIPS = 32  # what a kill costs at most; with fewer, flushing to the disk begins to take time


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
        return without_odd_bytes(self.name)


def make_video_file(
    out, clips, read, facts, source, label_names=None, min_frames=16, workers=None, force=False
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
        facts (dict): What the frames depend on besides: attributes of the file, as for :func:`write_videos`.
        source, label_names: As for :func:`write_videos`.
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
    options = {"facts": facts, "min_frames": min_frames, "source": source, "label_names": label_names}
    with _locked_parts(out):
        parts = _Parts(out, clips, options, force)
        with parts.kept():
            parts.make_missing(read, min_frames, workers)
        outcomes = parts.outcomes()

        n_broken = sum("broken" in outcome for outcome in outcomes)
        n_short = sum("short" in outcome for outcome in outcomes)
        n_good = len(clips) - n_broken - n_short
        problems = []
        for clip, outcome in zip(clips, outcomes, strict=True):
            if "broken" in outcome:
                problems.append(f"cannot read {clip.text}: {outcome['broken']}")
            elif "short" in outcome:
                problems.append(f"too short {clip.text}: {count(outcome['short'], 'frame')}")
        for problem in problems:
            print(message_line(problem), file=sys.stderr)
        if n_good == 0:
            parts.remove()
            raise InputError(
                f"no clip is left of {len(clips)}: {n_broken} cannot be read, "
                f"{n_short} have fewer than {count(min_frames, 'frame')}"
            )
        with parts.kept():
            parts.join(source, label_names, facts)
        parts.remove()
    left_out = ""
    if n_short:
        left_out += f"; left out: {n_short} with fewer than {count(min_frames, 'frame')}"
    if n_broken:
        left_out += f"; {n_broken} cannot be read"
    print(f"{printable(out)}: {count(n_good, 'clip')}, {os.path.getsize(out) / 1e6:.1f} MB{left_out}")
    return 1 if n_broken else 0


def check_arguments(out, force, min_frames, workers):
    """Raise InputError unless :func:`make_video_file` takes these; for commands with long work before it."""
    check_positive_int(**{"--min-frames": min_frames})
    if workers is not None:
        check_positive_int(**{"--workers": workers})
    if os.path.isdir(out):
        raise InputError(f"{out} is a folder; expected the name of the file to make")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.stat(f"{out}.parts")  # a name that is too long
    if os.path.exists(out) and not force:
        raise InputError(f"{out} exists already; name another file, or replace it by --force")
    check_can_write(out)


@contextlib.contextmanager
def _locked_parts(out):
    """Hold the folder of the parts against other processes; in the end remove it if nothing is left there."""
    folder = f"{out}.parts"
    with locked(folder):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


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
        if found != wanted:
            if os.listdir(self.folder) and not force:
                raise InputError(
                    f"{self.folder} was left by a run with other options or sources; "
                    "give the same ones to go on, or --force to start anew"
                )
            self.remove()
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
        """What became of each clip: ``shape``, ``frame_rate`` and ``crc32``, or ``short``, or ``broken``."""
        parts = {start: load_json(self._path(start, "json")) for start in self.starts}
        for start, outcomes in parts.items():
            n = len(self.clips[start : start + PART_CLIPS])
            if not isinstance(outcomes, list) or len(outcomes) != n:
                raise self._damaged(start)
        return [outcome for outcomes in parts.values() for outcome in outcomes]

    def _damaged(self, start):
        path = self._path(start, "json")
        os.remove(path)
        return InputError(f"{path} was damaged, and is removed; the same command makes it again")

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
                        if len(frames) < size or zlib.crc32(frames) != outcome["crc32"]:
                            raise self._damaged(start)
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
        """Remove the parts, and nothing else that may be in their folder."""
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
    frames = np.ascontiguousarray(frames)
    file.write(frames.data)
    return {"shape": frames.shape, "frame_rate": frame_rate, "crc32": zlib.crc32(frames)}


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
