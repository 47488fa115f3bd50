"""Generate videos with a trained generator.

SOURCE is a results folder of train.py (its newest generator is taken), one snapshot file, or the name of
weights that come with the package (--list). The suffix of --out chooses the form: .gif and .mp4 are a moving
grid, .png a strip with one row of frames for each video, .npy the numbers, float32 (N, C, T, H, W) in
[-1, 1], of any number of videos.

  %(prog)s moving_mnist --num 25
  %(prog)s results/tgan_moving_mnist
  %(prog)s results/tgan_moving_mnist --num 36 --seed 1 --out samples.mp4
  %(prog)s results/tgan_moving_mnist --num 6 --out strips.png
  %(prog)s results/tgan_moving_mnist --num 100 --each --out samples/video.gif
  %(prog)s results/tgan_moving_mnist/generator_iter_5000.npz --num 10000 --out x.npy
  %(prog)s results/conditional_tgan_svc_ucf101 --label IceDancing 23 --num 8
  %(prog)s results/conditional_tgan_svc_ucf101 --label all --num 4

A conditional generator draws labels as often as its training data had them, unless --label says which: then
--num videos of each label make one row.
"""

import os

from tqdm import tqdm

from tgan_chainer import pretrained
from tgan_chainer.checks import check_positive_int
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.options import add_picture_options, check_picture_options
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError
from tgan_chainer.labels import repeat_labels
from tgan_chainer.runs import load_run
from tgan_chainer.texts import count
from tgan_chainer.videos import check_suffix, save_videos


def main(argv=None):
    args = parse_arguments(argv)
    if args.list:
        print(pretrained.listing())
        return
    if args.source is None:
        raise InputError("SOURCE is missing: a results folder, a snapshot, or one of those that --list names")
    check_positive_int(num=args.num, batch_size=args.batch_size)
    check_picture_options(args, [args.seed])
    if args.columns is not None:
        check_positive_int(columns=args.columns)
    suffix = check_suffix(args.out)
    run = load_run(args.source, use_device(args.gpu), with_discriminator=False)

    options = {"columns": args.columns, "fps": args.fps, "scale": args.scale}
    labels, num = repeat_labels(args.label, args.num, run)
    if labels is not None:
        options["columns"] = args.columns or args.num
    videos = run.generator.sample(num, args.seed, args.batch_size, labels)
    videos = tqdm(videos, total=num, unit="video", disable=None)
    if args.each:
        stem = os.path.splitext(args.out)[0]
        for i, video in enumerate(videos):
            save_videos(f"{stem}_{i:05}{suffix}", [video], **options)
    else:
        save_videos(args.out, videos, count=num, **options)
    where = f"{stem}_*{suffix}" if args.each else args.out
    made = f"{count(num, 'video')} of iteration {run.iteration:,} on {run.config.data}"
    print(f"{made}, seed {args.seed}: {where}")


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="results folder, snapshot or name")
    parser.add_argument("--list", action="store_true", help="list the weights that come with the package")
    parser.add_argument("--out", metavar="FILE", default="samples.gif", help="default: samples.gif")
    parser.add_argument("--num", type=int, metavar="N", default=16, help="how many videos (default 16)")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="seed of the latent variables (default 0)"
    )
    parser.add_argument(
        "--label", nargs="+", metavar="L", help="names or numbers of labels, or all (conditional models)"
    )
    parser.add_argument("--each", action="store_true", help="one file for each video: FILE_00000.gif, ...")
    parser.add_argument("--columns", type=int, metavar="N", help="videos in a row (default: a square grid)")
    parser.add_argument(
        "--batch-size", type=int, metavar="N", default=16, help="videos at a time (default 16)"
    )
    add_picture_options(parser)
    return parser.parse_args(argv)
