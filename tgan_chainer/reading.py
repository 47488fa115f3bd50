"""Reading npz, JSON and YAML files that may be damaged, foreign or made to do harm.

What libraries raise then is of many kinds. Each reader here has one door, :func:`reading`, behind which all
of it becomes one :class:`InputError` of one line with the file's name. Nothing is unpickled or executed, and
what a file declares is compared with what it holds before memory is taken for it.
"""

import contextlib
import json
import os
import reprlib
import threading
import unicodedata
import zipfile

import numpy as np
import yaml

from tgan_chainer.errors import InputError

# Deflated weights have nine tenths of their size. An archive of zeros may have a thousandth: that much more
# than it takes on the disk is refused, and so are the bombs that would fill the memory.
_MAX_RATIO = 20
_SMALL = 1 << 26

_MAX_YAML = 1 << 20  # characters of a file, of which ours have a few hundred
_MAX_SCALAR = 10_000  # characters of a value
_MAX_DEPTH = 20

_MAX_LINE = 1500  # characters

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60

# NumPy parses the header of an array by ast.literal_eval, in which Python 3.11 counts the depth of all
# threads together: two at once may end in "SystemError: AST constructor recursion depth mismatch".
_PARSING = threading.Lock()

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"  # the first bytes of an HDF5 file


@contextlib.contextmanager
def reading(path, kind):
    """Turn whatever is raised in the block into one InputError that names the file.

    Errors of the file system that say what is wrong themselves (no permission, a folder, a failing disk)
    pass, and so do InputErrors.

    Args:
        path (str): The file.
        kind (str): What it should be, for the message, such as "a snapshot".
    """
    try:
        yield
    except InputError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"there is no {path}; expected {kind}") from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise _unreadable(path, kind, error) from error
    except Exception as error:  # a MemoryError or RecursionError of a parser, too
        raise _unreadable(path, kind, error) from error


def read_npz(path, kind, max_ratio=_MAX_RATIO):
    """Read all arrays of an npz file into a dict.

    Args:
        path (str): The file.
        kind (str): What it should be, for messages, such as "a snapshot".
        max_ratio (float): How many times the file's size the arrays may have, beyond 64 MB.

    Returns:
        dict: Name → array of numbers, truth values or text.

    Raises:
        InputError: The file is missing, truncated, damaged, no npz file, or declares more than it holds.
    """
    with reading(path, kind), open(path, "rb") as file:
        if file.read(len(HDF5_MAGIC)) == HDF5_MAGIC:
            raise InputError(f"{path} is a data set; expected {kind}")
        size = file.seek(0, 2)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(path, members, size, max_ratio)
            # Reading a member to its end checks its checksum. All are read before anything is changed.
            with _PARSING:
                return {m.filename.removesuffix(".npy"): _read_member(archive, m) for m in members}


def read_npy(path, kind):
    """Open the array in an .npy file, which stays on the disk; arguments as for :func:`read_npz`.

    Returns:
        numpy.memmap

    Raises:
        InputError: The file is missing, truncated, damaged or no .npy file.
    """
    with reading(path, kind), _PARSING:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} is an npz file; name it so")
    return array


def read_json(path, kind):
    """Read a JSON file, arguments as for :func:`read_npz`.

    Raises:
        InputError: The file is missing, not JSON, or not UTF-8.
    """
    with reading(path, kind), open(path, encoding="utf-8") as file:
        return json.load(file)


def read_yaml(path, kind):
    """Read a YAML file of limited size and depth, without aliases; arguments as for :func:`read_npz`.

    Aliases could make a few lines stand for more than any memory holds.

    Raises:
        InputError: The file is missing, not YAML, not UTF-8, or beyond a limit.
    """
    with reading(path, kind):
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_YAML + 1)
        if len(text) > _MAX_YAML:
            raise ValueError(f"it has more than {_MAX_YAML} characters")
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"it has an alias, *{event.anchor}")
            if depth > _MAX_DEPTH:
                raise ValueError(f"it is nested more than {_MAX_DEPTH} levels deep")
            if isinstance(event, yaml.ScalarEvent) and len(event.value) > _MAX_SCALAR:
                raise ValueError(f"it has a value of {len(event.value)} characters")
        return yaml.safe_load(text)


def short(value):
    """Return ``repr(value)`` in at most about a hundred characters, of whatever a file may hold."""
    if isinstance(value, int) and value.bit_length() > 300:  # Python refuses to print the very long ones
        return f"a number of {value.bit_length()} bits"
    return _SHORT.repr(value)


def printable(text):
    """Return text from a file without the control characters that a terminal would obey, line ends too."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in str(text))


def without_odd_bytes(name):
    """Return a file's name, or other text, with U+FFFD for each byte that is not UTF-8, in any locale."""
    try:
        content = os.fsencode(name)
    except UnicodeEncodeError:  # text from elsewhere, in a locale that cannot say it
        content = name.encode(errors="surrogateescape")
    return content.decode(errors="replace")


def message_line(text):
    """Return text as one line for a terminal, without the middle of what is longer than any honest name."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE // 2]} ... {line[-_MAX_LINE // 2 :]}"


def _unreadable(path, kind, error):
    why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return InputError(f"{path} is truncated, damaged or not {kind} ({printable(why)}); take another one")


def _check_members(path, members, size, max_ratio):
    names = {member.filename for member in members}
    if len(names) < len(members) or not all(name.endswith(".npy") for name in names):
        raise ValueError("its members are not arrays of different names")
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise ValueError("its members are compressed in an unknown way")
    declared = sum(member.file_size for member in members)
    if declared > max(max_ratio * size, _SMALL):
        raise InputError(f"{path} has {size} bytes, but would take {declared} in memory; it is not loaded")
    if sum(member.compress_size for member in members) > size:
        raise ValueError("its members overlap")


def _read_member(archive, member):
    with archive.open(member) as file:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(file)]
        shape, _, dtype = read_header(file)
        if dtype.kind not in "biufcSU":
            raise ValueError(f"{member.filename} is of type {dtype}")
        length = dtype.itemsize
        for n in shape:
            length *= n
        if length != member.file_size - file.tell() or min(shape, default=0) < 0:
            raise ValueError(f"{member.filename} declares {length} bytes and does not hold them")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
