"""Score videos: inception score, Fréchet distance, and GAM, the battle of two GANs.

  %(prog)s inception results/tgan_svc_ucf101
  %(prog)s inception my_samples/ --samples 2500
  %(prog)s inception data/ucf101.h5 --protocol tgan2
  %(prog)s frechet my_samples.npy data/ucf101.h5 --samples 2048
  %(prog)s gam results/tgan_moving_mnist results/model3d_svc_moving_mnist

`%(prog)s inception --help` says which weights, mean, crop and sample counts the published scores mean.
Each score is written as JSON (--out), and printed with all that it depends on, ready for an appendix. With
`mpiexec -n 4` before the command four processes share the work, and the score stays the same.
"""

import itertools
import os
import re
import sys

from tgan_chainer import evaluations, pretrained, provenance, snapshots
from tgan_chainer.checks import check_positive_int, check_seed
from tgan_chainer.commands import appendix
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.making_options import parse_fps
from tgan_chainer.commands.options import add_gpu_option
from tgan_chainer.datasets import VideoDataset, same_data
from tgan_chainer.devices import get_device, use_device
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.protocols import PROTOCOLS, TGAN, TGAN2
from tgan_chainer.evaluations.video_source import KINDS, RANGES, WINDOWS
from tgan_chainer.files import check_can_write, save_json
from tgan_chainer.processes import start
from tgan_chainer.reading import printable
from tgan_chainer.reproduction import departures
from tgan_chainer.reproduction.rows import UCF101_VIDEOS, configurations, nearest
from tgan_chainer.runs import load_run
from tgan_chainer.texts import count

INCEPTION = f"""The inception score (Salimans et al. 2016) on C3D, as the papers have it that all quote.

SOURCE is one of
  a results folder of train.py, or a snapshot    samples of the generator; a conditional one gets its labels
                                                 as often as they are in the training data
  a name that generate.py --list lists           the same of weights that come along
  a data set (.h5) as train.py takes it          windows of its clips: the upper bound that real data give
  an array (.npy, or .npz with one)              (N, C, T, H, W) or (N, T, H, W, C), uint8 or [-1, 1]
  a folder, searched through                     .mp4 .avi .gif ..., .npy (one video each), folders of frames

Two protocols with the same weights are in the literature. Their scores cannot be compared with each other:

  --protocol tgan (default)   {TGAN.papers}
    video     16 frames of 64x64 in [-1, 1]; larger ones are resized to that (--size)
    input     128 x + 128; each frame to 128x128 by OpenCV's INTER_CUBIC (a = -0.75, no antialiasing,
              not rounded); RGB to BGR; less the mean (columns 21 to 148 of its 171); pixels 8 to 119 of
              both axes
    samples   {TGAN.samples} from the generator, {TGAN.repeats} times: mean and standard deviation. (Real
              UCF-101: 34.49 ± .03.) The authors' script took 9,984, left dropout on by a slip, and added
              1e-7 within the logarithms; here dropout is off, and nothing is added
  --protocol tgan2            {TGAN2.papers}
    video     16 frames of any size; a folder's videos have to be square, or made so by --size
    input     128 x + 128; each frame straight to 112x112, bilinearly, corners on corners; RGB to BGR; less
              the mean (rows and columns 8 to 119)
    samples   {TGAN2.samples}, {TGAN2.repeats} times. (TGANv2: 25.07 ± .47.)

The same in both:
  weights   conv3d_deepnetA_ucf.npz, C3D trained on Sports-1M and fine-tuned on UCF-101 (the publisher does
            not say by which of its splits), and mean2.npz, both from the release v1.0 of
            https://github.com/rezoo/tgan2 . They are downloaded once; SHA-256 and size are recorded then and
            checked ever after. --classifier and --mean take files that you have
  window    of longer videos a random window of 16 successive frames (--window)
  score     exp(mean KL(p(y|x) || p(y))), p(y|x) the softmax of fc8. Fewer samples give a lower score: compare
            only scores of equally many

A folder or an array of fewer videos is used up: all of them, once, or as many times as there are enough.
With a classifier of train_classifier.py, which has an input of its own, the score is of use for comparisons
under the same classifier only. Whatever departs from the published scores is listed beside the score.

Class probabilities of files and data sets are kept in the cache, where the weights are (--no-cache keeps
none). So a command that was interrupted goes on where it was, and the same score is there at once. Videos
that cannot be read are left out and listed in the end, and make the exit status 1; --strict ends at the
first one.
"""

_WINDOWS = TGAN2.frechet_windows

FRECHET = f"""The Fréchet distance of two sets of videos in the features of a layer of C3D.

SOURCE and REFERENCE are what `evaluate inception --help` lists; classifier, preprocessing (--protocol),
cache and what becomes of unreadable videos are the same. Mean and covariance are computed in float64. The
distance is biased: with few samples it is too large, even between two halves of one data set. Compare
distances of equally many samples only, and state how many; a data set as SOURCE and REFERENCE shows what the
number of samples alone makes, if it has twice as many clips.

The layer is {TGAN2.features}, after its ReLU, as in TGANv2. What is called FVD is a distance on I3D.

  --protocol tgan (default)   {TGAN.frechet_samples} videos of both, once. (The authors published no
                              distances.)
  --protocol tgan2            {TGAN2.frechet_samples} videos of SOURCE, {TGAN2.frechet_repeats} times, against
                              {_WINDOWS} random windows of each clip of REFERENCE. TGANv2's are split 1's
                              training videos of UCF-101, {_WINDOWS * TGAN2.clips} windows; its distance from
                              them is 3457 ± 27
"""

GAM = """The generative adversarial metric (Im et al. 2016): two GANs, judged by each other's discriminators.

RUN_A and RUN_B are results folders of train.py (their newest snapshots are taken) or snapshot_iter_N.npz.

  r_sample  how often D_B takes A's samples for real, divided by how often D_A takes B's: the GAM score of
            Table 3; above one, A's samples are the more convincing
  r_test    how often D_A is wrong about real videos, divided by how often D_B is

These are ratios of errors, as the papers print them. Im et al.'s own code takes ratios of accuracies: how
often D_A is right about B's samples, divided by how often D_B is right about A's, and how often D_A is right
about real videos, divided by how often D_B is. Both are given. A game is called fair if the latter is near
one (0.8 to 1.25): good discriminators err so rarely that a ratio of errors says little.

A critic trained as a Wasserstein GAN has no natural threshold: the one is taken that separates --samples
samples of its own generator best from as many real videos. A normal GAN's is 0. The intervals hold 95 %% of
bootstrap replicates, thresholds chosen anew in each.

Batch normalization in the discriminators goes by its running statistics, as usual after training. In training
it went by the batch, and batches were all real or all generated; scores of that kind are given, too. A normal
GAN's discriminator, with its fixed threshold, can be far from fair by running statistics: watch r_test.
"""


def main(argv=None):
    args = parse_arguments(argv)
    processes = start(gpu=args.gpu)
    check_arguments(args)
    args.gpu = processes.choose_gpu(args.gpu)
    use_device(args.gpu)
    out = args.out or default_name(args)
    if processes.is_first:
        check_can_write(out)
    else:
        processes.wait()  # until the first one has fetched what is missing
    score = {"inception": Inception, "frechet": Frechet, "gam": Game}[args.score](args)
    if processes.is_first:
        processes.wait()
        print(printable(score.opening()), flush=True)
    try:
        measured = {"score": args.score, **score.measure(processes)}
    except KeyboardInterrupt:
        print(score.if_interrupted(), file=sys.stderr)
        raise
    if not processes.is_first:
        return 0  # the first one has the status; if another had one, mpiexec might end it as it writes
    save_json(out, measured)  # whatever may fail from here on
    result = {**measured, **score.particulars(measured)}
    save_json(out, result)
    print("\n".join(map(printable, score.describe(result))))
    unreadable = result.get("unreadable", [])
    if unreadable:
        print(f"\n{count(len(unreadable), 'video')} left out, which could not be read:")
        print("\n".join(f"  {printable(line)}" for line in unreadable))
    print(f"\n{printable(out)}")
    return 1 if unreadable else 0


class Inception:
    """The inception score of a source."""

    score = "Inception score"

    def __init__(self, args):
        self.args, self.protocol = args, PROTOCOLS[args.protocol]
        self.classifier = evaluations.load_classifier(
            args.classifier, args.mean, args.gpu, protocol=self.protocol
        )
        self.source = self.open(args.source)
        self.sources = [self.source]

    def opening(self):
        """Return the line that says, before the work, what is scored and how."""
        sources = " and ".join(map(name_source, self.sources))
        frames = count(self.classifier.n_frames, "frame")
        return f"{self.score} of {sources}; protocol {self.protocol.name}, {frames} of each video."

    def if_interrupted(self):
        """Return how to go on after Ctrl-C."""
        if not self.args.cache:
            return "nothing is kept, because of --no-cache; the same command starts anew"
        if all(source.description["kind"] == "generator" for source in self.sources):
            return "of samples of a generator nothing is kept; the same command starts anew"
        return "what was scored of files and data sets is kept; the same command goes on from there"

    def open(self, path):
        args, n_frames = self.args, self.classifier.n_frames
        size = self.protocol.video_size if args.size is None else args.size or None
        return evaluations.open_source(path, n_frames, args.window, args.fps, size, args.range, args.gpu)

    def options(self, processes):
        return {
            "processes": processes,
            "n_samples": self.args.samples,
            "n_repeats": self.args.repeats,
            "seed": self.args.seed,
            "batch_size": self.args.batch_size,
            "protocol": self.protocol,
            "store": evaluations.PredictionStore() if self.args.cache else None,
            "strict": self.args.strict,
        }

    def measure(self, processes):
        options = self.options(processes)
        return evaluations.measure_inception(self.source, self.classifier, splits=self.args.splits, **options)

    def particulars(self, measured):
        found = departures.of_measuring(
            measured, self.classifier, self.source.description, self.protocol, self.args.window
        )
        return {
            "source": self.source.description,
            "window": self.args.window,
            "n_frames": self.classifier.n_frames,
            "classifier": {
                **self.classifier.description,
                "classes": self.classifier.n_classes,
                "input": self.classifier.input,
                "doubt": self.classifier.doubt,
            },
            "made_by": provenance.describe(get_device(self.args.gpu)),
            "departures": departures.as_json(found + self.departures()),
        }

    def departures(self):
        """Return in what the videos depart from those of the papers."""
        return departures.of_source(self.source, self.protocol)

    def describe(self, result):
        many = f"{result['repeats']} x {count(result['samples'], 'sample')}"
        if result["splits"] > 1:
            many += f", {result['splits']} splits each"
        score = appendix.with_spread(result["inception_score"], result["standard_deviation"])
        return appendix.describe_score(
            result,
            self.protocol,
            f"{self.score} {score} ({many}",
            appendix.describe_source(result["source"]),
            f"Score: exp(mean KL(p(y|x) || p(y))), p(y|x) the softmax of fc8, in float64"
            f"{appendix.single(result['scores'])}.",
        )


class Frechet(Inception):
    """The Fréchet distance of a source from a reference."""

    score = "Fréchet distance"

    def __init__(self, args):
        super().__init__(args)
        self.reference = self.open(args.reference)
        self.sources.append(self.reference)

    def measure(self, processes):
        options = {"n_reference": self.args.reference_samples, **self.options(processes)}
        return evaluations.measure_frechet(self.source, self.reference, self.classifier, **options)

    def particulars(self, measured):
        found = {**super().particulars(measured), "reference": self.reference.description}
        if self.protocol.frechet_windows is None:  # TGAN's authors published no distances
            found["departures"] = None
        return found

    def departures(self):
        return departures.of_data(self.reference.description.get("facts"), UCF101_VIDEOS)

    def describe(self, result):
        many = f"{count(result['samples'], 'sample')} of each"
        if result["reference_samples"] != result["samples"]:
            many = f"{count(result['samples'], 'sample')}, {result['reference_samples']:,} of the reference"
        if result["repeats"] > 1:
            many = f"{result['repeats']} x {many}"
        distance = appendix.with_spread(result["frechet_distance"], result["standard_deviation"])
        sources = [appendix.describe_source(result[key]) for key in ("source", "reference")]
        return appendix.describe_score(
            result,
            self.protocol,
            f"{self.score} {distance} ({many}",
            "; reference: ".join(sources),
            f"Features: {result['features']}, {result['dimensions']} dimensions"
            f"{appendix.single(result['distances'])}. The distance is biased upwards, the more the fewer "
            "samples; compare only distances of equally many.",
        )


class Game:
    """The battle of two runs."""

    def __init__(self, args):
        self.args = args
        self.a, self.b = (load_run(run, get_device(args.gpu)) for run in (args.run_a, args.run_b))
        self.data = args.data or self.a.config.data
        self.test_data = args.test_data or self.data

    def opening(self):
        samples = count(self.args.samples, "sample")
        return f"GAM of A, {self.args.run_a}, and B, {self.args.run_b}; {samples} of each."

    def if_interrupted(self):
        return "of a game nothing is kept; the same command starts anew"

    def measure(self, processes):
        args = self.args
        numbers = args.samples, args.seed, args.bootstrap
        return evaluations.measure_gam(
            self.a, self.b, self.test_data, self.data, *numbers, processes=processes
        )

    def particulars(self, measured):
        runs = self.a, self.b
        rows = [nearest(run.config, configurations(3)) for run in runs]
        found = departures.of_game(measured, list(zip(runs, rows)), TGAN.samples)
        tested_on = VideoDataset(self.test_data, self.a.config.n_frames).describe()
        return {
            **{
                name: {
                    "path": path,
                    "iteration": run.iteration,
                    "training": run.config.description,
                    "row": row,
                }
                for name, path, run, row in zip("ab", (self.args.run_a, self.args.run_b), runs, rows)
            },
            "test_data": self.test_data,
            "threshold_data": self.data,
            "trained_on_test_data": [name for name, run in zip("ab", runs) if same_data(run.data, tested_on)],
            "made_by": provenance.describe(get_device(self.args.gpu)),
            "departures": departures.as_json(found),
        }

    def describe(self, result):
        winner = {"A": result["a"]["path"], "B": result["b"]["path"], "tie": "neither"}[result["winner"]]
        decided = " (within chance)" if result["decided"] is False and result["winner"] != "tie" else ""
        errors, thresholds, batch = result["errors"], result["thresholds"], result["batch_statistics"]
        players = []
        for name, other in ("a", "b"), ("b", "a"):
            player, i = result[name], "ab".index(name)
            players.append(
                f"{name.upper()}: {player['path']}, iteration {player['iteration']}; threshold "
                f"{thresholds[i]:.4g}; wrong about {errors[f'test_{name}']:.1%} of the real videos and "
                f"{errors[f'sample_{other}']:.1%} of {other.upper()}'s samples."
            )
        trained_on = " and ".join(name.upper() for name in result["trained_on_test_data"]) or "neither"
        trained_on += " were" if len(result["trained_on_test_data"]) > 1 else " was"
        thresholds = result["threshold_data"]
        if thresholds == result["test_data"]:
            thresholds = "the other half of its clips"
        return [
            f"GAM score r_sample {appendix.with_interval(result, 'r_sample')}: {winner} wins{decided}.",
            f"r_test {appendix.with_interval(result, 'r_test')}.",
            f"As ratios of accuracies: r_sample {appendix.with_interval(result, 'r_sample_accuracies')}, "
            f"r_test {appendix.with_interval(result, 'r_test_accuracies')}: "
            + ("a fair game." if result["fair"] else "far from one, so the game is not fair."),
            *appendix.verdict(result),
            f"By batch statistics: r_sample {appendix.with_interval(batch, 'r_sample')}, "
            f"r_test {appendix.with_interval(batch, 'r_test')}.",
            "",
            *players,
            f"{count(result['samples'], 'sample')} of each, test data {result['test_data']}, which "
            f"{trained_on} trained on; thresholds by {thresholds}; "
            f"seeds {result['seed']} for A, {result['seed_b']} for B.",
            appendix.describe_making(result),
        ]


def check_arguments(args):
    """Raise InputError for what is out of range or not there, before anything is written or fetched."""
    check_seed(args.seed)
    for name in "samples", "repeats", "splits", "batch_size", "bootstrap", "reference_samples":
        value = getattr(args, name, None)
        if value is not None and (name, value) != ("bootstrap", 0):
            check_positive_int(**{name: value})
    for path in given_sources(args):
        pretrained.check_is_there(path, snapshots.KIND if args.score == "gam" else KINDS)
    for name in "classifier", "mean", "data", "test_data":
        path = getattr(args, name, None)
        if path is not None and not os.path.exists(path):
            raise InputError(f"there is no {path}, which --{name.replace('_', '-')} names")


def name_source(source):
    """Return which source is scored, and how many videos it has, where it does not make them."""
    kind, path = source.description["kind"].replace("_", " "), source.description["path"]
    n = source.description.get("clips") or source.n
    many = f" ({count(n, 'clip' if kind == 'data set' else 'video')})" if n else ""
    return f"the {kind} {path}{many}"


def given_sources(args):
    names = {"inception": ["source"], "frechet": ["source", "reference"], "gam": ["run_a", "run_b"]}
    return [getattr(args, name) for name in names[args.score]]


def default_name(args):
    """Return the path of a file that is not there yet."""
    names = [args.score]
    for path in map(os.path.abspath, given_sources(args)):
        if re.fullmatch(r"(generator|snapshot)_iter_\d+\.npz", os.path.basename(path)):
            names.append(os.path.basename(os.path.dirname(path)))
        names.append(os.path.splitext(os.path.basename(path))[0])
    name = os.fsdecode(os.fsencode("_".join(names))[:150])  # file systems take no more than 255 bytes
    stem = os.path.join("results", "scores", name)
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
    gam.add_argument("--data", metavar="FILE", help="videos for the thresholds (default: A's training data)")
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
            "--protocol", choices=PROTOCOLS, default="tgan", help="see above (default: %(default)s)"
        )
        command.add_argument(
            "--classifier", metavar="FILE", help="weights: the published ones, or of train_classifier.py"
        )
        command.add_argument("--mean", metavar="FILE", help="mean2.npz, for the published weights")
        command.add_argument(
            "--window",
            choices=WINDOWS,
            default="random",
            help="frames of longer videos to take (default %(default)s)",
        )
        command.add_argument("--fps", type=parse_fps, help="resample video files to so many frames a second")
        command.add_argument(
            "--size", type=int, metavar="N",
            help="resize video files and images (their middle square) and arrays to NxN first; 0 leaves them "
            "as they are (default: 64, with --protocol tgan2 0)",
        )  # fmt: skip
        command.add_argument(
            "--range",
            choices=RANGES,
            help="range of floats in arrays: signed, [-1, 1] (the default), or unit, [0, 1]",
        )
        command.add_argument("--batch-size", type=int, metavar="N", help="default: 4, on a GPU 32")
        command.add_argument(
            "--samples", type=int, metavar="N", help="default: the protocol's, or all that there are"
        )
        command.add_argument(
            "--repeats", type=int, metavar="N", help="default: the protocol's, if there are enough videos"
        )
        command.add_argument("--strict", action="store_true", help="end at the first unreadable video")
        command.add_argument(
            "--no-cache", dest="cache", action="store_false", help="neither use nor keep class probabilities"
        )
    one.add_argument(
        "--splits",
        type=int,
        metavar="N",
        default=1,
        help="parts of each repeat to score by themselves (default 1)",
    )
    two.add_argument(
        "--reference-samples",
        type=int,
        metavar="N",
        help="videos of REFERENCE (default: the protocol's, or as many as there are)",
    )
    gam.add_argument("--samples", type=int, metavar="N", default=TGAN.samples, help="default: %(default)s")
    for command in one, two, gam:
        command.add_argument("--seed", type=int, metavar="N", default=0, help="default: 0")
        add_gpu_option(command)
        command.add_argument("--out", metavar="FILE", help="default: a new one in results/scores/")
    return parser.parse_args(argv)
