"""Whether a video file is whole, by the sizes that its container states.

libav plays a file that was cut short as far as it goes, and of an AVI it even shortens the duration to what
is there. Most containers say in their first bytes how long they are.
"""

import os

ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")  # WMV's container
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
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
    if start[:3] == b"GIF":
        return _stated_by_gif(file, size)
    if start == ASF[:12]:
        return _stated_by_asf(file)
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


def _stated_by_gif(file, size):
    # GIF89a: header, screen, its colours, then blocks up to the trailer. It does not say how long it is, but
    # without a trailer there is more of it to come.
    file.seek(10)
    _skip_colours(file, file.read(1))
    while kind := file.read(1):
        if kind == b";":
            return file.tell()
        if kind == b"!":
            file.seek(1, os.SEEK_CUR)
        elif kind == b",":
            file.seek(8, os.SEEK_CUR)
            _skip_colours(file, file.read(1), after=1)
        else:
            return None
        while length := file.read(1)[:1]:
            if not length[0]:
                break
            file.seek(length[0], os.SEEK_CUR)
    return size + 1


def _skip_colours(file, flags, after=2):
    n_colours = 2 << (flags[0] & 7) if flags and flags[0] & 0x80 else 0
    file.seek(3 * n_colours + after, os.SEEK_CUR)


def _stated_by_asf(file):
    # The object of file properties: its name and length, the file's number, the file's size.
    file.seek(0)
    _, found, properties = file.read(1 << 16).partition(ASF_PROPERTIES)
    size = int.from_bytes(properties[24:32], "little")
    return size if found and size else None
