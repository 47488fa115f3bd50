"""Whether results are whole, and what stands in them."""

import json
import os

import numpy as np
import yaml
from campaign.harness import require
from PIL import Image

# What says when or how long something was done, in files whose other content is the same each time.
OF_TIMES = {"seconds", "samples_per_second", "made_by", "date", "load_average", "elapsed_time", "wall_time"}


def require_whole(path, expected, writer, outcome):
    """Require that a file with a final name can be read, to its end."""
    name = os.path.basename(path)
    if name.startswith(".") or ".parts" in path or "/log" in path:
        return
    if writer.exact:
        require(os.path.exists(expected), f"a file {name} that does not belong there", outcome)
        require(content(path) == content(expected), f"{name} is not what it should be", outcome)
        return
    try:
        READERS[os.path.splitext(name)[1]](path)
    except Exception as error:
        require(False, f"{name} cannot be read: {type(error).__name__}: {error}", outcome)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def read_npz(path):
    """Return an npz file's arrays, without what tells times."""
    with np.load(path) as file:
        arrays = {key: file[key] for key in file}
    metadata = timeless(json.loads(str(arrays.pop("metadata"))))
    kept = {
        key: (a.dtype.str, a.shape, a.tobytes())
        for key, a in arrays.items()
        if not key.endswith(("_log", "_time"))
    }
    return kept, metadata


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in OF_TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def read_image(path):
    with Image.open(path) as image:
        image.seek(getattr(image, "n_frames", 1) - 1)
        image.load()


def read_html(path):
    require(content(path).rstrip().endswith(b"</html>"), f"{path} is cut")


def read_yaml(path):
    require(isinstance(yaml.safe_load(content(path)), dict), f"{path} is cut")


READERS = {
    ".npz": read_npz,
    ".json": lambda path: timeless(json.loads(content(path))),
    ".png": read_image,
    ".gif": read_image,
    ".html": read_html,
    ".yaml": read_yaml,
}
