"""The log of a run: a JSON object with the means of losses and scores for each interval, one a line.

A line is appended, whatever the number of lines before it. Runs of earlier versions have one JSON list
instead, in the file ``log``; they are read as well, and a resumed one goes on in the new form.
"""

import csv
import json
import os

from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path, save_text
from tgan_chainer.reading import read_json, reading

FILENAME = "log.jsonl"
TABLE_FILENAME = "log.csv"

# Last words of the names of shares, 0 to 1, which are shown in per cent.
_SHARES = "accuracy", "fooled_opponent", "was_fooled"
_OLD_FILENAME = "log"


def has_log(out):
    """Return whether a results folder holds a log, in either form."""
    return any(os.path.exists(os.path.join(out, name)) for name in (FILENAME, _OLD_FILENAME))


def read_log(out):
    """Read the log of a results folder.

    Args:
        out (str): The folder.

    Returns:
        list of dict: Each entry has ``iteration``, ``epoch``, ``elapsed_time`` (seconds) and the means of
        what was reported, such as ``dis/loss``. The list is empty if there is no log. A last line that is not
        complete, because its writer was killed, is left out.

    Raises:
        InputError: The log is damaged.
    """
    path = os.path.join(out, FILENAME)
    if os.path.exists(path):
        with reading(path, "a log of train.py"), open(path, encoding="utf-8") as file:
            entries = [json.loads(line) for line in file.read().split("\n")[:-1]]
    else:
        path = os.path.join(out, _OLD_FILENAME)
        entries = read_json(path, "a log of train.py") if os.path.exists(path) else []
    if not (isinstance(entries, list) and all(_is_entry(entry) for entry in entries)):
        raise InputError(f"{path} is not a log of train.py")
    return entries


def append(out, entry):
    """Add an entry, a dict, to the log of a results folder."""
    with open(os.path.join(out, FILENAME), "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def begin(out, source, iteration):
    """Write what the log of the folder ``source`` has up to an iteration, to go on from there in ``out``."""
    entries = [entry for entry in read_log(source) if entry["iteration"] <= iteration]
    save_text(os.path.join(out, FILENAME), "".join(json.dumps(entry) + "\n" for entry in entries))


def save_table(out, entries):
    """Write entries to ``log.csv``: a column for each name, empty where an entry lacks it."""
    first = ["iteration", "epoch", "elapsed_time"]
    names = first + sorted(set().union(*entries) - set(first))
    with (
        atomic_path(os.path.join(out, TABLE_FILENAME)) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)


def shown_names(entries):
    """Return the names of what is worth showing of entries, sorted: losses, statistics and scores.

    Of the Wasserstein estimate and D's loss, which are one number with two signs, only the former.
    """
    names = {name for entry in entries for name in entry if "/" in name}
    return sorted(names - {"dis/loss"} if "dis/wasserstein" in names else names)


def is_share(name):
    """Whether a value is a share, 0 to 1, to be shown in per cent."""
    return name.rpartition("/")[2] in _SHARES


def logged_text(name, value):
    """Return a value of an entry as text: a share as "87.5 %", anything else as "-0.1234"."""
    return f"{value:.1%}".replace("%", " %") if is_share(name) else f"{value:+.4f}"


def _is_entry(entry):
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("iteration"), int)
        and all(isinstance(value, int | float) for value in entry.values())
    )
