"""The tables as files: ``tableN.json``, with a section for each preset, and what is shown of it."""

import dataclasses
import math
import os

from tgan_chainer.evaluations.gam import is_fair, ratios_of, score_text
from tgan_chainer.files import locked, save_json, save_text
from tgan_chainer.reading import printable, read_json, reading
from tgan_chainer.reproduction import departures, markdown
from tgan_chainer.reproduction.rows import TABLES

FORMAT = "tgan_chainer table 1"
PRESETS = "paper", "cpu", "digits", "smoke"
WORLDS = {"digits": " (an EASIER WORLD: one moving digit in 32×32 pixels)"}  # where not that of the title


@dataclasses.dataclass(frozen=True)
class View:
    """What is shown of a section: text without control characters, not yet escaped.

    Attributes:
        title (str): The table's title and the preset.
        note (str): In what it departs from the paper; empty if it does not.
        header (list of str): The table's columns.
        rows (list of lists of str): Its cells.
        origin (list of str): On what data, when and by what it was scored.
        runs (dict): Names of models → their folders, as seen from the file's.
    """

    title: str
    note: str
    header: list
    rows: list
    origin: list
    runs: dict


class TableFile:
    """A ``tableN.json`` with its Markdown, which several processes may write to.

    Args:
        number (int): The table's number in the paper.
        preset (str): The section that is written to.
        folder (str): Where the files lie.

    Raises:
        InputError: The file that is there is damaged, or of another version.
    """

    def __init__(self, number, preset, folder="results"):
        self.number, self.preset, self.folder = number, preset, folder
        self.path = os.path.join(folder, f"table{number}")
        self.sections = self._load()

    def entry(self, row):
        """Return what is known of a :class:`~tgan_chainer.reproduction.rows.Row`, a dict, by the file."""
        self.sections = self._load()  # another process may have added it meanwhile
        return self.sections[self.preset]["rows"][row.name]

    def add(self, row, result):
        """Replace what is known of a row, and write. A score stays if it could not be taken again."""
        known = self.entry(row)
        if known["status"] == "done" and result["status"] != "done":
            result = {**known, "note": result["status"]}
        else:
            result = {key: value for key, value in result.items() if key != "note"}
        if "ours" in result:
            result["difference"] = float(result["ours"]) - row.paper  # JSON has NaN as a text
        self.write(row, {**_papers(row), **result})

    def write(self, row=None, entry=None):
        """Write the files, with a new entry if one is given."""
        with locked(self.folder, wait=True):  # another process may have added others meanwhile
            self.sections = self._load()
            if row is not None:
                self.sections[self.preset]["rows"][row.name] = entry
            save_json(f"{self.path}.json", self.sections)
            save_text(f"{self.path}.md", self.markdown())

    def markdown(self):
        order = [name for name in PRESETS if name in self.sections]
        return "\n".join(markdown.render(view(self.number, name, self.sections[name])) for name in order)

    def _load(self):
        sections = load_sections(self.number, self.folder)
        found = sections.get(self.preset, {}).get("rows", {})
        table = TABLES[self.number]
        rows = {}
        for row in table.rows:
            rows[row.name] = {**found.get(row.name, {"status": "not run"}), **_papers(row)}
        rows |= {name: row for name, row in found.items() if name not in rows}  # of another version
        sections[self.preset] = {"format": FORMAT, "title": table.title, "rows": rows}
        return sections


def _papers(row):
    return {"paper": row.paper, "paper_spread": row.paper_spread, "config": row.config}


def load_sections(number, folder):
    """Read the sections of a tableN.json, by their presets; none if there is no such file.

    Raises:
        InputError: It is damaged, or of another version.
    """
    path = os.path.join(folder, f"table{number}.json")
    if not os.path.exists(path):
        return {}
    kind = "a table of this version"
    sections = read_json(path, kind)
    with reading(path, kind):
        for preset, section in sections.items():
            if section["format"] != FORMAT:
                raise ValueError(f"its format is {section['format']}")
            view(number, preset, section)  # meets whatever is missing or of another type
    return sections


def view(number, preset, section):
    """Return the :class:`View` of a section of tableN.json."""
    header = ["row", "paper", "ours", "difference"]
    if number == 3:
        header[2] += " [95 % interval]"
        header += ["winner", "by accuracies", "r_test by errors (of D_A / D_B)", "r_test by accuracies"]
        header += ["by batch statistics"]
    header += ["iterations", "seed", "wall time", "hardware", "commit"]
    rows = [_cells(number, name, row) for name, row in section["rows"].items()]
    runs = {}
    for row in section["rows"].values():
        runs |= row.get("folders", {})
    return View(
        title=printable(f"{section['title']}, preset {preset}{WORLDS.get(preset, '')}"),
        note=printable(_note(section)),
        header=header,
        rows=[[printable(cell) for cell in row] + [""] * (len(header) - len(row)) for row in rows],
        origin=[printable(line) for line in _origin(section)],
        runs={printable(name): os.fspath(path) for name, path in runs.items()},
    )


def _cells(number, name, row):
    cells = [name, _with_spread(row["paper"], row["paper_spread"])]
    if row["status"] != "done":
        return [*cells, row["status"]]
    ours = _with_spread(row["ours"], row["spread"]) + (" (reduced)" if _departures(row) else "")
    ours += f" (as scored before; now {row['note']})" if "note" in row else ""
    difference = float(row["difference"])
    cells += [ours, score_text(difference, "+.2f") if math.isfinite(difference) else ""]
    if number == 3:
        game, errors = row["game"], row["game"]["errors"]
        ratios = {key: score_text(value) for key, value in ratios_of(errors).items()}
        cells += [
            row["winner"],
            ratios["r_sample_accuracies"],
            f"{ratios['r_test']} ({errors['test_a']:.1%} / {errors['test_b']:.1%})",
            ratios["r_test_accuracies"] + ("" if is_fair(errors) else ", not fair"),
            score_text(game["batch_statistics"]["r_sample"]),
        ]
    for values in zip(*map(_training_cells, row["runs"])):
        cells.append(" / ".join(dict.fromkeys(values)))
    return cells


def _training_cells(run):
    return [
        *(f"{run['iterations']:,}", str(run["seed"]), _duration(run["wall_time"])),
        *(str(run["hardware"] or "unknown"), str(run["commit"] or "unknown")),
    ]


def _departures(row):
    """Return in what a row departs from the paper's, as text. Older files have nothing but text."""
    if "departures" not in row:
        return [str(text) for text in row["reduced"]]
    return [departure.text for departure in departures.from_json(row["departures"])]


def _note(section):
    done = {name: _departures(row) for name, row in section["rows"].items() if row["status"] == "done"}
    trained = {name for name in done if section["rows"][name]["runs"]}  # but for the data set's own row
    found = []
    for text in sorted(set().union(*done.values())):
        names = [name for name in done if text in done[name]]
        found.append(text if trained.issubset(names) else f"{text} ({', '.join(names)})")
    return f"What falls short: {'; '.join(found)}." if found else ""


def _origin(section):
    """Return lines that say on what data, when and by what rows were scored; one line if all agree."""
    found = {}
    for name, row in section["rows"].items():
        if "scored" in row:
            how = row["scored"]
            line = f"data: {how['data']}. Scored on {how['hardware']}, commit {how['commit'] or 'unknown'}, "
            found.setdefault(f"{line}{how['date'].split()[0]}.", []).append(name)
    if len(found) == 1:
        (line,) = found
        return [line[0].upper() + line[1:]]
    return [f"{', '.join(names)}: {line}" for line, names in found.items()]


def _with_spread(value, spread):
    if spread is None:
        return score_text(value)
    if isinstance(spread, list | tuple):  # an interval
        return f"{score_text(value)} [{', '.join(map(score_text, spread))}]"
    return f"{score_text(value)} ± {spread:.2f}"


def _duration(seconds):
    if seconds is None or not math.isfinite(float(seconds)):
        return "unknown"
    hours, minutes = divmod(round(float(seconds) / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
