#!/usr/bin/env python
"""Write the table of all settings into the README.md beside this file: `make settings`."""

import dataclasses
import os
import re

from tgan_chainer.config import Config, yaml_text
from tgan_chainer.files import save_text

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md")
HEAD = "| setting | default | meaning |\n|---|---|---|\n"


def with_table(text):
    """Return the text of a README in which the table says what the fields of Config say."""
    rows = []
    for field in dataclasses.fields(Config):
        default = {"": "none", None: "left out"}.get(field.default, f"`{yaml_text(field.default)}`")
        rows.append(f"| `{field.name}` | {default} | {field.metadata['help']} |\n")
    before, after = text.split(HEAD)
    return before + HEAD + "".join(rows) + re.sub(r"\A(\|.*\n)+", "", after)


if __name__ == "__main__":
    with open(README, encoding="utf-8") as file:
        text = file.read()
    save_text(README, with_table(text))
