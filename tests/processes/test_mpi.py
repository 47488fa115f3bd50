"""What mpiexec starts: several processes compute what one does, and none waits for one that has gone."""

import importlib.util
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import helpers
import numpy as np
import pytest
from helpers import EXPERIMENTS, TINY, default_signals

from tgan_chainer.datasets import write_videos
from tgan_chainer.logs import read_log
from tgan_chainer.snapshots import RESUMABLE, find_snapshots, read_snapshot

pytestmark = [
    pytest.mark.skipif(shutil.which("mpiexec") is None, reason="needs mpiexec, of an MPI"),
    pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None, reason="needs mpi4py"),
]
TRAIN_ALL = os.path.join(os.path.dirname(__file__), "train_all.py")
MISHAPS = os.path.join(os.path.dirname(__file__), "mishaps.py")
TRAIN = os.path.join(EXPERIMENTS, "train.py")
SECONDS = 30  # within which a job ends when one of its processes does
# A job of more processes than cores, which the tests' machine may have, and as root, as in a container.
MPIEXEC = ["mpiexec", "--allow-run-as-root", "--oversubscribe", "-n"]
# Whoever waits lets others compute, who may be many on a machine that runs tests.
ENVIRONMENT = {**helpers.ENVIRONMENT, "OMPI_MCA_mpi_yield_when_idle": "1"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("data") / "videos.h5")
    random_state = np.random.RandomState(0)
    with write_videos(path, "random numbers", ["a", "b"], chunk_frames=20) as writer:
        for i in range(7):
            writer.append(random_state.randint(0, 256, (20, 32, 32, 1)).astype(np.uint8), labels=i % 2)
    return path


@pytest.fixture
def start(data):
    """A function that starts a job; a test that fails leaves none behind."""
    started = []

    def start(n, *command, **more):
        command = [*MPIEXEC, str(n), sys.executable, *map(str, command)]
        more = {"env": ENVIRONMENT, "text": True, "preexec_fn": default_signals, **more}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(SECONDS)


@pytest.fixture
def train(start, data):
    def train(n, out, *options, iterations=100_000, by=()):
        options = ["--batch-size", 8, "--data", data, "--out", out, "--iterations", iterations, *options]
        return start(n, *by, TRAIN, *TINY, *options)

    return train


def ended(process, seconds=120):
    """Return the status and the output of a job; it is not to wait for what never comes."""
    output, _ = process.communicate(timeout=seconds)
    return process.returncode, output


def error_lines(output):
    return [line for line in output.splitlines() if line.startswith("error:")]


def ranks_of(job):
    """Return the process ids of a job's processes, by their ranks."""
    found = {}
    while len(found) < 2:
        children = subprocess.run(["pgrep", "-P", str(job.pid)], capture_output=True, text=True)
        for child in map(int, children.stdout.split()):
            with open(f"/proc/{child}/environ", "rb") as file:
                environment = dict(pair.partition(b"=")[::2] for pair in file.read().split(b"\0"))
            if b"OMPI_COMM_WORLD_RANK" in environment:
                found[int(environment[b"OMPI_COMM_WORLD_RANK"])] = child
        time.sleep(0.05)
    return found


def wait_until(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for_log(out, n=1):
    wait_until(lambda: os.path.isdir(out) and len(read_log(out)) >= n)


def newest(out):
    return read_snapshot(find_snapshots(str(out), RESUMABLE)[-1])


def assert_same_runs(folder, other):
    names = sorted(os.listdir(folder))
    assert names and names == sorted(os.listdir(other))
    for name in names:
        with np.load(os.path.join(folder, name)) as one, np.load(os.path.join(other, name)) as two:
            assert set(one.files) == set(two.files)
            for key in one.files:
                np.testing.assert_allclose(one[key], two[key], rtol=1e-9, atol=1e-9, err_msg=f"{name}: {key}")


@pytest.mark.parametrize(
    ("sizes", "iterations"),
    [((1, 3), 2), pytest.param((1, 2, 4), 20, marks=pytest.mark.slow)],  # 3: parts of 2, 3 and 3 videos
)
def test_all_models_and_losses_agree(start, data, tmp_path, sizes, iterations):
    for n in sizes:
        (tmp_path / str(n)).mkdir()
        status, output = ended(start(n, TRAIN_ALL, data, tmp_path / str(n), iterations), 1800)
        assert status == 0, output
    for n in sizes[1:]:
        assert_same_runs(tmp_path / "1", tmp_path / str(n))


def test_another_number_of_processes_goes_on_with_a_run(train, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "run"
    assert ended(train(1, whole, iterations=4))[0] == 0
    status, output = ended(train(2, out, iterations=2))
    assert status == 0, output
    status, output = ended(train(3, out, "--resume", iterations=4))
    assert status == 0, output
    assert output.count("trained 4 iterations") == 1  # the first process alone prints
    with open(out / "provenance.json") as file:
        found = [entry["processes"] for entry in json.load(file)]
    assert [one["number"] for one in found] == [2, 3] and len(found[1]["hosts"]) == 3
    assert found[0]["communicator"] == "naive"
    assert [entry["iteration"] for entry in read_log(out)] == [2, 4]
    for name, array in newest(whole)[1].items():
        if name.startswith("updater/iterator:main"):
            np.testing.assert_array_equal(array, newest(out)[1][name])
        elif "avg_" in name:  # float32: RMSprop makes much of the last bits in few iterations
            np.testing.assert_allclose(array, newest(out)[1][name], rtol=0.05, atol=0.05, err_msg=name)


def mishap(train, folder, rank, where, what):
    """Start a training with a mishap; return its status and output when it has ended, soon after that."""
    mark = folder / "mark"
    by = MISHAPS, rank, where, what, mark
    job = train(2, folder / "run", "--snapshot-interval", 2, by=by)
    wait_until(lambda: mark.exists() or job.poll() is not None)
    status, output = ended(job, SECONDS)
    assert mark.exists() and status != 0, output
    if where == "writing":  # the one before is there, and nothing half written is called a snapshot
        assert newest(folder / "run")[0]["iteration"] == 2
    return status, output


def assert_names_the_process(rank, what, output):
    if what == "kill":
        assert f"process rank {rank} " in output and "signal 9" in output, output
    else:
        (line,) = error_lines(output)
        assert f"process {rank} of 2 " in line, output
        assert {"raise": "RuntimeError: a mishap", "full": "File too large"}[what] in line


def test_a_process_that_is_killed_in_the_middle_of_a_sum_ends_the_job(train, tmp_path):
    assert_names_the_process(1, "kill", mishap(train, tmp_path, 1, "allreduce", "kill")[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "where", "what"),
    [
        (0, "writing", "full"),
        *itertools.product((0, 1), ("start", "connected", "allreduce", "writing"), ("kill", "raise")),
    ],
)
def test_a_mishap_ends_the_job_wherever_it_happens(train, tmp_path, rank, where, what):
    assert_names_the_process(rank, what, mishap(train, tmp_path, rank, where, what)[1])


def test_parameters_that_differ_stop_the_run_at_the_next_snapshot(train, tmp_path):
    status, output = mishap(train, tmp_path, 1, "writing", "change")
    (line,) = error_lines(output)
    assert status == 1 and "dis/conv1/W of process 1 " in line and "after iteration 4" in line


def test_a_process_that_fails_ends_the_job_with_one_line(train, tmp_path):
    out = tmp_path / "run"
    # What all do alike, one says.
    status, output = ended(train(2, out, "--batch-size", 2, "--no-sync-bn"))
    assert status == 2 and len(error_lines(output)) == 1, output
    assert "batch_size is 2, too few for 2 processes" in error_lines(output)[0]
    # What only the first one does.
    out.mkdir()
    (out / "config.yaml").mkdir()
    status, output = ended(train(2, out))
    assert status == 2 and len(error_lines(output)) == 1, output
    assert "process 0 of 2" in error_lines(output)[0] and "config.yaml" in error_lines(output)[0]


def test_a_signal_to_one_is_a_signal_to_all(train, tmp_path):
    out = tmp_path / "run"
    job = train(2, out)
    wait_for_log(out, 2)
    os.kill(ranks_of(job)[1], signal.SIGTERM)
    status, output = ended(job, SECONDS)
    assert status == 143 and "to go on: mpiexec -n 2" in output, output
    assert newest(out)[0]["iteration"] == read_log(out)[-1]["iteration"]
