"""Make a data set of your own videos: a folder of files, or a folder of folders, one a class.

  SRC/first.mp4  SRC/second.avi ...                  clips without classes
  SRC/cats/a.mp4  SRC/cats/b.mov  SRC/dogs/c.mkv ... clips with classes, named after the folders and
                                                     numbered in the order of their names

Files that end in .avi .mp4 .mkv .mov .webm .mpg .mpeg .m4v .gif .wmv or .flv, in capitals or not, are
decoded by libav, whatever the codec. Each frame is resized, so that its shorter side has --size pixels,
and its central square is kept. Videos of phones are turned upright. Sound is ignored, and so is a note
to show pixels wider than high. Hidden files are left out.

A clip is kept in memory while it is decoded: 12 kB a frame at 64x64, so better cut films into scenes.
Clips with fewer than --min-frames frames (after --fps) are left out and listed. Files that cannot be
read are listed with the reason, and make the exit status 1; all others are in the file nevertheless.

A run that was interrupted, even by kill -9, goes on if the same command is given again: what is done is
kept in the folder OUT.parts, uncompressed, until OUT is whole. The same videos and options give the
same file, whatever the number of --workers. It is what the option --data of train.py takes.

examples:
  python datasets/video_folder.py ~/Videos data/mine.h5
  python datasets/video_folder.py ~/Videos data/mine.h5 --size 128 --fps 12.5
  python datasets/video_folder.py ~/Videos data/mine.h5 --gray --min-frames 32
"""

import functools
import os

from tgan_chainer.checks import check_positive_int
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.datasets.decoding import (
    VIDEO_SUFFIXES,
    Clip,
    add_options,
    make_video_file,
    parse_fps,
    read_video,
    square_filters,
)
from tgan_chainer.errors import InputError


def main(argv=None):
    parser = ArgumentParser(__doc__)
    parser.add_argument("src", metavar="SRC", help="folder of videos, or of folders of videos")
    parser.add_argument("out", metavar="OUT", help="file to make, such as data/mine.h5")
    parser.add_argument(
        "--size", type=int, metavar="N", default=64, help="side of the square frames (default: %(default)s)"
    )
    parser.add_argument(
        "--fps", type=parse_fps, help="resample to so many frames a second (default: as they are)"
    )
    add_options(parser)
    args = parser.parse_args(argv)
    check_positive_int(**{"--size": args.size})

    clips, label_names = find_clips(args.src)
    return make_video_file(
        args.out,
        clips,
        functools.partial(read_video, filters=square_filters(args.size), fps=args.fps, gray=args.gray),
        options={"command": "video_folder", "size": args.size, "fps": str(args.fps), "gray": args.gray},
        source=f"The videos in {os.path.abspath(args.src)}",
        label_names=label_names,
        facts={
            "dataset": "video_folder",
            "crop": args.size,
            "filter": "bicubic",
            "resampled_to": args.fps and float(args.fps),
            "gray": args.gray,
        },
        min_frames=args.min_frames,
        workers=args.workers,
        force=args.force,
    )


def find_clips(src):
    """Return the clips, sorted by name, and the names of the classes or None."""
    if not os.path.isdir(src):
        raise InputError(f"{src}: no such folder; expected a folder of videos")
    names = sorted(
        os.path.relpath(os.path.join(folder, name), src)
        for folder, _, files in os.walk(src, followlinks=True)
        for name in files
        if name.lower().endswith(VIDEO_SUFFIXES)
    )
    parts = {name: name.split(os.sep) for name in names}
    names = [name for name in names if not any(part.startswith(".") for part in parts[name])]
    if not names:
        raise InputError(f"{src}: no videos; expected files that end in {' '.join(VIDEO_SUFFIXES)}")
    loose = [name for name in names if len(parts[name]) == 1]
    if loose and len(loose) < len(names):
        inside = next(name for name in names if len(parts[name]) > 1)
        raise InputError(
            f"{src}: there are both loose videos ({loose[0]}) and videos in folders ({inside}); "
            "expected only the one or only the other, where folders are classes"
        )
    if loose:
        return [Clip(os.path.join(src, name), name) for name in names], None
    classes = sorted({parts[name][0] for name in names})
    clips = [Clip(os.path.join(src, name), name, classes.index(parts[name][0])) for name in names]
    return clips, classes
