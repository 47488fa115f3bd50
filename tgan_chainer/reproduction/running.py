"""Running a table: training what is missing, scoring what is trained, row by row."""

import contextlib
import dataclasses
import functools
import os
import sys
import time

from filelock import SoftFileLease, Timeout

from tgan_chainer import evaluations, provenance
from tgan_chainer.children import Interrupted, call
from tgan_chainer.config import CONFIGS, NO_OPTIONS, Config, as_options
from tgan_chainer.datasets import VideoDataset, same_data
from tgan_chainer.devices import get_device
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.evaluations.protocols import TGAN
from tgan_chainer.evaluations.video_classifier import DIGIT_CLIPS
from tgan_chainer.evaluations.video_source import DatasetSource
from tgan_chainer.files import locked, make_folder
from tgan_chainer.logs import has_log
from tgan_chainer.reading import message_line, read_yaml
from tgan_chainer.reproduction import departures
from tgan_chainer.reproduction.rows import PLAYER_A, TABLES, UCF101, configuration
from tgan_chainer.runs import read_run
from tgan_chainer.snapshots import RESUMABLE, find_snapshots, newest_snapshot

# Seconds that a training, whose caller was killed, has to finish its iteration and to write its snapshot.
PATIENCE = 60
# Seconds after which a lock file that its holder, on another host, no longer renews is nobody's. A holder on
# this host is looked for among its processes.
LEASE = 120
# Seconds after which rows that others had are asked for again.
PAUSE = 3


class Busy(Exception):
    """Another process, here or on another host, does this work now."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """How much of the paper to do.

    Attributes:
        folder (str): Where the runs are.
        settings (dict): What differs from the configurations.
        gam (int): Samples of GAM.
        inception (tuple of ints): Samples and repeats of the inception score.
        classifier (tuple of ints, str or None): Iterations and batch size of a classifier to train, or the
            file of one; None takes the published one.
        made (dict or None): The data that are made if none are given, by table: their file and options of
            moving_mnist.py; None takes the paper's data.
    """

    folder: str
    settings: dict
    gam: int
    inception: tuple
    classifier: tuple | str | None
    made: dict | None = None


def load_preset(name):
    """Return the :class:`Preset` "paper", "cpu", "digits" or "smoke"."""
    if name == "paper":
        return Preset("results", {}, TGAN.samples, (TGAN.samples, TGAN.repeats), None)
    if name == "cpu":
        settings = _settings_of("tgan_moving_mnist_cpu")
        return Preset("results/cpu", settings, 5000, (1000, TGAN.repeats), (600, 16))
    if name == "digits":
        settings = _settings_of("tgan_moving_digit_32_cpu") | {"iterations": 2000, "learning_rate_drop": 1500}
        data = "data/moving_digit_32.h5", ["--digits", 1, "--size", 32, "--digit-size", 20]
        return Preset(
            "results/digits", settings, 2000, (500, TGAN.repeats), DIGIT_CLIPS, made={3: data, 4: data}
        )
    smoke = {"temporal_width": 16, "image_width": 8, "video_width": 16, "discriminator_width": 2}
    smoke |= {"batch_size": 4, "iterations": 20, "learning_rate": 1e-3}
    smoke |= {"log_interval": 2, "preview_interval": 20, "snapshot_interval": 20}
    made = {3: ("results/smoke/moving_mnist.h5", ["--clips", 200])}
    # One digit has labels, which Table 4 needs.
    made[4] = "results/smoke/moving_digit.h5", ["--clips", 200, "--digits", 1]
    return Preset("results/smoke", smoke, 64, (32, 2), (20, 8), made)


def _settings_of(name):
    """Return the settings that the file of a configuration names, but for its data and seed, a dict."""
    settings = read_yaml(os.path.join(CONFIGS, f"{name}.yaml"), "a YAML file")
    return {key: value for key, value in settings.items() if key not in (*NO_OPTIONS, "data", "seed")}


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be made.

    Attributes:
        number (int): The table's number in the paper.
        folder (str): Where the table's files lie; they tell the runs' folders as seen from there.
        preset (Preset): How much of it.
        data (str): The data to train and score on.
        test_data (str or None): For Table 3: videos that no model was trained on.
        classifier, mean (str or None): For Table 4: what
            :func:`~tgan_chainer.evaluations.load_classifier` takes.
        iterations (int or None): Iterations of each row; None takes the preset's.
        train (bool): Whether to train what is missing.
        rescore (bool): Whether to score again what has been scored.
        seed (int): Seed of what is trained and scored now.
        gpu (int or None): Its GPU.
    """

    number: int
    folder: str
    preset: Preset
    data: str
    test_data: str | None = None
    classifier: str | None = None
    mean: str | None = None
    iterations: int | None = None
    train: bool = True
    rescore: bool = False
    seed: int = 0
    gpu: int | None = None

    @functools.cached_property
    def described(self):
        return VideoDataset(self.data).describe()

    @functools.cached_property
    def test_described(self):
        return None if self.test_data is None else VideoDataset(self.test_data).describe()

    @property
    def gpu_option(self):
        return [] if self.gpu is None else ["--gpu", self.gpu]

    def relative(self, path):
        """Return a path as the page in the table's folder is to find it."""
        return os.path.relpath(path, self.folder)


def make(order, rows, table):
    """Train and score rows one after another, and write the table after each.

    Args:
        order (Order): What is to be made.
        rows (sequence of Row): Which of its rows.
        table (TableFile): Where the results go.

    Returns:
        int: The exit status: 0, 1 if a row failed, 128 + the number of the signal that ended it.
    """
    status, left, begun = 0, list(rows), set()

    def attempt(row):
        with claimed(f"{table.path}.{table.preset}.{row.config or 'data'}"):
            if row not in begun:
                print(f"\n[{rows.index(row) + 1}/{len(rows)}] {row.name}", flush=True)
            begun.add(row)
            try:
                table.add(row, score(row, table.entry(row)))
                return 0
            except Busy:
                raise
            except (InputError, NonFiniteError, OSError, MemoryError) as error:
                text = " ".join(str(error).split())
                print(f"failed: {message_line(text)}", file=sys.stderr)
                table.add(row, {"status": f"failed: {text}"})  # before another process can take the row
                return 1

    try:
        score = {3: Games, 4: Scores}[order.number](order)
        while left:
            others = []
            for row in left:
                try:
                    status = max(status, attempt(row))
                except Busy:
                    others.append(row)
            if others == left:  # all that could be done meanwhile is done
                time.sleep(PAUSE)
            left = others
    except KeyboardInterrupt as interrupt:
        print("interrupted; what is done is kept, and the same command goes on from there", file=sys.stderr)
        status = interrupt.status if isinstance(interrupt, Interrupted) else 130
    table.write()
    return status


@contextlib.contextmanager
def claimed(path, wait=False):
    """Hold the lock file ``path.lock`` while the block runs, so that no other process does the same work.

    It counts on every host that sees the folder, also where the file system has no locks. The file names host
    and process. It is removed in the end, and taken over from a process that was killed. One that stands
    still for longer than ``LEASE`` (Ctrl-Z, a suspended host) counts as killed, and works on beside its
    successor.

    Raises:
        Busy: Another process holds it, and ``wait`` is False.
    """
    make_folder(os.path.dirname(path))
    lease = _lease(os.path.abspath(f"{path}.lock"))
    try:
        lease.acquire(timeout=0)
    except Timeout as error:
        if lease.lock_file not in _told:
            print(f"\nanother process is at work on {path}: see {path}.lock", flush=True)
        _told.add(lease.lock_file)
        if not wait:
            raise Busy(path) from error
        lease.acquire(poll_interval=PAUSE)
    try:
        yield
    finally:
        lease.release()


_told = set()


@functools.cache  # since it remembers since when a file has not been renewed
def _lease(path):
    return SoftFileLease(path, lease_duration=LEASE)


class Games:
    """Scores of Table 3: TGAN against the row's model."""

    def __init__(self, order):
        self.order = order

    def __call__(self, row, known):
        order, n_samples = self.order, self.order.preset.gam
        names = PLAYER_A, row.config
        folders = all_trained(names, order)
        if None in folders:
            return {"status": "not run"}
        runs = [read_newest(folder) for folder in folders]
        settings = {
            "samples": n_samples,
            "seed": order.seed,
            "data": order.described,
            "test_data": order.test_described,
            "players": [summarize(run) for run in runs],
        }
        if known.get("settings") == settings and not order.rescore:
            return known
        test_data, device = order.test_data or order.data, get_device(order.gpu)
        game = evaluations.measure_gam(*folders, test_data, order.data, n_samples, order.seed, device=device)
        found = departures.of_game(game, list(zip(runs, names)), TGAN.samples)
        return {
            "status": "done",
            "ours": game["r_sample"],
            "spread": game["r_sample_interval"],
            "winner": {"A": "TGAN", "B": row.name.split(" vs. ")[1], "tie": "neither"}[game["winner"]],
            "fair": game["fair"],
            "game": game,
            "folders": dict(zip(row.name.split(" vs. "), map(order.relative, folders))),
            "settings": settings,
            "departures": departures.as_json(found),
            "runs": settings["players"],
            "scored": scored(order),
        }


class Scores:
    """Scores of Table 4."""

    def __init__(self, order):
        self.order = order
        path, own = order.classifier, os.path.join(order.preset.folder, "classifier.npz")
        if path is None and isinstance(order.preset.classifier, str):
            path = order.preset.classifier
        elif path is None and order.preset.classifier:
            path = own
            if not os.path.exists(path):
                if not order.train:
                    raise InputError(f"there is no {path}; give --classifier FILE, or leave out --no-train")
                with claimed(path, wait=True):
                    train_classifier(path, order)
        self.classifier = evaluations.load_classifier(path, order.mean, order.gpu)
        data = self.classifier.description.get("training", {}).get("data")
        if path == own and not (isinstance(data, dict) and same_data(data, order.described)):
            raise InputError(f"{path} was trained on other data than {order.data}: move it and the runs away")
        self.store = evaluations.PredictionStore()

    def __call__(self, row, known):
        order, (n_samples, n_repeats) = self.order, self.order.preset.inception
        if row.config is None:
            run, source = None, DatasetSource(order.data, self.classifier.n_frames, "random")
        else:
            folder = trained(row.config, order)
            if folder is None:
                return {"status": "not run"}
            run, source = read_newest(folder), None
        settings = {
            "samples": n_samples,
            "repeats": n_repeats,
            "seed": order.seed,
            "data": order.described,
            "classifier": self.classifier.description,
            "run": summarize(run) if run else {},
        }
        if known.get("settings") == settings and not order.rescore:
            return known
        source = source or evaluations.open_source(folder, self.classifier.n_frames, gpu=order.gpu)
        score = evaluations.measure_inception(
            source, self.classifier, n_samples, n_repeats, seed=order.seed, store=self.store
        )
        found = departures.of_run(run, row.config) if run else []
        found += departures.of_data(order.described, UCF101)
        found += departures.of_measuring(score, self.classifier, source.description, TGAN)
        return {
            "status": "done",
            "ours": score["inception_score"],
            "spread": score["standard_deviation"],
            "score": score,
            "folders": {row.name: order.relative(folder)} if run else {},
            "settings": settings,
            "departures": departures.as_json(found),
            "runs": [settings["run"]] if run else [],
            "scored": scored(order),
        }


def train_classifier(path, order):
    """Train a small classifier of the data, if there is none yet, under another name until its end."""
    if os.path.exists(path):
        return
    print("\ntraining a small classifier, since there is no --classifier", flush=True)
    iterations, batch_size = order.preset.classifier
    command = [order.data, "--out", path + ".part", "--force"]
    command += ["--iterations", iterations, "--batch-size", batch_size]
    call("train_classifier", *command, *order.gpu_option)
    os.replace(path + ".part", path)


def default_data(number, preset):
    """Return the path of the data taken if none are given: a preset's own are made, the paper's are not."""
    table = TABLES[number]
    if preset.made is None:
        if not os.path.exists(table.data_file):
            raise InputError(
                f"there is no {table.data_file}; the command `{table.data_command}` makes it, or give --data "
                "FILE"
            )
        return table.data_file
    path, options = preset.made[number]
    if not os.path.exists(path):
        with claimed(path, wait=True):
            if not os.path.exists(path):
                call("moving_mnist", *options, "--out", path)
    return path


def all_trained(names, order):
    """Return :func:`trained` of each, or raise Busy when all have been trained that nobody else is at."""
    folders, busy = [], None
    for name in names:
        try:
            folders.append(trained(name, order))
        except Busy as error:
            busy = error
    if busy is not None:
        raise busy
    return folders


def trained(name, order):
    """Return the folder of a run that is trained to its end, or None if it is not and must not be.

    Raises:
        Busy: Another process is training it.
    """
    folder = os.path.join(order.preset.folder, name)
    with claimed(folder) if order.train else contextlib.nullcontext():
        return _trained(name, folder, order)


def _trained(name, folder, order):
    config = configuration(name)
    settings = dict(order.preset.settings)
    if config.learning_rate != Config.learning_rate:  # of a row with an optimizer of its own
        settings.pop("learning_rate", None)
    if order.iterations is not None:
        settings["iterations"] = order.iterations
    target = settings.get("iterations", config.iterations)
    wait_for(folder)
    found = find_snapshots(folder, RESUMABLE)
    if found:
        run = read_newest(folder)
        if not same_data(run.data, order.described):
            raise InputError(f"{folder} was trained on other data than {order.data}: {run.data['source']}")
        if run.iteration >= target:
            return folder
    if not order.train:
        return folder if found else None
    if not found and has_log(folder):
        with locked(folder):  # it was killed before its first snapshot
            os.rename(folder, f"{folder}.incomplete-{time.strftime('%Y%m%d-%H%M%S')}")
    if found:
        command = ["--out", folder, "--resume", "--iterations", target, "--data", order.data]
    else:
        settings |= {"data": order.data, "seed": order.seed}
        command = ["--config", os.path.join(CONFIGS, f"{name}.yaml"), "--out", folder, *as_options(settings)]
    call("train", *command, *order.gpu_option)
    return folder


def wait_for(folder):
    """Wait until nobody writes to a folder, if it is there.

    A training ends by itself when the command that called it is killed, after its snapshot.

    Raises:
        InputError: Somebody still does after ``PATIENCE`` seconds.
    """
    until = time.monotonic() + PATIENCE
    while os.path.isdir(folder):
        try:
            with locked(folder):
                return
        except InputError:
            if time.monotonic() > until:
                raise
        time.sleep(0.2)


def read_newest(folder):
    """Return the :class:`~tgan_chainer.runs.Run` in a results folder, without its networks."""
    return _read(newest_snapshot(folder, RESUMABLE))


@functools.cache  # a snapshot can be large, does not change, and is asked for more than once
def _read(path):
    return read_run(path)


def summarize(run):
    """Return what a table says of a run: iterations, seed, seconds of training, hardware and commit."""

    def all_of(key):
        return ", ".join(dict.fromkeys(str(entry[key]) for entry in run.provenance if entry.get(key))) or None

    return {
        "iterations": run.iteration,
        "seed": run.config.seed,
        "wall_time": run.wall_time,
        "hardware": all_of("hardware"),
        "commit": all_of("commit"),
    }


def scored(order):
    """Return on what data, when and by what a row is scored."""
    source = order.described["source"]
    if order.number == 3:
        other = order.test_described and order.test_described["source"]
        source += f"; test data: {other}" if other else "; test data: clips that the models were trained on"
    made_by = provenance.describe(get_device(order.gpu))
    return {"data": source, **{key: made_by[key] for key in ("date", "commit", "hardware")}}
