"""Take out of stand_in/names.txt what the real CuPy, which must be installed, has not.

Run it once with each version of CuPy. None needs a GPU for this.
"""

import importlib
import inspect
import pathlib
import re

NAMES = pathlib.Path(__file__).parent / "stand_in" / "names.txt"
PLACES = (
    "cupy cupy.ndarray cupy.linalg cupy.random cupy.cuda cupy.cuda.runtime cupy.cuda.Device cupy.cuda.Event "
    "cupy.cuda.Stream"
).split()


def find(name):
    """Return the object of a dotted name."""
    found = importlib.import_module("cupy")
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def parameters(function):
    """Return the names of a function's parameters; None where they are not told."""
    try:
        found = inspect.signature(function).parameters
        return None if {"args", "kwargs"} & set(found) else list(found)
    except (ValueError, TypeError):  # Cython tells them in the first line of the docstring
        told = re.match(r"[\w.]+\((.*)\)", (getattr(function, "__doc__", None) or "").split("\n")[0])
        return told and [re.split(r"[ *]", p.split("=")[0].strip())[-1] for p in told[1].split(",")]


def main():
    lines = {line.split()[0]: line.split()[1:] for line in NAMES.read_text().splitlines()}
    for name, known in list(lines.items()):
        try:
            real = parameters(find(name))
        except (AttributeError, ImportError):
            del lines[name]
            continue
        if known and real is not None:
            lines[name] = [p for p in known if p in real]
    NAMES.write_text("".join(" ".join([name, *known]) + "\n" for name, known in sorted(lines.items())))


if __name__ == "__main__":
    main()
