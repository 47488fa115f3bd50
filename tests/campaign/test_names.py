"""File names and terminals of every kind."""

import os
import shutil

import pytest
from campaign.harness import Campaign, ForkServer, require, require_success, slow, succeeded_or_refused
from campaign.inputs import CLASSIFIER, TINY
from campaign.writers import WRITERS

NAMES = {
    "not UTF-8": os.fsdecode(b"\xff\xfe\xe9"),
    "a new line": "new\nline",
    "a dash": "-x",
    "spaces": "  a b  ",
    "percent and braces": "%s%d{0}{}",
    "control characters": "\x1b[31mred\x07",
    "not ASCII": "Fréchet 動画",
    "quotes": "a'b\"c`d$e",
    "brackets": "x[0-9]*?",
    "a colon": "http:x",
    "a hash": "x#y?z=1",
    "long": "x" * 250,
}


def require_printable(outcome):
    for line in (outcome.stdout + outcome.stderr).splitlines():
        require("\x1b" not in line and "\x07" not in line, "control characters on the terminal", outcome)


def test_names_of_results(commands, sound, tmp_path):
    with Campaign("names: results", fewest=3, times=3) as campaign:
        for i, rng in enumerate(campaign):
            writer, what = rng.choice(WRITERS), rng.choice(sorted(NAMES))
            folder = tmp_path / str(i)
            folder.mkdir()
            stem, suffix = os.path.splitext(writer.out)
            name = NAMES[what][: 250 - len(suffix)] + suffix
            # A name that begins with a dash is given as every user of a shell knows to give it.
            given = os.path.join(".", name)
            of = {writer.out: given, "each/x.png": f"{given}/x.png"}
            arguments = [of.get(argument, argument) for argument in writer.arguments(sound)]
            with campaign.attempt(f"{writer}: {what}") as attempt:
                outcome = commands.run(writer.name, *arguments, folder=folder)
                if what == "long" and not succeeded_or_refused(outcome, "xxx"):
                    attempt.refused()
                    continue
                require_success(outcome)
                require(os.path.exists(folder / name), f"there is no {name!r}", outcome)


# Of commands that read: what is copied under an odd name, its suffix, and the arguments, given that name.
CPU = "--gpu", -1
SAMPLES = "--samples", 2, "--repeats", 1
READS = {
    "generate": ("generator", ".npz", lambda s, p: [p, *CPU, "--num", 1, "--out", "x.npy"]),
    "generate of a run": ("run", "", lambda s, p: [p, *CPU, "--num", 1, "--out", "x.npy"]),
    "figures": ("run", "", lambda s, p: [2, p, "--out", "x.png"]),
    "figures 3": ("run", "", lambda s, p: [3, p, "--num", 1, *CPU, "--out", "x.png"]),
    "evaluate": ("run", "", lambda s, p: inception(s, p, *SAMPLES)),
    "evaluate a folder": ("folder", "", lambda s, p: inception(s, p)),
    "evaluate images": ("images", "", lambda s, p: inception(s, p)),
    "evaluate data": ("data", ".h5", lambda s, p: inception(s, p, *SAMPLES)),
    "evaluate by": ("classifier", ".npz", lambda s, p: ["inception", s.array, *CPU, "--classifier", p]),
    "evaluate distance": ("array", ".npy", lambda s, p: ["frechet", p, s.array, *inception(s, p)[2:]]),
    "evaluate gam": ("run", "", lambda s, p: ["gam", p, s.run, *CPU, "--samples", 4, "--bootstrap", 2]),
    "train": ("data", ".h5", lambda s, p: [*TINY, "--data", p, "--out", "run", "--iterations", 1]),
    "train on": ("run", "", lambda s, p: [*CPU, "--out", p, "--resume", "--iterations", 7]),
    "train_classifier": ("data", ".h5", lambda s, p: [p, "--out", "x.npz", *CLASSIFIER]),
    "report": ("tables", "", lambda s, p: [p, *CPU]),
    "video_folder": ("videos", "", lambda s, p: [p, "x.h5", "--size", 16]),
    "ucf101": ("ucf101", "", lambda s, p: [p, "x.h5", "--width", 16, "--height", 16, "--crop", 16]),
    "golf": ("golf", "", lambda s, p: [p, os.path.join(s.golf, "list.txt"), "x.h5"]),
}


def inception(sound, path, *more):
    return ["inception", path, *CPU, "--classifier", sound.classifier, *more]


@pytest.mark.parametrize("terminal", ["UTF-8", slow("ASCII"), slow("no locale")])
def test_names_of_inputs(terminal, servers, sound, tmp_path):
    server = servers(terminal)
    with Campaign(f"names: inputs, terminal of {terminal}", fewest=3) as campaign:
        for i, rng in enumerate(campaign):
            what, reading = rng.choice(sorted(NAMES)), rng.choice(sorted(READS))
            kind, suffix, arguments = READS[reading]
            folder = tmp_path / str(i)
            folder.mkdir()
            path = folder / (NAMES[what][: 250 - len(suffix)] + suffix)
            original = getattr(sound, kind)
            (shutil.copytree if os.path.isdir(original) else shutil.copy)(original, path)
            given = os.path.join(".", path.name) if rng.random() < 0.5 else str(path)
            with campaign.attempt(f"{reading}: {what}") as attempt:
                outcome = server.run(reading.split()[0], *arguments(sound, given), folder=folder)
                if what == "long" and outcome.status == 2:  # for a name of a result that is made of it
                    require(not outcome.stdout, "it was scored in vain", outcome)
                    attempt.refused()
                    continue
                require_success(outcome)


@pytest.mark.parametrize("terminal", ["UTF-8", slow("ASCII"), slow("no locale")])
def test_names_in_folders(terminal, servers, sound, tmp_path):
    """Classes and videos whose names are odd."""
    server = servers(terminal)
    with Campaign(f"names: classes and videos, terminal of {terminal}") as campaign:
        for i, rng in enumerate(campaign):
            what = rng.choice(sorted(NAMES))
            folder = tmp_path / str(i)
            shutil.copytree(sound.videos, folder / "videos")
            (folder / "videos" / "Hop").rename(folder / "videos" / NAMES[what])
            (folder / "videos" / "Run" / "0.avi").rename(
                folder / "videos" / "Run" / (NAMES[what][:246] + ".avi")
            )
            with campaign.attempt(what):
                outcome = server.run("video_folder", "videos", "x.h5", "--size", 16, folder=folder)
                require_printable(outcome)
                require_success(outcome)
                # A class that is named so in messages, in a run's labels, and in the file of a classifier.
                outcome = server.run("train_classifier", "x.h5", "--out", "c.npz", *CLASSIFIER, folder=folder)
                require_printable(outcome)
                require_success(outcome)
                cut = (folder / "videos" / "Run" / "1.avi").read_bytes()[:3000]
                (folder / "videos" / "Run" / (NAMES[what][:246] + ".avi")).write_bytes(cut)
                outcome = server.run("video_folder", "videos", "y.h5", "--size", 16, folder=folder)
                require_printable(outcome)
                require(outcome.status == 1, f"status {outcome.status}", outcome)
                require("Traceback" not in outcome.stderr, "a traceback", outcome)


@pytest.fixture(scope="module")
def servers(commands, tmp_path_factory):
    """Returns the server of commands for a kind of terminal."""
    environments = {
        "ASCII": {"PYTHONIOENCODING": "ascii:strict"},
        "no locale": {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    }
    started = {"UTF-8": commands}

    def get(terminal):
        if terminal not in started:
            folder = str(tmp_path_factory.mktemp("server"))
            started[terminal] = ForkServer(folder, environments[terminal])
        return started[terminal]

    yield get
    for terminal in environments.keys() & started.keys():
        started[terminal].close()
