"""What a classifier says of the videos of a source, one after another, and where that is kept."""

import contextlib
import hashlib
import itertools
import json
import math
import os
import sqlite3
import warnings
import zlib

import numpy as np

from tgan_chainer.download import cache_folder
from tgan_chainer.errors import InputError
from tgan_chainer.parallel import chunks
from tgan_chainer.processes import ONE


def predictions_of(
    source,
    classifier,
    n,
    seed=0,
    repeat=0,
    batch_size=None,
    features=None,
    store=None,
    unreadable=None,
    processes=ONE,
):
    """Classify n videos of a source, in the order in which it draws them.

    Args:
        source (VideoSource): Source of the videos.
        classifier (VideoClassifier): What tells their classes.
        n, seed, repeat (int): As for :meth:`VideoSource.draw`.
        batch_size, features: As for :meth:`VideoClassifier.predict`.
        store (PredictionStore): Where predictions of earlier runs are looked up, and those of this one are
            kept, batch by batch. What a generator makes is not kept.
        unreadable (list): Takes a line of text for each video that cannot be read, which is then left out.
            None raises instead.
        processes (Processes): They share out the batches, which are those of a single one. All are given all
            predictions; the store is that of the first.

    Yields:
        tuple: One for each video: its probabilities, float64 (V,); its features, float32 (D,), or None;
        whether both were known. None for a video that cannot be read.

    Raises:
        InputError: The source has not so many videos, or one of them cannot be scored.
    """
    batch_size = batch_size or classifier.batch_size
    items = source.items(n, seed, repeat)
    if items is None:
        turn = math.lcm(source.batch_size, batch_size)
        videos = source.draw(n, seed, repeat, _own(n, turn, processes))
        for p, f in _in_turn(_classify(videos, classifier, batch_size, features), n, turn, processes):
            yield p, f, False
        return
    classifier_key = _classifier_key(classifier, features)
    if store is None or classifier_key is None or not processes.is_first:
        store, classifier_key = _Nowhere(), classifier_key or ""
    keys = [_digest(classifier_key, item.key) for item in items]
    known = processes.gather(store.known(keys))[0]
    new = [(key, item) for key, item in zip(keys, items) if key not in known]

    def keep(start, rows):
        store.put([(key, row) for (key, _), row in zip(new[start:], rows) if not isinstance(row, Exception)])

    own = [item for (_, item), is_own in zip(new, _own(len(new), batch_size, processes)) if is_own]
    videos = source.read([item if unreadable is None else _with_errors(item) for item in own])
    rows = _classify(videos, classifier, batch_size, features)
    computed = _in_turn(rows, len(new), batch_size, processes, keep)
    kept = _look_up([key for key in keys if key in known], store, processes)
    for key in keys:
        row = next(kept if key in known else computed)
        if isinstance(row, Exception):
            unreadable.append(" ".join(str(row).split()))
            yield None
        else:
            yield (*row, key in known)


def _classify(videos, classifier, batch_size, features):
    """Yield (probabilities, features) of each video, or the error that stands in its place."""
    videos = iter(videos)
    while batch := list(itertools.islice(videos, batch_size)):
        rows = []
        readable = [video for video in batch if not isinstance(video, Exception)]
        for p, f in classifier.predict(readable, batch_size, features):
            rows += zip(p, [None] * len(p) if f is None else f)
        of_row = iter(rows)
        yield from [one if isinstance(one, Exception) else next(of_row) for one in batch]


def _own(n, turn, processes):
    """Return which of n videos are this process's: each in turn takes so many, bool (n,)."""
    return np.arange(n) // turn % processes.size == processes.rank


def _in_turn(rows, n, turn, processes, keep=lambda start, rows: None):
    """Yield the rows of all n videos in order, from those of this process and the others'.

    ``keep(start, rows)`` is called with some at a time, before they are yielded.
    """
    for start in range(0, n, turn * processes.size):
        first = start + turn * processes.rank
        own = list(itertools.islice(rows, max(min(turn, n - first), 0)))
        of_all = sum(processes.gather(own), [])
        keep(start, of_all)
        yield from of_all


def _look_up(keys, store, processes):
    """Yield what the first process's store has under those keys, some at a time."""
    for piece in chunks(len(keys), 100):
        yield from processes.gather([store.get(key) for key in keys[piece]])[0]


def _with_errors(item):
    """Return an item that returns, instead of raising it, why it cannot be read."""

    def read():
        try:
            return item.read()
        except (InputError, OSError) as error:
            return error

    return item._replace(read=read)


def _classifier_key(classifier, features):
    """Return what predictions depend on but the video, as text; None of a classifier that is in no file."""
    files = {name: classifier.description.get(name) for name in ("weights", "mean")}
    if not isinstance(files["weights"], dict):
        return None
    hashes = {name: file and file["sha256"] for name, file in files.items()}
    return json.dumps([hashes, classifier.input, features], sort_keys=True)


def _digest(*parts):
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).digest()


class PredictionStore:
    """Predictions in a file that several processes may use, and that ``kill -9`` leaves whole: SQLite's.

    A file that cannot be written (a read-only folder, a full disk) costs a warning, and no score.

    Args:
        path (str): By default ``predictions.sqlite`` in the folder for downloads.
    """

    def __init__(self, path=None):
        self.path = path or os.path.join(cache_folder(), "predictions.sqlite")
        self._connection = None
        with self._warning():
            os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
            connection = sqlite3.connect(os.fsencode(self.path), timeout=60, isolation_level=None)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS predictions "
                "(key BLOB PRIMARY KEY, probabilities BLOB, features BLOB, checksum INTEGER)"
            )
            self._connection = connection
        self._can_write = self._connection is not None

    def known(self, keys):
        """Return the set of those keys for which there are predictions, undamaged ones."""
        found = set()
        with self._warning():
            for start in range(0, len(keys) if self._connection else 0, 500):
                some = keys[start : start + 500]
                rows = self._connection.execute(
                    "SELECT key, probabilities, features, checksum FROM predictions "
                    f"WHERE key IN ({','.join('?' * len(some))})",
                    some,
                )
                found |= {key for key, p, f, checksum in rows if _checksum(p, f) == checksum}
        return found

    def get(self, key):
        """Return the probabilities, float64 (V,), and features, float32 (D,) or None, of a known key.

        Raises:
            InputError: The file was damaged or removed meanwhile.
        """
        try:
            ((p, f),) = self._connection.execute(
                "SELECT probabilities, features FROM predictions WHERE key = ?", (key,)
            )
        except (sqlite3.Error, ValueError) as error:
            raise InputError(f"{self.path} cannot be read any more ({error}); remove it") from error
        return np.frombuffer(p, np.float64), None if f is None else np.frombuffer(f, np.float32)

    def put(self, rows):
        """Keep (key, (probabilities, features)) pairs."""
        values = []
        for key, (p, f) in rows:
            p, f = p.astype(np.float64).tobytes(), None if f is None else f.astype(np.float32).tobytes()
            values.append((key, p, f, _checksum(p, f)))
        if self._can_write:
            self._can_write = False  # a full disk stays full: one warning is enough
            with self._warning():
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    command = "INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?)"
                    self._connection.executemany(command, values)
                self._can_write = True

    @contextlib.contextmanager
    def _warning(self):
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            warnings.warn(f"predictions are not kept in {self.path}: {error}", RuntimeWarning, stacklevel=3)


class _Nowhere:
    """A store that keeps nothing."""

    def known(self, keys):
        return set()

    def get(self, key):
        return None

    def put(self, rows):
        pass


def _checksum(p, f):
    return zlib.crc32(p + (f or b""))
