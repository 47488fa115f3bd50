"""Options that the commands in ``datasets/`` share."""

import argparse
import fractions
import re

from tgan_chainer.datasets.decoding import FILTERS


def add_making_options(parser):
    """Add what all commands take that make a video file of many sources."""
    parser.add_argument(
        "--resize",
        choices=FILTERS,
        default="bicubic",
        help="bicubic, with antialiasing, or nearest, as in the authors' data (default: %(default)s)",
    )
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


def parse_size(text):
    """Turn a number of pixels into an int, 1 to 1024; a ``type=`` for argparse."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number of pixels from 1 to 1024")
    return int(text)


def add_fps_option(parser):
    """Give a command that decodes videos the option --fps."""
    parser.add_argument(
        "--fps", type=parse_fps, help="resample to so many frames a second (default: as they are)"
    )


def parse_fps(text):
    """Turn ``25``, ``29.97`` or ``30000/1001`` into a Fraction; a ``type=`` for argparse."""
    plain = re.fullmatch(r"[0-9]{1,7}(\.[0-9]{0,6})?(/[0-9]{1,7})?", text)
    try:
        fps = fractions.Fraction(text) if plain else 0
    except (ValueError, ZeroDivisionError):
        fps = 0
    if not fractions.Fraction(1, 100) <= fps <= 1000:
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is no number from 0.01 to 1000 such as 25, 29.97 or 30000/1001"
        )
    return fps
