"""Options that several commands share."""

import argparse
import dataclasses
import re

from tgan_chainer.checks import check_positive_int, check_seed
from tgan_chainer.config import NO_OPTIONS, Config, type_of, yaml_text
from tgan_chainer.errors import InputError
from tgan_chainer.videos import MAX_GRID, MAX_SCALE, SCALE


def add_gpu_option(parser):
    """Give a command the option --gpu."""
    parser.add_argument(
        "--gpu", type=int, metavar="N", help="GPU to use, -1 for the CPU (default: 0 if there)"
    )


def add_picture_options(parser):
    """Give a command that makes pictures the options --fps, --scale and --gpu."""
    parser.add_argument("--fps", type=float, metavar="X", default=8, help="frames per second (default 8)")
    parser.add_argument(
        "--scale", type=int, metavar="N", default=SCALE, help=f"size of a pixel (default {SCALE})"
    )
    add_gpu_option(parser)


def check_picture_options(args, seeds, num=1):
    """Raise InputError unless --fps, --scale, all seeds and the number of videos of a grid are in range."""
    check_positive_int(scale=args.scale, num=num)
    if num > MAX_GRID:
        raise InputError(f"num must be at most {MAX_GRID}, not {num}")
    if args.scale > MAX_SCALE:
        raise InputError(f"scale must be at most {MAX_SCALE}, not {args.scale}")
    for seed in seeds:
        check_seed(seed)
    if not 0 < args.fps <= 100:
        raise InputError(f"fps must be more than 0 and at most 100, not {args.fps}")


def add_settings(parser):
    """Give a parser an option for each setting of :class:`Config`; those not given stay out of its result."""
    group = parser.add_argument_group("settings", "Each overrides the key of the same name in the config.")
    for field in dataclasses.fields(Config):
        if field.name in NO_OPTIONS:
            continue
        default = "" if field.default in (None, "") else f" (default {yaml_text(field.default)})"
        options = {"help": field.metadata["help"] + default, "default": argparse.SUPPRESS}
        if type_of(field) is bool:
            options |= {"action": argparse.BooleanOptionalAction}
        else:
            options |= {"type": type_of(field), "choices": field.metadata["choices"]}
            if not options["choices"]:
                options["metavar"] = {int: "N", float: "X", str: "PATH"}[type_of(field)]
        group.add_argument("--" + field.name.replace("_", "-"), **options)


def given_settings(args):
    """Return the settings among the parsed arguments, as a dict."""
    names = {field.name for field in dataclasses.fields(Config)}
    return {name: value for name, value in vars(args).items() if name in names}


def parse_duration(text):
    """Turn ``90s``, ``20m``, ``3h30m`` or ``2d`` into seconds, an int; a ``type=`` for argparse."""
    found = re.fullmatch(r"(?:(\d{1,4})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,8})s)?", text)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not total:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no time such as 90s, 20m, 3h30m or 2d")
    return total
