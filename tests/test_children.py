"""Commands that were called end with the command that called them, however that ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tgan_chainer.children import Interrupted, call
from tgan_chainer.errors import InputError
from tgan_chainer.interruption import SIGNALS

# A caller whose "command" writes its process's number and waits; SIGTERM makes it say so and end.
CHILD = """
import os, signal, sys, time
from tgan_chainer.children import end_with_parent
def end(number, _):
    said = open(sys.argv[2], "a")
    said.write(str(number))
    said.flush()
    time.sleep(0.5)  # in which a second one would come
    os._exit(0)
signal.signal(signal.SIGTERM, end)
end_with_parent()
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""
CALLER = """
import subprocess, sys, threading, time
from tgan_chainer import children
popen = subprocess.Popen
subprocess.Popen = lambda command, **options: popen([sys.executable, "-c", *sys.argv[1:]], **options)
for _ in range(20):  # each of which Linux might send a signal for
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
children.call("train")
"""


def wait_for(path):
    until = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return int(path.read_text())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGABRT])
def test_a_caller_that_is_killed_takes_its_command_with_it(tmp_path, number):
    pid, said = tmp_path / "pid", tmp_path / "said"
    caller = subprocess.Popen([sys.executable, "-c", CALLER, CHILD, str(pid), str(said)])
    try:
        assert wait_for(pid) != caller.pid
    finally:
        os.kill(caller.pid, number)
    assert caller.wait(60) == -number
    assert wait_for(said) == signal.SIGTERM  # as a training's, which then writes its snapshot


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_are_handed_on_and_known_by_their_status(monkeypatch, tmp_path, number):
    command = f"import os; os.kill({os.getpid()}, {number}); import time; time.sleep(60)"
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **more: popen([sys.executable, "-c", command], **more))
    with pytest.raises(Interrupted) as caught:
        call("train")
    assert caught.value.status == 128 + number


@pytest.mark.parametrize(
    ("command", "message"),
    [("exit(3)", "ended with status 3"), ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL")],
)
def test_a_command_that_fails_is_an_error(monkeypatch, command, message):
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **more: popen([sys.executable, "-c", command], **more))
    with pytest.raises(InputError, match=f"train (was )?{message}"):
        call("train")
