"""Show what a data set, a folder of videos, a video, an array or a run holds: facts, and a moving grid.

  %(prog)s data/moving_mnist.h5
  %(prog)s data/ucf101.h5 --num 36 --out ucf101.mp4
  %(prog)s ~/Videos --out strips.png
  %(prog)s results/tgan_moving_mnist

Of a data set all facts that it states are printed: clips, frames, size, classes, and how it was made. Of a
folder the videos are counted by class, size and rate, as their headers say; those that cannot be read are
listed, and make the exit status 1. Of a run it is what it was trained on; SOURCE may be the name of weights
that come along, too (generate.py --list). The grid shows random windows of random clips, the same ones for
the same --seed; of a run they are the videos of generate.py.
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
from tgan_chainer.evaluations.video_source import FolderSource, open_source
from tgan_chainer.reading import printable
from tgan_chainer.texts import count, value_text
from tgan_chainer.videos import check_suffix, save_videos

_MOST_NAMED = 8  # classes, sizes or reasons in a line


def main(argv=None):
    args = parse_arguments(argv)
    check_positive_int(frames=args.frames)
    if args.size is not None:
        check_positive_int(size=args.size)
    check_picture_options(args, [args.seed], args.num)
    name = os.path.splitext(os.path.basename(os.path.abspath(args.source)))[0]
    out = args.out or f"show_{name}.gif"
    check_suffix(out)
    gpu = default_gpu() if args.gpu is None else args.gpu
    if os.path.isfile(args.source) and args.source.lower().endswith(VIDEO_SUFFIXES):
        source = FolderSource(args.source, args.frames, "random", None, args.size, args.range)
    else:
        source = open_source(args.source, args.frames, size=args.size, value_range=args.range, gpu=gpu)
    facts, faults = describe(source, args.source)
    for key, value in facts.items():
        print(printable(f"{key + ':':14}{value}"))
    videos, unreadable = draw(source, args.num, args.seed)
    faults = unreadable | faults
    for fault in list(faults.values())[:_MOST_NAMED]:
        print(f"left out:     {printable(fault)}")
    if len(faults) > _MOST_NAMED:
        print(f"left out:     {len(faults) - _MOST_NAMED:,} more")
    if not videos:
        raise InputError(f"{args.source}: no video that can be shown")
    save_videos(out, videos, fps=args.fps, scale=args.scale)
    what = f"{count(len(videos), 'video')} of {count(args.frames, 'frame')}"
    print(f"{what}, seed {args.seed}: {printable(out)}")
    return 1 if faults else 0


def describe(source, path):
    """Return the facts of a source, and why files cannot be read, by their paths: two dicts of texts."""
    kind = source.description["kind"]
    if kind == "data_set":
        return describe_data_set(source.dataset), {}
    if kind in ("folder", "video"):
        return describe_files(path)
    facts = {key: value for key, value in source.description.items() if key != "facts"}
    return {
        key.replace("_", " "): value_text(value) for key, value in facts.items() if value not in (None, "")
    }, {}


def describe_data_set(dataset):
    facts = dataset.facts
    lengths = np.diff(dataset.first_window) + dataset.n_frames - 1
    found = {
        "clips": f"{facts['clips']:,}" + (f", {dataset.n_short:,} too short" if dataset.n_short else ""),
        "frames": f"{facts['frames']:,}, {span(lengths)} a clip",
        "size": f"{dataset.width}×{dataset.height} pixels, {'grey' if dataset.channels == 1 else 'colour'}",
    }
    if facts["frame_rate"]:
        found["rate"] = f"{facts['frame_rate']:g} frames a second"
    elif facts["dataset"] in ("ucf101", "video_folder"):  # others were drawn, or come as single frames
        found["rate"] = "that of the videos it was made of"
    if dataset.labels is not None:
        counts = collections.Counter(dataset.labels.tolist())
        names = dataset.label_names or range(dataset.n_classes)
        found["classes"] = classes({str(name): counts[i] for i, name in enumerate(names)})
    found["source"] = facts["source"]
    made = ["frame_rate" if key == "resampled_to" else key for key in FACTS]
    return found | {key.replace("_", " "): value_text(facts[key]) for key in made if facts[key] is not None}


def describe_files(source):
    """Read the headers of the videos in a folder, or of one; return as :func:`describe` does."""
    is_folder = os.path.isdir(source)
    paths = find_files(source, VIDEO_SUFFIXES) if is_folder else [source]
    kinds, sizes, rates, groups = (collections.Counter() for _ in range(4))
    lengths, faults = [], {}
    for path in tqdm(paths, unit="file", disable=None):
        try:
            width, height, rate, n_frames = read_header(path)
        except InputError as error:
            faults[path] = f"{path}: {error}"
            continue
        kinds[os.path.splitext(path)[1].lower()] += 1
        sizes[f"{width}×{height} pixels"] += 1
        rates["unknown" if rate is None else f"{rate:.4g} frames a second"] += 1
        if is_folder:
            groups[os.path.relpath(os.path.dirname(path), source).split(os.sep)[0]] += 1
        if n_frames:
            lengths.append(n_frames)
    if not paths:
        return {"videos": "arrays or images, which have no headers to count"}, faults
    if not kinds:
        return {"videos": "none that can be read"}, faults
    found = {
        "videos": f"{kinds.total():,}, {counted(kinds)}",
        "frames": f"{span(lengths)} a video" if lengths else "not stated",
        "size": counted(sizes),
        "rate": counted(rates),
    }
    if set(groups) - {"."}:
        found["classes"] = classes(groups)
    return found, faults


def draw(source, num, seed):
    """Return videos, and why others cannot be drawn, as :func:`describe` does."""
    items = source.items(source.n or num, seed)  # of a folder all: others stand in for what cannot be read
    if items is None:  # a generator
        return list(tqdm(source.draw(num, seed), total=num, unit="video", disable=None)), {}
    videos, faults = [], {}
    with tqdm(total=min(num, len(items)), unit="video", disable=None) as bar:
        for item in items:
            if len(videos) == num:
                break
            try:
                videos.append(item.read())
                bar.update()
            except (InputError, OSError) as error:
                faults[item.name] = str(error)
    return videos, faults


def span(numbers):
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}, {np.mean(numbers):,.0f} on average,"


def counted(counter):
    """Return the most frequent things, with their numbers if there are several: ``.avi (3), .mp4 (1)``."""
    return next(iter(counter)) if len(counter) == 1 else named(dict(counter.most_common()))


def classes(counts):
    """Return how many clips the classes have, by a dict."""
    return f"{len(counts):,}: {named(counts)}"


def named(counts):
    texts = [f"{name} ({n:,})" for name, n in list(counts.items())[:_MOST_NAMED]]
    more = len(counts) - len(texts)
    return ", ".join(texts + ([f"{more:,} more"] if more else []))


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("source", metavar="SOURCE", help="data set, folder of videos, video, array, or run")
    parser.add_argument("--out", metavar="FILE", help="default: show_ and the name of SOURCE, a GIF, here")
    parser.add_argument("--num", type=int, metavar="N", default=25, help="how many videos (default 25)")
    parser.add_argument("--frames", type=int, metavar="N", default=16, help="frames of each (default 16)")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="fixes which (default 0)")
    parser.add_argument(
        "--size", type=int, metavar="N", default=64, help="side of videos from files (default 64)"
    )
    parser.add_argument(
        "--range", choices=("signed", "unit"), help="values of arrays: [-1, 1] or [0, 1] (default: found)"
    )
    add_picture_options(parser)
    return parser.parse_args(argv)
