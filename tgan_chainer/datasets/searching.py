"""Searching folders for files."""

import collections
import os
import re

from tgan_chainer.errors import InputError


def find_files(folder, suffixes):
    """Return the files in a folder and its folders, each once, whatever links lead to it.

    Args:
        folder (str or os.PathLike): Where to search. Links are followed; what is hidden is passed over.
        suffixes (tuple of str): What names end in, in small letters; in capitals will do as well.

    Returns:
        list of str: Paths that start with ``folder``, sorted. Of a file and links to it the file itself, if
        that lies in the folder, too.

    Raises:
        OSError: A folder cannot be read.
    """
    found, seen = {}, set()
    folders, links = collections.deque([os.fspath(folder)]), collections.deque()
    while folders or links:  # folders before links to them
        parent = folders.popleft() if folders else links.popleft()
        real = os.path.realpath(parent)
        if real in seen:
            continue
        seen.add(real)
        for name in sorted(os.listdir(parent)):
            path = os.path.join(parent, name)
            if name.startswith("."):
                continue
            if os.path.isdir(path):
                (links if os.path.islink(path) else folders).append(path)
            elif name.lower().endswith(suffixes):
                real_file = os.path.realpath(path)
                if real_file not in found or os.path.islink(found[real_file]) and not os.path.islink(path):
                    found[real_file] = path
    return sorted(found.values())


def open_file(path):
    """Open a file to read its bytes, as ``open`` does; raise InputError if it is a pipe or a device."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise InputError("not a file")  # opening a pipe might wait for ever
    return open(path, "rb")


def natural_key(name):
    """Return what sorts names by the numbers in them: frame_2 before frame_10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]
