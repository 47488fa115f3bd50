"""Files of tables: old ones are read, damaged ones refused in one line or do no harm."""

import copy
import json
import os
import random

import pytest
from helpers import EXPERIMENTS, refused

from tgan_chainer.errors import InputError
from tgan_chainer.reproduction import markdown
from tgan_chainer.reproduction.page import write_page
from tgan_chainer.reproduction.tables import TableFile, load_sections, view

GALLERY = os.path.join(EXPERIMENTS, "gallery")


def write(folder, content, number=3):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / f"table{number}.json").write_text(text)


@pytest.mark.parametrize(
    "number, preset, name",
    [
        (3, "cpu", "table3_cpu"),
        (3, "digits", "table3_digits"),
        (3, "digits", "table3_digits_seed1"),
        (4, "digits", "table4_digits"),
    ],
)
def test_the_gallerys_tables_are_those_of_their_numbers(number, preset, name):
    with open(os.path.join(GALLERY, f"{name}.json"), encoding="utf-8") as file:
        section = json.load(file)[preset]
    with open(os.path.join(GALLERY, f"{name}.md"), encoding="utf-8") as file:
        assert markdown.render(view(number, preset, section)) == file.read()


def test_a_table_of_before_departures_were_fields_is_read(sections):
    for row in sections["cpu"]["rows"].values():
        row.pop("departures", None)
        row["reduced"] = ["10,000 of 100,000 iterations", "data: mine, not Moving MNIST"]
        for key in "r_test_accuracies", "r_sample_accuracies", "fair":
            row["game"].pop(key, None)
    shown = view(3, "cpu", sections["cpu"])
    assert shown.note.endswith("10,000 of 100,000 iterations; data: mine, not Moving MNIST.")
    column = shown.header.index("r_test by accuracies")
    assert [row[column] for row in shown.rows] == ["1.04", "0.98", "1.07"]
    assert all(row[2].endswith("(reduced)") for row in shown.rows)


def test_rows_of_another_version_stay_in_the_file(tmp_path, sections):
    sections["cpu"]["rows"]["A row that was"] = {**sections["cpu"]["rows"]["TGAN vs. 3D model (GAN)"]}
    write(tmp_path, sections)
    TableFile(3, "cpu", str(tmp_path)).write()
    written = json.loads((tmp_path / "table3.json").read_text())["cpu"]["rows"]
    assert written["A row that was"] == sections["cpu"]["rows"]["A row that was"] and len(written) == 4


# Damage


VALUES = [
    None,
    True,
    -1,
    0,
    1.5,
    "",
    "nan",
    "text",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    10**400,
    float("nan"),
    1e308,
]


def places(value, path=()):
    """Yield the path of each value within a JSON document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(document, path, value):
    if not path:
        return value
    document = copy.deepcopy(document)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    if value is KeyError:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return document


def test_whatever_is_wrong_with_a_table_is_one_line_or_does_no_harm(tmp_path, sections):
    """Each value in turn becomes another one, or is missing."""
    (tmp_path / "results").mkdir()
    rng, outcomes = random.Random(0), {True: 0, False: 0}
    one = {"cpu": {**sections["cpu"], "rows": dict([*sections["cpu"]["rows"].items()][:1])}}
    for path in places(one):
        for value in rng.sample(VALUES, 3) + [KeyError] * bool(path):
            try:
                write(tmp_path, json.dumps(changed(one, path, value)))
            except ValueError:  # Python prints no numbers of so many digits
                continue
            try:
                found = load_sections(3, str(tmp_path))
                TableFile(3, "cpu", str(tmp_path)).markdown()
                for preset, section in found.items():
                    markdown.render(view(3, preset, section))
            except InputError as error:
                assert "\n" not in str(error) and "table3.json" in str(error)
                outcomes[False] += 1
            else:
                outcomes[True] += 1
    assert min(outcomes.values()) > 50


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "null", "3", '"text"', '{"cpu": 3}', '{"cpu": {}}', "[" * 100_000, '{"a":' * 5_000]
    + ['{"cpu": {"format": "tgan_chainer table 9", "rows": {}}}', "\udcff\udcfe", "1" * 5000, "\x00" * 99],
)
def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "table3.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(lambda: load_sections(3, str(tmp_path)), "table3.json")
    refused(lambda: TableFile(3, "cpu", str(tmp_path)), "table3.json")
    refused(lambda: write_page(str(tmp_path), str(tmp_path / "page.html")), "table3.json")
    assert not (tmp_path / "page.html").exists()
