"""Make the golf data set of Vondrick et al., "Generating Videos with Scene Dynamics" (NIPS 2016).

Its authors publish their stabilized clips as JPEG files: each file is one clip, its frames, 128x128,
stacked from top to bottom. SRC is the folder that the files were unpacked to, LIST a text file with one
path a line, relative to SRC. JPEGs of your own will do as well, if the frames are square.

Each frame is resized to --size pixels by itself, so that none bleeds into the next. Clips with fewer than
--min-frames frames are left out and listed. Files that are missing or cannot be read are listed with the
reason, and make the exit status 1; all others are in the file nevertheless.

A run that was interrupted, even by kill -9, goes on if the same command is given again: what is done is
kept in the folder OUT.parts, uncompressed, until OUT is whole. The same files and options give the
same file, whatever the number of --workers. It is what the option --data of train.py takes.

examples:
  %(prog)s ~/golf ~/golf/list.txt data/golf.h5
  %(prog)s ~/golf ~/golf/list.txt data/golf128.h5 --size 128 --min-frames 32
"""

import functools
import os

import numpy as np

from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.making_options import add_making_options, parse_size
from tgan_chainer.datasets.images import read_image, resize_frames
from tgan_chainer.datasets.making import Clip, make_video_file
from tgan_chainer.errors import InputError
from tgan_chainer.files import load_lines


def main(argv=None):
    args = parse_arguments(argv)
    return make_video_file(
        args.out,
        read_list(args.list, args.src),
        functools.partial(read_stack, size=args.size, gray=args.gray, resize=args.resize),
        facts={
            "dataset": "golf",
            "resized": (args.size, args.size),
            "filter": args.resize,
            "gray": args.gray,
        },
        source=f"Golf clips of Vondrick et al. (2016), those in {os.path.abspath(args.list)}",
        min_frames=args.min_frames,
        workers=args.workers,
        force=args.force,
    )


def read_list(path, src):
    """Return the clips in the order of the list."""
    if not os.path.isdir(src):
        raise InputError(f"{src}: no such folder; expected the folder that the paths in {path} start from")
    names = load_lines(path)
    if not names:
        raise InputError(f"{path}: an empty list; expected the path of one JPEG a line")
    return [Clip(os.path.join(src, name), name) for name in names]


def read_stack(path, size, gray=False, resize="bicubic"):
    """Cut an image into its square frames and resize them.

    Args:
        path (str): An image file, (T * S, S).
        size (int): Side of the frames to return.
        gray (bool): Brightness instead of colours.
        resize (str): "bicubic" or "nearest".

    Returns:
        tuple: uint8 (T, size, size, C), C is 1 (gray) or 3 (RGB); and None, for the unknown frame rate.

    Raises:
        InputError: Its height is no multiple of its width, or it cannot be used.
        OSError: It cannot be read.
    """
    image = read_image(path, "L" if gray else "RGB")
    width, height = image.size
    if height % width:
        raise InputError(f"{width}x{height} pixels; expected square frames from top to bottom")
    pixels = np.asarray(image)
    clip = resize_frames(pixels.reshape(-1, width, *pixels.shape[1:]), size, resize)
    return (clip[..., None] if gray else clip), None


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("src", metavar="SRC", help="folder that the paths in LIST start from")
    parser.add_argument("list", metavar="LIST", help="text file, the path of one JPEG a line")
    parser.add_argument("out", metavar="OUT", help="file to make, such as data/golf.h5")
    parser.add_argument(
        "--size", type=parse_size, metavar="N", default=64, help="side of the frames (default: %(default)s)"
    )
    add_making_options(parser)
    return parser.parse_args(argv)
