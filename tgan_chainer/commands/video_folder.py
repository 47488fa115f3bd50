"""Make a data set of your own videos: a folder of files, or a folder of folders, one a class.

  SRC/first.mp4  SRC/second.avi ...                  clips without classes
  SRC/cats/a.mp4  SRC/cats/b.mov  SRC/dogs/c.mkv ... clips with classes, named after the folders and
                                                     numbered in the order of their names

  SRC/train/cats/a.mp4 ... SRC/val/dogs/b.mov ...     likewise, those of --split train or --split val

Files that end in .avi .mp4 .mkv .mov .webm .mpg .mpeg .m4v .gif .wmv .flv .3gp .ts or .mts, in capitals
or not, are decoded by libav, whatever the codec. Each frame is resized, so that its shorter side has
--size pixels, and its central square is kept. Videos of phones are turned upright. Sound is ignored, and
so is a note to show pixels wider than high. Hidden files are left out, and of a file and links to it only
one is taken.

A clip is kept in memory while it is decoded: 12 kB a frame at 64x64, so better cut films into scenes.
Clips with fewer than --min-frames frames (after --fps) are left out and listed. Files that cannot be
read are listed with the reason, and make the exit status 1; all others are in the file nevertheless.

A run that was interrupted, even by kill -9, goes on if the same command is given again: what is done is
kept in the folder OUT.parts, uncompressed, until OUT is whole. The same videos and options give the
same file, whatever the number of --workers. It is what the option --data of train.py takes.

examples:
  %(prog)s ~/Videos data/mine.h5
  %(prog)s ~/Videos data/mine.h5 --size 128 --fps 12.5
  %(prog)s ~/Videos data/mine.h5 --gray --min-frames 32
"""

import functools
import os
import sys

from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.making_options import add_fps_option, add_making_options, parse_size
from tgan_chainer.datasets.decoding import VIDEO_SUFFIXES, Resizing, read_video
from tgan_chainer.datasets.images import IMAGE_SUFFIXES
from tgan_chainer.datasets.making import Clip, make_video_file
from tgan_chainer.datasets.searching import find_files
from tgan_chainer.errors import InputError

# Videos that are not read, but should not be passed over in silence.
OTHER_SUFFIXES = (
    *(".3g2", ".asf", ".divx", ".dv", ".f4v", ".h264", ".hevc", ".m2ts", ".m2v", ".mjpeg", ".mpe", ".mxf"),
    *(".ogg", ".ogv", ".qt", ".rm", ".rmvb", ".vob", ".y4m"),
)

# Names of folders that hold classes rather than being one.
SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "test", "testing"}


def main(argv=None):
    args = parse_arguments(argv)
    clips, label_names = find_clips(args.src, args.split)
    resizing = Resizing(None, None, args.size, args.resize)
    return make_video_file(
        args.out,
        clips,
        functools.partial(read_video, resizing=resizing, fps=args.fps, gray=args.gray),
        facts={
            "dataset": "video_folder",
            "split": args.split,
            "crop": args.size,
            "filter": args.resize,
            "resampled_to": args.fps and float(args.fps),
            "gray": args.gray,
        },
        source=f"The videos in {os.path.abspath(os.path.join(args.src, args.split or ''))}",
        label_names=label_names,
        min_frames=args.min_frames,
        workers=args.workers,
        force=args.force,
    )


def find_clips(src, split=None):
    """Return the clips, sorted by name, and the names of the classes or None."""
    if not os.path.isdir(src):
        raise InputError(f"{src}: no such folder; expected a folder of videos")
    if split is not None:
        src = os.path.join(src, split)
        if not os.path.isdir(src):
            raise InputError(f"{src}: no such folder; expected one of that name for --split {split}")
    paths = {os.path.relpath(path, src): path for path in find_files(src, VIDEO_SUFFIXES)}
    tell_others(src)
    if not paths:
        raise InputError(f"{src}: no videos; expected files that end in {' '.join(VIDEO_SUFFIXES)}")
    parts = {name: name.split(os.sep) for name in paths}
    loose = [name for name in parts if len(parts[name]) == 1]
    if loose and len(loose) < len(parts):
        inside = next(name for name in parts if len(parts[name]) > 1)
        raise InputError(
            f"{src}: there are both loose videos ({loose[0]}) and videos in folders ({inside}); "
            "expected only the one or only the other, where folders are classes"
        )
    if loose:
        return [Clip(path, name) for name, path in paths.items()], None
    classes = sorted({part[0] for part in parts.values()})
    deep = [name for name in parts if len(parts[name]) > 2]
    if len(deep) == len(parts) and SPLIT_NAMES.issuperset(name.lower() for name in classes):
        raise InputError(
            f"{src}: clips lie deeper than one class folder ({deep[0]}), and {', '.join(classes)} "
            f"look like splits, not classes; choose one by --split {classes[0]}"
        )
    if deep:
        print(f"clips lie deeper than one class folder: {deep[0]} is taken as of {parts[deep[0]][0]}")
    return [Clip(path, name, classes.index(parts[name][0])) for name, path in paths.items()], classes


def tell_others(src):
    """Name what seems to be video and is left out: other kinds of files, folders of images."""
    for what, found in (
        ("video of a kind that is", find_files(src, OTHER_SUFFIXES)),
        ("images, which are", find_files(src, IMAGE_SUFFIXES)),
    ):
        if found:
            print(f"left out: {len(found)} {what} not read here, such as {found[0]}", file=sys.stderr)


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("src", metavar="SRC", help="folder of videos, or of folders of videos")
    parser.add_argument("out", metavar="OUT", help="file to make, such as data/mine.h5")
    parser.add_argument(
        "--split", metavar="NAME", help="take SRC/NAME, such as train of SRC/train/CLASS/ and SRC/val/CLASS/"
    )
    parser.add_argument(
        "--size",
        type=parse_size,
        metavar="N",
        default=64,
        help="side of the square frames (default: %(default)s)",
    )
    add_fps_option(parser)
    add_making_options(parser)
    return parser.parse_args(argv)
