"""How long a file should be, by what stands in it; files are put together byte by byte, as formats say."""

import pytest

from tgan_chainer.datasets.containers import ASF, ASF_PROPERTIES, stated_size


def avi(content, stated=None):
    length = (len(content) + 4 if stated is None else stated).to_bytes(4, "little")
    return b"RIFF" + length + b"AVI " + content


def box(kind, content, wide=False):
    if wide:
        return (1).to_bytes(4, "big") + kind + (len(content) + 16).to_bytes(8, "big") + content
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def matroska(length, content=b"x" * 50):
    header = b"\x1a\x45\xdf\xa3\x84abcd"
    return header + b"\x18\x53\x80\x67" + length + content


def gif(content=b"", end=b";"):
    screen = b"GIF89a" + bytes([8, 0, 8, 0, 0x80, 0, 0]) + bytes(6)  # two colours
    extension, image = b"!\xf9\x04abcd\x00", b"," + bytes(8) + b"\x00\x02\x03xyz\x00"
    return screen + extension + image + content + end


def asf(size):
    return ASF + bytes(14) + ASF_PROPERTIES + bytes(24) + size.to_bytes(8, "little") + bytes(40)


MP4 = box(b"ftyp", b"isom") + box(b"mdat", b"x" * 100, wide=True) + box(b"moov", b"y" * 30)
# Whole files; how long each says that it is is how long it is.
WHOLE = {
    "AVI": avi(b"x" * 100),
    "a large AVI of two chunks": avi(b"x" * 100) + b"RIFF" + (20).to_bytes(4, "little") + b"x" * 20,
    "MP4": MP4,
    "Matroska": matroska(b"\xb2"),  # 0x80 | 50
    "Matroska, its length in two bytes": matroska(b"\x40\x32"),
    "GIF": gif(),
    "WMV": asf(118),
}
# Files that do not say it.
UNKNOWN = {
    "nothing": b"",
    "MPEG": b"\0\0\1\xba" + b"x" * 100,
    "FLV": b"FLV\1" + b"x" * 100,
    "an AVI whose writer never came to the end": avi(b"x" * 100, stated=0),
    "an AVI as a stream": avi(b"x" * 100, stated=0xFFFFFFFF),
    "Matroska as a stream": matroska(b"\xff"),
    "WMV as a stream": asf(0),
}


def stated(tmp_path, content):
    path = tmp_path / "video"
    path.write_bytes(content)
    with open(path, "rb") as file:
        return stated_size(file)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_file_has_the_size_that_it_states(tmp_path, kind):
    assert stated(tmp_path, WHOLE[kind]) == len(WHOLE[kind])


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_was_cut_is_shorter_than_it_states(tmp_path, kind):
    content = WHOLE[kind]
    ends = {len(content) - 1, len(content) - 9, len(content) // 2}
    if "two chunks" in kind:  # up to the end of the first one it is an AVI of one
        ends = {len(content) - 1, len(content) - 9}
    for end in ends:
        size = stated(tmp_path, content[:end])
        assert size is None or size > end, end
    assert stated(tmp_path, content[: max(ends)]) is not None


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_does_not_say_it_is_not_asked(tmp_path, kind):
    assert stated(tmp_path, UNKNOWN[kind]) is None


def test_what_was_appended_is_no_part_of_it(tmp_path):
    for content in MP4, gif(), WHOLE["AVI"]:
        assert stated(tmp_path, content + b"\xff" * 40) == len(content)


def test_a_box_may_go_on_to_the_end(tmp_path):
    content = box(b"ftyp", b"isom") + bytes(4) + b"mdat" + b"x" * 77
    assert stated(tmp_path, content) == len(content)


def test_a_gif_without_a_trailer_has_more_to_come(tmp_path):
    content = gif(end=b"")
    assert stated(tmp_path, content) == len(content) + 1
    assert stated(tmp_path, gif(content=b"?")) is None  # no block at all
