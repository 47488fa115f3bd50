"""Show what a data set, a folder of videos, an array or a run holds: facts, and a moving grid.

  %(prog)s data/moving_mnist.h5
  %(prog)s data/ucf101.h5 --num 36 --out ucf101.mp4
  %(prog)s ~/Videos --out strips.png
  %(prog)s results/tgan_moving_mnist

Of a data set all facts that it states are printed: clips, frames, size, classes, and how it was made. Of a
folder the videos are counted by class, size and rate, as their headers say; those that cannot be read are
listed, and make the exit status 1. Of a run it is what it was trained on. The grid shows random windows of
random clips, the same ones for the same --seed; of a run they are the videos of generate.py.
"""

import collections
import os

import numpy as np
from tqdm import tqdm

from tgan_chainer.checks import check_positive_int
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.options import add_picture_options, check_picture_options
from tgan_chainer.datasets.decoding import VIDEO_SUFFIXES, read_header
from tgan_chainer.datasets.searching import find_files
from tgan_chainer.datasets.video_file import FACTS
from tgan_chainer.devices import default_gpu
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.video_source import open_source
from tgan_chainer.reading import printable
from tgan_chainer.videos import MAX_GRID, check_suffix, save_videos

_MOST_NAMED = 8  # classes, sizes or reasons in a line


def main(argv=None):
    args = parse_arguments(argv)
    check_positive_int(num=args.num, frames=args.frames)
    check_picture_options(args, [args.seed])
    if args.num > MAX_GRID:
        raise InputError(f"num must be at most {MAX_GRID}, not {args.num}")
    name = os.path.splitext(os.path.basename(os.path.abspath(args.source)))[0]
    out = args.out or f"show_{name}.gif"
    check_suffix(out)
    gpu = default_gpu() if args.gpu is None else args.gpu
    source = open_source(args.source, args.frames, size=args.size, value_range=args.range, gpu=gpu)
    facts, faults = describe(source, args.source)
    for key, value in facts.items():
        print(printable(f"{key + ':':14}{value}"))
    videos, unreadable = draw(source, args.num, args.seed)
    faults |= unreadable
    for fault in list(faults)[:_MOST_NAMED]:
        print(f"left out:     {printable(fault)}")
    if len(faults) > _MOST_NAMED:
        print(f"left out:     {len(faults) - _MOST_NAMED:,} more")
    if not videos:
        raise InputError(f"{args.source}: no video that can be shown")
    save_videos(out, videos, fps=args.fps, scale=args.scale)
    print(f"{len(videos)} videos of {args.frames} frames, seed {args.seed}: {out}")
    return 1 if faults else 0


def describe(source, path):
    """Return the facts of a source, a dict of texts, and its files' faults, a dict used as an ordered set."""
    kind = source.description["kind"]
    if kind == "data_set":
        return describe_data_set(source.dataset), {}
    if kind == "folder":
        return describe_folder(path)
    facts = {key: value for key, value in source.description.items() if key != "facts"}
    return {key.replace("_", " "): text(value) for key, value in facts.items() if value not in (None, "")}, {}


def describe_data_set(dataset):
    facts = dataset.facts
    lengths = np.diff(dataset.first_window) + dataset.n_frames - 1
    found = {
        "clips": f"{facts['clips']:,}" + (f", {dataset.n_short:,} too short" if dataset.n_short else ""),
        "frames": f"{facts['frames']:,}, {span(lengths)} a clip",
        "size": f"{dataset.width}×{dataset.height} pixels, {'grey' if dataset.channels == 1 else 'colour'}",
        "rate": f"{facts['frame_rate']:g} frames a second" if facts["frame_rate"] else "that of the sources",
    }
    if dataset.labels is not None:
        counts = collections.Counter(dataset.labels.tolist())
        names = dataset.label_names or range(dataset.n_classes)
        found["classes"] = classes({str(name): counts[i] for i, name in enumerate(names)})
    found["source"] = facts["source"]
    made = ["frame_rate" if key == "resampled_to" else key for key in FACTS]
    return found | {key.replace("_", " "): text(facts[key]) for key in made if facts[key] is not None}


def describe_folder(folder):
    """Read the headers of the videos in a folder; return as :func:`describe` does."""
    paths = find_files(folder, VIDEO_SUFFIXES)
    kinds, sizes, rates, groups = (collections.Counter() for _ in range(4))
    lengths, faults = [], {}
    for path in tqdm(paths, unit="file", disable=None):
        try:
            width, height, rate, n_frames = read_header(path)
        except InputError as error:
            faults[f"{path}: {error}"] = None
            continue
        kinds[os.path.splitext(path)[1].lower()] += 1
        sizes[f"{width}×{height}"] += 1
        rates["unknown" if rate is None else f"{rate:.4g}"] += 1
        groups[os.path.relpath(os.path.dirname(path), folder).split(os.sep)[0]] += 1
        if n_frames:
            lengths.append(n_frames)
    if not paths:
        return {"videos": "arrays or images, which have no headers to count"}, faults
    if not kinds:
        return {"videos": "none that can be read"}, faults
    found = {
        "videos": f"{kinds.total():,}: {counted(kinds)}",
        "frames": f"{span(lengths)} a video" if lengths else "not stated",
        "sizes": counted(sizes),
        "rates": f"{counted(rates)} frames a second",
    }
    if set(groups) != {"."}:
        found["classes"] = classes(groups)
    return found, faults


def draw(source, num, seed):
    """Return videos, and why others cannot be drawn, as :func:`describe` does."""
    if source.n is not None:
        num = min(num, source.n)
    items = source.items(num, seed)
    if items is None:  # a generator
        return list(tqdm(source.draw(num, seed), total=num, unit="video", disable=None)), {}
    videos, faults = [], {}
    for item in tqdm(items, unit="video", disable=None):
        try:
            videos.append(item.read())
        except (InputError, OSError) as error:
            faults[str(error)] = None
    return videos, faults


def span(numbers):
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}, {np.mean(numbers):,.0f} on average,"


def counted(counter):
    named = [f"{n:,} {name}" for name, n in counter.most_common(_MOST_NAMED)]
    more = len(counter) - len(named)
    return ", ".join(named + ([f"{more:,} more"] if more else []))


def classes(counts):
    """Return how many clips the classes have, by a dict."""
    names = list(counts)
    named = [f"{name} ({counts[name]:,})" for name in names[:_MOST_NAMED]]
    more = len(names) - len(named)
    return f"{len(names):,}: " + ", ".join(named + ([f"{more:,} more"] if more else []))


def text(value):
    if isinstance(value, list | tuple):
        return "×".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("source", metavar="SOURCE", help="data set, folder of videos, array, or run")
    parser.add_argument("--out", metavar="FILE", help="default: show_ and the name of SOURCE, a GIF, here")
    parser.add_argument("--num", type=int, metavar="N", default=25, help="how many videos (default 25)")
    parser.add_argument("--frames", type=int, metavar="N", default=16, help="frames of each (default 16)")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="fixes which (default 0)")
    parser.add_argument(
        "--size", type=int, metavar="N", default=64, help="side of videos from folders (default 64)"
    )
    parser.add_argument(
        "--range", choices=("signed", "unit"), help="values of arrays: [-1, 1] or [0, 1] (default: found)"
    )
    add_picture_options(parser)
    return parser.parse_args(argv)
