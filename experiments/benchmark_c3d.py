"""Time the classifier of the inception score, C3D: this package, and PyTorch with channels last in memory.

  %(prog)s
  %(prog)s --batch-size 4 8 16 32 --threads 2

Milliseconds a video of the forward pass on a CPU, of videos that are in memory already (float32, 3 channels,
16 frames of 112×112, random weights): the smallest and the median of some turns, which the two take one after
the other. Both keep freed memory.
"""

import os
import statistics
import time

import numpy as np
from tqdm import tqdm

from tgan_chainer.checks import check_positive_int
from tgan_chainer.commands.cli import ArgumentParser, run_command
from tgan_chainer.errors import InputError
from tgan_chainer.links import C3D
from tgan_chainer.parallel import prepare_process

import chainer


def main(argv=None):
    parser = ArgumentParser(__doc__)
    parser.add_argument("--batch-size", type=int, nargs="+", metavar="N", default=[4, 8, 16, 32])
    parser.add_argument("--threads", type=int, metavar="N", default=2, help="CPU threads (default 2)")
    parser.add_argument("--turns", type=int, metavar="N", default=3, help="to time (default 3)")
    args = parser.parse_args(argv)
    check_positive_int(threads=args.threads, turns=args.turns)
    for n in args.batch_size:
        check_positive_int(batch_size=n)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    prepare_process()
    try:
        contenders = {"ours": build_ours(), "pytorch": build_pytorch(args.threads)}
    except ImportError:
        raise InputError("PyTorch is not installed: pip install torch") from None
    print(f"{'batch':>5}{'threads':>8}" + "".join(f"{name:>18}" for name in contenders) + f"{'ours/it':>16}")
    for n in args.batch_size:
        x = np.random.RandomState(0).uniform(-128, 128, (n, 3, 16, 112, 112)).astype(np.float32)
        seconds = {name: [] for name in contenders}
        for turn in tqdm(range(1 + args.turns), unit="turn", disable=None, leave=False):
            for name, forward in contenders.items():
                start = time.perf_counter()
                forward(x)
                seconds[name] += [(time.perf_counter() - start) / n] if turn else []
        pairs = {name: (min(times), statistics.median(times)) for name, times in seconds.items()}
        ratios = [ours / theirs for ours, theirs in zip(*pairs.values())]
        cells = "".join(f"{1e3 * a:11.0f} /{1e3 * b:5.0f}" for a, b in pairs.values())
        print(f"{n:5}{args.threads:8}{cells}{ratios[0]:10.2f} /{ratios[1]:5.2f}", flush=True)


def build_ours():
    network = C3D()

    def forward(x):
        with chainer.using_config("train", False), chainer.no_backprop_mode():
            return network(x)

    return forward


def build_pytorch(threads):
    import torch
    from torch import nn

    torch.set_num_threads(threads)

    def convolutions(*channels):
        return [
            layer
            for c, c_out in zip(channels, channels[1:])
            for layer in (nn.Conv3d(c, c_out, 3, padding=1), nn.ReLU(inplace=True))
        ]

    network = nn.Sequential(
        *(*convolutions(3, 64), nn.MaxPool3d((1, 2, 2))),
        *(*convolutions(64, 128), nn.MaxPool3d(2)),
        *(*convolutions(128, 256, 256), nn.MaxPool3d(2)),
        *(*convolutions(256, 512, 512), nn.MaxPool3d(2)),
        *(*convolutions(512, 512, 512), nn.MaxPool3d(2, ceil_mode=True)),
        *(nn.Flatten(), nn.Linear(512 * 4 * 4, 4096), nn.ReLU(inplace=True)),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 101)),
    ).to(memory_format=torch.channels_last_3d)

    def forward(x):
        with torch.inference_mode():
            return network(torch.from_numpy(x).to(memory_format=torch.channels_last_3d))

    return forward


if __name__ == "__main__":
    run_command(main)
