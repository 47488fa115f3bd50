"""Train a TGAN (Algorithm 1).

Without options: TGAN with singular value clipping on Moving MNIST, with the paper's numbers, on the first
GPU if there is one. Other experiments are YAML files in experiments/configs/, known by their names, and every
setting in them can be given as an option as well. Of a folder of your own videos, `video_folder` makes a data
set; the results folder is then named after it:

  %(prog)s --gpu 0
  %(prog)s --config tgan_moving_mnist_cpu
  %(prog)s --gpu -1 --iterations 3 --batch-size 4 --out /tmp/try
  %(prog)s --data data/mine.h5 --dry-run
  %(prog)s --out results/tgan_moving_mnist --resume --time-limit 3h30m

The results folder gets config.yaml (all settings), log.jsonl (losses, an entry a line), log.csv and
losses.png (the same as a table and as curves), preview/ (real videos, a GIF and a PNG from the same
latent variables each time, and at the end progress.png), snapshot_iter_N.npz (to resume from) and
generator_iter_N.npz (to sample from, see generate.py). Where scores are computed, generator_best.npz is
the generator with the best one. Ctrl-C, SIGTERM or SIGHUP finishes the iteration, writes a snapshot and
says how to go on; so does --time-limit, with exit status 0.

  mpiexec -n 4 %(prog)s --config tgan_moving_mnist_cpu

is the same run, computed by four processes, on GPUs by one each; batch_size stays that of all together.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import sys

import numpy as np

from tgan_chainer import extensions, logs, provenance, snapshots
from tgan_chainer.averaging import MovingAverage
from tgan_chainer.clipping import SingularValueClipping, WeightClipping
from tgan_chainer.commands import cli
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.opening import differences, opening
from tgan_chainer.commands.options import add_gpu_option, add_settings, given_settings, parse_duration
from tgan_chainer.config import Config, config_name, find_config
from tgan_chainer.datasets import (
    PartsOfBatches,
    RandomWindows,
    VideoDataset,
    n_reading_threads,
    send_and_scale,
)
from tgan_chainer.devices import use_device, why_no_cupy
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.evaluations import load_classifier
from tgan_chainer.files import locked
from tgan_chainer.losses import LOSSES
from tgan_chainer.models import MODELS, build_discriminator, build_generator
from tgan_chainer.optimizers import build_optimizer
from tgan_chainer.processes import COMMUNICATORS, launched_size, start
from tgan_chainer.reading import printable
from tgan_chainer.reproduction.rows import row_facts
from tgan_chainer.runs import Run
from tgan_chainer.spread_batch import SpreadBatch, part_of_batch
from tgan_chainer.texts import count
from tgan_chainer.triggers import IterationsOrSignal
from tgan_chainer.updaters import GANUpdater

import chainer
from chainer.dataset import concat_examples

DEFAULT_CONFIG = "tgan_moving_mnist"


def main(argv=None):
    args = parse_arguments(argv)
    processes = start(args.communicator, args.gpu)
    config, base, out, resume_from = choose_run(args)
    how = config.tf32, config.pytorch_kernels, config.deterministic
    device = use_device(processes.choose_gpu(args.gpu), *how)

    # The data (Section 6.1): 16 successive frames from a random place of each clip.
    dataset = VideoDataset(config.data, config.n_frames, with_labels=config.model == "conditional_tgan")
    changes = differences(config, base)
    config = complete(config, dataset)
    check_batch_size(config, processes)
    if processes.is_first:
        warn(config, dataset, device, args.gpu)
    part, order = part_of_batch(processes, config.batch_size), RandomWindows(dataset, config.seed)
    if device.xp is np:
        iterator, converter = PartsOfBatches(dataset, config.batch_size, part, order), concat_examples
    else:
        how = n_reading_threads(), dataset.frames_of
        iterator = PartsOfBatches(dataset, config.batch_size, part, order, *how)
        converter = send_and_scale

    # The networks (Table 1, Fig. 1, Sections 5.2 and 6.3).
    snapshots.seed_everything(device, config.seed)
    generator, discriminator = build_generator(config), build_discriminator(config)
    if dataset.with_labels:
        generator.label_prior = np.bincount(dataset.labels, minlength=config.n_classes) / dataset.n_clips
    optimizers = {}
    for name, network in ("gen", generator), ("dis", discriminator):
        network.to_device(device)
        optimizers[name] = build_optimizer(config, name).setup(network)

    if config.clipping == "weight":
        optimizers["dis"].add_hook(WeightClipping(config.c))

    # Algorithm 1.
    updater = GANUpdater(
        iterator,
        optimizers,
        clipping=SingularValueClipping(processes=processes) if config.clipping == "svc" else None,
        loss=LOSSES[config.loss](),
        n_dis=config.n_dis,
        n_clip=config.n_clip,
        simultaneous=config.simultaneous,
        average=MovingAverage(generator, config.generator_ema) if config.generator_ema else None,
        batch=SpreadBatch(processes, config.batch_size, config.sync_bn) if processes.size > 1 else None,
        converter=converter,
        device=device,
    )

    stop = IterationsOrSignal(config.iterations, args.time_limit, processes)
    trainer = chainer.training.Trainer(updater, stop, out)
    if processes.is_first:
        extend(trainer, config, stop, dataset, args.gpu)
    if config.learning_rate_drop:
        trainer.extend(extensions.LearningRateDrop(config.learning_rate_drop))

    if resume_from:
        snapshots.load_snapshot(resume_from, trainer, config)
        if updater.iteration >= config.iterations:
            done = count(updater.iteration, "iteration")
            print(f"{resume_from} already has {done}; --iterations asks for more")
            return 0
    hardware = provenance.describe_hardware(device)
    text = opening(
        config,
        {**dataset.describe(), "n_short": dataset.n_short},
        {"generator": generator.count_params(), "discriminator": discriminator.count_params()},
        f"{processes.size} processes, the first on {hardware}" if processes.size > 1 else hardware,
        out,
        updater.iteration,
        changes,
        args.time_limit,
    )
    print(text, flush=True)
    if resume_from:
        print(f"resumed from {printable(resume_from)}", flush=True)
    if args.dry_run:
        print("nothing was trained, and nothing written: --dry-run", flush=True)
        return 0
    facts = {"data": dataset.describe(), "label_names": dataset.label_names}
    facts |= row_facts(config, dataset.facts.get("dataset"))
    snapshot = extensions.Snapshot(config, processes, **facts)
    trainer.extend(snapshot, trigger=stop.every(config.snapshot_interval))
    if processes.is_first and (score := score_to_keep(config)):
        best = extensions.Optional(extensions.Best(score, config, **facts), stop)
        trainer.extend(best, trigger=stop.every_without_haste(1))
    if processes.size > 1:
        known = {"the configuration": repr(config).encode(), "the data": repr(dataset.describe()).encode()}
        processes.check_same(known | snapshots.state_of(updater), "before the first iteration")
    with contextlib.ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))  # what overflows is reported by iteration and name
        if processes.is_first:
            stack.enter_context(locked(out))
        stack.enter_context(stop)
        if processes.is_first:
            check_out(out, resume_from)  # again: nobody can write there any more
            remove_log_folders(out)
            config.save(os.path.join(out, "config.yaml"))
            provenance.record(out, device, processes, from_iteration=updater.iteration)
            if resume_from:
                logs.begin(out, os.path.dirname(os.path.abspath(resume_from)), updater.iteration)
        try:
            trainer.run(show_loop_exception_msg=False)
            stop.agree()
        except NonFiniteError as error:
            raise NonFiniteError(f"training diverged: {error}; {how_to_go_on(args, out)}") from error
    if not processes.is_first:
        return 0  # the first one has the status; if another had one, mpiexec might end it as it speaks
    if stop.signal == signal.SIGALRM:
        print(f"stopped in iteration {updater.iteration} by --time-limit; {how_to_go_on(args, out)}")
        return 0
    if stop.signal is not None:
        print(f"stopped in iteration {updater.iteration}; {how_to_go_on(args, out)}")
        return 128 + stop.signal
    print(f"trained {count(updater.iteration, 'iteration')}; see {os.path.join(out, 'preview')}")
    return 0


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"settings to start from: a file, or a name in experiments/configs/ (default {DEFAULT_CONFIG})",
    )
    add_gpu_option(parser)
    parser.add_argument(
        "--communicator",
        choices=COMMUNICATORS,
        default="auto",
        help="what sends arrays if mpiexec started several processes: MPI by way of the CPU (naive) or from "
        "GPU to GPU (flat), or NCCL (pure_nccl); auto is NCCL on GPUs where it is installed",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="results folder (default: results/NAME OF THE CONFIG, or OF THE DATA if --data is other data)",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="SNAPSHOT",
        help="go on from the newest snapshot in the results folder, or from this one, with the run's own "
        "settings (--config then only names the folder)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be trained, check that it can be, and end"
    )
    parser.add_argument(
        "--time-limit",
        type=parse_duration,
        metavar="TIME",
        help="stop with a snapshot after so long, such as 90s, 20m, 3h30m or 2d, with exit status 0",
    )
    add_settings(parser)
    return parser.parse_args(argv)


def choose_run(args):
    """Return the configuration, what it is a change of, the results folder and the snapshot to resume from.

    The second is the named configuration or, on resuming, that of the snapshot. Without --resume the last is
    None.

    Raises InputError if the results folder holds another run, or newer snapshots of this one.
    """
    given = given_settings(args)
    name = args.config or DEFAULT_CONFIG
    other_data = name_of_other_data(name, given)
    out = args.out or os.path.join("results", other_data or config_name(name))
    resume_from = None
    if args.resume is None:
        base = Config.load(find_config(name))
    else:
        if args.resume is True or os.path.isdir(args.resume):
            out = out if args.resume is True else args.resume
            if not os.path.isdir(out):
                raise InputError(f"there is no folder {out} to resume from; --out names another one")
            found = snapshots.find_snapshots(out, snapshots.RESUMABLE)
            if not found:
                raise InputError(f"{out} holds no snapshot to resume from; start anew with another --out")
            resume_from = found[-1]
        else:
            resume_from = args.resume
            out = args.out or os.path.dirname(os.path.abspath(resume_from))
        base = snapshots.read_snapshot(resume_from, snapshots.RESUMABLE)[0]["config"]
    check_out(out, resume_from)
    base = base.replace(data=os.path.abspath(base.data))
    config = base.replace(**given)
    config = config.replace(data=os.path.abspath(config.data))
    if other_data and not resume_from:  # of which the description does not speak
        label = MODELS[config.model].label
        config = config.replace(description=f"{label} on {other_data}, by {config_name(name)}", expect="")
    if config.compare(base):
        config = config.replace(expect="")
    return config, base, out, resume_from


def name_of_other_data(name, given):
    """Return the name of the data if the options say others than the configuration does, else None."""
    if "data" not in given:
        return None
    paths = given["data"], Config.load(find_config(name)).data
    ours, theirs = (os.path.splitext(os.path.basename(path))[0] for path in paths)
    return ours if ours != theirs else None


def check_out(out, resume_from):
    """Raise InputError if a results folder holds another run, or newer snapshots of this one."""
    found = snapshots.find_snapshots(out)
    if resume_from is None and (found or logs.has_log(out)):
        going_on = "add --resume to go on with it" if found else "remove it"
        raise InputError(f"{out} already holds a run: {going_on}, or choose another --out")
    newest = (snapshots.find_snapshots(out, snapshots.RESUMABLE) or [resume_from])[-1]
    if resume_from and os.path.abspath(newest) != os.path.abspath(resume_from):
        raise InputError(f"{out} already holds {newest}: choose another --out to go on from {resume_from}")


def extend(trainer, config, stop, dataset, gpu):
    """Add what is written on the way; what training can do without is left out after a signal."""
    log = extensions.Log(stop.every(config.log_interval))
    trainer.extend(log)
    for interval, extension in (
        (1, extensions.Console(log, config.iterations)),
        (config.preview_interval, extensions.LossCurves(log)),
        (config.preview_interval, extensions.Preview(trainer.updater.sampled_generator, dataset)),
        *([(1, extensions.TensorBoard(log, config))] if config.tensorboard else []),
        *([(config.log_interval, extensions.Lipschitz())] if config.lipschitz else []),
        *((config.score_interval, score) for score in build_scores(config, trainer.updater, gpu)),
    ):
        optional = extensions.Optional(extension, stop)
        trainer.extend(optional, trigger=stop.every_without_haste(interval))


def check_batch_size(config, processes):
    """Raise InputError if there are too few videos in a batch for so many processes."""
    n, least = processes.size, 1 if config.sync_bn else 2
    if n > 1 and config.batch_size < n * least:
        raise InputError(
            f"batch_size is {config.batch_size}, too few for {n} processes: each takes {least} or more"
        )


def warn(config, dataset, device, gpu):
    """Say what may not be as it was meant."""
    if gpu is None and (why := why_no_cupy()):
        print(f"warning: the CPU is used; {why}; pip install 'cupy-cuda12x[ctk]' may help", file=sys.stderr)
    if device.xp is np and config.discriminator_width >= 64 and config.iterations > 1000:
        print("warning: on a CPU this takes weeks; --config tgan_moving_mnist_cpu does not", file=sys.stderr)
    if config.batch_size > dataset.n_clips:
        print(
            f"warning: a batch of {config.batch_size} has several windows of one clip; {config.data} has "
            f"only {count(dataset.n_clips, 'clip')} of {config.n_frames} frames or more",
            file=sys.stderr,
        )


def build_scores(config, updater, gpu):
    """Return the extensions that report scores on the way."""
    scores, generator = [], updater.sampled_generator
    if config.classifier:
        classifier = load_classifier(None if config.classifier == "c3d" else config.classifier, gpu=gpu)
        scores.append(extensions.InceptionScore(generator, classifier, config.score_samples))
    if config.opponent:
        run = Run(config, generator, updater.discriminator)
        scores.append(extensions.GAM(run, config.opponent, config.score_samples))
    return scores


def score_to_keep(config):
    """Return the name of the score by which the best generator is kept; None if none tells it.

    A game against one's own last snapshot does not: the opponent gets better as well.
    """
    if config.classifier:
        return "score/inception"
    return "score/r_sample" if config.opponent not in ("", "self") else None


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
    if config.n_classes not in (None, dataset.n_classes):
        raise InputError(f"n_classes is {config.n_classes}, but {config.data} has {dataset.n_classes}")
    return config.replace(n_classes=dataset.n_classes)


def remove_log_folders(out):
    """Remove the temporary folders that Chainer's LogReport left where earlier versions were killed."""
    for entry in list(os.scandir(out)):
        if re.fullmatch("log[a-z0-9_]{8}", entry.name) and entry.is_dir(follow_symlinks=False):
            if set(os.listdir(entry.path)) <= {"log.json"}:
                shutil.rmtree(entry.path)


def how_to_go_on(args, out):
    newest = snapshots.find_snapshots(out, snapshots.RESUMABLE)
    if not newest:
        return "there is no snapshot yet"
    gpu = [] if args.gpu is None else ["--gpu", str(args.gpu)]
    mpi = ["mpiexec", "-n", str(launched_size())] if launched_size() > 1 else []
    program = cli.program or [sys.executable, sys.argv[0]]
    command = shlex.join([*mpi, *program, *gpu, "--out", out, "--resume"])
    return f"the last snapshot is {newest[-1]}; to go on: {command}"
