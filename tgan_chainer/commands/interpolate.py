"""Generate the frames between frames (Section 5.1, Fig. 6), or the videos between two videos.

SOURCE is a results folder of train.py (its newest generator is taken) or one snapshot file, of a TGAN or a
conditional TGAN; other models have no trajectory z1 to interpolate. The suffix of --out chooses the form:

  .png         one row for each video: the generated frames framed in red, the intermediate ones between them.
               Without --frames only the first few frames, so that it fits on a page
  .gif, .mp4   slow motion: a grid of videos with (T - 1) factor + 1 frames, as many a second as before
  .npy         the numbers, float32 (N, C, (T - 1) factor + 1, H, W) in [-1, 1]

  %(prog)s results/tgan_moving_mnist
  %(prog)s results/tgan_moving_mnist --factor 3 --frames 5 9 --out fig6.png
  %(prog)s results/tgan_moving_mnist --factor 8 --num 16 --out slow.gif
  %(prog)s results/conditional_tgan_svc_ucf101 --label IceDancing 23 --num 2

The same --seed gives the videos that generate.py gives. A conditional generator draws labels as often as its
training data had them, unless --label says which: then there are --num videos of each label.

With --between A B each video has a z0 of its own, on the line from the first one of seed A to the first one
of seed B; in a .png the two ends are framed in red. Their label is that of seed A, or the one of --label.

  %(prog)s results/tgan_moving_mnist --between 0 1 --steps 8 --out between.gif
"""

import numpy as np
from tqdm import tqdm

from tgan_chainer import figures
from tgan_chainer.checks import check_positive_int
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.options import add_picture_options, check_picture_options
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError
from tgan_chainer.labels import parse_labels, repeat_labels
from tgan_chainer.links.generator import random_states
from tgan_chainer.runs import load_run
from tgan_chainer.texts import count
from tgan_chainer.videos import MAX_GRID, check_suffix, save_videos, to_uint8

import chainer

# Of options that mean something only with --between, or only without it.
DEFAULTS = {"factor": 4, "num": 4, "seed": 0, "steps": 8}
MAX_FACTOR = 64
MAX_STEPS = 64  # they are generated all at once


def main(argv=None):
    args = parse_arguments(argv)
    check_arguments(args)
    run = load_run(args.source, use_device(args.gpu), with_discriminator=False)
    figures.check_has_trajectory(run.generator)
    if args.between is None:
        interpolate(run, args)
    else:
        generate_between(run, args)


def interpolate(run, args):
    generator = run.generator
    factor, num, seed = (value_of(args, name) for name in ("factor", "num", "seed"))
    n_frames, still = generator.video_shape[1], args.out.lower().endswith(".png")
    window = args.frames or (figures.page_window(n_frames, factor) if still else (1, n_frames))
    slow = figures.InterpolatingGenerator(generator, factor, window)
    labels, num = repeat_labels(args.label, num, run)
    if num > MAX_GRID and not args.out.lower().endswith(".npy"):
        raise InputError(f"more than {MAX_GRID} videos do not fit into one picture; write an .npy")
    videos = tqdm(slow.sample(num, seed, labels=labels), total=num, unit="video", disable=None)
    if still:
        picture = figures.draw_interpolation(to_uint8(np.stack(list(videos))), factor)
        figures.save_picture(args.out, figures.enlarge(picture, args.scale))
    else:
        save_videos(args.out, videos, count=num, fps=args.fps, scale=args.scale)
    first, last = window
    print(
        f"{count(num, 'video')} of iteration {run.iteration:,}, seed {seed}, frames {first} to {last} in "
        f"{slow.video_shape[1]} steps: {args.out}"
    )


def generate_between(run, args):
    generator, steps = run.generator, value_of(args, "steps")
    first, last = args.frames or (1, generator.video_shape[1])
    figures.check_window(first, last, generator.video_shape[1])
    labels = parse_labels(args.label, run) if args.label else None
    if labels and len(labels) > 1:
        raise InputError(f"--between takes one --label, not {len(labels)}")
    # As Generator.sample draws them, so that these are the first videos of generate.py with each seed.
    (start, label_state), (end, _) = map(random_states, args.between)
    z0_start, z0_end = (generator.draw_z0(1, random_state)[0] for random_state in (start, end))
    if generator.n_classes:
        label = generator.draw_labels(1, label_state) if labels is None else np.array(labels, np.int32)
        labels = generator.device.send(label).repeat(steps)
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        videos = generator.generate_between(z0_start, z0_end, steps, labels).array
    videos = chainer.get_device("@numpy").send(videos)[:, :, first - 1 : last]
    if args.out.lower().endswith(".png"):
        figures.save_picture(args.out, figures.enlarge(figures.draw_between(to_uint8(videos)), args.scale))
    else:
        save_videos(args.out, videos, fps=args.fps, scale=args.scale)
    seeds = " to ".join(map(str, args.between))
    print(f"{count(steps, 'video')} of iteration {run.iteration:,}, from seed {seeds}: {args.out}")


def check_arguments(args):
    given = [f"--{name}" for name in ("factor", "num", "seed") if getattr(args, name) is not None]
    if args.between is not None and given:
        raise InputError(f"{given[0]} has no meaning with --between, which takes --steps and two seeds")
    if args.between is None and args.steps is not None:
        raise InputError("--steps has no meaning without --between A B")
    factor, steps = value_of(args, "factor"), value_of(args, "steps")
    check_positive_int(factor=factor, num=value_of(args, "num"))
    check_picture_options(args, [value_of(args, "seed"), *(args.between or [])])
    if factor > MAX_FACTOR:
        raise InputError(f"factor must be at most {MAX_FACTOR}, not {factor}")
    if not 2 <= steps <= MAX_STEPS:
        raise InputError(f"steps must be in 2 ... {MAX_STEPS}, not {steps}")
    check_suffix(args.out)


def value_of(args, name):
    given = getattr(args, name)
    return DEFAULTS[name] if given is None else given


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("source", metavar="SOURCE", help="results folder, snapshot or name of weights")
    parser.add_argument("--out", metavar="FILE", default="interpolated.png", help="default: interpolated.png")
    parser.add_argument(
        "--factor", type=int, metavar="N", help="steps from one generated frame to the next (default 4)"
    )
    parser.add_argument("--num", type=int, metavar="N", help="how many videos (default 4)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the latent variables (default 0)")
    parser.add_argument(
        "--frames", type=int, nargs=2, metavar=("A", "B"), help="only from frame A to B, counted from 1"
    )
    parser.add_argument(
        "--label", nargs="+", metavar="L", help="names or numbers of labels, or all (conditional models)"
    )
    parser.add_argument(
        "--between", type=int, nargs=2, metavar=("A", "B"), help="seeds of the z0 at the ends of a line"
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="videos with --between, both ends included (default 8)"
    )
    add_picture_options(parser)
    return parser.parse_args(argv)
