"""What is trained and scored for a table, and where; that it is, tests of the command show."""

import os
import socket
import subprocess
import sys
import time

import pytest
from helpers import ENVIRONMENT, refused

from tgan_chainer.commands import train
from tgan_chainer.commands.options import given_settings
from tgan_chainer.config import Config, as_options
from tgan_chainer.errors import InputError
from tgan_chainer.reproduction import running
from tgan_chainer.reproduction.rows import TABLES
from tgan_chainer.reproduction.running import Busy, Order, claimed, default_data, load_preset, summarize
from tgan_chainer.reproduction.tables import view
from tgan_chainer.runs import Run


def test_the_preset_of_the_paper_changes_nothing_and_takes_the_papers_numbers():
    paper = load_preset("paper")
    assert (paper.settings, paper.gam, paper.inception, paper.classifier) == ({}, 10_000, (10_000, 4), None)


def test_the_preset_for_a_cpu_is_the_configuration_for_a_cpu():
    settings = load_preset("cpu").settings
    assert settings["temporal_width"] < 512 and settings["iterations"] < 100_000
    Config(**settings)


@pytest.mark.parametrize("preset", ["cpu", "digits", "smoke"])
def test_training_takes_the_settings_of_a_preset_as_options(preset):
    settings = load_preset(preset).settings
    assert given_settings(train.parse_arguments(as_options(settings))) == settings


def test_the_preset_of_digits_says_that_its_world_is_an_easier_one():
    assert "EASIER WORLD" in view(4, "digits", {"title": TABLES[4].title, "rows": {}}).title
    assert load_preset("digits").settings["image_width"] == load_preset("digits").settings["video_width"]


@pytest.mark.parametrize("number", TABLES)
def test_the_papers_data_are_not_made_in_silence(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = TABLES[number]
    refused(
        lambda: default_data(number, load_preset("paper")),
        f"there is no {table.data_file}; the command `{table.data_command}` makes it",
    )


def test_the_page_finds_runs_from_the_folder_of_the_table():
    order = Order(3, "elsewhere/results", load_preset("smoke"), "d.h5")
    assert order.relative("elsewhere/results/smoke/tgan") == "smoke/tgan"
    assert order.relative("elsewhere/other/tgan") == "../other/tgan"


def test_a_summary_names_each_machine_and_commit_that_trained_a_run_once():
    machines = [
        {"hardware": "one", "commit": "abc"},
        {"hardware": "two", "commit": None},
        {"hardware": "one", "commit": "abc"},
    ]
    run = Run(Config(seed=4), iteration=7, wall_time=1.5, provenance=machines)
    assert summarize(run) == {
        "iterations": 7, "seed": 4, "wall_time": 1.5, "hardware": "one, two", "commit": "abc"
    }  # fmt: skip
    assert summarize(Run(Config()))["hardware"] is None


HOLD = """
import socket, sys, time
path, host, lease = sys.argv[1:]
socket.gethostname = lambda: host
from tgan_chainer.reproduction import running
running.LEASE = float(lease)
with running.claimed(path):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """A function that starts a process, on a host of some name, which holds the lock file of a row."""
    monkeypatch.setattr(running, "LEASE", 3)
    started = []

    def hold(host):
        command = [sys.executable, "-c", HOLD, tmp_path / "row", host, running.LEASE]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, env=ENVIRONMENT)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def is_free(path):
    try:
        with claimed(str(path)):
            return True
    except Busy:
        return False


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_a_row_is_one_process_s_while_it_lives(hold, tmp_path, host):
    holder = hold(host)
    text = (tmp_path / "row.lock").read_text()
    assert str(holder.pid) in text and host in text
    until = time.monotonic() + 1.5 * running.LEASE
    while time.monotonic() < until:  # it is renewed
        assert not is_free(tmp_path / "row")
        time.sleep(0.2)
    holder.kill()
    holder.wait()
    begin = time.monotonic()
    while not is_free(tmp_path / "row"):
        # On its own host most versions of filelock see at once that it is gone; 4.1, the last one for
        # Python 3.10, waits as for another host.
        assert time.monotonic() - begin < 3 * running.LEASE
        time.sleep(0.1)
    assert os.listdir(tmp_path) == []


def test_a_row_that_fails_or_is_interrupted_is_free(tmp_path):
    for error in InputError, KeyboardInterrupt:
        with pytest.raises(error), claimed(str(tmp_path / "row")):
            raise error
        assert os.listdir(tmp_path) == []
