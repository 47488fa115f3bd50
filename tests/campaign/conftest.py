"""What the campaign's tests share: the server of commands, its inputs, and the counts in the end."""

import os

import pytest
from campaign.harness import ROOT, SEED, TALLY, ForkServer
from campaign.inputs import Sound


def pytest_terminal_summary(terminalreporter):
    if TALLY.counts:
        terminalreporter.section(f"campaign, seed {SEED}, of {ROOT}")
        for line in TALLY.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    """Runs commands in forks of one process."""
    server = ForkServer(str(tmp_path_factory.mktemp("server")))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def nothing_foreign_starts(request):
    yield
    server = request.getfixturevalue("commands") if "commands" in request.fixturenames else None
    if server is not None and os.path.exists(server.mark):
        with open(server.mark) as file:
            started = set(file.read().split())
        os.remove(server.mark)
        pytest.fail(f"other programs were started: {', '.join(sorted(started))}")


@pytest.fixture(scope="session")
def sound(commands, tmp_path_factory):
    """Sound inputs, as :class:`campaign.inputs.Sound`; tests copy what they change."""
    return Sound(str(tmp_path_factory.mktemp("sound")), commands)
