"""tables.py, which runs other commands: killed in any way it takes them with it, and goes on afterwards."""

import glob
import os
import re
import signal
import subprocess
import time

import pytest
from campaign.harness import ENVIRONMENT, Campaign, python, require

SMOKE = "3", "--preset", "smoke", "--gpu", "-1", "--iterations", "4"


def processes_of(folder):
    """The command lines of processes that run in a folder."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            if os.readlink(f"{path}/cwd").startswith(str(folder)):
                with open(f"{path}/cmdline") as file:
                    found.append(file.read().replace("\0", " "))
        except OSError:  # it has ended, or is another user's
            continue
    return found


@pytest.mark.slow
def test_tables_are_killed(tmp_path):
    with Campaign("tables killed") as campaign:
        for i, rng in enumerate(campaign):
            number, moment = (
                rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)),
                rng.uniform(3, 30),
            )
            folder = tmp_path / str(i)
            folder.mkdir()
            with campaign.attempt(f"{number.name} after {moment:.0f} s"):
                options = {
                    "cwd": folder,
                    "env": ENVIRONMENT,
                    "stdout": subprocess.PIPE,
                    "stderr": subprocess.STDOUT,
                }
                process = subprocess.Popen(
                    python("tables", *SMOKE), start_new_session=True, text=True, **options
                )
                try:
                    process.wait(timeout=moment)
                except subprocess.TimeoutExpired:
                    process.send_signal(number)
                said, _ = process.communicate(timeout=120)
                require("Traceback" not in said, "a traceback", said[-1500:])
                limit = time.monotonic() + 10
                while processes_of(folder) and time.monotonic() < limit:
                    time.sleep(0.2)
                require(not processes_of(folder), f"left running: {processes_of(folder)}")
                # At once again: no lock of the dead is called a failure.
                again = subprocess.run(
                    python("tables", *SMOKE), text=True, timeout=300, check=False, **options
                )
                require(again.returncode == 0, f"status {again.returncode}", again.stdout[-1500:])
                require("failed" not in again.stdout, "a row failed", again.stdout[-1500:])
                left = [name for name in glob.glob(f"{folder}/**/.incomplete*", recursive=True)]
                require(not left, f"left over: {left}")
                require(re.search("TGAN vs", (folder / "results" / "table3.md").read_text()), "no table")
