"""What the READMEs say can be done: their links lead somewhere, and their commands parse."""

import ast
import importlib
import os
import re
import shlex
import subprocess

import pytest
from helpers import ROOT

from tgan_chainer.commands import COMMANDS, cli

READMES = ("README.md", "experiments/README.md", "datasets/README.md", "tgan_chainer/README.md")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def code_of(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```", read(name), re.MULTILINE | re.DOTALL)


def anchors_of(path):
    """Return the names that GitHub gives to the headings of a Markdown file."""
    headings = re.findall(r"^#+ (.*)$", read(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_of(name):
    """Return the shell commands in a README: in blocks for the shell and in back quotes."""
    text = read(name)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    lines = [line for block in code_of(name, "sh") for line in block.splitlines()]
    return [c for c in lines + inline if re.match(r"(python \w+/\w+\.py|tgan|make) [\w-]", c)]


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", read(name)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
        assert os.path.exists(os.path.join(ROOT, path)), target
        assert not anchor or anchor in anchors_of(path), target


@pytest.mark.parametrize("name", READMES)
def test_python_blocks_parse_and_import_what_is_there(name):
    for block in code_of(name, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)


COMMAND_LINES = sorted({command for name in READMES for command in commands_of(name)})


class Parsed(Exception):
    """All options of a command were understood."""


@pytest.mark.parametrize("command", [c for c in COMMAND_LINES if not c.startswith("make")])
def test_commands_parse(command, monkeypatch):
    def parse_args(parser, *args, **kwargs):
        parse(parser, *args, **kwargs)
        raise Parsed

    parse = cli.ArgumentParser.parse_args
    monkeypatch.setattr(cli.ArgumentParser, "parse_args", parse_args)
    program, *words = shlex.split(command, comments=True)
    if program == "python":
        script, *words = words
        assert os.path.exists(os.path.join(ROOT, script))
        name = os.path.splitext(os.path.basename(script))[0]
    else:
        name, *words = words
        name = name.replace("-", "_")
        assert name in COMMANDS or name == "__version"
        if not words:  # it is only named
            return
    module = f"tgan_chainer.commands.{name}" if name in COMMANDS else f"experiments.{name}"
    with pytest.raises(Parsed):
        importlib.import_module(module).main(words)


@pytest.mark.parametrize("command", [c for c in COMMAND_LINES if c.startswith("make")])
def test_make_knows_the_targets(command):
    words = shlex.split(command, comments=True)
    query = subprocess.run([*words, "-n"], cwd=ROOT, capture_output=True, text=True)
    assert "No rule to make target" not in query.stderr


def test_there_are_commands_to_test():
    assert len(COMMAND_LINES) > 20
    assert len(read("README.md").splitlines()) <= 130
