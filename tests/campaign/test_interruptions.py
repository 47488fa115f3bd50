"""Commands that are killed or interrupted: nothing is half-written, and the same command goes on."""

import os
import re
import shutil
import signal
import time

import pytest
from campaign.harness import Campaign, files_below, require, require_refusal, require_success, slow
from campaign.results import READERS, content, require_whole
from campaign.writers import WRITERS

SIGNALS = signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP

FAST = "train", "generate .npy", "moving_mnist .h5"

OF_A_STOP = re.compile(r"preview|_iter_\d\.npz")


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
        # A maker that was killed as it removed the parts of a whole file leaves some to the next --force.
        shutil.rmtree(os.path.join(folder, writer.out + ".parts"), ignore_errors=True)
        return
    for arguments in attempts:
        again = commands.run(writer.name, *arguments, folder=folder)
        if again.status == 0:
            require_success(again)
            return
        require_refusal(again)  # a run without a snapshot
        shutil.rmtree(os.path.join(folder, writer.out), ignore_errors=True)
    require(False, "it does not go on", again)


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
