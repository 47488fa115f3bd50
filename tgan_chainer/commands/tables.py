"""Make Table 3 (GAM scores on Moving MNIST) or Table 4 (inception scores on UCF-101): train, score, write.

  python experiments/tables.py 3 --gpu 0
  python experiments/tables.py 4 --data data/ucf101.h5 --gpu 0
  python experiments/tables.py 3 --preset cpu
  python experiments/tables.py 4 --preset smoke

Each row is trained if its snapshot is missing or has too few iterations, going on from the newest one, then
scored; what is there already is kept. So the same command goes on after Ctrl-C, and several days of training
may run unattended: a row that fails is marked, and the next one begins. Runs that train.py made by itself
count if they lie in the same folders and have the same data.

  preset  networks           iterations  runs in         scores
  paper   the paper's        100,000     results/        GAM of 10,000 samples; inception score of 10,000
                                                         samples, four times, by the published C3D
  cpu     an eighth as wide  5,000       results/cpu/    GAM of 5,000 samples; inception score of 1,000, four
                                                         times, by a small C3D trained on the data first
  smoke   very narrow        20          results/smoke/  to see that everything works, in minutes; makes small
                                                         data by itself unless --data is given

--classifier (and --mean) choose another classifier, see evaluate.py inception --help.

results/tableN.md and .json have a section for each preset that was run: the paper's value, ours, the
difference, iterations, seed, wall time, hardware and commit (of Table 3's rows: TGAN's / the other's, where
they differ). Whatever falls short of the paper is marked as REDUCED, with the reasons. results/report.html
shows the same with loss curves and moving samples.
"""

import dataclasses
import functools
import os
import signal
import subprocess
import sys
import time

import yaml

from tgan_chainer import provenance
from tgan_chainer.commands import report
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.config import CONFIGS, Config
from tgan_chainer.datasets import VideoDataset, same_data
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.evaluations import (
    departures,
    load_classifier,
    measure_gam,
    measure_inception,
    open_source,
)
from tgan_chainer.evaluations.departures import DATA as UCF101
from tgan_chainer.evaluations.departures import departures_of_measuring
from tgan_chainer.evaluations.measures import N_REPEATS, N_SAMPLES
from tgan_chainer.evaluations.video_source import DatasetSource
from tgan_chainer.files import locked, save_json, save_text
from tgan_chainer.logs import has_log
from tgan_chainer.runs import load_gan
from tgan_chainer.snapshots import RESUMABLE, find_snapshots, read_snapshot

# How the source of the paper's data begins, by the name of the file in configs/.
DATA = {"moving_mnist.h5": "Moving MNIST as published", "ucf101.h5": UCF101}

PRESETS = "paper", "cpu", "smoke"


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name (str): As the paper prints it.
        config (str): The run's configuration in configs/; None for the data set itself.
        paper (float), paper_spread (float): The paper's value, and its standard deviation if it has one.
    """

    name: str
    config: str | None
    paper: float
    paper_spread: float | None = None


PLAYER_A = "tgan_moving_mnist"  # "Model A" of all rows of Table 3
TABLES = {
    3: (
        Row("TGAN vs. 3D model (GAN)", "model3d_gan_moving_mnist", 1.70),
        Row("TGAN vs. 3D model (SVC)", "model3d_svc_moving_mnist", 1.27),
        Row("TGAN vs. TGAN (G1(z1))", "tgan_z1_moving_mnist", 1.03),
    ),
    4: (
        Row("3D model (Weight clipping)", "model3d_weight_clipping_ucf101", 4.32, 0.01),
        Row("3D model (SVC)", "model3d_svc_ucf101", 4.78, 0.02),
        Row("Video GAN (Normal GAN)", "video_gan_gan_ucf101", 8.18, 0.05),
        Row("Video GAN (SVC)", "video_gan_svc_ucf101", 8.31, 0.09),
        Row("TGAN (Normal GAN)", "tgan_gan_ucf101", 9.18, 0.11),
        Row("TGAN (Weight clipping)", "tgan_weight_clipping_ucf101", 11.77, 0.11),
        Row("TGAN (SVC)", "tgan_svc_ucf101", 11.85, 0.07),
        Row("Conditional TGAN (SVC)", "conditional_tgan_svc_ucf101", 15.83, 0.18),
        Row("UCF-101 dataset", None, 34.49, 0.03),
    ),
}
TITLES = {3: "Table 3: GAM scores on Moving MNIST", 4: "Table 4: inception scores on UCF-101"}


@dataclasses.dataclass(frozen=True)
class Preset:
    """How much of the paper to do.

    Attributes:
        folder (str): Of the runs.
        settings (dict): What differs from the configurations.
        gam (int): Samples of GAM.
        inception (tuple of ints): Samples and repeats of the inception score.
        classifier (tuple of ints or None): Iterations and batch size of a classifier to train; None takes the
            published one.
    """

    folder: str
    settings: dict
    gam: int
    inception: tuple
    classifier: tuple | None


def cpu_settings():
    with open(os.path.join(CONFIGS, "tgan_moving_mnist_cpu.yaml"), encoding="utf-8") as file:
        settings = yaml.safe_load(file)
    return {key: value for key, value in settings.items() if key not in ("description", "data")}


def presets():
    smoke = {"temporal_width": 16, "image_width": 8, "video_width": 16, "discriminator_width": 2}
    smoke |= {"batch_size": 4, "iterations": 20, "learning_rate": 1e-3}
    smoke |= {"log_interval": 2, "preview_interval": 20, "snapshot_interval": 20}
    return {
        "paper": Preset("results", {}, N_SAMPLES, (N_SAMPLES, N_REPEATS), None),
        "cpu": Preset("results/cpu", cpu_settings(), 5000, (1000, N_REPEATS), (600, 16)),
        "smoke": Preset("results/smoke", smoke, 64, (32, 2), (20, 8)),
    }


class Interrupted(KeyboardInterrupt):
    """A command that was called ended by SIGINT or SIGTERM."""


def main(argv=None):
    args = parse_arguments(argv)
    for name in ("classifier", "mean") if args.table == 3 else ("test_data",):
        if getattr(args, name) is not None:
            raise InputError(f"Table {args.table} has no use for --{name.replace('_', '-')}")
    Config(seed=args.seed, iterations=1 if args.iterations is None else args.iterations)  # checks them
    preset = presets()[args.preset]
    rows = choose_rows(args)
    args.device = use_device(args.gpu)
    args.data = args.data or default_data(args, preset)
    # Missing or damaged data are met now, not after hours of training.
    args.described, args.test_described = (
        path and VideoDataset(path).describe() for path in (args.data, args.test_data)
    )
    for number in TABLES:
        report.load_table(number, "results")  # likewise
    table = Table(args)
    status = 0
    try:
        score = Games(args, preset) if args.table == 3 else Inception(args, preset)
        for i, row in enumerate(rows):
            print(f"\n[{i + 1}/{len(rows)}] {row.name}", flush=True)
            try:
                table.add(row, score(row, table.known(row)))
            except (InputError, NonFiniteError, OSError, MemoryError) as error:
                print(f"failed: {error}", file=sys.stderr)
                table.add(row, {"status": f"failed: {' '.join(str(error).split())}"})
                status = 1
    except KeyboardInterrupt:
        print("interrupted; what is done is kept, and the same command goes on from there", file=sys.stderr)
        status = 130
    table.write()
    page = report.write_report("results", os.path.join("results", "report.html"), args.gpu)
    print(f"\n{table.markdown()}\n{table.path}.md, .json; {page}")
    return status


class Games:
    """Scores of Table 3: TGAN against the row's model."""

    def __init__(self, args, preset):
        self.args, self.preset = args, preset

    def __call__(self, row, known):
        args = self.args
        folder_a, folder_b = (trained(name, args, self.preset) for name in (PLAYER_A, row.config))
        if folder_a is None or folder_b is None:
            return {"status": "not run"}
        runs = [describe_run(folder) for folder in (folder_a, folder_b)]
        settings = {
            "samples": self.preset.gam,
            "seed": args.seed,
            "data": args.described,
            "test_data": args.test_described,
            "players": runs,
        }
        if known.get("settings") == settings and not args.rescore:
            return known
        a, b = (load_gan(folder, args.gpu) for folder in (folder_a, folder_b))
        game = measure_gam(a, b, args.test_data or args.data, args.data, self.preset.gam, args.seed)
        reduced = reasons(folder_a, PLAYER_A) + reasons(folder_b, row.config)
        if runs[0]["iterations"] != runs[1]["iterations"]:
            reduced.append("models of different iterations")
        if self.preset.gam < N_SAMPLES:
            reduced.append(f"{self.preset.gam:,} samples")
        return {
            "status": "done",
            "ours": game["r_sample"],
            "spread": game["r_sample_interval"],
            "winner": {"A": "TGAN", "B": row.name.split(" vs. ")[1], "tie": "neither"}[game["winner"]],
            "fair": game["fair"],
            "game": game,
            "folders": dict(zip(row.name.split(" vs. "), map(relative, (folder_a, folder_b)))),
            "settings": settings,
            "reduced": list(dict.fromkeys(reduced)),  # what goes for both is said once
            "runs": runs,
            "scored": scored(args),
        }


class Inception:
    """Scores of Table 4."""

    def __init__(self, args, preset):
        self.args, self.preset = args, preset
        path, own = args.classifier, os.path.join(preset.folder, "classifier.npz")
        if path is None and preset.classifier:
            path = own
            if not os.path.exists(path) and args.no_train:
                raise InputError(f"there is no {path}; give --classifier FILE, or leave out --no-train")
            if not os.path.exists(path):
                print("\ntraining a small classifier, since there is no --classifier", flush=True)
                iterations, batch_size = preset.classifier
                # Under another name until it is trained to its end.
                command = [args.data, "--out", path + ".part", "--force"]
                command += ["--iterations", iterations, "--batch-size", batch_size]
                call("train_classifier", *command, *gpu_option(args))
                os.replace(path + ".part", path)
        self.classifier = load_classifier(path, args.mean, args.gpu)
        if path == own and not same_data(self.classifier.description["training"]["data"], args.described):
            raise InputError(f"{path} was trained on other data than {args.data}: move it and the runs away")

    def __call__(self, row, known):
        args, (n_samples, n_repeats) = self.args, self.preset.inception
        folder = None
        if row.config is not None:
            folder = trained(row.config, args, self.preset)
            if folder is None:
                return {"status": "not run"}
        run = {} if folder is None else describe_run(folder)
        settings = {
            "samples": n_samples,
            "repeats": n_repeats,
            "seed": args.seed,
            "data": args.described,
            "classifier": self.classifier.description,
            "run": run,
        }
        if known.get("settings") == settings and not args.rescore:
            return known
        if folder is None:
            source = DatasetSource(args.data, self.classifier.n_frames, "random")
        else:
            source = open_source(folder, self.classifier.n_frames, gpu=args.gpu)
        score = measure_inception(source, self.classifier, n_samples, n_repeats, seed=args.seed)
        described = score, self.classifier.description, source.description
        if folder is None:
            reduced = departures(*described)
        else:
            reduced = departures_of_measuring(*described) + reasons(folder, row.config)
        return {
            "status": "done",
            "ours": score["inception_score"],
            "spread": score["standard_deviation"],
            "score": score,
            "folders": {} if folder is None else {row.name: relative(folder)},
            "settings": settings,
            "reduced": reduced,
            "runs": [run] if run else [],
            "scored": scored(args),
        }


def trained(name, args, preset):
    """Return the folder of a run that is trained to its end, or None if it is not and must not be."""
    config_path = os.path.join(CONFIGS, name + ".yaml")
    folder = os.path.join(preset.folder, name)
    config = Config.load(config_path)
    settings = dict(preset.settings)
    if config.learning_rate != Config.learning_rate:  # of a row with an optimizer of its own
        settings.pop("learning_rate", None)
    if args.iterations is not None:
        settings["iterations"] = args.iterations
    target = settings.get("iterations", config.iterations)
    found = find_snapshots(folder, RESUMABLE)
    if found:
        data = read_run(folder)[0]["data"]
        if data != args.described:
            raise InputError(f"{folder} was trained on other data than {args.data}: {data['source']}")
    if found and iteration_of(found[-1]) >= target:
        return folder
    if args.no_train:
        return folder if found else None
    if not found and has_log(folder):
        with locked(folder):  # else it is being trained right now; it was killed before its first snapshot
            os.rename(folder, f"{folder}.incomplete-{time.strftime('%Y%m%d-%H%M%S')}")
    if found:
        command = ["--out", folder, "--resume", "--iterations", target, "--data", args.data]
    else:
        settings |= {"data": args.data, "seed": args.seed}
        options = [str(x) for key, value in settings.items() for x in ("--" + key.replace("_", "-"), value)]
        command = ["--config", config_path, "--out", folder, *options]
    call("train", *command, *gpu_option(args))
    return folder


def call(name, *arguments):
    """Run another command, in a process of its own.

    Raises:
        InputError: It failed, or was killed.
        Interrupted: It ended by SIGINT (Ctrl-C) or SIGTERM, at which it writes a snapshot first.
    """
    # In a session of its own, so that it has each signal once: from here, and not from the terminal as well.
    command = [sys.executable, "-m", "tgan_chainer", name, *map(str, arguments)]
    process = subprocess.Popen(command, start_new_session=True)
    signals = signal.SIGINT, signal.SIGTERM
    old = {number: signal.signal(number, lambda number, _: process.send_signal(number)) for number in signals}
    try:
        status = process.wait()
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    if status in (*(-number for number in signals), *(128 + number for number in signals)):
        raise Interrupted
    if status < 0:
        raise InputError(f"{name} was killed by {signal.Signals(-status).name}")
    if status:
        raise InputError(f"{name} ended with status {status}; its message stands above")


def gpu_option(args):
    return [] if args.gpu is None else ["--gpu", args.gpu]


def iteration_of(path):
    return int(path.rpartition("_")[2].partition(".")[0])


def relative(folder):
    """Return a path as the report, which lies in results/, is to find it."""
    return os.path.relpath(folder, "results")


def scored(args):
    """Return on what data, when and by what a row is scored."""
    source = args.described["source"]
    if args.table == 3:
        other = args.test_described and args.test_described["source"]
        source += f"; test data: {other}" if other else "; test data: clips that the models were trained on"
    made_by = provenance.describe(args.device)
    return {"data": source, **{key: made_by[key] for key in ("date", "commit", "hardware")}}


def read_run(folder):
    """Return the metadata of a run's newest snapshot and how long its training took, in seconds."""
    return _read_metadata(find_snapshots(folder, RESUMABLE)[-1])


@functools.cache  # a snapshot can be large, does not change, and three functions ask for this
def _read_metadata(path):
    metadata, arrays = read_snapshot(path)
    return metadata, float(arrays.get("_snapshot_elapsed_time", "nan"))


def describe_run(folder):
    """Return what a table says of a run: iterations, seed, wall time, hardware and commit of its training."""
    metadata, wall_time = read_run(folder)
    entries = provenance.read(folder)

    def all_of(key):
        return ", ".join(dict.fromkeys(entry[key] for entry in entries if entry.get(key))) or None

    return {
        "iterations": metadata["iteration"],
        "seed": metadata["config"].seed,
        "wall_time": wall_time,
        "hardware": all_of("hardware"),
        "commit": all_of("commit"),
    }


def reasons(folder, name):
    """Return in what a run falls short of the configuration that the paper's row has."""
    metadata, _ = read_run(folder)
    ours, paper = metadata["config"], Config.load(os.path.join(CONFIGS, name + ".yaml"))
    found = []
    if metadata["iteration"] < paper.iterations:
        found.append(f"{metadata['iteration']:,} of {paper.iterations:,} iterations")
    found += ours.differences(paper)
    source, papers = metadata["data"]["source"], DATA[os.path.basename(paper.data)]
    if not source.startswith(papers):
        found.append(f"data: {source}, not {papers}")
    return found


class Table:
    """The table as JSON and Markdown; of each preset there is a section."""

    def __init__(self, args):
        self.number, self.preset = args.table, args.preset
        self.path = os.path.join("results", f"table{args.table}")
        self.content = self.load()

    def load(self):
        content = report.load_table(self.number, "results")
        found = content.get(self.preset, {}).get("rows", {})
        rows = {}
        for row in TABLES[self.number]:
            paper = {"paper": row.paper, "paper_spread": row.paper_spread, "config": row.config}
            rows[row.name] = {**found.get(row.name, {"status": "not run"}), **paper}
        content[self.preset] = {"format": report.FORMAT, "title": TITLES[self.number], "rows": rows}
        return content

    def known(self, row):
        return self.content[self.preset]["rows"][row.name]

    def add(self, row, result):
        known = self.known(row)
        note = {}
        if known["status"] == "done" and result["status"] != "done":  # it could not be done again
            result, note = known, {"note": result["status"]}
        result = {**{key: value for key, value in result.items() if key != "note"}, **note}
        if "ours" in result:
            result["difference"] = float(result["ours"]) - row.paper  # JSON has NaN as a text
        paper = {key: known[key] for key in ("paper", "paper_spread", "config")}
        self.write(row, {**paper, **result})

    def write(self, row=None, entry=None):
        """Write the table, with a new entry if one is given."""
        with locked("results", wait=True):  # another process may have added others meanwhile
            self.content = self.load()
            if row is not None:
                self.content[self.preset]["rows"][row.name] = entry
            save_json(self.path + ".json", self.content)
            save_text(self.path + ".md", self.markdown())

    def markdown(self):
        order = [name for name in PRESETS if name in self.content]
        return "\n".join(format_section(self.number, name, self.content[name]) for name in order)


def format_section(number, preset, content):
    """Return a section of the table as Markdown."""
    header, rows = report.table(number, content)
    lines = [f"# {report.title(content, preset)}", ""]
    if note := report.shortcomings(content):
        lines += [f"**{report.REDUCED}** {note}", ""]
    for row in header, ["---"] * len(header), *rows:
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |")
    return "\n".join([*lines, *(part for line in report.origin(content) for part in ("", line)), ""])


def choose_rows(args):
    rows = TABLES[args.table]
    if not args.rows:
        return rows
    known = {row.config or "data": row for row in rows}
    for name in args.rows:
        if name not in known:
            raise InputError(
                f"there is no row {name!r} in Table {args.table}; its rows are {', '.join(known)}"
            )
    return [known[name] for name in known if name in args.rows]


def default_data(args, preset):
    if args.preset != "smoke":
        path, command = {
            3: ("data/moving_mnist.h5", "python datasets/moving_mnist.py"),
            4: ("data/ucf101.h5", "python datasets/ucf101.py FOLDER data/ucf101.h5"),
        }[args.table]
        if not os.path.exists(path):
            raise InputError(f"there is no {path}; make it by `{command}`, or give --data FILE")
        return path
    # Of one digit, and so with labels, for Table 4.
    n_digits, path = {
        3: (2, os.path.join(preset.folder, "moving_mnist.h5")),
        4: (1, os.path.join(preset.folder, "moving_digit.h5")),
    }[args.table]
    if not os.path.exists(path):
        call("moving_mnist", "--digits", n_digits, "--clips", 200, "--out", path)
    return path


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("table", type=int, choices=(3, 4), help="number of the table in the paper")
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="see above")
    parser.add_argument(
        "--data", metavar="FILE", help="default: data/moving_mnist.h5 or data/ucf101.h5, by datasets/*.py"
    )
    parser.add_argument(
        "--test-data", metavar="FILE", help="table 3: videos not trained on (default: half of --data's clips)"
    )
    parser.add_argument("--classifier", metavar="FILE", help="table 4: weights, as of evaluate.py inception")
    parser.add_argument("--mean", metavar="FILE", help="table 4: mean2.npz, for the published weights")
    parser.add_argument(
        "--rows", nargs="+", metavar="NAME", help="only these, by the names in configs/; data: the data set"
    )
    parser.add_argument("--iterations", type=int, metavar="N", help="of each row (default: the preset's)")
    parser.add_argument("--no-train", action="store_true", help="score what is there")
    parser.add_argument("--rescore", action="store_true", help="score again what has been scored")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="of what is trained and scored now (default 0)"
    )
    parser.add_argument(
        "--gpu", type=int, metavar="N", help="GPU to use, -1 for the CPU (default: 0 if there)"
    )
    return parser.parse_args(argv)
