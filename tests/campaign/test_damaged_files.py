"""Damaged files of ours: a right result, or one line that names the file."""

import os
import shutil

import pytest
from campaign import readers
from campaign.harness import Campaign, require, require_success, succeeded_or_refused
from campaign.mutations import change_npz, damage


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
        used = succeeded_or_refused(outcome, "odd.", "snapshot_iter_6.npz")
        if used and same:
            require(result == expected(reader, original), "another result, without a word", outcome)
        shutil.rmtree(folder)
        return used

    return attempt


SNAPSHOT_READERS = readers.generate, readers.resume, readers.gam, readers.inception
NPZ = [("snapshot", reader) for reader in SNAPSHOT_READERS]
NPZ += [("generator", reader) for reader in (readers.generate, readers.interpolate)]
NPZ += [("classifier", reader) for reader in (readers.classify, readers.fine_tune)]


@pytest.mark.parametrize(("kind", "reader"), NPZ, ids=lambda value: getattr(value, "__name__", value))
def test_npz_of_odd_members(kind, reader, sound, try_file):
    path = getattr(sound, kind)
    with Campaign(f"npz members: {kind}, {reader.__name__}") as campaign:
        for rng in campaign:
            what, content, may_work = change_npz(rng, path)
            with campaign.attempt(what) as attempt:
                used = try_file(reader, path, content, same=not what.startswith("metadata"))
                require(may_work or not used, "it was taken")
                used or attempt.refused()


@pytest.mark.parametrize(("kind", "reader"), NPZ, ids=lambda value: getattr(value, "__name__", value))
def test_npz_of_damaged_bytes(kind, reader, sound, try_file):
    path = getattr(sound, kind)
    with open(path, "rb") as file:
        original = file.read()
    with Campaign(f"npz bytes: {kind}, {reader.__name__}") as campaign:
        for rng in campaign:
            what, content = damage(rng, original)
            with campaign.attempt(what) as attempt:
                try_file(reader, path, content) or attempt.refused()
