"""A table as Markdown."""

import re

from tgan_chainer.reproduction.departures import REDUCED

# What Markdown, or HTML within it, would take for markup. An underscore within a word is none.
_MARKUP = re.compile(r"[\\`*|<>&]|(?<!\w)_|_(?!\w)|\](?=[(\[])|^(?:#|[-+]|\d+[.)])(?=\s)")


def escape(text):
    """Return text that Markdown shows as it is: nothing in it is markup, a link, or the end of a cell."""
    return _MARKUP.sub(lambda match: match[0][:-1] + "\\" + match[0][-1], text)


def render(view):
    """Return a :class:`~tgan_chainer.reproduction.tables.View` as Markdown, a section with its heading."""
    lines = [f"# {escape(view.title)}", ""]
    if view.note:
        lines += [f"**{REDUCED}** {escape(view.note)}", ""]
    rows = [[escape(cell) for cell in row] for row in view.rows]
    for row in view.header, ["---"] * len(view.header), *rows:
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, *(part for line in view.origin for part in ("", escape(line))), ""])
