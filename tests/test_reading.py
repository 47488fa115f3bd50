"""Files that may be damaged: each reader turns whatever is wrong into one line."""

import concurrent.futures
import gc
import io
import os
import random
import struct
import sys
import time
import warnings
import zipfile

import numpy as np
import pytest
from helpers import refused

from tgan_chainer.errors import InputError
from tgan_chainer.reading import (
    message_line,
    printable,
    read_json,
    read_npy,
    read_npz,
    read_yaml,
    short,
    without_odd_bytes,
)

SEED = int(os.environ.get("TGAN_TEST_SEED", 0))


def npz(path, arrays, compressed=False):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return str(path)


def member(header, content=b"", version=b"\x01\x00"):
    """An array in the format of NumPy with this header."""
    header = header.encode()
    length = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    return b"\x93NUMPY" + version + length + header + content


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return str(path)


def test_arrays_come_back_as_they_were_written(tmp_path):
    arrays = {"a/b": np.arange(6, dtype=np.float32).reshape(2, 3), "text": np.array("ü"), "n": np.array(3)}
    arrays["transposed"] = np.asfortranarray(np.arange(6).reshape(2, 3))
    for compressed in False, True:
        read = read_npz(npz(tmp_path / "a.npz", arrays, compressed), "an array")
        assert read.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype


def test_threads_may_read_arrays_at_the_same_time(tmp_path):
    """Without a lock about one in 300 of these ends in an error on Python 3.11."""
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4)))

    def read(_):
        return read_npy(str(tmp_path / "a.npy"), "an array").shape == (2, 3, 4)

    # A garbage collection is when another thread may take over within the parser.
    interval, threshold, callback = sys.getswitchinterval(), gc.get_threshold(), lambda *_: time.sleep(0)
    sys.setswitchinterval(1e-6)
    gc.set_threshold(1)
    gc.callbacks.append(callback)
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(pool.map(read, range(2000)))
    finally:
        gc.callbacks.remove(callback)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)


HEADERS = {
    "not closed": "{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
    "deep": "(" * 5000,
    "overflow": "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2)}",
    "negative": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
    "more than there is": "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
    "less than there is": "{'descr': '<f4', 'fortran_order': False, 'shape': ()}" + " " * 7 + "\n" + "\0" * 4,
    "an object": "{'descr': '|O', 'fortran_order': False, 'shape': ()}",
    "a code": "__import__('os').system('touch hacked')",
    "a key too many": "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
    "fields": "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_wrong_in_any_way_is_one_line(tmp_path, header):
    path = archive(tmp_path / "x.npz", [("a.npy", member(header, b"\0" * 4))])
    refused(lambda: read_npz(path, "a snapshot"), path, "a snapshot")
    assert os.listdir(tmp_path) == ["x.npz"]


def test_members_that_are_wrong_in_any_way_are_one_line(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    good = buffer.getvalue()
    path = tmp_path / "x.npz"
    for members in (
        [("a.npy", b"")],
        [("a.npy", b"hello")],
        [("a.npy", member("{}", version=b"\x09\x00"))],
        [("a.txt", good)],
        [("a.npy", good), ("a.npy", good)],
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a name that is there twice
            archive(path, members)
        refused(lambda: read_npz(str(path), "a snapshot"), path)
    for compression in zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA:
        archive(path, [("a.npy", good)], compression)
        refused(lambda: read_npz(str(path), "a snapshot"), "compressed in an unknown way")


def test_what_an_archive_declares_is_compared_with_what_it_holds_before_memory_is_taken(tmp_path):
    path, zeros = tmp_path / "bomb.npz", bytes(1 << 24)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (41943040,), }"
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("metadata.npy", "w", force_zip64=True) as entry:
            entry.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
            for _ in range(10):  # 160 MiB in less than one
                entry.write(zeros)
    refused(lambda: read_npz(str(path), "a snapshot"), path, "bytes", "it is not loaded")


def test_mutations_are_refused_or_read_as_arrays(tmp_path):
    rng, path = random.Random(SEED), str(tmp_path / "x.npz")
    arrays = {"w": np.random.randn(4, 5).astype("f"), "metadata": np.array('{"format": "x"}')}
    with open(npz(tmp_path / "whole.npz", arrays), "rb") as file:
        whole = file.read()
    read = 0
    for _ in range(400):
        content = bytearray(whole)
        kind = rng.randrange(3)
        if kind == 0:
            content = content[: rng.randrange(len(content))]
        elif kind == 1:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        else:
            start = rng.randrange(len(content))
            content[start : start + rng.randrange(1, 40)] = rng.randbytes(rng.randrange(40))
        with open(path, "wb") as file:
            file.write(content)
        try:
            found = read_npz(path, "a snapshot")
            read += 1
        except InputError as error:
            assert path in str(error) and "\n" not in str(error)
            continue
        # Flags, dates and names have no checksum; numbers do.
        for name in found.keys() & arrays.keys():
            np.testing.assert_array_equal(found[name], arrays[name])
    assert read < 200


def test_a_data_set_is_named_as_one(tmp_path):
    path = tmp_path / "videos.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    refused(lambda: read_npz(str(path), "a snapshot"), f"{path} is a data set; expected a snapshot")


def test_errors_of_the_file_system_are_told_as_they_are(tmp_path):
    refused(lambda: read_npz(str(tmp_path / "none.npz"), "a snapshot"), "there is no", "none.npz")
    with pytest.raises(IsADirectoryError):
        read_npz(str(tmp_path), "a snapshot")


@pytest.mark.parametrize(
    "text", ["[", "[" * 100_000, '{"a": 1' + "0" * 5000 + "}", "\ufeff{}", "nul", ""], ids=range(6)
)
def test_json_that_is_damaged_is_one_line(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    refused(lambda: read_json(str(path), "a table"), path, "not a table")
    path.write_bytes(b'"\xff"')
    refused(lambda: read_json(str(path), "a table"), path, "not a table")


YAML = {
    "aliases": "a: &a [x, x]\n" + "\n".join(f"k{i}: &{i} [*a, *a]" for i in range(9)),
    "merges": "a: &a {x: 1}\nb: {<<: [*a, *a]}",
    "depth": "a: " + "[" * 100_000,
    "mappings": "".join(" " * i + f"k{i}:\n" for i in range(500)),
    "number": "a: 0x" + "f" * 100_000,
    "sexagesimal": "a: 1" + ":10" * 100_000,
    "digits": "a: " + "1" * 9000,
    "tag": "a: !!python/object/apply:os.system [touch hacked]",
    "key": "? [a, b]\n: 1",
    "control": "a: \x07",
    "nul": "a: \0",
}


@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
def test_yaml_takes_bounded_time_and_is_one_line(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    start = time.monotonic()
    refused(lambda: read_yaml(str(path), "a YAML file"), path, "not a YAML file")
    assert time.monotonic() - start < 5


def test_values_of_any_size_are_shown_shortly():
    deep = value = []
    for _ in range(1000):
        value.append([])
        value = value[0]
    for value in 1 << 100_000, "x" * 100_000, deep, list(range(1000)), {i: i for i in range(100)}:
        assert len(short(value)) < 200
    assert short("svc") == "'svc'" and short(12) == "12"


def test_text_from_files_is_printed_without_control_characters():
    assert printable("a\x1b[2J\r\nb\u202ec\ud800 ü漢") == "a [2J  b c  ü漢"


def test_messages_are_one_line_without_the_middle_of_endless_names():
    assert message_line("a\nb \x1b[31m c") == "a b  [31m c"
    line = message_line("cannot read " + "x/" * 10_000 + "end: no such file")
    assert len(line) < 1600 and line.startswith("cannot read x/") and line.endswith("end: no such file")


@pytest.mark.parametrize("name", ["ü.avi", "\udcfc.avi", "ü\udcfc.avi", "plain.avi"])
def test_a_name_has_a_text_in_a_locale_of_ascii_too(name, monkeypatch):
    expected = name.replace("\udcfc", "\ufffd")
    assert without_odd_bytes(name) == expected
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("ascii", "surrogateescape"))
    assert without_odd_bytes(name) == expected
