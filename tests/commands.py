"""Running the commands of experiments/ from tests."""

import contextlib
import io
import os
import runpy
import subprocess
import sys
from unittest import mock

import pytest

EXPERIMENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "experiments")


def call(name, *arguments):
    """Run a command within this process, which saves the time of importing everything again."""
    path, argv = os.path.join(EXPERIMENTS, name), list(map(str, arguments))
    output, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", [path, *argv]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        pytest.raises(SystemExit) as caught,
    ):
        runpy.run_path(path, run_name="__main__")
    return subprocess.CompletedProcess(argv, caught.value.code or 0, output.getvalue(), errors.getvalue())


def assert_one_line_error(result, *words):
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    for word in words:
        assert word in lines[0]
