"""What all commands share: how they are called, what they say, and how they fail."""

import gc
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ENVIRONMENT, ROOT, assert_one_line_error, call

from tgan_chainer import commands, processes
from tgan_chainer.commands import COMMANDS, cli

RUN = "train show generate interpolate export demo figures evaluate tables report train_classifier".split()


@pytest.mark.parametrize("name", RUN)
def test_help_shows_the_way_the_command_was_called(name, monkeypatch):
    text = call(f"{name}.py", "--help").stdout
    assert f"\n  python experiments/{name}.py" in text
    monkeypatch.setattr(cli, "program", ["tgan", name])
    text = call(f"{name}.py", "--help").stdout
    assert f"\n  tgan {name}" in text and "python experiments/" not in text and "%" not in text


def test_a_percent_sign_is_one_in_every_help():
    assert "hold 95 % of" in call("evaluate.py", "gam", "--help").stdout


def test_a_module_can_be_called_by_what_it_says_to_go_on():
    """``python -m tgan_chainer`` calls itself so, ``tgan`` itself ``tgan``."""
    code = "import sys; sys.argv[0] = {!r}; from tgan_chainer.commands import main; main()"
    for argv0, expected in ("/usr/bin/tgan", "usage: tgan train"), ("x/__main__.py", "-m tgan_chainer train"):
        result = subprocess.run(
            [sys.executable, "-c", code.format(argv0), "train", "--help"],
            capture_output=True, text=True, env={**ENVIRONMENT, "PYTHONPATH": ROOT, "COLUMNS": "200"},
        )  # fmt: skip
        assert result.returncode == 0 and expected in result.stdout, result.stderr


def call_tgan(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tgan", *arguments])
    with pytest.raises(SystemExit) as caught:
        commands.main()
    return caught.value.code, capsys.readouterr()


def test_without_a_command_all_are_listed(capsys, monkeypatch):
    status, printed = call_tgan(capsys, monkeypatch)
    assert status == 2 and printed.out == ""
    assert all(f"\n  {name} " in printed.err for name in COMMANDS)
    status, printed = call_tgan(capsys, monkeypatch, "--help")
    assert status == 0 and all(f"\n  {name} " in printed.out for name in COMMANDS)


def test_a_mistyped_command_is_told_the_nearest(capsys, monkeypatch):
    for arguments, hint in (["trian", "--gpu", "0"], "train"), (["moving-mnits"], "moving_mnist"):
        status, printed = call_tgan(capsys, monkeypatch, *arguments)
        assert status == 2
        assert printed.err == f"error: there is no command {arguments[0]}; did you mean {hint}?\n"
    assert "tgan --help lists all" in call_tgan(capsys, monkeypatch, "xyz")[1].err


def test_errors_are_printed_without_control_characters(capsys):
    def fail():
        raise cli.InputError("a\x1b[2J\nb")

    with pytest.raises(SystemExit) as caught:
        cli.run_command(fail)
    assert caught.value.code == 2 and capsys.readouterr().err == "error: a [2J b\n"


def test_ctrl_c_within_a_destructor_is_not_lost(capfd):
    class Thing:
        def __del__(self):
            raise KeyboardInterrupt  # as a signal does that comes here; Python would print and forget it

    def main():
        Thing()
        gc.collect()
        time.sleep(10)

    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as caught:
            cli.run_command(main)
    finally:
        signal.signal(signal.SIGINT, old)
        sys.unraisablehook = sys.__unraisablehook__
    assert caught.value.code == 130


def test_the_scripts_are_those_of_the_commands():
    for name in COMMANDS:
        folder = "datasets" if name in ("moving_mnist", "ucf101", "golf", "video_folder") else "experiments"
        with open(os.path.join(ROOT, folder, f"{name}.py")) as file:
            assert f'run("{name}")' in file.read()


@pytest.fixture(params=[0, 1])
def rank(request, monkeypatch):
    """The number of this process, as one of two that mpiexec started."""
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", str(request.param))
    monkeypatch.setattr(processes, "_errors", None)
    return request.param


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--iteration", 2)])
def test_what_all_of_several_processes_would_say_the_first_one_says(rank, argument, status):
    result = call("train.py", argument)
    assert bool(result.stdout + result.stderr) == (rank == 0)
    assert result.returncode == (status if rank == 0 else 0)


@pytest.mark.parametrize("name", sorted({*RUN} - {*commands.OF_SEVERAL}))
def test_the_work_of_one_process_is_refused_to_several(rank, name):
    result = call(f"{name}.py")
    if rank == 0:
        assert_one_line_error(result, "mpiexec started 2 processes, but this is the work of one: call ")
    else:
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
