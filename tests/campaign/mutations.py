"""Ways to damage files: at random, and by what their formats are made of.

Each function takes a source of random numbers first, and returns what was done, in words, and the result.
"""

import copy
import io
import json
import struct
import zipfile

import numpy as np

# Values that fit nowhere, or hardly anywhere.
ODD_VALUES = (
    None, True, False, 0, -1, 3, 2**31, 2**63, 2**64, 10**30, -(10**400), 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", "x", "12", "x" * 20_000, "\x1b[31mred\x1b[0m\r\n\x07", "\ud800", "\0", "é", "../../x",
    [], {}, [None], [[]], [1, 2, 3], {"a": {"b": 1}}, ["x"] * 50,
)  # fmt: skip


def damage(rng, data):
    """Damage bytes anywhere."""
    data = bytearray(data)
    n = len(data)
    way = rng.choice(
        ("flip", "flip", "flip", "cut", "zero", "noise", "remove", "insert", "swap", "head", "tail")
    )
    at = rng.randrange(n)
    size = min(rng.choice((1, 4, 16, 512, 4096)), n - at)
    if way == "flip":
        size = rng.choice((1, 1, 1, 8))
        for _ in range(size):
            data[rng.randrange(n)] ^= 1 << rng.randrange(8)
    elif way == "cut":
        del data[at:]
    elif way == "zero":
        data[at : at + size] = bytes(size)
    elif way == "noise":
        data[at : at + size] = rng.randbytes(size)
    elif way == "remove":
        del data[at : at + size]
    elif way == "insert":
        data[at:at] = rng.randbytes(size)
    elif way == "swap":
        other = rng.randrange(n)
        data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]
    elif way == "head":
        at = rng.randrange(min(n, 200))
        data[at] = rng.choice((0, 1, 127, 128, 255))
    else:
        at = n - 1 - rng.randrange(min(n, 200))
        data[at] = rng.choice((0, 1, 127, 128, 255))
    return f"{way} {size} at {at} of {n}", bytes(data)


def change_json(rng, value):
    """Replace or remove one value anywhere in a tree of JSON's types, or add a key."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return "all", rng.choice(ODD_VALUES)
    # Each depth is as likely as another: most places are deep.
    depth = rng.choice(sorted({len(path) for path, _, _ in places}))
    path, container, key = rng.choice([place for place in places if len(place[0]) == depth])
    way = rng.choice(("replace", "replace", "replace", "replace", "remove", "add"))
    if way == "replace":
        container[key] = rng.choice(ODD_VALUES)
        return f"{path}: {container[key]!r:.60}", value
    if way == "remove":
        del container[key]
        return f"{path} removed", value
    if isinstance(container, dict):
        container[rng.choice(("", "new", "__class__", "\x1b[2J"))] = rng.choice(ODD_VALUES)
    else:
        container.append(rng.choice(ODD_VALUES))
    return f"one more beside {path}", value


def _places(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key), value, key
        # Of long lists of numbers a few will do.
        if not (isinstance(value, list) and key > 5):
            yield from _places(item, (*path, key))


def odd_json_text(rng):
    """A text that is no JSON, or JSON that is hard to read."""
    return rng.choice(
        (
            ("deep lists", "[" * 100_000),
            ("deep lists, closed", "[" * 50_000 + "]" * 50_000),
            ("deep objects", '{"a":' * 50_000 + "1" + "}" * 50_000),
            ("a number of many digits", "[1" + "0" * 10_000 + "]"),
            ("nothing", ""),
            ("NUL", "\0\0\0\0"),
            ("a byte order mark", "\ufeff{}"),
            ("a word", "true"),
            ("a number", "3"),
            ("a text", '"x"'),
            ("a list", "[]"),
            ("an object", "{}"),
            ("two values", "{} {}"),
            ("a list of objects", "[{}]"),
            ("a list of lists", "[[]]"),
            ("NaN", "NaN"),
            ("half a character", '"\\ud800"'),
            ("an unclosed list", '[{"iteration": 1}'),
        )
    )


def change_json_text(rng, text):
    """Change a JSON text, or a line of JSON lines, by its values, its bytes, or altogether, to bytes."""
    way = rng.choice(("values", "values", "values", "bytes", "other"))
    try:
        value = json.loads(text)
    except ValueError:
        lines = text.splitlines(keepends=True)
        i = rng.randrange(len(lines))
        what, changed = change_json_text(rng, lines[i])
        return f"line {i}: {what}", "".join(lines[:i]).encode() + changed + b"\n" + "".join(
            lines[i + 1 :]
        ).encode()
    if way == "values":
        what, value = change_json(rng, value)
        return what, json.dumps(value).encode()
    if way == "bytes":
        return damage(rng, text.encode())
    what, text = odd_json_text(rng)
    return what, text.encode()


# npz files


def read_members(path):
    """Return the members of a zip file, name to bytes."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def zip_bytes(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items() if isinstance(members, dict) else members:
            file.writestr(name, content)
    return buffer.getvalue()


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def with_header(text, data=b"", version=1, length=None):
    """The bytes of an npy file with any header."""
    text = text if isinstance(text, bytes) else text.encode()
    length = len(text) if length is None else length
    return (
        b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H" if version == 1 else "<I", length) + text + data
    )


def odd_npy(rng, content):
    """Change the bytes of an npy file by its header."""
    array = np.load(io.BytesIO(content))
    data = array.tobytes()

    def header(descr=None, order="False", shape=None, more=""):
        descr, shape = descr or repr(array.dtype.str), shape or repr(array.shape)
        return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}{more}}}\n"

    return rng.choice(
        (
            ("unbalanced header", with_header("{'descr': ((((((", data)),
            ("no header", with_header("", data)),
            ("header too long", with_header(header(), data, length=60_000)),
            ("version 9", with_header(header(), data, version=9)),
            ("header not ASCII", with_header("{'descr': '\xff\ufffe'}".encode("utf-16"), data)),
            ("deep header", with_header("(" * 9000 + ")" * 9000, data)),
            ("deep header, signs", with_header("-" * 9000 + "1", data)),
            ("NUL in the header", with_header(header(descr="'<f4\\0'"), data)),
            ("header runs code", with_header("__import__('os').system('gs')", data)),
            ("shape runs code", with_header(header(shape="(print('x'),)"), data)),
            ("object", with_header(header(descr="'|O'"), b"cos\nsystem\n(S'gs'\ntR.")),
            ("negative shape", with_header(header(shape="(-1, 4)"), data)),
            ("large shape", with_header(header(shape="(100000000000,)"), data)),
            ("overflowing shape", with_header(header(shape=f"({2**62}, {2**62})"), data)),
            ("shape of truth", with_header(header(shape="(True,)"), data)),
            ("shape of text", with_header(header(shape="'abc'"), data)),
            ("shape a number", with_header(header(shape="7"), data)),
            ("no dtype", with_header(header(descr="'nonsense'"), data)),
            ("empty dtype", with_header(header(descr="''"), data)),
            ("dtype of fields", with_header(header(descr="[('a', '<f4'), ('b', '|O')]"), data)),
            ("dtype a number", with_header(header(descr="5"), data)),
            ("dtype of dates", with_header(header(descr="'<M8[s]'"), data * 2)),
            ("order maybe", with_header(header(order="'maybe'"), data)),
            ("one key more", with_header(header(more=", 'x': 1"), data)),
            ("keys not text", with_header("{1: 2}", data)),
            ("a list", with_header("[1, 2]", data)),
            ("half of the data", content[: len(content) - max(1, len(data) // 2)]),
            ("no npy", b"PK\x03\x04" + content),
            ("empty", b""),
            ("text", b"metadata"),
        )
    )


def odd_array(rng, array):
    """An array that must not be taken for this one, of floats."""
    choices = [
        ("NaN", np.where(np.arange(array.size).reshape(array.shape) == 0, np.nan, array).astype(array.dtype)),
        ("infinity", np.full_like(array, np.inf)),
        ("a number", np.float32(0.5)),
        ("one value", array.reshape(-1)[:1].copy()),
        ("empty", array[:0] if array.ndim else np.zeros((0,), array.dtype)),
        ("flat", array.reshape(-1) if array.ndim > 1 else array.reshape(1, -1)),
        ("one axis more", array[None]),
        ("a long axis less", array[..., :-1] if array.ndim else array[None]),
        ("float64", array.astype(np.float64)),
        ("float16", array.astype(np.float16)),
        ("complex", array.astype(np.complex64)),
        ("integers", array.astype(np.int64)),
        ("truth", array.astype(bool)),
        ("text", array.astype("U8")),
        ("bytes", array.astype("S8")),
        ("fields", array.astype([("a", np.float32)])),
    ]
    return rng.choice(choices)


def change_npz(rng, path, part):
    """Change an npz file of ours by what it is made of.

    Args:
        path (str): The file.
        part (str): What the names of the arrays that are used begin with.

    Returns:
        tuple: What was done, the bytes, and whether the file may still be used.
    """
    members = read_members(path)
    names = sorted(name for name in members if name != "metadata.npy")
    floats = [name for name in names if np.load(io.BytesIO(members[name])).dtype.kind == "f"]
    floats = [name for name in floats if name.startswith(part) and not name.startswith(("ext", "_snapshot"))]
    name = rng.choice(floats)
    way = rng.choice(("array", "array", "header", "metadata", "metadata", "metadata", "text", "zip", "zip"))
    if way == "array":
        what, array = odd_array(rng, np.load(io.BytesIO(members[name])))
        members[name] = npy_bytes(array)
        return f"{name}: {what}", zip_bytes(members), False
    if way == "header":
        name = rng.choice((name, "metadata.npy"))
        what, members[name] = odd_npy(rng, members[name])
        return f"{name}: {what}", zip_bytes(members), False
    if way == "metadata":
        metadata = json.loads(str(np.load(io.BytesIO(members["metadata.npy"]))))
        what, metadata = change_json(rng, metadata)
        members["metadata.npy"] = npy_bytes(np.array(json.dumps(metadata)))
        return f"metadata {what}", zip_bytes(members), True
    if way == "text":
        what, text = odd_json_text(rng)
        kinds = (
            np.array(text),
            np.array(text.encode()),
            np.array([text] * 2),
            np.float32(1),
            np.array(b"\xff"),
        )
        i = rng.randrange(len(kinds))
        members["metadata.npy"] = npy_bytes(kinds[i])
        return f"metadata {what}, form {i}", zip_bytes(members), False
    return change_zip(rng, members, name)


def change_zip(rng, members, name):
    """Change a zip file's structure. Returns what :func:`change_npz` does."""
    content = zip_bytes(members)
    central = content.index(b"PK\x01\x02")
    if rng.random() < 0.5:
        way = rng.choice(("method", "flags", "size", "stored size", "checksum", "offset", "name", "version"))
        entry = central
        for _ in range(rng.randrange(len(members))):
            entry = content.index(b"PK\x01\x02", entry + 1)
        offset, form, value = {
            "method": (10, "<H", rng.choice((1, 8, 9, 12, 14, 93, 99))),
            "flags": (8, "<H", rng.choice((1, 8, 32, 64, 2048, 8192))),
            "size": (24, "<I", rng.choice((0, 1, 2**31, 2**32 - 2))),
            "stored size": (20, "<I", rng.choice((0, 1, 2**31, 2**32 - 2))),
            "checksum": (16, "<I", rng.randrange(2**32)),
            "offset": (42, "<I", rng.choice((0, 10, 2**31, 2**32 - 2))),
            "name": (46, "<B", rng.choice((0, 47, 255))),
            "version": (6, "<H", rng.choice((45, 99, 65535))),
        }[way]
        changed = bytearray(content)
        struct.pack_into(form, changed, entry + offset, value)
        return f"zip: {way} {value} of an entry", bytes(changed), True
    way = rng.choice(
        ("missing", "twice", "folder", "odd name", "compressed", "lzma", "bzip2", "comment", "before")
    )
    if way == "missing":
        members.pop(rng.choice((name, "metadata.npy")))
        return f"zip: {name} or metadata missing", zip_bytes(members), False
    if way == "twice":
        return f"zip: {name} twice", zip_bytes([*members.items(), (name, npy_bytes(np.float32(7)))]), False
    if way == "folder":
        return "zip: a folder beside", zip_bytes([*members.items(), ("x/", b"")]), True
    if way == "odd name":
        return (
            "zip: an odd name",
            zip_bytes([*members.items(), (rng.choice(("/etc/x", "../x", "é", "x.txt")), b"x")]),
            True,
        )
    if way == "comment":
        with io.BytesIO(content) as buffer:
            with zipfile.ZipFile(buffer, "a") as file:
                file.comment = b"x" * 1000
            return "zip: a comment", buffer.getvalue(), True
    if way == "before":
        return "zip: bytes before it", b"#!/bin/sh\nexit\n" + content, True
    method = {"compressed": zipfile.ZIP_DEFLATED, "lzma": zipfile.ZIP_LZMA, "bzip2": zipfile.ZIP_BZIP2}[way]
    return f"zip: {way}", zip_bytes(members, method), True
