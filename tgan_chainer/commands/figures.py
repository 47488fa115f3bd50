"""Draw the figures of the paper's experiments from runs of your own.

  2  loss curves of several runs, from their logs, with what clips each run's weights in the legend
  3  a few videos of each run, six frames at even intervals; runs side by side
  4  a grid of first frames for each run; runs side by side
  5  videos with all their frames; runs below one another
  6  frame interpolation: generated frames in red, intermediate frames between them; see interpolate.py
  7  samples of each label beside its name, four frames at even intervals; for conditional models

RUN is a results folder of train.py. For all figures but 2 a snapshot file will do as well, and for figures 3,
4, 5 and 7 a data set (.h5), of which real videos are drawn. A .png is for print; .gif and .mp4 (not of
figure 2) show grids that move, in figure 6 in slow motion. The paper's figure 2 shows the loss of the
generator (--key gen/loss).

  %(prog)s 2 results/tgan_weight_clipping_ucf101 results/tgan_svc_ucf101 --out fig2.png
  %(prog)s 2 results/c_0.01 results/c_0.001 results/svc --key gen/loss --out fig2.png
  %(prog)s 3 results/model3d_svc_moving_mnist results/tgan_moving_mnist
  %(prog)s 3 data/moving_mnist.h5 results/tgan_moving_mnist --out fig3.gif
  %(prog)s 4 results/video_gan_svc_ucf101 results/tgan_svc_ucf101 --num 36 --out fig4.gif
  %(prog)s 6 results/tgan_svc_ucf101 --factor 4 --out fig6.png
  %(prog)s 7 results/conditional_tgan_svc_ucf101 --label IceDancing 23 --out fig7.png

The same --seed gives the videos that generate.py gives.
"""

import itertools
import os
import typing

import numpy as np
from tqdm import tqdm

from tgan_chainer import figures
from tgan_chainer.checks import check_positive_int
from tgan_chainer.clipping import describe_clipping
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.options import add_picture_options, check_picture_options
from tgan_chainer.config import Config
from tgan_chainer.datasets import VideoDataset
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError
from tgan_chainer.labels import label_name, parse_labels
from tgan_chainer.logs import has_log, read_log
from tgan_chainer.losses import LABELS
from tgan_chainer.models import MODELS
from tgan_chainer.runs import load_run
from tgan_chainer.texts import count
from tgan_chainer.videos import MAX_GRID, check_suffix, tile, to_uint8

DEFAULT_NUM = {3: 6, 4: 36, 5: 4, 6: 4, 7: 2}
LABELS_ON_A_PAGE = 8
DATA_SUFFIXES = ".h5", ".hdf5"


def main(argv=None):
    args = parse_arguments(argv)
    check_arguments(args)
    if args.figure == 2:
        picture = draw_losses(args)
    else:
        sources = open_sources(args.runs, run_names(args.runs), use_device(args.gpu), args.figure == 7)
        titled = [draw_source(source, path, args) for source, path in zip(sources, args.runs)]
        below = args.figure in (5, 6) and not moves(args)
        picture = figures.join(titled, axis=1 if below else 2, gap=10 * args.scale)
    figures.save_picture(args.out, picture, args.fps)
    what = "" if args.figure == 2 else f", seed {args.seed}"
    print(f"figure {args.figure} of {', '.join(args.runs)}{what}: {args.out}")


def draw_losses(args):
    logs = [read_losses(run) for run in args.runs]
    key = args.key
    if key is None:  # the normal GAN estimates no distance
        key = "dis/wasserstein" if all("dis/wasserstein" in log[0] for log in logs) else "dis/loss"
    curves = {}
    for run, name, log in zip(args.runs, run_names(args.runs), logs):
        if key not in log[0]:
            known = ", ".join(sorted(k for k in log[0] if "/" in k)) or "no losses"
            raise InputError(f"the log of {run} has no {key!r}; it has {known}")
        config = Config.load(os.path.join(run, "config.yaml"))
        curves[f"{name} ({describe_clipping(config)})"] = (
            [entry["iteration"] for entry in log],
            [entry.get(key, np.nan) for entry in log],
        )
    return figures.draw_curves(curves, key)


class Source(typing.NamedTuple):
    """Where videos come from.

    Attributes:
        generator (Generator or VideoDataset): What they are drawn from.
        name (str): What the source is called.
        caption (str): What stands above its videos.
        label_names (list of str or None): Names of the labels.
    """

    generator: typing.Any
    name: str
    caption: str
    label_names: list | None


def open_sources(paths, names, device, with_labels):
    """Open runs and data sets, whose videos are as long as those of the first run, or have 16 frames."""
    is_run = [os.path.splitext(path)[1].lower() not in DATA_SUFFIXES for path in paths]
    runs = {p: load_run(p, device, with_discriminator=False) for p in itertools.compress(paths, is_run)}
    n_frames = next((run.config.n_frames for run in runs.values()), 16)
    sources = []
    for path, name in zip(paths, names):
        if path in runs:
            run, data = runs[path], runs[path].config.data
            caption = f"{name}\n{describe(run.config)}\niteration {run.iteration:,} on {short_name(data)}"
            sources.append(Source(run.generator, name, caption, run.label_names))
        else:
            dataset = VideoDataset(path, n_frames, with_labels)
            caption = f"{name}\nreal videos\n{count(dataset.n_clips, 'clip')}"
            sources.append(Source(dataset, name, caption, dataset.label_names))
    return sources


def draw_source(source, path, args):
    draw = draw_samples_by_label if args.figure == 7 else draw_samples
    try:
        picture = draw(source, args)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    caption = figures.draw_text(source.caption, size=font_size(args))
    return figures.join([caption, picture], axis=1, gap=2 * args.scale)


def draw_samples(source, args):
    generator = source.generator
    n_frames, slow = generator.video_shape[1], args.figure == 6
    if slow:
        window = None if moves(args) else figures.page_window(n_frames, args.factor)
        generator = figures.InterpolatingGenerator(generator, args.factor, window)
    videos = sample(generator, number_of_videos(args), args.seed, source.name)
    if moves(args):
        picture = figures.to_rgb(tile(videos))
    elif args.figure == 4:
        picture = figures.to_rgb(tile(videos[:, :, :1]))
    elif slow:
        picture = figures.draw_interpolation(videos, args.factor)
    else:
        shown = figures.spread_frames(n_frames, 6) if args.figure == 3 else slice(None)
        picture = figures.draw_strips(videos[:, :, shown])
    return figures.enlarge(picture, args.scale)


def draw_samples_by_label(source, args):
    labels = parse_labels(args.label or ["all"], source)
    if not args.label:
        labels = labels[:LABELS_ON_A_PAGE]
    num = number_of_videos(args)
    if num * len(labels) > MAX_GRID:
        raise InputError(f"{count(num, 'video')} of {count(len(labels), 'label')} are more than {MAX_GRID}")
    videos = sample(source.generator, num * len(labels), args.seed, source.name, np.repeat(labels, num))
    names, rows = [label_name(label, source) for label in labels], []
    for i in range(len(labels)):
        of_label = videos[i * num : (i + 1) * num]
        if moves(args):
            row = figures.to_rgb(tile(of_label, columns=num))
        else:
            of_label = of_label[:, :, figures.spread_frames(of_label.shape[2], 4)]
            strips = [figures.draw_strips(video[None]) for video in of_label]
            row = figures.join(strips, axis=2, gap=figures.GAP)
        rows.append(figures.enlarge(row, args.scale))
    return figures.draw_rows(names, rows, font_size(args))


def sample(generator, num, seed, name, labels=None):
    videos = tqdm(
        generator.sample(num, seed, labels=labels), desc=name, total=num, unit="video", disable=None
    )
    return to_uint8(np.stack(list(videos)))


def read_losses(run):
    if not has_log(run):
        raise InputError(f"{run} holds no log; is it a results folder?")
    log = read_log(run)
    if not log:
        raise InputError(f"the log of {run} is still empty; train for log_interval iterations first")
    return log


def run_names(runs):
    """Return the runs' last names, or, where two have the same one, their whole paths."""
    names = list(map(short_name, runs))
    return names if len(set(names)) == len(names) else runs


def short_name(path):
    return os.path.splitext(os.path.basename(os.path.abspath(path)))[0]


def describe(config):
    model = MODELS[config.model].label
    if config.model in ("tgan", "conditional_tgan") and not config.use_z0:
        model += " (G1(z1))"  # as in Table 3
    return f"{model}, {LABELS[config.loss]}, {describe_clipping(config)}"


def moves(args):
    return check_suffix(args.out) != ".png"


def number_of_videos(args):
    return DEFAULT_NUM.get(args.figure, 1) if args.num is None else args.num


def font_size(args):
    return 8 + 4 * args.scale


def check_arguments(args):
    if check_suffix(args.out) == ".npy" or (args.figure == 2 and moves(args)):
        wanted = ".png" if args.figure == 2 else ".png, .gif or .mp4"
        raise InputError(f"{args.out} must end in {wanted} for figure {args.figure}")
    check_positive_int(factor=args.factor)
    check_picture_options(args, [args.seed], number_of_videos(args))
    if args.factor > 64:
        raise InputError(f"factor must be at most 64, not {args.factor}")
    for option, figure in ("label", 7), ("key", 2):
        if getattr(args, option) and args.figure != figure:
            raise InputError(f"--{option} belongs to figure {figure}, not {args.figure}")
    repeated = [run for i, run in enumerate(args.runs) if run in args.runs[:i]]
    if repeated:
        raise InputError(f"{repeated[0]} is given twice")


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("figure", type=int, choices=range(2, 8), help="number of the figure in the paper")
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="results folders; except for 2 also snapshots and data sets"
    )
    parser.add_argument(
        "--out", metavar="FILE", help=".png, or .gif or .mp4 that moves (default: fig3.png and so on)"
    )
    parser.add_argument(
        "--num", type=int, metavar="N",
        help="videos of each run, in figure 7 of each label (default: " + ", ".join(
            f"{figure}: {num}" for figure, num in DEFAULT_NUM.items()) + ")",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="seed of the latent variables (default 0)"
    )
    parser.add_argument(
        "--key", help="figure 2: what to draw, such as gen/loss (default: dis/wasserstein, else dis/loss)"
    )
    parser.add_argument(
        "--factor", type=int, metavar="N", default=4, help="figure 6: steps between frames (default 4)"
    )
    parser.add_argument(
        "--label", nargs="+", metavar="L",
        help=f"figure 7: names or numbers of labels, or all (default: the first {LABELS_ON_A_PAGE})",
    )  # fmt: skip
    add_picture_options(parser)
    args = parser.parse_args(argv)
    args.out = args.out or f"fig{args.figure}.png"
    return args
