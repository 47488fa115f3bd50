"""Score videos: inception score, Fréchet distance, and GAM, the battle of two GANs.

  python experiments/evaluate.py inception results/tgan_svc_ucf101
  python experiments/evaluate.py inception my_samples/ --samples 2500
  python experiments/evaluate.py inception data/ucf101.h5
  python experiments/evaluate.py frechet my_samples.npy data/ucf101.h5 --samples 2048
  python experiments/evaluate.py gam results/tgan_moving_mnist results/model3d_svc_moving_mnist

`evaluate.py inception --help` says which weights, mean, crop and sample counts the published score means.
Each score is printed with all that it depends on, ready for an appendix, and written as JSON (--out).
"""

import itertools
import os
import re

from tgan_chainer import provenance
from tgan_chainer.checks import check_positive_int
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.making_options import parse_fps
from tgan_chainer.datasets import VideoDataset, same_data
from tgan_chainer.devices import get_device, use_device
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import (
    departures,
    load_classifier,
    measure_frechet,
    measure_gam,
    measure_inception,
    open_source,
)
from tgan_chainer.evaluations.gam import FAIR_ERROR, score_text
from tgan_chainer.evaluations.measures import N_REPEATS, N_SAMPLES
from tgan_chainer.evaluations.video_classifier import FEATURES
from tgan_chainer.evaluations.video_source import RANGES, WINDOWS
from tgan_chainer.files import check_can_write, save_json
from tgan_chainer.runs import load_gan

INCEPTION = f"""The inception score (Salimans et al. 2016) on C3D, as the paper has it and all quote it.

SOURCE is one of
  a results folder of train.py, or a snapshot    samples of the generator; a conditional one gets its labels
                                                 as often as they are in the training data
  a data set (.h5) of datasets/*.py              windows of its clips: the upper bound that real data give
  an array (.npy, or .npz with one)              (N, C, T, H, W) or (N, T, H, W, C), uint8 or [-1, 1]
  a folder, searched through                     .mp4 .avi .gif ..., .npy (one video each), folders of frames

What the published numbers mean, and the defaults here:
  weights   conv3d_deepnetA_ucf.npz, C3D trained on Sports-1M and fine-tuned on UCF-101 (the publisher does
            not say by which of its splits), and mean2.npz, both from the release v1.0 of
            https://github.com/rezoo/tgan2 . They are downloaded once; SHA-256 and size are recorded then and
            checked ever after. --classifier and --mean take files that you have.
  video     16 frames of 64x64 in [-1, 1]; larger ones are resized to that (--size), of longer ones a random
            window of 16 successive frames is taken
  input     128 x + 128; each frame to 128x128 by OpenCV's INTER_CUBIC (a = -0.75, no antialiasing, not
            rounded); RGB to BGR; less the mean (columns 21 to 148 of its 171); pixels 8 to 119 of both axes
  score     exp(mean KL(p(y|x) || p(y))), p(y|x) the softmax of fc8
  samples   {N_SAMPLES} from the generator, {N_REPEATS} times: mean and standard deviation. (Real UCF-101:
            34.49 ± .03.) Fewer samples give a lower score: compare only scores of equally many.

A folder or an array of fewer videos is used up: all of them, once, or as many times {N_SAMPLES} as there are.
With a classifier of train_classifier.py the score is of use for comparisons under the same classifier only.
Whatever departs from this is listed beside the score.
"""

FRECHET = f"""The Fréchet distance of two sets of videos in the features of C3D's layer {FEATURES}.

SOURCE and REFERENCE are what `evaluate.py inception --help` lists; classifier and preprocessing are the same.
Mean and covariance are computed in float64. The distance is biased: with few samples it is too large, even
between two halves of one data set. Compare distances of equally many samples only, and state how many; a data
set as SOURCE and REFERENCE shows what the number of samples alone makes, if it has twice as many clips.

There is no standard for Fréchet distances on C3D: papers took other layers. This one is {FEATURES} after its
ReLU. What is called FVD is another one, on I3D.
"""

GAM = """The generative adversarial metric (Im et al. 2016): two GANs, judged by each other's discriminators.

RUN_A and RUN_B are results folders of train.py (their newest snapshots are taken) or snapshot_iter_N.npz.

  r_test    how often D_A is wrong about real videos, divided by how often D_B is: near one in a fair game
  r_sample  how often D_B takes A's samples for real, divided by how often D_A takes B's: the GAM score of
            Table 3; above one, A's samples are the more convincing

A critic trained as a Wasserstein GAN has no natural threshold: the one is taken that separates --samples
samples of its own generator best from as many real videos. A normal GAN's is 0. The intervals hold 95 % of
bootstrap replicates, thresholds chosen anew in each.

Batch normalization in the discriminators goes by its running statistics, as usual after training. In training
it went by the batch, and batches were all real or all generated; scores of that kind are given, too. A normal
GAN's discriminator, with its fixed threshold, can be far from fair by running statistics: watch r_test.
"""


def main(argv=None):
    args = parse_arguments(argv)
    if args.seed is not None and not 0 <= args.seed < 2**32:
        raise InputError(f"seed must be in 0 ... {2**32 - 1}, not {args.seed}")
    for name in "samples", "repeats", "splits", "batch_size", "bootstrap":
        value = getattr(args, name, None)
        if value is not None and (name, value) != ("bootstrap", 0):
            check_positive_int(**{name: value})
    for path in sources(args):  # before any weights are fetched
        if not os.path.exists(path):
            raise InputError(f"there is no {path}; expected a run, a snapshot, a folder or a file of videos")
    out = args.out or default_name(args)
    check_can_write(out)
    use_device(args.gpu)
    result, text = {"inception": inception, "frechet": frechet, "gam": play}[args.score](args)
    print(text)
    save_json(out, result)
    print(f"\n{out}")


def inception(args):
    classifier = load_classifier(args.classifier, args.mean, args.gpu)
    source = open_video_source(args.source, classifier, args)
    measured = measure_inception(
        source, classifier, args.samples, args.repeats, args.splits, args.seed, args.batch_size
    )
    result = {
        "score": "inception",
        **measured,
        "departures": departures(measured, classifier.description, source.description, args.window),
        **particulars(classifier, args, source=source.description),
    }
    return result, describe_inception(result)


def frechet(args):
    classifier = load_classifier(args.classifier, args.mean, args.gpu)
    source, reference = (open_video_source(path, classifier, args) for path in (args.source, args.reference))
    measured = measure_frechet(source, reference, classifier, args.samples, args.seed, args.batch_size)
    described = particulars(
        classifier, args, source=source.description, reference=reference.description, features=FEATURES
    )
    result = {"score": "frechet", **measured, **described}
    return result, describe_frechet(result)


def play(args):
    a, b = (load_gan(run, args.gpu) for run in (args.run_a, args.run_b))
    data = args.data or a[0].config.data
    test_data = args.test_data or data
    measured = measure_gam(a, b, test_data, data, args.samples, args.seed, args.bootstrap)
    tested_on = VideoDataset(test_data, a[0].video_shape[1]).describe()
    players = {
        name: {"path": path, "iteration": gan[0].iteration, "training": gan[0].config.description}
        for name, path, gan in (("a", args.run_a, a), ("b", args.run_b, b))
    }
    result = {
        "score": "gam",
        **measured,
        **players,
        "test_data": test_data,
        "threshold_data": data,
        "trained_on_test_data": [
            name for name, gan in zip("ab", (a, b)) if same_data(gan[0].trained_on, tested_on)
        ],
        "made_by": provenance.describe(get_device(args.gpu)),
    }
    return result, describe_gam(result)


def open_video_source(path, classifier, args):
    size = None if args.size == 0 else args.size
    return open_source(path, classifier.n_frames, args.window, args.fps, size, args.range, args.gpu)


def particulars(classifier, args, **more):
    return {
        **more,
        "window": f"{args.window} {classifier.n_frames} frames",
        "classifier": {
            **classifier.description,
            "classes": classifier.n_classes,
            "resized_to": classifier.size,
            "interpolation": "bicubic, a = -0.75, no antialiasing",
            "crop": classifier.c3d.video_shape[-1],
            "scale": classifier.scale,
        },
        "made_by": provenance.describe(get_device(args.gpu)),
    }


def describe_inception(result):
    spread = result["standard_deviation"]
    spread = "" if spread is None else f" ± {spread:.2f}"
    many = f"{result['repeats']} x {result['samples']} samples"
    if result["splits"] > 1:
        many += f", {result['splits']} splits each"
    single = ""
    if len(result["scores"]) > 1:
        single = "; mean ± standard deviation (divided by n) of the single scores "
        single += ", ".join(f"{score:.4f}" for score in result["scores"])
    comparable = "Comparable with the paper's scores, as far as the files tell."
    if result["departures"]:
        comparable = f"NOT COMPARABLE with the paper's scores: {'; '.join(result['departures'])}."
    return (
        f"Inception score {result['inception_score']:.2f}{spread} ({many}).\n{comparable}\n\n"
        f"Samples: {describe_source(result['source'])}; {result['window']}; seed {result['seed']}.\n"
        f"{describe_classifier(result['classifier'])} Score: exp(mean KL(p(y|x) || p(y))), p(y|x) the "
        f"softmax of fc8, in float64{single}.\n{describe_making(result)}"
    )


def describe_frechet(result):
    return (
        f"Fréchet distance {result['frechet_distance']:.2f} ({result['samples']} samples of each).\n\n"
        f"Samples: {describe_source(result['source'])}; reference: {describe_source(result['reference'])}; "
        f"{result['window']}; seed {result['seed']}.\n{describe_classifier(result['classifier'])} Features: "
        f"{result['features']}, {result['dimensions']} dimensions. The distance is biased upwards, the more "
        "the fewer samples; compare only distances of equally many.\n" + describe_making(result)
    )


def describe_gam(result):
    winner = {"A": result["a"]["path"], "B": result["b"]["path"], "tie": "neither"}[result["winner"]]
    decided = " (within chance)" if result["decided"] is False and result["winner"] != "tie" else ""
    fair = "; far from one, so the game is not fair"
    if result["fair"]:
        few = max(result["errors"]["test_a"], result["errors"]["test_b"]) <= FAIR_ERROR
        fair = "; both err so rarely that this says little" if few else ""
    errors, thresholds, batch = result["errors"], result["thresholds"], result["batch_statistics"]
    lines = [
        f"GAM score r_sample {with_interval(result, 'r_sample')}: {winner} wins{decided}.",
        f"r_test {with_interval(result, 'r_test')}{fair}.",
        f"By batch statistics: r_sample {with_interval(batch, 'r_sample')}, "
        f"r_test {with_interval(batch, 'r_test')}.",
        "",
    ]
    for name, other in ("a", "b"), ("b", "a"):
        player, i = result[name], "ab".index(name)
        lines.append(
            f"{name.upper()}: {player['path']}, iteration {player['iteration']}; threshold "
            f"{thresholds[i]:.4g}; wrong about {errors[f'test_{name}']:.1%} of the real videos and "
            f"{errors[f'sample_{other}']:.1%} of {other.upper()}'s samples."
        )
    trained_on = " and ".join(name.upper() for name in result["trained_on_test_data"]) or "neither"
    trained_on += " were" if len(result["trained_on_test_data"]) > 1 else " was"
    thresholds = result["threshold_data"]
    if thresholds == result["test_data"]:
        thresholds = "the other half of its clips"
    lines.append(
        f"{result['samples']} samples of each, test data {result['test_data']}, which {trained_on} "
        f"trained on; thresholds by {thresholds}; seeds {result['seed']} for A, {result['seed_b']} for B."
    )
    return "\n".join([*lines, describe_making(result)])


def describe_source(source):
    details = [f"{key} {value}" for key, value in source.items() if key not in ("kind", "path") and value]
    return f"{source['kind']} {source['path']} ({', '.join(details)})"


def describe_classifier(classifier):
    scale = "" if classifier["scale"] == 1 else f", times {classifier['scale']:g}"
    training = ""
    if "training" in classifier:
        how = classifier["training"]
        training = (
            f" Trained by train_classifier.py on {how['data']['source']}, {how['iteration']} iterations, "
            f"accuracy {how['accuracy']:.1%} on {how['validation_clips']} clips set apart."
        )
    files = "; ".join(
        f"{kind} {file['file']}, SHA-256 {file['sha256']}"
        for kind, file in classifier.items()
        if kind in ("weights", "mean")
    )
    return (
        f"Classifier: C3D, {classifier['classes']} classes ({files}). Input: 128 x + 128, each frame to "
        f"{classifier['resized_to']}x{classifier['resized_to']} ({classifier['interpolation']}), RGB to BGR, "
        f"less the mean{scale}, the middle {classifier['crop']}x{classifier['crop']} pixels.{training}"
    )


def describe_making(result):
    made_by = result["made_by"]
    speed = f", {result['samples_per_second']:.2f} videos/s" if "samples_per_second" in result else ""
    return (
        f"tgan_chainer {made_by['version']}, commit {made_by['commit'] or 'unknown'}, {made_by['hardware']}, "
        f"{result['seconds']:.0f} s{speed}, {made_by['date']}."
    )


def with_interval(result, key):
    interval = result[f"{key}_interval"]
    interval = "" if interval is None else f" [{', '.join(score_text(end, '.3f') for end in interval)}]"
    return score_text(result[key], ".3f") + interval


def sources(args):
    names = {"inception": ["source"], "frechet": ["source", "reference"], "gam": ["run_a", "run_b"]}
    return [getattr(args, name) for name in names[args.score]]


def default_name(args):
    """Return the path of a file that is not there yet."""
    names = [args.score]
    for path in map(os.path.abspath, sources(args)):
        if re.fullmatch(r"(generator|snapshot)_iter_\d+\.npz", os.path.basename(path)):
            names.append(os.path.basename(os.path.dirname(path)))
        names.append(os.path.splitext(os.path.basename(path))[0])
    stem = os.path.join("results", "scores", "_".join(names))
    numbers = itertools.chain([""], (f"_{i}" for i in itertools.count(2)))
    return next(f"{stem}{i}.json" for i in numbers if not os.path.exists(f"{stem}{i}.json"))


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    commands = parser.add_subparsers(
        dest="score", required=True, metavar="SCORE", parser_class=ArgumentParser
    )
    one = commands.add_parser(
        "inception", description=INCEPTION, help="how well a classifier sorts the samples"
    )
    one.add_argument("source", metavar="SOURCE", help="run, snapshot, data set, array or folder")
    two = commands.add_parser("frechet", description=FRECHET, help="how far the features are from real ones")
    two.add_argument("source", metavar="SOURCE", help="run, snapshot, data set, array or folder")
    two.add_argument("reference", metavar="REFERENCE", help="likewise; mostly a data set of real videos")
    gam = commands.add_parser("gam", description=GAM, help="which of two GANs fools the other")
    gam.add_argument("run_a", metavar="RUN_A", help="results folder or snapshot of A")
    gam.add_argument("run_b", metavar="RUN_B", help="results folder or snapshot of B")
    gam.add_argument("--data", metavar="FILE", help="for the thresholds (default: what A was trained on)")
    gam.add_argument(
        "--test-data",
        metavar="FILE",
        help="videos that neither was trained on (default: half of the clips of --data, the other half being "
        "for the thresholds)",
    )
    gam.add_argument(
        "--bootstrap",
        type=int,
        metavar="N",
        default=1000,
        help="replicates, 0 for none (default %(default)s)",
    )
    for command in one, two:
        command.add_argument(
            "--classifier", metavar="FILE", help="weights: the published ones, or of train_classifier.py"
        )
        command.add_argument("--mean", metavar="FILE", help="mean2.npz, for the published weights")
        command.add_argument(
            "--window", choices=WINDOWS, default="random", help="of longer videos (default %(default)s)"
        )
        command.add_argument("--fps", type=parse_fps, help="resample video files to so many frames a second")
        command.add_argument(
            "--size", type=int, metavar="N", default=64,
            help="resize video files and images (their middle square) and arrays to NxN first; 0 leaves them "
            "as they are (default %(default)s, what the published models make)",
        )  # fmt: skip
        command.add_argument(
            "--range",
            choices=RANGES,
            help="of floats in arrays: signed, [-1, 1] (the default), or unit, [0, 1]",
        )
        command.add_argument("--batch-size", type=int, metavar="N", help="default: 4, on a GPU 32")
    one.add_argument(
        "--repeats", type=int, metavar="N", help=f"default: {N_REPEATS}, if there are enough videos"
    )
    one.add_argument(
        "--splits",
        type=int,
        metavar="N",
        default=1,
        help="parts of each repeat to score by themselves (default 1)",
    )
    for command in one, two:
        command.add_argument(
            "--samples", type=int, metavar="N", help=f"default: {N_SAMPLES}, or all that there are"
        )
    gam.add_argument("--samples", type=int, metavar="N", default=N_SAMPLES, help="default: %(default)s")
    for command in one, two, gam:
        command.add_argument("--seed", type=int, metavar="N", default=0, help="default: 0")
        command.add_argument(
            "--gpu", type=int, metavar="N", help="GPU to use, -1 for the CPU (default: 0 if there)"
        )
        command.add_argument("--out", metavar="FILE", help="default: a new one in results/scores/")
    return parser.parse_args(argv)
