"""The page about tables: nothing in a file is markup."""

import html.parser
import json

from reproduction.markup import EVIL

from tgan_chainer.reproduction.page import write_page
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
