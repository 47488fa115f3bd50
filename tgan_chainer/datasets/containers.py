"""Whether a video file is whole, by the sizes that its container states.

libav plays a file that was cut short as far as it goes, and of an AVI it even shortens the duration to what
is there. Most containers say in their first bytes how long they are.
"""

import os

BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"moof", b"styp")


def stated_size(file):
    """Return how many bytes a file should have at least.

    Args:
        file: A binary file, open for reading, of any kind.

    Returns:
        int or None: None for kinds that do not say it (MPEG, FLV, streams written without an end, ...).
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    start = file.read(12)
    if start[:4] == b"RIFF" and start[8:] == b"AVI ":
        return _stated_by_riff(file, size)
    if start[:4] == b"\x1a\x45\xdf\xa3":
        return _stated_by_matroska(file)
    if start[4:8] in BOXES:
        return _stated_by_boxes(file, size)
    return None


def _stated_by_riff(file, size):
    # Large files are several RIFF chunks, one after another (OpenDML).
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(8)
        if end and header[:4] != b"RIFF":
            break
        length = int.from_bytes(header[4:], "little")
        if length in (0, 0xFFFFFFFF) or len(header) < 8:  # whoever wrote it never came to the end
            return None
        end += 8 + length
    return end


def _stated_by_matroska(file):
    # RFC 8794: an element is its number, its length and its content. The first is the header, the next all
    # the rest, of unknown length if it was streamed.
    file.seek(4)
    length = _matroska_number(file)
    if length is None:
        return None
    file.seek(length, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return None
    length = _matroska_number(file)
    return None if length is None else file.tell() + length


def _matroska_number(file):
    """Read a number of one to eight bytes; None if all its bits are one, which means unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    n_bytes = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(n_bytes - 1), "big")
    ones = (1 << 7 * n_bytes) - 1
    return None if value & ones == ones else value & ones


def _stated_by_boxes(file, size):
    # ISO 14496-12: a box is its length, its kind and its content; 1: the length follows; 0: up to the end.
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:], "big")
        if length == 0:
            return size
        if length < 8 or not header[4:8].isascii():  # no box: something was appended
            return end
        end += length
    return end
