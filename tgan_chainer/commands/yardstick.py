"""Measure videos of moving digits by a yardstick: can they be read, do they stay what they are, do they move?

Each SOURCE is what `evaluate inception --help` lists: a run, a snapshot, the name of shipped weights, a data
set, an array, or a folder of videos; NAME=SOURCE gives it a name in the table. Real clips are the bound:
name them first.

  %(prog)s data/moving_digit_32.h5 results/tgan_moving_digit_32_cpu
  %(prog)s real=data/moving_mnist.h5 authors=authors.npy ours=moving_mnist --out results/yardstick

  legible     share of frames with a blob that a classifier of digits is at least 0.9 sure of; it was trained
              on digits and on things that are none, and is a part of the package
  persistent  share of the digits read whose nearest blob in the next frame is read as the same digit
  as asked    share of the digits read that are the label of their clip, or that a conditional model was
              asked for
  moving      how far the nearest blob is in the next frame, as a multiple of the first source's; 1 is right,
              0 stands still, and frames in a wrong order jump
  empty       share of frames that are nearly black
  Fréchet     the distance to the first source's videos in the features of a C3D, of equally many: by default
              of one that was trained on single digits, and is a part of the package too (frames of any size
              are resized to 32×32); distances of different numbers of videos are not comparable.
              A first source that is no data set is cut in two for its own distance

All of them vary with --num and --seed, the more the fewer the videos: compare, and quote, numbers of equally
many.

It writes OUT.json, OUT.md, the table, and OUT.png: videos of each source, with a red frame where a digit was
read. It needs SciPy, which comes with mlxtend: pip install mlxtend.
"""

import os

import numpy as np
import tqdm

from tgan_chainer import figures
from tgan_chainer.checks import check_positive_int, check_seed
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.options import add_gpu_option
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import load_classifier, measure_frechet, open_source
from tgan_chainer.evaluations.digit_classifier import NO_DIGIT, load_digit_classifier
from tgan_chainer.evaluations.legibility import measure_legibility, read_blobs
from tgan_chainer.evaluations.video_classifier import DIGIT_CLIPS
from tgan_chainer.files import check_can_write, save_json, save_text
from tgan_chainer.reproduction.markdown import escape
from tgan_chainer.videos import to_uint8

N_FRAMES = 16
SHOWN = 3  # videos of each source in the picture
PIXELS = 64  # side of a frame in the picture, about


def main(argv=None):
    args = parse_arguments(argv)
    check_positive_int(num=args.num)
    check_seed(args.seed)
    use_device(args.gpu)
    for suffix in ".json", ".md", ".png":
        check_can_write(args.out + suffix)
    digits = load_digit_classifier()
    c3d = load_classifier(args.classifier, gpu=args.gpu)
    named = [name_of(source) for source in args.sources]
    sources = {
        name: open_source(path, N_FRAMES, "random", size=None, value_range=args.range, gpu=args.gpu)
        for name, path in named
    }
    if len(sources) < len(named):
        raise InputError("two sources have the same name; call them NAME=SOURCE")

    results, pictures = {}, []
    reference = next(iter(sources.values()))
    for name, source in sources.items():
        n = min(args.num, source.n or args.num)
        videos = source.draw(n, args.seed)
        shown = []
        videos = keep_first(videos, SHOWN, shown, name, n)
        measured = measure_legibility(videos, digits, source.labels(n, args.seed))
        # A file or folder against itself is cut in two; of a data set other windows are taken.
        number = min(n, (reference.n or 2 * n) // (2 if source is reference else 1))
        measured["frechet"], measured["frechet_videos"] = None, number
        if number > 1:  # as a covariance needs
            distance = measure_frechet(source, reference, c3d, n_samples=number, n_repeats=1, seed=args.seed)
            measured["frechet"] = distance["frechet_distance"]
        results[name] = {**measured, "source": source.description}
        pictures.append(draw(shown, digits))
    for result in results.values():
        result["moving"] = ratio(result["displacement"], next(iter(results.values()))["displacement"])

    save_json(args.out + ".json", {"seed": args.seed, "results": results})
    text = table(results)
    save_text(args.out + ".md", text)
    figures.save_picture(args.out + ".png", figures.draw_rows(list(results), pictures, size=16))
    print(text + "\n" + ", ".join(args.out + suffix for suffix in (".json", ".md", ".png")))


def keep_first(videos, n, kept, name, total):
    """Pass videos on with a progress bar, putting the first n into the list ``kept``."""
    for video in tqdm.tqdm(videos, desc=name, total=total, unit="video", disable=None):
        if len(kept) < n:
            kept.append(video)
        yield video


def draw(videos, digits):
    """Draw every second frame of videos, one a row, framed in red where a digit is read."""
    same = [video for video in videos if video.shape == videos[0].shape]  # a picture has one size
    frames = to_uint8(np.stack(same))[:, :, ::2]
    framed = [[(d != NO_DIGIT).any() for _, d in read_blobs(v.max(axis=0), digits)] for v in frames]
    scale = max(1, PIXELS // frames.shape[-1])
    frames = frames.repeat(scale, axis=3).repeat(scale, axis=4)
    return figures.draw_strips(frames, np.array(framed))


def table(results):
    """Return the results as a table in Markdown."""
    keys = ["legible", "persistent", "as_asked", "moving", "empty", "frechet"]
    titles = [{"as_asked": "as asked", "frechet": "Fréchet"}.get(key, key) for key in keys]
    lines = [" | ".join(["| source", "videos", *titles]) + " |"]
    lines.append("|---" * (len(keys) + 2) + "|")
    for name, result in results.items():
        cells = [cell(key, result[key]) for key in keys]
        lines.append(" | ".join([f"| {escape(name)}", f"{result['videos']:,}", *cells]) + " |")
    return "\n".join([*lines, ""])


def cell(key, value):
    if value is None:
        return "–"
    return f"{value:.2f}" if key in ("moving", "frechet") else f"{value:.1%}"


def ratio(value, of):
    return value / of if value is not None and of else None


def name_of(source):
    """Split NAME=SOURCE; without a name, the last part of the path is one."""
    name, mark, path = source.partition("=")
    if mark and not os.path.exists(source):
        return name, path
    return os.path.basename(os.path.normpath(source)), source


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help="see above; the first is the bound")
    parser.add_argument("--num", type=int, metavar="N", default=200, help="videos of each (default 200)")
    parser.add_argument(
        "--classifier",
        metavar="FILE",
        default=DIGIT_CLIPS,
        help="another C3D for the distance, of train_classifier.py",
    )
    parser.add_argument("--range", choices=("signed", "unit"), help="range of floats in arrays")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="seed of the choice (default 0)")
    parser.add_argument("--out", metavar="PREFIX", default="results/yardstick", help="default: %(default)s")
    add_gpu_option(parser)
    return parser.parse_args(argv)
