"""Writing files so that a reader only ever sees the old content or the new one, whole."""

import contextlib
import errno
import fcntl
import json
import math
import os
import secrets
import shutil
import tempfile

from tgan_chainer.errors import InputError
from tgan_chainer.reading import read_json

TEMPORARY_PREFIX = ".incomplete-"


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path to write to; rename it to ``path`` when the block succeeds.

    The temporary file lies in the same folder (a rename is atomic only within a file system) and keeps
    the suffix, by which image and video writers choose their format. It is flushed to the disk before the
    rename, so that a power cut cannot leave an empty file under the final name. When the block raises,
    it is removed and ``path`` stays as it was. What a killed process left is removed by the next one that
    writes to the same folder. A symbolic link stays, and what it leads to is replaced.

    Args:
        path (str or os.PathLike): The file to create or replace. Missing folders are made.

    Yields:
        str: Where to write.

    Raises:
        InputError: ``path`` is something else than a file: a folder, a device, a pipe.
        OSError: As raised by the file system (disk full, no permission, ...).
    """
    path = os.fspath(path)
    check_is_file(path)
    folder, name = os.path.split(os.path.realpath(path))
    make_folder(folder)
    _tidy(folder)
    temporary = None
    try:
        temporary, descriptor = _temporary_file(folder, os.path.splitext(name)[1])
        try:
            yield temporary
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(temporary, os.path.join(folder, name))
        finally:
            os.close(descriptor)
    except BaseException as error:
        if isinstance(error, OSError) and (temporary is None or error.filename in (None, temporary)):
            error.filename = path  # the name that whoever reads the message knows; a full disk gives none
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.remove(temporary)
        raise


@contextlib.contextmanager
def atomic_folder(path):
    """As :func:`atomic_path`, for a folder that must not be there yet."""
    path = os.path.abspath(path)
    parent = os.path.dirname(path)
    make_folder(parent)
    _tidy(parent)
    temporary = _temporary_name(parent, "")
    with locked(temporary):
        try:
            yield temporary
            os.rename(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _temporary_name(folder, suffix):
    return os.path.join(folder, f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{suffix}")


def _temporary_file(folder, suffix):
    """Create a file that nobody else can have created; return its path and a descriptor that holds a lock."""
    # Not by tempfile, which hides files from the user's group whatever the umask.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        temporary = _temporary_name(folder, suffix)
        descriptor = os.open(temporary, flags, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks
            # Shared, since HDF5 takes such a one as well when it reads.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.exists(temporary):  # else another process took it for a leftover just before
            return temporary, descriptor
        os.close(descriptor)


_tidied = set()


def _tidy(folder):
    """Remove what killed processes left in a folder, once in the life of this one.

    Whoever is alive holds a lock on what he writes.
    """
    if folder in _tidied:
        return
    _tidied.add(folder)
    for name in os.listdir(folder):
        if name.startswith(TEMPORARY_PREFIX):
            with contextlib.suppress(OSError):  # it is locked, or a link, or not ours
                path = os.path.join(folder, name)
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
                finally:
                    os.close(descriptor)


def check_is_file(path):
    """Raise an error if something is there that is not a file, such as a folder or a device."""
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path} is a device or a pipe; expected the name of a file to write")


def make_folder(path):
    """Make a folder, and those that it lies in, unless it is there.

    Raises:
        InputError: There is a file in the place of one of them.
        OSError: As raised by the file system.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = path
        while file != os.path.dirname(file) and not os.path.exists(file):
            file = os.path.dirname(file)
        raise InputError(f"{file} is a file; expected a folder there, to write to") from error


def check_can_write(path):
    """Raise OSError if a file cannot be created or replaced: before the work, rather than after it."""
    check_is_file(path)
    folder = os.path.dirname(os.path.realpath(path))
    make_folder(folder)
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
    while True:
        make_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(descriptor)
                raise InputError(f"another process is writing to {folder}; wait for it, or end it") from error
            # A file system without locks: then there is none.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(folder)):
                break
        os.close(descriptor)  # whoever held it removed the folder meanwhile
    try:
        yield
    finally:
        os.close(descriptor)


def save_text(path, text):
    """Write a text file, by :func:`atomic_path`. Names that are not UTF-8 get escapes, which JSON knows."""
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.write(text)


def save_json(path, value):
    """Write a value of JSON's own types; numbers that JSON lacks become "inf", "-inf" or "nan"."""
    save_text(path, json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False))


def load_json(path):
    """Read a JSON file; return None if it is missing or damaged."""
    try:
        return read_json(path, "a JSON file")
    except InputError:
        return None


def load_lines(path):
    """Read the lines of a text file that are not empty, without blanks around them.

    Bytes that are not UTF-8 are kept as in names of files; a byte-order mark is dropped.

    Raises:
        InputError: It is not a text file.
        OSError: It cannot be read.
    """
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = [line.strip() for line in file]
    if any("\0" in line for line in lines):
        raise InputError(f"{path}: not a text file in UTF-8; it holds NUL bytes")
    return [line for line in lines if line]


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
