"""Ways to change an HDF5 video file by what it is made of."""

import os

import h5py
import numpy as np


def change(rng, path, sound):
    """Change a file in place.

    Args:
        rng: Source of random numbers.
        path (str): The file.
        sound (str): Another one, whole, that links may lead to.

    Returns:
        tuple: What was done, in words, and whether the file may still be used, with the same result.
    """
    name, way = rng.choice(list(WAYS.items()))
    with h5py.File(path, "r+") as file:
        what = way(rng, file, os.path.abspath(sound))
    return f"{name} {what or ''}", name in MAY_WORK


def _replace(file, name, data, **options):
    attributes = dict(file[name].attrs) if name in file else {}
    if name in file:
        del file[name]
    made = file.create_dataset(name, data=data, **options)
    made.attrs.update(attributes)


def _attribute_of_any_type(rng, file, sound):
    name = rng.choice(sorted(file.attrs))
    values = {
        "an empty one": h5py.Empty("f4"),
        "a number": 3.5,
        "a large integer": np.uint64(2**64 - 1),
        "NaN": float("nan"),
        "an array": np.arange(6).reshape(2, 3),
        "texts": np.array(["a", "b"], dtype=h5py.string_dtype()),
        "bytes": np.bytes_(b"\xff\xfe"),
        "odd bytes": np.array(b"tgan\xff", dtype=h5py.string_dtype("ascii")),
        "fields": np.zeros((), [("a", "f4"), ("b", "i2")]),
        "truth": np.bool_(True),
        "a reference": file["frames"].ref,
        "complex": 1j,
        "a long text": "x" * 60_000,
        "control characters": "\x1b[31mred\n\x07",
        "opaque": np.void(b"abc"),
        "an enumeration": np.array(1, dtype=h5py.enum_dtype({"A": 0, "B": 1})),
    }
    which = rng.choice(sorted(values))
    del file.attrs[name]
    try:
        file.attrs[name] = values[which]
    except (TypeError, ValueError, OSError):
        return f"{name} removed"
    return f"{name}: {which}"


def _attribute_removed(rng, file, sound):
    name = rng.choice(sorted(file.attrs))
    del file.attrs[name]
    return name


def _group(rng, file, sound):
    name = rng.choice(sorted(file))
    del file[name]
    file.create_group(name)
    return name


def _removed(rng, file, sound):
    name = rng.choice(("frames", "offsets"))
    del file[name]
    return name


def _dtype(rng, file, sound):
    name = rng.choice(("frames", "offsets", "labels", "label_names"))
    data = file[name][()]
    kind = rng.choice(("f4", "i8", "c8", "S3", "fields", "text", "u8"))
    if name == "frames":
        data = data[..., 0, 0, :1] if kind in ("text", "fields") else data
        kind = "f4" if kind == "u8" else kind
    if kind == "fields":
        data = np.zeros(data.shape, [("a", "i4")])
    elif kind == "text":
        _replace(file, name, data.astype(str).astype(object), dtype=h5py.string_dtype())
        return f"{name} of texts"
    elif name == "label_names":
        data = np.arange(len(data))
    elif name in ("offsets", "labels") and kind in ("i8", "u8"):
        data = data.astype("f8")
    else:
        data = data.astype(kind)
    _replace(file, name, data)
    return f"{name} of {data.dtype}"


def _shape(rng, file, sound):
    name = rng.choice(("frames", "offsets", "labels"))
    data = file[name][()]
    data = rng.choice((data[None], data[..., None], data.reshape(-1)[:1], data[:0], data.reshape(-1)[0]))
    _replace(file, name, data)
    return f"{name} {np.shape(data)}"


def _offsets(rng, file, sound):
    offsets = file["offsets"][()]
    i = rng.randrange(len(offsets))
    values = {-1, 0, 10**6, 2**62, -(2**63)} - {int(offsets[i])}
    if i in (0, len(offsets) - 1):  # a frame more of a clip, and less of the next, is a sound data set, too
        values |= {int(offsets[i]) + 1, int(offsets[i]) - 1}
    offsets[i] = rng.choice(sorted(values))
    _replace(file, "offsets", offsets)
    return f"[{i}] = {offsets[i]}"


def _labels(rng, file, sound):
    labels = file["labels"][()]
    labels[rng.randrange(len(labels))] = rng.choice((-1, 2, 2**40, -(2**63)))
    _replace(file, "labels", labels)


def _large(rng, file, sound):
    shape = rng.choice(
        ((10**9, 16, 16, 3), (2**40, 16, 16, 3), (160, 2**20, 2**20, 3), (160, 30_000, 30_000, 1))
    )
    offsets = np.linspace(0, shape[0], len(file["offsets"])).astype(np.int64)
    attributes = dict(file["frames"].attrs)
    del file["frames"]
    made = file.create_dataset(
        "frames", shape, np.uint8, chunks=(1, *shape[1:-1], 1) if shape[1] < 64 else (1, 64, 64, 1)
    )
    made.attrs.update(attributes)
    _replace(file, "offsets", offsets)
    return f"{shape}"


def _many_offsets(rng, file, sound):
    del file["offsets"]
    file.create_dataset("offsets", (2**36,), np.int64, chunks=(2**16,))


def _external_link(rng, file, sound):
    name = rng.choice(("frames", "offsets", "labels", "label_names"))
    del file[name]
    file[name] = h5py.ExternalLink(sound, f"/{name}")
    return name


def _soft_link(rng, file, sound):
    name = rng.choice(("frames", "offsets", "labels"))
    del file[name]
    file[name] = h5py.SoftLink(rng.choice(("/nowhere", f"/{name}")))
    return name


def _external_storage(rng, file, sound):
    name = rng.choice(("frames", "offsets"))
    shape, dtype = file[name].shape, file[name].dtype
    size = int(np.prod(shape)) * dtype.itemsize
    del file[name]
    file.create_dataset(name, shape, dtype, external=[(sound, 0, size)])
    return name


def _virtual(rng, file, sound):
    name = rng.choice(("frames", "offsets", "labels"))
    layout = h5py.VirtualLayout(file[name].shape, file[name].dtype)
    layout[...] = h5py.VirtualSource(sound, name, file[name].shape)
    del file[name]
    file.create_virtual_dataset(name, layout)
    return name


def _names(rng, file, sound):
    texts = [b"\xff\xfe", b"\x1b[31mred\n", b"x" * 50_000, b""]
    _replace(file, "label_names", [rng.choice(texts), b"other"], dtype=h5py.string_dtype())


def _one_more(rng, file, sound):
    file.create_dataset("more", data=np.arange(3))


WAYS = {
    "attribute": _attribute_of_any_type,
    "attribute removed": _attribute_removed,
    "a group for": _group,
    "removed": _removed,
    "dtype": _dtype,
    "shape": _shape,
    "offsets": _offsets,
    "labels": _labels,
    "declared": _large,
    "many offsets": _many_offsets,
    "external link": _external_link,
    "soft link": _soft_link,
    "external storage": _external_storage,
    "virtual": _virtual,
    "label names": _names,
    "one data set more": _one_more,
}
MAY_WORK = (
    "attribute",
    "attribute removed",
    "one data set more",
    "label names",
    "a group for",
    "frame",
    "labels",
)
