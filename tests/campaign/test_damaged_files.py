"""Damaged files of ours: a right result, or one line that names the file."""

import os
import shutil

import pytest
from campaign import hdf5, readers, texts
from campaign.harness import Campaign, require, require_success, scored_or_refused, slow, succeeded_or_refused
from campaign.mutations import change_json_text, change_npz, damage


@pytest.fixture(scope="session")
def expected(commands, sound, tmp_path_factory):
    """Returns what a reader makes of a sound file."""
    known = {}

    def expect(reader, path):
        if (reader, path) not in known:
            folder = str(tmp_path_factory.mktemp("expected"))
            outcome, known[reader, path] = reader(commands.run, sound, path, folder)
            require_success(outcome)
            require(known[reader, path] is not None, "no result", outcome)
        return known[reader, path]

    return expect


@pytest.fixture
def try_file(commands, sound, expected, tmp_path):
    """Returns a function that gives a reader a changed file, in a folder that is removed if all is well."""
    numbers = iter(range(10**9))

    def attempt(reader, original, content, *, same=True):
        """Return whether the file was used.

        Args:
            reader: One of readers.py.
            original (str): The sound file.
            content (bytes): Of the changed one.
            same (bool): Whether the result has to be that of the sound file, if there is one.
        """
        folder = str(tmp_path / f"try{next(numbers)}")
        work = os.path.join(folder, "work")
        os.makedirs(work)
        path = os.path.join(folder, "odd" + os.path.splitext(original)[1])
        with open(path, "wb") as file:
            file.write(content)
        outcome, result = reader(commands.run, sound, path, work)
        with open(path, "rb") as file:
            require(file.read() == content, "the input was changed", outcome)
        check = scored_or_refused if reader is readers.inception_of_data else succeeded_or_refused
        used = check(outcome, "odd.", "snapshot_iter_6.npz")
        if used and same:
            require(result == expected(reader, original), "another result, without a word", outcome)
        shutil.rmtree(folder)
        return used

    return attempt


# What is read, by which command, and what the names of the arrays begin with that it uses.
NPZ = (
    ("snapshot", readers.generate, "updater/model:gen/"),
    slow("snapshot", readers.inception, "updater/model:gen/"),
    slow("snapshot", readers.gam, "updater/model:"),
    ("snapshot", readers.resume, ""),
    slow("generator", readers.generate, ""),
    slow("generator", readers.interpolate, ""),
    ("classifier", readers.classify, ""),
    slow("classifier", readers.fine_tune, ""),
)


@pytest.mark.parametrize(("kind", "reader", "part"), NPZ)
def test_npz_of_odd_members(kind, reader, part, sound, try_file):
    path = getattr(sound, kind)
    with Campaign(f"npz members: {kind}, {reader.__name__}") as campaign:
        for rng in campaign:
            what, content, may_work = change_npz(rng, path, part)
            with campaign.attempt(what) as attempt:
                used = try_file(reader, path, content, same=not what.startswith("metadata"))
                require(may_work or not used, "it was taken")
                used or attempt.refused()


@pytest.mark.parametrize(("kind", "reader", "part"), NPZ)
def test_npz_of_damaged_bytes(kind, reader, part, sound, try_file):
    path = getattr(sound, kind)
    with open(path, "rb") as file:
        original = file.read()
    with Campaign(f"npz bytes: {kind}, {reader.__name__}") as campaign:
        for rng in campaign:
            what, content = damage(rng, original)
            with campaign.attempt(what) as attempt:
                try_file(reader, path, content) or attempt.refused()


HDF5_READERS = readers.train, slow(readers.inception_of_data), slow(readers.train_classifier)


@pytest.mark.parametrize("reader", HDF5_READERS)
def test_hdf5_of_damaged_bytes(reader, sound, try_file):
    with open(sound.data, "rb") as file:
        original = file.read()
    with Campaign(f"HDF5 bytes: {reader.__name__}", fewest=2) as campaign:
        for rng in campaign:
            what, content = damage(rng, original)
            with campaign.attempt(what) as attempt:
                try_file(reader, sound.data, content) or attempt.refused()


@pytest.mark.parametrize("reader", HDF5_READERS)
def test_hdf5_of_odd_parts(reader, sound, try_file, tmp_path):
    with Campaign(f"HDF5 parts: {reader.__name__}", fewest=3) as campaign:
        for rng in campaign:
            copy = str(tmp_path / "copy.h5")
            shutil.copy(sound.data, copy)
            what, may_work = hdf5.change(rng, copy, sound.data)
            with open(copy, "rb") as file:
                content = file.read()
            with campaign.attempt(what) as attempt:
                used = try_file(reader, sound.data, content, same=may_work)
                require(may_work or not used, "it was taken")
                used or attempt.refused()


def test_yaml(sound, try_file):
    with open(os.path.join(sound.run, "config.yaml")) as file:
        original = file.read()
    with Campaign("YAML: train --config", fewest=3) as campaign:
        for rng in campaign:
            what, content = texts.change_yaml(rng, original)
            with campaign.attempt(what) as attempt:
                config = os.path.join(sound.run, "config.yaml")
                try_file(readers.train_config, config, content, same=False) or attempt.refused()


# A text file in a folder, and the command that is given the folder.
TEXTS = (
    ("run", "log.jsonl", readers.figure2),
    slow("run", "log.jsonl", readers.resume_run),
    slow("run", "config.yaml", readers.figure2),
    ("run", "provenance.json", readers.resume_run),
    ("tables", "table3.json", readers.report),
)


@pytest.mark.parametrize(("folder", "name", "reader"), TEXTS)
def test_text_in_a_folder(folder, name, reader, commands, sound, tmp_path):
    change = texts.change_yaml if name.endswith(".yaml") else change_json_text
    with open(os.path.join(getattr(sound, folder), name)) as file:
        content = file.read()
    with Campaign(f"texts: {name}, {reader.__name__}", fewest=2) as campaign:
        for i, rng in enumerate(campaign):
            what, changed = change(rng, content)
            with campaign.attempt(what) as attempt:
                base = tmp_path / str(i)
                shutil.copytree(getattr(sound, folder), base / "odd")
                (base / "odd" / name).write_bytes(changed)
                os.makedirs(base / "work")
                outcome, _ = reader(commands.run, sound, str(base / "odd"), str(base / "work"))
                succeeded_or_refused(outcome, "odd") or attempt.refused()
                shutil.rmtree(base)
