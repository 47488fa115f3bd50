"""Disks, permissions, paths, and what else surrounds a command."""

import contextlib
import errno
import glob
import os
import shutil
import signal
import stat
import subprocess
import threading

import numpy as np
import pytest
from campaign import readers
from campaign.harness import (
    ENVIRONMENT,
    Campaign,
    files_below,
    python,
    require,
    require_bounded,
    require_refusal,
    require_success,
    scored_or_refused,
    slow,
    succeeded_or_refused,
)
from campaign.inputs import TINY
from campaign.results import require_whole
from campaign.writers import WRITERS


def mounted(folder, size):
    """Mount a file system of so many bytes in memory; raise OSError where that is not allowed."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], stderr=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise OSError(errno.EPERM, "mount")


@contextlib.contextmanager
def small_disk(folder, size):
    """A folder on a disk of so many bytes; yields the limits that commands need to meet its end."""
    try:
        mounted(folder, -(-size // 4096) * 4096)
    except OSError:  # no root: files cannot become larger than that, which is the nearest thing
        yield {"RLIMIT_FSIZE": size}
        return
    try:
        yield {}
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def make_larger(folder):
    subprocess.run(["mount", "-o", "remount,size=1g", folder], stderr=subprocess.DEVNULL, check=False)


def total(folder):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in files_below(folder))


def test_full_disk(commands, sound, tmp_path):
    with Campaign("full disk", fewest=3, times=3) as campaign:
        for i, rng in enumerate(campaign):
            writer = rng.choice(WRITERS)
            whole, folder = tmp_path / f"whole{i}", tmp_path / str(i)
            whole.mkdir()
            folder.mkdir()
            require_success(commands.run(writer.name, *writer.arguments(sound), folder=whole))
            size = max(4096, int(total(whole) * rng.uniform(0, 0.95)))
            with (
                campaign.attempt(f"{writer}: {size} of {total(whole)} bytes"),
                small_disk(folder, size) as limits,
            ):
                outcome = commands.run(writer.name, *writer.arguments(sound), folder=folder, limits=limits)
                if outcome.status != 0:  # room for what is kept, if not for what was there on the way
                    require_bounded(outcome)
                    require(outcome.status == 2, f"status {outcome.status}", outcome)
                    last = outcome.stderr.splitlines()[-1]
                    require(last.startswith("error: "), "the last line is no error", outcome)
                    words = "No space left", "too large", os.path.splitext(writer.out)[0]
                    require(any(word in last for word in words), "the reason is not said", outcome)
                for name in sorted(files_below(folder)):
                    require_whole(str(folder / name), str(whole / name), writer, outcome)
                if limits:
                    continue
                make_larger(folder)
                arguments = writer.arguments(sound)
                if outcome.status == 0:
                    continue
                if writer.again and (folder / writer.out).exists():
                    arguments = writer.again(sound)
                again = commands.run(writer.name, *arguments, folder=folder)
                if writer.name == "train" and again.status == 2:  # there is no snapshot yet
                    require_refusal(again)
                    continue
                require_success(again)
                names, wanted = files_below(folder), files_below(whole)
                require(names == wanted, f"left over {names - wanted}, missing {wanted - names}", again)


# Permissions


def require_permission_is_said(outcome, folder):
    said = outcome.stderr.replace(str(folder), "")  # which is named after this test
    require("ermission" in said, "permission is not said", outcome)


FORBIDDEN = {
    "data": (readers.train, readers.train_classifier, readers.inception_of_data),
    "generator": (readers.generate,),
    "snapshot": (readers.resume,),
    "classifier": (readers.classify, readers.fine_tune),
    "array": (readers.inception,),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_file_without_permission(kind, commands, sound, tmp_path):
    """The message is about permission, not about a damaged file that should be made again."""
    with Campaign("no permission to read") as campaign:
        for i, reader in enumerate(FORBIDDEN[kind]):
            original = getattr(sound, kind)
            folder = tmp_path / str(i)
            folder.mkdir()
            path = folder / ("odd" + os.path.splitext(original)[1])
            if reader is readers.resume:
                path = folder / "run" / "snapshot_iter_6.npz"
                path.parent.mkdir()
            shutil.copy(original, path)
            path.chmod(0)

            def run(name, *arguments, **options):
                return commands.run(name, *arguments, unprivileged=True, **options)

            with campaign.attempt(f"{kind}, {reader.__name__}") as attempt:
                if reader is readers.resume:
                    arguments = "--gpu", -1, "--out", path.parent, "--resume", "--iterations", 7
                    outcome = run("train", *arguments, folder=folder)
                else:
                    outcome, _ = reader(run, sound, str(path), str(folder))
                require_refusal(outcome, path.name)
                require_permission_is_said(outcome, tmp_path)
                attempt.refused()


def test_folder_without_permission(commands, sound, tmp_path):
    with Campaign("read-only folder", fewest=3, times=2) as campaign:
        for i, rng in enumerate(campaign):
            writer = rng.choice(WRITERS)
            folder = tmp_path / str(i)
            folder.mkdir()
            folder.chmod(0o555)
            with campaign.attempt(str(writer)) as attempt:
                arguments = writer.arguments(sound)
                outcome = commands.run(writer.name, *arguments, folder=folder, unprivileged=True)
                require_refusal(outcome, writer.out, str(folder))
                require_permission_is_said(outcome, tmp_path)
                require(outcome.cpu_seconds < 3, "work was done in vain", outcome)
                attempt.refused()


def test_class_folder_without_permission(commands, sound, tmp_path):
    """Left out in silence, it would shift the numbers of the others."""
    for name, source, size in (
        ("video_folder", sound.videos, ("--size", 16)),
        ("ucf101", sound.ucf101, ("--width", 20, "--height", 16, "--crop", 16)),
    ):
        shutil.copytree(source, tmp_path / name / "odd")
        (tmp_path / name / "odd" / "Hop").chmod(0)
        with Campaign("class folder without permission") as campaign, campaign.attempt(name) as attempt:
            arguments = tmp_path / name / "odd", tmp_path / f"{name}.h5", *size
            outcome = commands.run(name, *arguments, folder=tmp_path, unprivileged=True)
            require_bounded(outcome)
            require(outcome.status in (1, 2), "it is left out in silence", outcome)
            require("Hop" in outcome.stderr, "it is not named", outcome)
            attempt.refused()


# Paths of results


SPECIAL = "device", "pipe", "folder", "link", "dangling link", "link to a folder", "below a file"


@pytest.mark.parametrize("kind", SPECIAL)
def test_special_path_of_result(kind, commands, sound, tmp_path):
    writers = [writer for writer in WRITERS if writer.out.startswith("x.")]
    with Campaign(f"path of a result: {kind}") as campaign:
        for i, rng in enumerate(campaign):
            writer, folder = rng.choice(writers), tmp_path / str(i)
            (folder / "elsewhere").mkdir(parents=True)
            with campaign.attempt(str(writer)) as attempt:
                try_special_path(writer, kind, commands, sound, folder, attempt)


def try_special_path(writer, kind, commands, sound, folder, attempt):
    suffix = os.path.splitext(writer.out)[1]
    path, target = folder / f"odd{suffix}", folder / "elsewhere" / f"x{suffix}"
    given, force = path, ()
    if writer.name in ("moving_mnist", "ucf101", "golf", "video_folder", "train_classifier"):
        force = ("--force",)
    if kind == "device":
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:  # only root may; nobody else can replace /dev/null
            return
    elif kind == "pipe":
        os.mkfifo(path)
        reader = threading.Thread(target=read_all, args=[path], daemon=True)
        reader.start()
    elif kind == "folder":
        path.mkdir()
        (path / "kept").write_text("x")
    elif kind == "link":
        target.write_text("before")
        path.symlink_to(target)
    elif kind == "dangling link":
        path.symlink_to(target)
    elif kind == "link to a folder":
        path.symlink_to(folder / "elsewhere")
    else:
        path.write_text("before")
        given = path / f"x{suffix}"
    before = os.lstat(path)
    arguments = [str(given) if a == writer.out else a for a in writer.arguments(sound)]
    outcome = commands.run(writer.name, *arguments, *force, folder=folder)
    after = os.lstat(path)
    require(stat.S_IFMT(before.st_mode) == stat.S_IFMT(after.st_mode), "it was replaced", outcome)
    require(not glob.glob(str(folder / ".incomplete*")), "left over", outcome)
    if not succeeded_or_refused(outcome, "odd", "elsewhere"):
        attempt.refused()
        if kind == "link":
            require(target.read_text() == "before", "the file was changed", outcome)
    elif kind in ("link", "dangling link"):
        require(target.exists() and target.stat().st_size > 10, "not written through", outcome)
    if kind == "folder":
        require((path / "kept").exists(), "the folder's file is gone", outcome)
    if kind == "below a file":
        require(path.read_text() == "before", "the file was changed", outcome)


def read_all(path):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        while file.read(65536):
            pass


def test_temporary_files_of_others(commands, sound, tmp_path):
    """What a killed command left is removed by the next one there; what a living one writes is not."""
    with Campaign("temporary files of a living process") as campaign:
        for i, rng in enumerate(campaign):
            folder = tmp_path / str(i)
            folder.mkdir()
            living = rng.choice([w for w in WRITERS if w.name in ("moving_mnist", "generate", "interpolate")])
            other = rng.choice([w for w in WRITERS if w.out.startswith("x.") and w is not living])
            with campaign.attempt(f"{living}, and {other} meanwhile"):
                killed = start_and_stop(living, commands, sound, folder)
                killed.send(signal.SIGKILL)
                killed.wait()
                running = start_and_stop(living, commands, sound, folder)
                arguments = [("y" + a[1:]) if a == other.out else a for a in other.arguments(sound)]
                require_success(commands.run(other.name, *arguments, folder=folder))
                running.send(signal.SIGCONT)
                require_success(running.wait())
                names = {name for name in files_below(folder) if not name.startswith("each/")}
                wanted = {"y" + os.path.splitext(other.out)[1]} | (
                    {living.out} if living.out != "each" else set()
                )
                require(names == wanted, f"{names} instead of {wanted}")


def start_and_stop(writer, commands, sound, folder):
    """Start a command, and stop it as soon as it has begun to write."""
    before = files_below(folder)
    running = commands.start(writer.name, *writer.arguments(sound), folder=folder)
    running.wait_for(lambda: files_below(folder) - before)
    running.send(signal.SIGSTOP)
    return running


def test_two_trainings_into_one_folder(commands, sound, tmp_path):
    with Campaign("two trainings at once") as campaign:
        for i, rng in enumerate(campaign):
            moment = rng.uniform(0, 0.3)
            with campaign.attempt(f"{moment:.2f} s apart"):
                arguments = [*TINY, "--data", sound.data, "--out", f"run{i}", "--iterations", 6]
                first = commands.start("train", *arguments, folder=tmp_path)
                first.ended(moment)
                second = commands.run("train", *arguments, folder=tmp_path)
                outcomes = [first.wait(), second]
                good = [outcome for outcome in outcomes if outcome.status == 0]
                require(len(good) == 1, f"{len(good)} of two", "\n".join(map(str, outcomes)))
                require_success(good[0])
                (refused,) = [outcome for outcome in outcomes if outcome.status != 0]
                require_refusal(refused, f"run{i}")


def test_two_makers_of_one_file(commands, sound, tmp_path):
    # Of UCF-101 there is one more line, which says that not all of it is there.
    makers = [writer for writer in WRITERS if writer.out == "x.h5" and writer.name != "ucf101"]
    with Campaign("two makers at once") as campaign:
        for i, rng in enumerate(campaign):
            writer, moment, folder = rng.choice(makers), rng.uniform(0, 0.2), tmp_path / str(i)
            folder.mkdir()
            with campaign.attempt(f"{writer}, {moment:.2f} s apart"):
                first = commands.start(writer.name, *writer.arguments(sound), folder=folder)
                first.ended(moment)
                second = commands.run(writer.name, *writer.arguments(sound), folder=folder)
                outcomes = [first.wait(), second]
                for outcome in outcomes:
                    succeeded_or_refused(outcome, "x.h5")
                require(any(o.status == 0 for o in outcomes), "neither", "\n".join(map(str, outcomes)))
                require(files_below(folder) == {"x.h5"}, f"{files_below(folder)}")


# Other surroundings

SURROUNDINGS = {
    "no HOME": ({}, ["HOME", "XDG_CACHE_HOME"]),
    "HOME that is not there": ({"HOME": "/nonexistent"}, []),
    "TMPDIR that is not there": ({"TMPDIR": "/nonexistent"}, []),
    "odd numbers": ({"OMP_NUM_THREADS": "many", "COLUMNS": "wide", "LINES": "-1"}, []),
    "no terminal": ({"TERM": "dumb"}, ["TERM"]),
    "no PATH": ({"PATH": ""}, []),
    "odd time zone": ({"TZ": "Nowhere/Else"}, []),
}


@pytest.mark.parametrize("kind", [kind if kind == "no HOME" else slow(kind) for kind in SURROUNDINGS])
def test_surroundings(kind, commands, sound, tmp_path):
    environment, unset = SURROUNDINGS[kind]
    with Campaign("environment variables") as campaign:
        for i, rng in enumerate(campaign):
            writer = rng.choice(WRITERS)
            folder = tmp_path / str(i)
            folder.mkdir()
            with campaign.attempt(f"{kind}: {writer}"):
                arguments = writer.arguments(sound)
                options = {"environment": environment, "unset": unset}
                require_success(commands.run(writer.name, *arguments, folder=folder, **options))


def run_in_a_process(folder, environment, name, *arguments):
    done = subprocess.run(
        python(name, *arguments), cwd=folder, env={**ENVIRONMENT, **environment}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    return done


@pytest.mark.parametrize(
    "backend", ["module://matplotlib_inline.backend_inline", slow("nonsense"), slow("TkAgg")]
)
def test_backend_of_a_notebook(backend, sound, tmp_path):
    """A curve that cannot be drawn ends no training."""
    with Campaign("MPLBACKEND") as campaign, campaign.attempt(backend):
        arguments = [*TINY, "--data", sound.data, "--out", "run", "--iterations", 2]
        done = run_in_a_process(tmp_path, {"MPLBACKEND": backend}, "train", *arguments)
        require((tmp_path / "run" / "snapshot_iter_2.npz").exists(), "no snapshot", done)
        require(done.returncode == 0, f"status {done.returncode}", done)
        require("Traceback" not in done.stderr, "a traceback", done)


@pytest.mark.slow
def test_cupy_that_cannot_be_used(sound, tmp_path):
    """CuPy is installed, but finds no CUDA: its own reason is said where a GPU is asked for."""
    package = tmp_path / "packages" / "cupy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "raise ImportError('libcublas.so.12: cannot open shared object file')\n"
    )
    environment = {"PYTHONPATH": f"{ENVIRONMENT['PYTHONPATH']}:{package.parent}"}
    arguments = [*TINY, "--data", sound.data, "--iterations", 2]
    with Campaign("CuPy that cannot be used") as campaign:
        with campaign.attempt("--gpu -1"):
            done = run_in_a_process(tmp_path, environment, "train", *arguments, "--out", "cpu")
            require(done.returncode == 0, f"status {done.returncode}", done)
        with campaign.attempt("--gpu 0") as attempt:
            done = run_in_a_process(tmp_path, environment, "train", *arguments, "--out", "gpu", "--gpu", 0)
            require(done.returncode == 2, f"status {done.returncode}", done)
            lines = done.stderr.splitlines()
            require(len(lines) == 1 and lines[0].startswith("error: "), f"{len(lines)} lines", done)
            require("libcublas" in lines[0], "the reason is not said", done)
            attempt.refused()


def test_folder_that_is_gone(commands, sound, tmp_path):
    """The working folder was removed."""
    with Campaign("working folder gone", fewest=2) as campaign:
        for i, rng in enumerate(campaign):
            writer = rng.choice(WRITERS)
            folder = tmp_path / str(i)
            folder.mkdir()
            with campaign.attempt(str(writer)) as attempt:
                # A command that waits for its first folder: the folder goes as it starts.
                descriptor = os.open(folder, os.O_RDONLY)
                shutil.rmtree(folder)
                outcome = commands.run(
                    writer.name, *writer.arguments(sound), folder=f"/proc/{os.getpid()}/fd/{descriptor}"
                )
                os.close(descriptor)
                require_bounded(outcome)
                require(outcome.status == 2, f"status {outcome.status}", outcome)
                attempt.refused()


def test_odd_data_to_train_on(commands, sound, tmp_path):
    """NaN cannot be in a data set; in an array to be scored, it is refused."""
    with Campaign("NaN in an array") as campaign, campaign.attempt("one value") as attempt:
        array = np.load(sound.array)
        array[2, 0, 3, 4, 5] = np.nan
        path = tmp_path / "odd.npy"
        np.save(path, array)
        outcome, _ = readers.inception(commands.run, sound, str(path), str(tmp_path), samples=4)
        require(not scored_or_refused(outcome, "odd.npy"), "it was scored", outcome)
        attempt.refused()
