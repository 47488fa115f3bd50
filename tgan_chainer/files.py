"""Writing files so that a reader only ever sees the old content or the new one, whole."""

import contextlib
import json
import math
import os

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
