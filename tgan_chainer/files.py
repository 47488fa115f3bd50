"""Writing files so that a reader only ever sees the old content or the new one, whole."""

import contextlib
import errno
import fcntl
import json
import math
import os
import tempfile

from tgan_chainer.errors import InputError

TEMPORARY_PREFIX = ".incomplete-"


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path to write to; rename it to ``path`` when the block succeeds.

    The temporary file lies in the same folder (a rename is atomic only within a file system) and keeps
    the suffix, by which image and video writers choose their format. It is flushed to the disk before the
    rename, so that a power cut cannot leave an empty file under the final name. When the block raises,
    it is removed and ``path`` stays as it was.

    Args:
        path (str or os.PathLike): The file to create or replace. Missing folders are made.

    Yields:
        str: Where to write.

    Raises:
        OSError: As raised by the file system (disk full, no permission, ...).
    """
    path = os.fspath(path)
    folder, name = os.path.split(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{os.getpid()}-{name}")
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename in (None, temporary):
            error.filename = path  # the name that whoever reads the message knows; a full disk gives none
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


def check_can_write(path):
    """Raise OSError if a file cannot be created or replaced: before the work, rather than after it."""
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        error.filename = path
        raise


@contextlib.contextmanager
def locked(folder, wait=False):
    """Hold a lock on a folder, made if it is missing, until the block or the process ends, however it does.

    Raises:
        InputError: Another process holds it, and ``wait`` is False.
    """
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(descriptor)
            raise InputError(f"another process is writing to {folder}; wait for it, or end it") from error
        # A file system without locks: then there is none.
    try:
        yield
    finally:
        os.close(descriptor)


def save_text(path, text):
    """Write a text file, by :func:`atomic_path`."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def save_json(path, value):
    """Write a value of JSON's own types; numbers that JSON lacks become "inf", "-inf" or "nan"."""
    save_text(path, json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False))


def load_json(path):
    """Read a JSON file; return None if it is missing or damaged."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
