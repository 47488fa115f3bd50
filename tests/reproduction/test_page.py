"""The page about tables: nothing in a file is markup."""

import html.parser
import json
import pathlib
import shutil

import pytest
from reproduction.markup import EVIL

from tgan_chainer.reproduction.page import figure, write_page
from tgan_chainer.reproduction.tables import view


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
    (tmp_path / "table3.json").write_text(json.dumps(evil))
    text = open(write_page(str(tmp_path), str(tmp_path / "page.html")), encoding="utf-8").read()
    page, shown = Page(text), view(3, "cpu", evil["cpu"])
    assert page.cells == [cell for row in (shown.header, *shown.rows) for cell in row]
    assert "img" not in page.tags and "script" not in page.tags and "a" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "\x1b" not in text


def test_a_folder_without_snapshots_is_told_from_one_that_is_not_there(tmp_path):
    (tmp_path / "empty").mkdir()
    assert figure(str(tmp_path / "empty"), "TGAN", None).problem.endswith("empty holds no snapshot.")
    assert figure(str(tmp_path / "none"), "TGAN", None).problem.endswith("none is not there.")


TABLE = pathlib.Path(__file__).parents[2] / "experiments" / "gallery" / "table3_cpu.json"
# Returns the words in cells that are broken over two lines.
BROKEN_WORDS = """
const broken = [];
for (const cell of document.querySelectorAll("td")) {
  const text = cell.firstChild;
  for (const word of text?.data.matchAll(/[^ ]+/g) ?? []) {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    if (range.getClientRects().length > 1) broken.push(word[0]);
  }
}
return broken;
"""


@pytest.mark.parametrize("width", [390, 800, 1100, 1260, 1400])
def test_it_fits_the_window_and_no_word_is_broken(browser, tmp_path, width):
    shutil.copy(TABLE, tmp_path / "table3.json")
    write_page(str(tmp_path), str(tmp_path / "page.html"))
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get((tmp_path / "page.html").as_uri())
        sizes = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert sizes[0] <= sizes[1] == width, sizes
        assert browser.execute_script(BROKEN_WORDS) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
