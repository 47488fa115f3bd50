"""Commands that are killed or interrupted: nothing is half-written, and the same command goes on."""

import json
import os
import re
import shutil
import signal
import time

import numpy as np
import pytest
import yaml
from campaign.harness import (
    Campaign,
    files_below,
    require,
    require_refusal,
    require_success,
    slow,
)
from campaign.writers import WRITERS
from PIL import Image

SIGNALS = signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP

FAST = "train", "generate .npy", "moving_mnist .h5"

# What says when or how long something was done, in files whose other content is the same each time.
OF_A_STOP = re.compile(r"preview|_iter_\d\.npz")
OF_TIMES = {"seconds", "samples_per_second", "made_by", "date", "load_average", "elapsed_time", "wall_time"}


@pytest.fixture(scope="module")
def whole(commands, sound, tmp_path_factory):
    """Returns the folder of what a writer makes without interruption, and the seconds that it takes."""
    known = {}

    def get(writer):
        if writer not in known:
            folder = str(tmp_path_factory.mktemp("whole"))
            start = time.monotonic()
            require_success(commands.run(writer.name, *writer.arguments(sound), folder=folder, thorough=True))
            known[writer] = folder, time.monotonic() - start
        return known[writer]

    return get


@pytest.mark.parametrize(
    "writer", [writer if str(writer) in FAST else slow(writer) for writer in WRITERS], ids=str
)
def test_interrupted_at_any_moment(writer, commands, sound, whole, tmp_path):
    expected, seconds = whole(writer)
    with Campaign(f"interrupted: {writer}") as campaign:
        for i, rng in enumerate(campaign):
            number = rng.choice(SIGNALS)
            moment = rng.uniform(0, seconds)
            folder = str(tmp_path / str(i))
            os.makedirs(folder)
            with campaign.attempt(f"{number.name} after {moment:.2f} of {seconds:.2f} s"):
                running = commands.start(writer.name, *writer.arguments(sound), folder=folder, thorough=True)
                running.ended(moment)
                running.send(number)
                outcome = running.wait()
                require_interrupted(outcome, number)
                for name in sorted(files_below(folder)):
                    require_whole(os.path.join(folder, name), os.path.join(expected, name), writer, outcome)
                go_on(writer, commands, sound, folder, outcome)
                require_same_files(folder, expected, writer, outcome)
                shutil.rmtree(folder)


def require_interrupted(outcome, number):
    ways = {0, 128 + number, -number}
    if number == signal.SIGKILL:
        ways -= {128 + number}
    require(outcome.status in ways, f"{outcome.status} instead of one of {ways}", outcome)
    require(not outcome.timed_out, "it did not end", outcome)
    require("Traceback" not in outcome.stderr and "Exception" not in outcome.stderr, "a traceback", outcome)


def go_on(writer, commands, sound, folder, outcome):
    """Do what the messages say: give the same command, or the one that resumes; else begin anew."""
    attempts = [writer.arguments(sound)]
    if writer.again and os.path.exists(os.path.join(folder, writer.out)):
        attempts.insert(0, writer.again(sound))
    elif outcome.status == 0 or os.path.isfile(os.path.join(folder, writer.out)):
        return
    for arguments in attempts:
        again = commands.run(writer.name, *arguments, folder=folder)
        if again.status == 0:
            require_success(again)
            return
        require_refusal(again)  # a run without a snapshot
        shutil.rmtree(os.path.join(folder, writer.out), ignore_errors=True)
    require(False, "it does not go on", again)


def require_whole(path, expected, writer, outcome):
    """Require that a file with a final name can be read, to its end."""
    name = os.path.basename(path)
    if name.startswith(".") or ".parts" in path or "/log" in path:
        return
    if writer.exact:
        require(os.path.exists(expected), f"a file {name} that does not belong there", outcome)
        require(content(path) == content(expected), f"{name} is not what it should be", outcome)
        return
    try:
        READERS[os.path.splitext(name)[1]](path)
    except Exception as error:
        require(False, f"{name} cannot be read: {type(error).__name__}: {error}", outcome)


def require_same_files(folder, expected, writer, outcome):
    """Require that in the end there is what there would be without the interruption, and nothing else."""
    names, wanted = files_below(folder), files_below(expected)
    if writer.name == "train":  # a stop has its own snapshot and, if it was due, its preview
        names, wanted = ({name for name in n if not OF_A_STOP.search(name)} for n in (names, wanted))
    require(names == wanted, f"left over: {names - wanted}, missing: {wanted - names}", outcome)
    for name in sorted(wanted):
        path, other = os.path.join(folder, name), os.path.join(expected, name)
        if writer.exact:
            require(content(path) == content(other), f"{name} is another one in the end", outcome)
        elif name.endswith((".npz", ".json")) and "provenance" not in name:
            read = READERS[os.path.splitext(name)[1]]
            require(read(path) == read(other), f"{name} is another one in the end", outcome)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def read_npz(path):
    """Return an npz file's arrays, without what tells times."""
    with np.load(path) as file:
        arrays = {key: file[key] for key in file}
    metadata = timeless(json.loads(str(arrays.pop("metadata"))))
    kept = {
        key: (a.dtype.str, a.shape, a.tobytes())
        for key, a in arrays.items()
        if not key.endswith(("_log", "_time"))
    }
    return kept, metadata


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in OF_TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def read_image(path):
    with Image.open(path) as image:
        image.seek(getattr(image, "n_frames", 1) - 1)
        image.load()


def read_html(path):
    require(content(path).rstrip().endswith(b"</html>"), f"{path} is cut")


def read_yaml(path):
    require(isinstance(yaml.safe_load(content(path)), dict), f"{path} is cut")


READERS = {
    ".npz": read_npz,
    ".json": lambda path: timeless(json.loads(content(path))),
    ".png": read_image,
    ".gif": read_image,
    ".html": read_html,
    ".yaml": read_yaml,
}
