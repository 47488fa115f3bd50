"""Files of tables: old ones are read, damaged ones refused in one line, and nothing in them is markup."""

import copy
import html.parser
import json
import os
import random
import re

import pytest
from helpers import EXPERIMENTS, refused

from tgan_chainer.errors import InputError
from tgan_chainer.reproduction import markdown
from tgan_chainer.reproduction.page import write_page
from tgan_chainer.reproduction.tables import TableFile, load_sections, view

GALLERY = os.path.join(EXPERIMENTS, "gallery")


@pytest.fixture
def sections():
    with open(os.path.join(GALLERY, "table3_cpu.json"), encoding="utf-8") as file:
        return json.load(file)


def write(folder, content, number=3):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / f"table{number}.json").write_text(text)


def test_the_gallerys_table_is_that_of_its_numbers(sections):
    with open(os.path.join(GALLERY, "table3_cpu.md"), encoding="utf-8") as file:
        assert markdown.render(view(3, "cpu", sections["cpu"])) == file.read()


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


# Markup


EVIL = (
    "a | b <img src=x onerror=alert(1)> [link](javascript:x) *star* _line_ `code` ![p](http://x) \x1b[2J\r\n"
    "# x &lt;"
)


@pytest.fixture
def evil(sections):
    row = sections["cpu"]["rows"]["TGAN vs. 3D model (GAN)"]
    row["departures"] = [{"what": EVIL, "here": EVIL, "there": None}]
    row["note"] = row["winner"] = EVIL
    for run in row["runs"]:
        run["hardware"] = run["commit"] = EVIL
    row["scored"]["data"] = EVIL
    sections["cpu"]["rows"][EVIL] = {"status": EVIL, "paper": 1.0, "paper_spread": None}
    sections["cpu"]["title"] = EVIL
    return sections


def test_nothing_in_a_file_is_markdown(evil):
    shown = view(3, "cpu", evil["cpu"])
    text = markdown.render(shown)
    assert "\x1b" not in text and "\r" not in text
    for line in text.splitlines():
        if line.startswith("| "):
            assert len(re.split(r"(?<!\\)\|", line)) == len(shown.header) + 2
        plain = re.sub(r"\\.", "", line).replace(
            "**REDUCED: not a reproduction of the paper's numbers.**", ""
        )
        assert not re.search(r"[<>*`&]|\]\(|(?<!\w)_|_(?!\w)", plain), line


class Page(html.parser.HTMLParser):
    """Collects tags and attributes, and the text of cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.cells, self._open = set(), set(), [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self._open = tag in ("td", "th")
        if self._open:
            self.cells.append("")

    def handle_endtag(self, tag):
        self._open &= tag not in ("td", "th")

    def handle_data(self, text):
        if self._open:
            self.cells[-1] += text


def test_nothing_in_a_file_is_html(tmp_path, evil):
    evil["cpu"]["rows"]["TGAN vs. 3D model (GAN)"]["folders"] = {EVIL: "no/such/folder"}
    write(tmp_path, evil)
    text = open(write_page(str(tmp_path), str(tmp_path / "page.html")), encoding="utf-8").read()
    page, shown = Page(text), view(3, "cpu", evil["cpu"])
    assert page.cells == [cell for row in (shown.header, *shown.rows) for cell in row]
    assert "img" not in page.tags and "script" not in page.tags and "a" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "text", ["4.70 [1.26, 7.67] (reduced)", "tgan_moving_mnist", "+3.00", "43 min / 36 min"]
)
def test_plain_text_stays_as_it_is_in_markdown(text):
    assert markdown.escape(text) == text
