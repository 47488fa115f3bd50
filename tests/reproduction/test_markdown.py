"""Tables as Markdown: nothing in a file is markup."""

import re

import pytest

from tgan_chainer.reproduction import markdown
from tgan_chainer.reproduction.tables import view


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


@pytest.mark.parametrize(
    "text", ["4.70 [1.26, 7.67] (reduced)", "tgan_moving_mnist", "+3.00", "43 min / 36 min"]
)
def test_plain_text_stays_as_it_is_in_markdown(text):
    assert markdown.escape(text) == text
