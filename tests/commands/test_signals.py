"""Signals and streams: training ends with a snapshot and the right status, whoever listens or has gone."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from helpers import ENVIRONMENT, EXPERIMENTS, TINY, default_signals, write_noise

from tgan_chainer.logs import read_log
from tgan_chainer.snapshots import RESUMABLE, find_snapshots, read_snapshot

TRAIN = [sys.executable, os.path.join(EXPERIMENTS, "train.py")]
SECONDS = 60  # within which a command does what it should, on a busy machine


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("data") / "videos.h5")


@pytest.fixture
def start(data):
    """A function that starts a training of very many iterations; a test that fails leaves none behind."""
    started = []

    def start(out, *options, iterations=100_000, preexec_fn=default_signals, **more):
        command = [*TRAIN, *TINY, "--data", data, "--out", out, "--iterations", iterations, *options]
        more = {"env": ENVIRONMENT, "preexec_fn": preexec_fn, **more}
        started.append(subprocess.Popen(list(map(str, command)), **more))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for_log(out, n=1):
    wait_until(lambda: len(read_log(out)) >= n)


def newest(out):
    return read_snapshot(find_snapshots(str(out), RESUMABLE)[-1])[0]["iteration"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("reader", ["gone", "full"])
def test_whoever_reads_the_output_a_signal_ends_in_a_snapshot(start, tmp_path, reader, number, status):
    out = str(tmp_path / "run")
    if reader == "full":
        with open("/dev/full", "w") as full:
            process = start(out, stdout=full, stderr=full)
    else:  # as `2>&1 | tee log`, whose tee gets Ctrl-C, too
        process = start(out, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        process.stdout.readline()
        process.stdout.close()
    wait_for_log(out)
    process.send_signal(number)
    assert process.wait(SECONDS) == status
    assert newest(out) == read_log(out)[-1]["iteration"]


def test_a_terminal_that_closes_ends_in_a_snapshot(start, tmp_path):
    out = str(tmp_path / "run")
    master, slave = pty.openpty()
    process = start(out, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    wait_for_log(out)
    os.close(master)  # whatever is printed now ends in EIO
    for _ in range(3):  # the kernel and shells send it more than once
        process.send_signal(signal.SIGHUP)
        time.sleep(0.01)
    assert process.wait(SECONDS) == 129
    assert newest(out) == read_log(out)[-1]["iteration"]


@pytest.mark.parametrize("closed", [[1], [2], [0, 1, 2]], ids=str)
def test_a_run_without_output_is_the_same_run(start, tmp_path, closed):
    def close():
        default_signals()
        for descriptor in closed:
            os.close(descriptor)

    out = str(tmp_path / "run")
    assert start(out, iterations=3, preexec_fn=close).wait(SECONDS) == 0
    assert newest(out) == 3
    for folder, _, names in os.walk(out):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert b"trained 3 iterations" not in file.read()


def test_a_reader_that_only_waits_does_not_keep_a_run_from_ending(start, tmp_path):
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write, bytes(4096))  # nothing more fits in
    out = str(tmp_path / "run")
    process = start(out, "--log-interval", 1, stdout=write, stderr=write)
    wait_for_log(out)
    process.terminate()
    assert process.wait(SECONDS) == 143
    assert newest(out) == read_log(out)[-1]["iteration"]
    os.close(read)
    os.close(write)


def test_what_was_ignored_stays_so(start, tmp_path):
    out = str(tmp_path / "run")

    def ignore():
        default_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # by nohup
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # by a script's &

    process = start(out, preexec_fn=ignore, stdout=subprocess.DEVNULL)
    wait_for_log(out)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    wait_for_log(out, len(read_log(out)) + 3)
    process.terminate()
    assert process.wait(SECONDS) == 143


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_scores_are_abandoned_for_the_snapshot_and_a_second_signal_ends_at_once(start, tmp_path, number):
    out, more = str(tmp_path / "run"), ("--score-interval", 3, "--score-samples", 10**6, "--opponent", "self")
    more += ("--snapshot-interval", 2, "--log-interval", 1)
    process = start(out, *more, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for_log(out, 2)
    time.sleep(1)  # it plays its first game, in iteration 3, which takes hours
    process.send_signal(number)
    assert process.wait(SECONDS) == 128 + number
    assert newest(out) == 3 and "score/r_sample" not in read_log(out)[-1]

    process = start(str(tmp_path / "other"), *more, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for_log(tmp_path / "other")
    os.kill(process.pid, signal.SIGSTOP)
    for _ in range(2):
        process.send_signal(number)
        os.kill(process.pid, signal.SIGCONT)
        process.stderr.readline()  # empty before the message
        process.stderr.readline()
    assert process.wait(SECONDS) in (-number, 128 + number)


def test_a_terminal_shows_a_bar_from_the_first_iteration_on_and_a_file_gets_lines(start, tmp_path):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    on_terminal = start(tmp_path / "terminal", iterations=8, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # EIO, once nobody writes there any more
        while piece := os.read(master, 4096):
            shown += piece
    os.close(master)
    assert on_terminal.wait(SECONDS) == 0
    assert b"| 0/8 [" in shown and b"| 8/8 [" in shown
    to_file = start(tmp_path / "file", iterations=8, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = to_file.communicate(timeout=SECONDS)[0]
    assert b"\r" not in lines and b"0/8 [" not in lines
    for said in lines, shown:
        assert b" s an iteration, " in said and b"      8/8  dis/wasserstein " in said


# Within numpy's C code an interrupt becomes an ImportError.
@pytest.mark.parametrize("library", ["openblas", "_multiarray_umath", "_pcg64", "h5py", "_imaging"])
def test_ctrl_c_during_imports_is_one_line(library):
    process = subprocess.Popen(
        [*TRAIN, "--help"], env=ENVIRONMENT, preexec_fn=default_signals, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip

    def is_importing():
        with open(f"/proc/{process.pid}/maps") as file:
            return library in file.read()

    wait_until(is_importing)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=SECONDS)[1] == "interrupted\n"
    assert process.returncode in (130, -signal.SIGINT)


def test_ctrl_c_that_c_code_prints_during_imports_is_one_line():
    script = """
import signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "tgan_chainer.config":
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                sys.excepthook(*sys.exc_info())  # by PyErr_Print, as NumPy's import_array does

sys.meta_path.insert(0, Finder())
import tgan_chainer
"""
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, env=ENVIRONMENT, preexec_fn=default_signals, capture_output=True, text=True)
    assert (run.stderr, run.returncode) == ("interrupted\n", -signal.SIGINT)


def test_another_error_of_a_script_that_imports_the_package_is_shown_as_ever():
    command = [sys.executable, "-c", "import tgan_chainer; raise ValueError('mine')"]
    run = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr.startswith("Traceback") and "excepthook" not in run.stderr
    assert run.stderr.endswith("ValueError: mine\n")


def test_a_notebooks_backend_of_matplotlib_does_not_matter(start, tmp_path):
    environment = {**ENVIRONMENT, "MPLBACKEND": "module://of_a_notebook"}
    process = start(tmp_path / "run", iterations=4, env=environment, stderr=subprocess.PIPE)
    assert process.communicate(timeout=SECONDS)[1] == b"" and process.returncode == 0
    assert (tmp_path / "run" / "losses.png").exists()
