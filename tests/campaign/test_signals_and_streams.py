"""Signals and streams of a training: it ends with a snapshot and its status, whatever is printed where."""

import contextlib
import functools
import glob
import os
import pathlib
import pty
import signal
import subprocess
import time

import numpy as np
import pytest
from campaign.harness import ENVIRONMENT, Campaign, python, require, require_bounded, require_success, slow
from campaign.inputs import TINY
from campaign.writers import WRITERS

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
LONG = "--iterations", 100_000, "--log-interval", 1, "--preview-interval", 50, "--snapshot-interval", 50


def train(sound, *more):
    return ["train", *TINY, "--data", sound.data, "--out", "run", *LONG, *more]


def new_folder(parent):
    folder = parent / str(len(os.listdir(parent)))
    folder.mkdir()
    return folder


def has_begun(folder):
    """Whether iterations are going on: the log is written in each."""
    return bool(glob.glob(os.path.join(folder, "run", "log*")))


def require_stopped(outcome, number, commands, sound, folder, reference):
    """Require the status of a signal, and a snapshot from which the run goes on as if nothing had been."""
    require_bounded(outcome)
    require(outcome.status == 128 + number, f"status {outcome.status} instead of {128 + number}", outcome)
    snapshots = glob.glob(os.path.join(folder, "run", "snapshot_iter_*.npz"))
    require(snapshots, "no snapshot", outcome)
    last = max(int(path.rpartition("_")[2][:-4]) for path in snapshots)
    require_same_as_uninterrupted(commands, sound, folder, last, reference)


def require_same_as_uninterrupted(commands, sound, folder, iteration, reference):
    goal = iteration + 1
    arguments = "--gpu", -1, "--out", "run", "--resume", "--iterations", goal, "--classifier", ""
    require_success(commands.run("train", *arguments, folder=folder))
    with (
        np.load(os.path.join(folder, "run", f"generator_iter_{goal}.npz")) as ours,
        np.load(reference(goal)) as theirs,
    ):
        for key in set(theirs) - {"metadata"}:
            require(np.array_equal(ours[key], theirs[key]), f"{key} is not that of the uninterrupted run")


@pytest.fixture(scope="module")
def reference(commands, sound, tmp_path_factory):
    """Returns the generator of an uninterrupted run of so many iterations."""
    base = tmp_path_factory.mktemp("reference")

    def get(iterations):
        folder = base / str(iterations)
        if not folder.exists():
            arguments = [*TINY, "--data", sound.data, "--out", folder, "--iterations", iterations, *LONG[2:]]
            require_success(commands.run("train", *arguments, folder=base))
        return folder / f"generator_iter_{iterations}.npz"

    return get


def streams_of(kind):
    """Return three descriptors, the ones to close before the signal, those to close at last, and options."""
    if kind == "files":
        return (None, None, None), [], [], {}
    if kind == "a pipe that nobody reads any more":
        reader, writer = os.pipe()
        return (None, writer, writer), [reader], [writer], {}
    if kind == "closed":
        return (None, None, None), [], [], {"closed": [1, 2]}
    if kind == "full":
        full = os.open("/dev/full", os.O_WRONLY)
        return (None, full, full), [], [full], {}
    if kind == "a pipe that takes nothing":  # and does not wait either
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(4096))
        return (None, writer, writer), [], [reader, writer], {}
    master, slave = pty.openpty()
    return (slave, slave, slave), [master], [slave], {"terminal": True}


STREAMS = "files", "a pipe that nobody reads any more", "closed", "full", "a pipe that takes nothing"


@pytest.mark.parametrize("streams", STREAMS)
def test_signal_while_training(streams, commands, sound, reference, tmp_path):
    with Campaign(f"signal to train, {streams}") as campaign:
        for rng in campaign:
            folder = new_folder(tmp_path)
            number = rng.choice(SIGNALS)
            moment = rng.uniform(0, 0.5)
            with campaign.attempt(f"{number.name}, {moment:.2f} s after the start"):
                given, before, after, options = streams_of(streams)
                running = commands.start(*train(sound), folder=folder, streams=given, **options)
                try:
                    running.wait_for(functools.partial(has_begun, folder))
                    running.ended(moment)
                    for descriptor in before:
                        os.close(descriptor)
                    running.send(number, group=rng.random() < 0.5)
                    outcome = running.wait(60)
                finally:
                    for descriptor in after:
                        os.close(descriptor)
                require_stopped(outcome, number, commands, sound, folder, reference)


def test_terminal_that_goes_away(commands, sound, reference, tmp_path):
    with Campaign("terminal of train gone") as campaign:
        for rng in campaign:
            folder = new_folder(tmp_path)
            moment = rng.uniform(0, 0.5)
            with campaign.attempt(f"{moment:.2f} s after the start"):
                given, (master,), (slave,), options = streams_of("terminal")
                running = commands.start(*train(sound), folder=folder, streams=given, **options)
                os.close(slave)
                running.wait_for(functools.partial(has_begun, folder))
                running.ended(moment)
                os.close(master)  # the kernel sends SIGHUP, and whatever is written from now on is an error
                outcome = running.wait(60)
                require_stopped(outcome, signal.SIGHUP, commands, sound, folder, reference)


@pytest.mark.parametrize("streams", [STREAMS[1], slow(STREAMS[2]), slow(STREAMS[3])])
def test_printing_never_ends_a_training(streams, commands, sound, tmp_path):
    with Campaign(f"train to its end, {streams}") as campaign:
        for _ in campaign:
            folder = new_folder(tmp_path)
            with campaign.attempt("without a signal"):
                given, before, after, options = streams_of(streams)
                arguments = [*TINY, "--data", sound.data, "--out", "run", "--iterations", 3]
                running = commands.start("train", *arguments, folder=folder, streams=given, **options)
                for descriptor in before:
                    os.close(descriptor)
                outcome = running.wait()
                for descriptor in after:
                    os.close(descriptor)
                require(
                    (folder / "run" / "snapshot_iter_3.npz").exists(), "it did not reach its end", outcome
                )
                require(outcome.status == 0, f"status {outcome.status}", outcome)


@pytest.mark.parametrize("streams", [STREAMS[1], slow(STREAMS[2]), slow(STREAMS[3])])
def test_printing_loses_no_result(streams, commands, sound, tmp_path):
    with Campaign(f"other commands, {streams}", fewest=2) as campaign:
        for rng in campaign:
            folder = new_folder(tmp_path)
            writer = rng.choice(WRITERS[1:])
            with campaign.attempt(str(writer)):
                given, before, after, options = streams_of(streams)
                arguments = writer.arguments(sound)
                running = commands.start(writer.name, *arguments, folder=folder, streams=given, **options)
                for descriptor in before:
                    os.close(descriptor)
                outcome = running.wait()
                for descriptor in after:
                    os.close(descriptor)
                require_bounded(outcome)
                require((folder / writer.out).exists(), "no result", outcome)
                require(outcome.status in (0, 1, 2), f"status {outcome.status}", outcome)


def test_second_signal_ends_at_once(commands, sound, tmp_path):
    with Campaign("two signals to train") as campaign:
        for rng in campaign:
            folder = new_folder(tmp_path)
            number = rng.choice((signal.SIGINT, signal.SIGTERM))  # a terminal that goes sends SIGHUP twice
            with campaign.attempt(number.name):
                # So that the first one is not all: an iteration of some seconds.
                slow = "--n-dis", 400
                running = commands.start(*train(sound, *slow), folder=folder)
                running.wait_for((folder / "run" / "config.yaml").exists)
                running.ended(0.3)
                running.send(number)
                running.ended(0.2)
                start = time.monotonic()
                running.send(number)
                outcome = running.wait(60)
                seconds = time.monotonic() - start
                require(seconds < 3, f"it took {seconds:.1f} s", outcome)
                require(outcome.status in (-number, 128 + number), f"status {outcome.status}", outcome)
                require("Traceback" not in outcome.stderr, "a traceback", outcome)


def test_ignored_signals_stay_ignored(commands, sound, tmp_path):
    with Campaign("nohup train") as campaign:
        for rng in campaign:
            folder = new_folder(tmp_path)
            number = rng.choice((signal.SIGHUP, signal.SIGINT))
            with campaign.attempt(number.name):
                running = commands.start(*train(sound), folder=folder, ignored=[number])
                running.wait_for(functools.partial(has_begun, folder))
                running.send(number)
                went_on = not running.ended(1)
                running.send(signal.SIGKILL)
                outcome = running.wait()
                require(went_on, f"{number.name} was ignored as it began, and ended it", outcome)


def test_snapshot_comes_before_scores(commands, sound, reference, tmp_path):
    """A scheduler kills 30 s after SIGTERM; scores of many samples take minutes."""
    with Campaign("SIGTERM while scores are due") as campaign:
        for rng in campaign:
            folder = new_folder(tmp_path)
            moment = rng.uniform(1, 4)
            with campaign.attempt(f"{moment:.2f} s after the start"):
                scores = "--classifier", sound.classifier, "--score-interval", 1, "--score-samples", 20_000
                running = commands.start(*train(sound, *scores), folder=folder)
                running.wait_for((folder / "run" / "provenance.json").exists)
                running.ended(moment)
                start = time.monotonic()
                running.send(signal.SIGTERM)
                outcome = running.wait(30)
                require(not outcome.timed_out, f"no end after {time.monotonic() - start:.0f} s", outcome)
                if "stopped in iteration 0;" in outcome.stdout:
                    require(outcome.status == 128 + signal.SIGTERM, "another status", outcome)
                    continue  # a slow machine: nothing is trained yet, and nothing lost
                require_stopped(outcome, signal.SIGTERM, commands, sound, folder, reference)


@pytest.mark.parametrize("name", ["train", slow("evaluate")])
def test_interrupted_while_starting(name, sound, tmp_path):
    """In a process of its own, since imports are what is interrupted."""
    with Campaign(f"SIGINT while {name} starts") as campaign:
        for rng in campaign:
            folder = new_folder(tmp_path)
            moment = rng.uniform(0, 1)
            with campaign.attempt(f"after {moment:.2f} s"):
                arguments = [*TINY, "--data", sound.data, "--out", "run", "--iterations", 100_000]
                if name == "evaluate":
                    arguments = ["inception", sound.run, "--classifier", sound.classifier, "--samples", 10**6]
                process = subprocess.Popen(
                    python(name, *arguments), cwd=folder, env=ENVIRONMENT, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
                limit = time.monotonic() + 60
                while "numpy" not in pathlib.Path(f"/proc/{process.pid}/maps").read_text():
                    require(time.monotonic() < limit, "it imports nothing")
                time.sleep(moment)
                process.send_signal(signal.SIGINT)
                try:
                    said = process.communicate(timeout=60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    said = process.communicate()
                require("Traceback" not in said[1], "a traceback", said)
                require(process.returncode in (130, -2), f"status {process.returncode}", said)


PIPELINES = "2>&1 | tee log", "| head -1", "2>&1 | head -1", ">/dev/full 2>&1", ">&- 2>&-", "2>&1 | cat"


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_ctrl_c_in_a_shell(pipeline, commands, sound, reference, tmp_path):
    """The signal goes to the whole process group, the reader of the pipe included."""
    with Campaign(f"Ctrl-C: train {pipeline}") as campaign:
        for rng in campaign:
            folder = new_folder(tmp_path)
            moment = rng.uniform(0, 1)
            with campaign.attempt(f"{moment:.2f} s after the first snapshot"):
                words = " ".join(map(repr, python(*train(sound, "--snapshot-interval", 5))))
                # The shell goes on after the signal, to tell the status of train.py itself.
                line = f"trap true INT; {words} {pipeline}; echo ${{PIPESTATUS[0]}} > status"
                shell = subprocess.Popen(
                    ["bash", "-c", line], cwd=folder, env=ENVIRONMENT, start_new_session=True,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                limit = time.monotonic() + 60
                while not glob.glob(str(folder / "run" / "snapshot*")) and shell.poll() is None:
                    require(time.monotonic() < limit, "no snapshot")
                    time.sleep(0.05)
                time.sleep(moment)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGINT)
                try:
                    shell.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    os.killpg(shell.pid, signal.SIGKILL)
                    require(False, f"no end: {line}")
                status = int((folder / "status").read_text())
                require(status == 130, f"status {status}")
                last = max(
                    int(p.rpartition("_")[2][:-4]) for p in glob.glob(str(folder / "run" / "snapshot*"))
                )
                require_same_as_uninterrupted(commands, sound, str(folder), last, reference)
