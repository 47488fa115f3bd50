"""Train a classifier of videos, C3D, on a labelled data set, for inception scores where none is published.

DATA is a data set with labels: of ucf101, of video_folder with a folder of folders, or of moving_mnist with
one digit:

  moving_mnist.py --digits 1 --out data/moving_digit.h5
  %(prog)s data/moving_digit.h5
  evaluate.py inception RUN --classifier results/classifier_moving_digit.npz

  %(prog)s data/mine.h5 --preset full --gpu 0
  %(prog)s data/mine.h5 --init conv3d_deepnetA_ucf.npz --mean mean2.npz --gpu 0

Presets: small has an eighth of C3D's channels and sees 56×56 pixels of 64×64, tiny 32×32 pixels, both for a
CPU; full has C3D's sizes. All have batch normalization, without which they do not learn from scratch; with
--init the network is C3D as published, or what the file holds. Each clip gives a random window, and, but for
tiny, a random corner of its frames is cut off. Clips set apart (--validation) tell how good the classifier
is; the file has the weights that did best there. Ctrl-C stops after the iteration, and the file stays;
--init FILE trains it further, as a new run.

Clips set apart at random flatter the classifier where several show one scene, as those of a group in UCF-101:
there, make data sets of the official splits and give the test one with --validation-data.
"""

import os

import numpy as np

from tgan_chainer import extensions, provenance
from tgan_chainer.checks import check_positive_int, check_seed
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.options import add_gpu_option
from tgan_chainer.datasets import RandomWindows, VideoDataset
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.evaluations import VideoClassifier, load_classifier, save_classifier
from tgan_chainer.files import check_can_write
from tgan_chainer.links import C3D
from tgan_chainer.snapshots import seed_everything
from tgan_chainer.texts import count
from tgan_chainer.triggers import IterationsOrSignal

import chainer
import chainer.functions as F

# The network, pixels that frames are resized to, and the learning rate.
PRESETS = {
    "small": ({"width": 8, "n_units": 128, "size": 56, "dropout": 0.2, "use_bn": True}, 64, 1e-3),
    "tiny": ({"width": 8, "n_units": 64, "size": 32, "dropout": 0.2, "use_bn": True}, 32, 1e-3),
    "full": ({"use_bn": True}, 128, 1e-4),
}
FINE_TUNING_RATE = 1e-4
MEAN_OF = 256  # windows


def main(argv=None):
    args = parse_arguments(argv)
    check_arguments(args)
    device, out = use_device(args.gpu), out_of(args)
    everything = VideoDataset(args.data, with_labels=True)
    training, validation = split(everything, args)

    seed_everything(device, args.seed)
    classifier = build_classifier(args, training, everything.n_classes)
    classifier.label_names = everything.label_names
    classifier.to_device(device)
    optimizer = chainer.optimizers.Adam(choose_rate(args)).setup(classifier)

    rng = np.random.RandomState(args.seed)

    def loss(videos, labels):
        corner = tuple(rng.randint(classifier.size - classifier.c3d.video_shape[-1] + 1, size=2))
        scores = classifier.c3d(classifier.preprocess(videos, corner))["fc8"]
        value = F.softmax_cross_entropy(scores, labels)
        chainer.report({"loss": value.array, "accuracy": F.accuracy(scores, labels).array}, classifier)
        return value

    iterator = chainer.iterators.MultithreadIterator(
        training, args.batch_size, n_threads=1, order_sampler=RandomWindows(training, args.seed)
    )
    updater = chainer.training.updaters.StandardUpdater(
        iterator, optimizer, device=device, loss_func=loss, auto_new_epoch=False
    )
    stop = IterationsOrSignal(args.iterations)
    trainer = chainer.training.Trainer(updater, stop, os.path.dirname(out) or ".")
    log = extensions.Log(stop.every(args.log_interval), in_file=False)
    keep_best = KeepBest(args, out, classifier, validation, everything.describe(), device)
    trainer.extend(keep_best, trigger=stop.every(args.validation_interval))
    trainer.extend(log)
    trainer.extend(extensions.Console(log, args.iterations))
    to_train, classes = count(training.n_clips, "clip"), count(everything.n_classes, "class")
    print(f"{to_train} to train on, {validation.n_clips:,} to validate, {classes}")
    with stop, np.errstate(all="ignore"):
        trainer.run(show_loop_exception_msg=False)
    print(f"{out}: accuracy {keep_best.best:.1%} on clips set apart (guessing: {keep_best.guessing:.1%})")
    return 128 + stop.signal if stop.signal is not None else 0


class KeepBest(chainer.training.Extension):
    """Measures the accuracy on clips set apart, and writes the classifier whenever it is the best so far."""

    priority = chainer.training.PRIORITY_WRITER

    def __init__(self, args, out, classifier, validation, data, device):
        self.args, self.out, self.classifier, self.validation = args, out, classifier, validation
        self.data, self.device = data, device
        self.best = -1.0
        self.guessing = float(np.bincount(validation.labels).max() / validation.n_clips)

    def __call__(self, trainer):
        first = self.validation.first_window
        videos = (self.validation[i][0] for i in (first[:-1] + first[1:] - 1) // 2)  # from the clips' middle
        predictions = [p.argmax(axis=1) for p, _ in self.classifier.predict(videos, self.args.batch_size)]
        accuracy = float((np.concatenate(predictions) == self.validation.labels).mean())
        chainer.report({"validation/accuracy": accuracy})
        if not all(p.xp.isfinite(p.array).all() for p in self.classifier.params()):
            raise NonFiniteError(
                f"a weight became NaN by iteration {trainer.updater.iteration}; lower --learning-rate"
            )
        if accuracy > self.best:
            self.best = accuracy
            save_classifier(
                self.out,
                self.classifier,
                {
                    "accuracy": accuracy,
                    "guessing": self.guessing,
                    "validation_clips": self.validation.n_clips,
                    "iteration": trainer.updater.iteration,
                    "seed": self.args.seed,
                    "init": self.args.init,
                    "data": self.data,
                    "made_by": provenance.describe(self.device),
                },
                self.args.half,
            )


def split(dataset, args):
    """Return the data sets to train on and to validate."""
    if args.validation_data:
        validation = VideoDataset(args.validation_data, with_labels=True)
        if validation.label_names != dataset.label_names:
            raise InputError(f"{args.validation_data} has other classes than {args.data}")
        return dataset, validation
    n_clips = dataset.n_clips + dataset.n_short
    n_validation = round(n_clips * args.validation)
    if not 0 < n_validation < n_clips:
        raise InputError(
            f"validation {args.validation:g} of {count(n_clips, 'clip')} leaves none to train on or to "
            "validate"
        )
    order = np.random.RandomState(args.seed).permutation(n_clips)
    parts = order[n_validation:], order[:n_validation]
    return tuple(VideoDataset(args.data, with_labels=True, clips=part) for part in parts)


def build_classifier(args, training, n_classes):
    if args.init is not None:
        classifier = load_classifier(args.init, args.mean, args.gpu)
        if classifier.n_classes != n_classes:  # everything but the last layer is kept
            n_units = classifier.c3d.fc8.W.shape[1]
            classifier.c3d.n_classes = n_classes
            del classifier.c3d.fc8
            with classifier.c3d.init_scope():
                classifier.c3d.fc8 = chainer.links.Linear(n_units, n_classes)
        return classifier
    network, size, _ = PRESETS[args.preset]
    c3d = C3D(n_classes, **network)
    chosen = np.linspace(0, len(training) - 1, min(MEAN_OF, len(training))).astype(int)
    mean = np.mean([training[i][0].mean(axis=(1, 2, 3)) for i in chosen], axis=0) * 128 + 128
    mean = np.broadcast_to(mean[::-1], 3).reshape(3, 1, 1, 1)  # BGR
    return VideoClassifier(c3d, mean, size, scale=1 / 128)


def choose_rate(args):
    if args.learning_rate is not None:
        return args.learning_rate
    return PRESETS[args.preset][-1] if args.init is None else FINE_TUNING_RATE


def check_arguments(args):
    for name in "batch_size", "iterations", "log_interval", "validation_interval":
        check_positive_int(**{name: getattr(args, name)})
    if not 0 < args.validation < 1:
        raise InputError(f"validation must be more than 0 and less than 1, not {args.validation}")
    check_seed(args.seed)
    if args.learning_rate is not None and not 0 < args.learning_rate < 1:
        raise InputError(f"learning_rate must be more than 0 and less than 1, not {args.learning_rate}")
    if args.mean and not args.init:
        raise InputError("--mean belongs to --init with the published weights")
    out = out_of(args)
    if os.path.exists(out) and not args.force:
        raise InputError(f"{out} exists already; name another file by --out, or replace it by --force")
    check_can_write(out)


def out_of(args):
    name = os.path.splitext(os.path.basename(args.data))[0]
    return args.out or os.path.join("results", f"classifier_{name}.npz")


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("data", metavar="DATA", help="labelled data set to train on (.h5)")
    parser.add_argument("--out", metavar="FILE", help="default: results/classifier_DATA.npz")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    parser.add_argument("--half", action="store_true", help="write weights in half precision")
    parser.add_argument("--preset", choices=PRESETS, default="small", help="default: %(default)s")
    parser.add_argument("--init", metavar="FILE", help="classifier to fine-tune, with its sizes and its mean")
    parser.add_argument("--mean", metavar="FILE", help="mean2.npz, for --init with the published weights")
    parser.add_argument("--iterations", type=int, metavar="N", default=2000, help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, metavar="N", default=16, help="default: %(default)s")
    parser.add_argument(
        "--learning-rate",
        type=float,
        metavar="X",
        help="Adam's learning rate (default: small 1e-3, full and --init 1e-4)",
    )
    parser.add_argument(
        "--validation", type=float, metavar="X", default=0.1, help="share of clips set apart (default 0.1)"
    )
    parser.add_argument("--validation-data", metavar="FILE", help="a data set to validate on instead")
    parser.add_argument("--validation-interval", type=int, metavar="N", default=200, help="default: 200")
    parser.add_argument("--log-interval", type=int, metavar="N", default=50, help="default: 50")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="default: 0")
    add_gpu_option(parser)
    return parser.parse_args(argv)
