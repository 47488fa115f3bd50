"""Running commands as a user does, with limits, and judging how they end.

The campaign tries what README.md promises: whatever is killed, damaged, full, forbidden or odd, a command
does what it was asked for, or ends with status 2 and one line that names the file; nothing on disk is lost.
Each test makes many tries of one kind, by random numbers of a seed. `make test` makes one or a few of each
kind; `make campaign` makes more, and counts. Environment variables that it heeds:

  CAMPAIGN_ROOT     the checkout whose commands are tried (default: this one)
  CAMPAIGN_SEED     other numbers, other tries (default: 0)
  CAMPAIGN_TRIES    of each kind (default: as few as there may be)
  CAMPAIGN_SHOW     faults of each kind that are shown (default: 5)
  CAMPAIGN_VERBOSE  if set, every try and refusal is printed (with pytest -s)
"""

import collections
import contextlib
import dataclasses
import json
import os
import random
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import zlib

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
# The checkout that is tried: this one, or another one to compare with.
ROOT = os.path.abspath(os.environ.get("CAMPAIGN_ROOT") or os.path.dirname(os.path.dirname(HERE)))
SEED = int(os.environ.get("CAMPAIGN_SEED") or 0)
TRIES = int(os.environ.get("CAMPAIGN_TRIES") or 0)

GIB = 1 << 30
MAKERS = "moving_mnist", "ucf101", "golf", "video_folder"

# More threads than cores make such small networks a hundred times slower; a command's own are two.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ROOT}

# What a run that does its work may take; inputs are tiny, and the machine may be busy.
TIMEOUT = 120.0
CPU_SECONDS = 30.0
MEMORY = 1.5 * GIB

# Programs that no command has to start; fakes of them leave a mark.
FOREIGN = "gs", "ffmpeg", "ffprobe", "convert", "magick", "xdg-open", "display", "inkscape", "curl", "wget"


@dataclasses.dataclass
class Outcome:
    """How a command ended.

    Attributes:
        command (list of str): The script and its arguments.
        status (int): The exit status; minus the number of the signal that killed it.
        stdout, stderr (str): What it printed, undecodable bytes as ``\\xNN``.
        cpu_seconds (float), peak_bytes (int): What it took.
        timed_out (bool): Whether it was killed, as it took too long.
        orphans (bool): Whether a process that it had started was still there.
    """

    command: list
    status: int
    stdout: str = ""
    stderr: str = ""
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    timed_out: bool = False
    orphans: bool = False

    def __str__(self):
        words = " ".join(map(repr, self.command))
        said = f"stdout {self.stdout[-300:]!r}\n    stderr {self.stderr[-900:]!r}"
        return f"{words}\n    status {self.status}\n    {said}"


class ForkServer:
    """Runs commands in forks of one process; see fork_server.py.

    Args:
        folder (str): For the marks of foreign programs and for standard streams.
        environment (dict): What differs from ``ENVIRONMENT``.
    """

    def __init__(self, folder, environment=()):
        self.folder = folder
        self.mark = os.path.join(folder, "mark")
        programs = os.path.join(folder, "bin")
        os.makedirs(programs)
        for name in FOREIGN:
            path = os.path.join(programs, name)
            with open(path, "w") as file:
                file.write(f"#!/bin/sh\necho {name} >> '{self.mark}'\n")
            os.chmod(path, 0o755)
        environment = {**ENVIRONMENT, **dict(environment)}
        environment["PATH"] = programs + os.pathsep + environment["PATH"]
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, os.path.join(HERE, "fork_server.py"), ROOT, str(theirs.fileno())]
        with open(os.path.join(folder, "server"), "wb") as said:
            self._process = subprocess.Popen(
                command, env=environment, pass_fds=[theirs.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        theirs.close()
        assert self._socket.recv(100) == b"ready", "the commands cannot be imported"
        with open(f"/proc/{self._process.pid}/statm") as file:
            self._memory = int(file.read().split()[1]) * resource.getpagesize()

    def close(self):
        self._socket.close()
        self._process.wait()

    def start(
        self, name, *arguments, folder, streams=(None, None, None), closed=(), environment=(), unset=(),
        limits=(), unprivileged=False, thorough=False, ignored=(), terminal=False,
    ):  # fmt: skip
        """Start a command; return it as :class:`Running`.

        Args:
            name (str): Of the command, such as "train".
            arguments: Its arguments.
            folder (str): Where it runs.
            streams (tuple): Three file descriptors; None reads nothing, and writes to files.
            closed (sequence of ints): Standard streams that are closed.
            environment (dict), unset (sequence of str): Changes of the environment.
            limits (dict): Of ``resource``, by name; of memory 3 GiB unless it says otherwise.
            unprivileged (bool): Whether root has to heed the permissions of files.
            ignored (sequence of ints): Signals that are ignored from the beginning, as by nohup.
            terminal (bool): Whether the first stream is the terminal that controls the command.
            thorough (bool): Whether the interpreter is shut down in the end, which takes half a second.
        """
        command = [script(name), *map(str, arguments)]
        files = [open(os.devnull, "rb")] + [tempfile.TemporaryFile(dir=self.folder) for _ in range(2)]
        descriptors = [
            file.fileno() if given is None else given for file, given in zip(files, streams, strict=True)
        ]
        request = {
            "command": [os.fsencode(word).decode("latin-1") for word in command],
            "folder": os.fsencode(folder).decode("latin-1"),
            "closed": list(closed),
            "environment": dict(environment),
            "unset": list(unset),
            "limits": {"RLIMIT_AS": 3 * GIB, "RLIMIT_CORE": 0, **dict(limits)},
            "unprivileged": unprivileged,
            "thorough": thorough,
            "ignored": list(ignored),
            "terminal": terminal,
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [*descriptors, theirs.fileno()])
        return Running(json.loads(ours.recv(100)), command, ours, files[1:], self._memory)

    def run(self, name, *arguments, timeout=TIMEOUT, **options):
        """Run a command to its end; return an :class:`Outcome`. Arguments as for :meth:`start`."""
        return self.start(name, *arguments, **options).wait(timeout)


class Running:
    """A command that runs.

    Attributes:
        pid (int): Its process id, and that of its group.
    """

    def __init__(self, pid, command, connection, files, memory):
        self.pid, self.command = pid, command
        self._socket, self._files, self._memory = connection, files, memory

    def said(self):
        """Return what stands on stdout and stderr so far."""
        return "".join(_content(file) for file in self._files)

    def ended(self, seconds=0.0):
        """Whether the command ended within so many seconds; it is not waited for then."""
        self._socket.settimeout(max(seconds, 1e-6))
        try:
            return bool(self._socket.recv(1000, socket.MSG_PEEK))
        except (TimeoutError, BlockingIOError):
            return False
        finally:
            self._socket.settimeout(None)

    def wait_for(self, condition, timeout=60.0):
        """Wait until ``condition()`` is true or the command has ended."""
        limit = time.monotonic() + timeout
        while not condition() and not self.ended(0.005):
            assert time.monotonic() < limit, f"nothing came of {self.command}: {self.said()}"

    def send(self, number, group=False):
        """Send a signal, to the whole process group if asked, unless the command has ended."""
        if not self.ended():
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(self.pid, number)

    def wait(self, timeout=TIMEOUT):
        timed_out = not self.ended(timeout)
        if timed_out:
            os.killpg(self.pid, signal.SIGKILL)
        answer = json.loads(self._socket.recv(1000))
        self._socket.close()
        outcome = Outcome(
            self.command,
            answer["status"],
            *map(_content, self._files),
            answer["cpu_seconds"],
            max(0, answer["peak_bytes"] - self._memory),
            timed_out,
        )
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, 0)
            outcome.orphans = True
            os.killpg(self.pid, signal.SIGKILL)
        return outcome


def script(name):
    """Return the path of a command's script."""
    return os.path.join(ROOT, "datasets" if name in MAKERS else "experiments", f"{name}.py")


def python(name, *arguments):
    """Return the command line of a command in a process of its own."""
    return [sys.executable, script(name), *map(str, arguments)]


def _content(file):
    return os.pread(file.fileno(), 1 << 20, 0).decode(errors="backslashreplace")


class Fault(AssertionError):
    """A command broke a promise."""


def require(condition, text, outcome=""):
    if not condition:
        raise Fault(f"{text}\n  {outcome}")


def require_bounded(outcome):
    """Require that a command ended by itself, in time, with little memory, and left nothing running."""
    require(not outcome.timed_out, "it did not end", outcome)
    require(outcome.cpu_seconds < CPU_SECONDS, f"{outcome.cpu_seconds:.0f} s of processor time", outcome)
    require(outcome.peak_bytes < MEMORY, f"{outcome.peak_bytes / GIB:.1f} GiB of memory", outcome)
    require(not outcome.orphans, "a process that it started is left", outcome)
    require(outcome.status >= 0, f"killed by signal {-outcome.status}", outcome)
    require("Traceback" not in outcome.stderr, "a traceback", outcome)
    require("Traceback" not in outcome.stdout, "a traceback on stdout", outcome)


def require_success(outcome):
    """Require that a command did what it was asked for."""
    require_bounded(outcome)
    require(outcome.status == 0, "it failed", outcome)


def require_refusal(outcome, *words):
    """Require exit status 2 and one printable line on stderr that has one of the words (file names)."""
    require_bounded(outcome)
    require(outcome.status == 2, f"status {outcome.status} instead of 2", outcome)
    lines = outcome.stderr.splitlines()
    require(len(lines) == 1 and outcome.stderr.endswith("\n"), f"{len(lines)} lines on stderr", outcome)
    require(lines[0].startswith("error: "), "the line is no error", outcome)
    require(len(lines[0]) < 2000, f"a line of {len(lines[0])} characters", outcome)
    require(lines[0].isprintable(), "control characters", outcome)
    require(not words or any(word in lines[0] for word in words), f"none of {words} is named", outcome)
    if "CAMPAIGN_VERBOSE" in os.environ:
        print(f"  {lines[0]}")


def succeeded_or_refused(outcome, *words):
    """Return True if a command did what it was asked for; require a refusal by one line otherwise."""
    if outcome.status == 0:
        require_success(outcome)
        return True
    require_refusal(outcome, *words)
    return False


def slow(*values):
    """Parameters of a test that only the campaign runs; `make test` has another one of the kind."""
    return pytest.param(*values, marks=pytest.mark.slow)


def scored_or_refused(outcome, *words):
    """As :func:`succeeded_or_refused`, of evaluate.py, which may leave out a video, name it, end with 1."""
    if outcome.status != 1:
        return succeeded_or_refused(outcome, *words)
    require_bounded(outcome)
    said = outcome.stdout + outcome.stderr
    require(any(word in said for word in words), f"none of {words} is named", outcome)
    return False


class Tally:
    """Counts, of each kind of trouble, how the tries ended."""

    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)

    def lines(self):
        columns = "tries", "right", "refused", "faults"
        yield f"{'kind':44}" + "".join(f"{column:>9}" for column in columns)
        for kind, count in sorted(self.counts.items()):
            yield f"{kind:44}" + "".join(f"{count[column]:9}" for column in columns)


TALLY = Tally()


class Campaign:
    """Many tries of one kind. Faults are collected, and are the failure of the test at the end.

    Args:
        kind (str): What is tried, for the counts.
        fewest (int): How many tries there are in ``make test``.
        times (int): How many there are for each of ``CAMPAIGN_TRIES``.
    """

    def __init__(self, kind, fewest=1, times=1):
        self.kind, self.n = kind, max(fewest, TRIES * times)
        self.faults = []

    def __iter__(self):
        """Yield random numbers for each try, which depend on the seed, the kind and the number."""
        for i in range(self.n):
            yield random.Random(zlib.crc32(f"{SEED}:{self.kind}:{i}".encode()))

    @contextlib.contextmanager
    def attempt(self, what):
        """One try. The block returns if all is right, and may call ``refused`` of what is yielded."""
        count = TALLY.counts[self.kind]
        count["tries"] += 1
        verdict = _Verdict()
        try:
            yield verdict
        except AssertionError as error:
            count["faults"] += 1
            self.faults.append(f"{what}: {error}")
        else:
            count[verdict.word] += 1
            if "CAMPAIGN_VERBOSE" in os.environ:
                print(f"{self.kind}: {what}: {verdict.word}")

    def close(self):
        if self.faults:
            shown = "\n\n".join(self.faults[: int(os.environ.get("CAMPAIGN_SHOW") or 5)])
            pytest.fail(
                f"{len(self.faults)} faults in {self.n} tries of {self.kind}:\n{shown}", pytrace=False
            )

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()


class _Verdict:
    word = "right"

    def refused(self):
        self.word = "refused"


def files_below(folder):
    """Return the names of all files below a folder, but for those in ``__pycache__``."""
    return {
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in os.walk(folder)
        for name in names
    }


def is_special(path):
    """Whether a path is no regular file, followed if it is a link."""
    return os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode)
