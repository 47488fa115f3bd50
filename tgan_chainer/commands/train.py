"""Train a TGAN (Algorithm 1).

Without options: TGAN with singular value clipping on Moving MNIST, with the paper's numbers, on the first
GPU if there is one. Other experiments are YAML files in experiments/configs/, and every setting in them can
be given as an option as well:

  python experiments/train.py --gpu 0
  python experiments/train.py --config experiments/configs/tgan_moving_mnist_cpu.yaml
  python experiments/train.py --gpu -1 --iterations 3 --batch-size 4 --out /tmp/try
  python experiments/train.py --out results/tgan_moving_mnist --resume

The results folder gets config.yaml (all settings), log (JSON), losses.png, preview/ (a GIF and a PNG from the
same latent variables each time), snapshot_iter_N.npz (to resume from) and generator_iter_N.npz (to sample
from, see generate.py). Ctrl-C or SIGTERM finishes the iteration, writes a snapshot and says how to go on.
"""

import os
import shlex
import sys

import numpy as np

from tgan_chainer import extensions, provenance, snapshots
from tgan_chainer.clipping import SingularValueClipping, WeightClipping
from tgan_chainer.commands import cli
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.config import CONFIGS, Config, config_name
from tgan_chainer.datasets import RandomWindows, VideoDataset
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.evaluations import load_classifier
from tgan_chainer.files import TEMPORARY_PREFIX, locked
from tgan_chainer.losses import LOSSES
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.optimizers import build_optimizer
from tgan_chainer.triggers import IterationsOrSignal
from tgan_chainer.updaters import GANUpdater

import chainer

DEFAULT_CONFIG = os.path.join(CONFIGS, "tgan_moving_mnist.yaml")


def main(argv=None):
    args = parse_arguments(argv)
    config, out, resume_from = choose_run(args)
    device = use_device(args.gpu, config.tf32, config.pytorch_kernels)
    print(config.description or out, flush=True)
    if device.xp is np and config.discriminator_width >= 64 and config.iterations > 1000:
        print("On a CPU this takes weeks; --config experiments/configs/tgan_moving_mnist_cpu.yaml does not.")

    # The data (Section 6.1): 16 successive frames from a random place of each clip.
    dataset = VideoDataset(config.data, config.n_frames, with_labels=config.model == "conditional_tgan")
    config = complete(config, dataset)
    iterator = chainer.iterators.MultithreadIterator(  # a thread loads the next batch meanwhile
        dataset, config.batch_size, n_threads=1, order_sampler=RandomWindows(dataset, config.seed)
    )

    classifier = config.classifier and load_classifier(
        None if config.classifier == "c3d" else config.classifier, gpu=args.gpu
    )

    # The networks (Table 1, Fig. 1, Sections 5.2 and 6.3).
    snapshots.seed_everything(device, config.seed)
    generator, discriminator = build_generator(config), build_discriminator(config)
    generator.label_names, generator.trained_on = dataset.label_names, dataset.describe()
    if dataset.with_labels:
        generator.label_prior = np.bincount(dataset.labels, minlength=config.n_classes) / dataset.n_clips
    optimizers = {}
    for name, network in ("gen", generator), ("dis", discriminator):
        network.to_device(device)
        optimizers[name] = build_optimizer(config).setup(network)

    if config.clipping == "weight":
        optimizers["dis"].add_hook(WeightClipping(config.c))

    # Algorithm 1.
    updater = GANUpdater(
        iterator,
        optimizers,
        clipping=SingularValueClipping() if config.clipping == "svc" else None,
        loss=LOSSES[config.loss](),
        n_dis=config.n_dis,
        n_clip=config.n_clip,
        simultaneous=config.simultaneous,
        device=device,
    )

    # What is written on the way.
    stop = IterationsOrSignal(config.iterations)
    trainer = chainer.training.Trainer(updater, stop, out)
    log = chainer.training.extensions.LogReport(trigger=stop.every(config.log_interval))
    trainer.extend(log)
    trainer.extend(extensions.Console(log, config.iterations))
    trainer.extend(extensions.LossCurves(log), trigger=stop.every(config.preview_interval))
    trainer.extend(extensions.Preview(generator), trigger=stop.every(config.preview_interval))
    if classifier:
        scores = extensions.InceptionScore(generator, classifier, config.score_samples)
        trainer.extend(scores, trigger=stop.every(config.score_interval))
    if config.opponent:
        games = extensions.GAM(config, config.opponent, config.score_samples)
        trainer.extend(games, trigger=stop.every(config.score_interval))
    trainer.extend(extensions.Snapshot(config), trigger=stop.every(config.snapshot_interval))

    if resume_from:
        snapshots.load_snapshot(resume_from, trainer, config)
        if updater.iteration >= config.iterations:
            raise InputError(
                f"{resume_from} has {updater.iteration} iterations; ask for more by --iterations"
            )
        print(f"resumed from {resume_from}", flush=True)
    with locked(out), stop, np.errstate(all="ignore"):  # what overflows is reported by iteration and name
        remove_leftovers(out)
        config.save(os.path.join(out, "config.yaml"))
        provenance.record(out, device, from_iteration=updater.iteration)
        try:
            trainer.run(show_loop_exception_msg=False)
        except NonFiniteError as error:
            raise NonFiniteError(f"training diverged: {error}; {how_to_go_on(args, out)}") from error
    if stop.signal is not None:
        print(f"stopped in iteration {updater.iteration}; {how_to_go_on(args, out)}")
        return 128 + stop.signal
    print(f"trained {updater.iteration} iterations; see {os.path.join(out, 'preview')}")
    return 0


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument(
        "--config", metavar="FILE", help="settings to start from (default: configs/tgan_moving_mnist.yaml)"
    )
    parser.add_argument(
        "--gpu", type=int, metavar="N", help="GPU to use, -1 for the CPU (default: 0 if there)"
    )
    parser.add_argument("--out", metavar="DIR", help="results folder (default results/NAME OF THE CONFIG)")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="SNAPSHOT",
        help="go on from the newest snapshot in the results folder, or from this one, with the run's own "
        "settings (--config then only names the folder)",
    )
    Config.add_arguments(parser)
    return parser.parse_args(argv)


def choose_run(args):
    """Return the configuration, the results folder and the snapshot to resume from (or None).

    Raises InputError if the results folder holds another run, or newer snapshots of this one.
    """
    given = Config.given_arguments(args)
    config_path = args.config or DEFAULT_CONFIG
    out = args.out or os.path.join("results", config_name(config_path))
    if args.resume is None:
        if os.path.exists(os.path.join(out, "log")) or snapshots.find_snapshots(out):
            going_on = "add --resume to go on with it" if snapshots.find_snapshots(out) else "remove it"
            raise InputError(f"{out} already holds a run: {going_on}, or choose another --out")
        loaded = Config.load(config_path)
        config = loaded.replace(**given)
        if loaded.description == config.description != "" and (changes := config.differences(loaded)):
            config = config.replace(description=f"{config.description}; CHANGED: {', '.join(changes)}")
        return config.replace(data=os.path.abspath(config.data)), out, None

    if args.resume is True or os.path.isdir(args.resume):
        out = out if args.resume is True else args.resume
        found = snapshots.find_snapshots(out, snapshots.RESUMABLE)
        if not found:
            raise InputError(f"{out} holds no snapshot to resume from; start anew with another --out")
        resume_from = found[-1]
    else:
        resume_from = args.resume
        out = args.out or os.path.dirname(os.path.abspath(resume_from))
    newest = (snapshots.find_snapshots(out, snapshots.RESUMABLE) or [resume_from])[-1]
    if os.path.abspath(newest) != os.path.abspath(resume_from):
        raise InputError(f"{out} already holds {newest}: choose another --out to go on from {resume_from}")
    config = snapshots.read_snapshot(resume_from)[0]["config"].replace(**given)
    return config.replace(data=os.path.abspath(config.data)), out, resume_from


def complete(config, dataset):
    """Fill in what the data set determines; raise InputError where it contradicts the configuration."""
    if dataset.height != dataset.width:
        raise InputError(f"{config.data} has frames of {dataset.width}×{dataset.height}; they must be square")
    for key, actual in ("channels", dataset.channels), ("image_size", dataset.height):
        wanted = getattr(config, key)
        if wanted not in (None, actual):
            raise InputError(f"{key} is {wanted}, but {config.data} has {actual}")
    config = config.replace(channels=dataset.channels, image_size=dataset.height)
    if not dataset.with_labels:
        return config
    n_classes = len(dataset.label_names or range(dataset.labels.max() + 1))
    if config.n_classes not in (None, n_classes):
        raise InputError(f"n_classes is {config.n_classes}, but {config.data} has {n_classes}")
    return config.replace(n_classes=n_classes)


def remove_leftovers(out):
    """Remove the temporary files of a killed process."""
    for folder in out, os.path.join(out, "preview"):
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name.startswith(TEMPORARY_PREFIX):
                os.remove(os.path.join(folder, name))


def how_to_go_on(args, out):
    newest = snapshots.find_snapshots(out, snapshots.RESUMABLE)
    if not newest:
        return "there is no snapshot yet"
    gpu = [] if args.gpu is None else ["--gpu", str(args.gpu)]
    command = shlex.join([*(cli.program or [sys.executable, sys.argv[0]]), *gpu, "--out", out, "--resume"])
    return f"the last snapshot is {newest[-1]}; to go on: {command}"
