"""Commands that run in processes of their own and end with the command that called them."""

import os
import signal
import subprocess
import sys
import threading

from tgan_chainer.errors import InputError
from tgan_chainer.interruption import SIGNALS
from tgan_chainer.processes import outside_environment

_PIPE = "TGAN_CHAINER_PIPE"  # number of the reading end of a pipe that the caller holds open while it lives


class Interrupted(KeyboardInterrupt):
    """A command that was called ended by one of ``SIGNALS``.

    Attributes:
        status (int): 128 + the signal's number, an exit status.
    """

    def __init__(self, status):
        self.status = status


def call(name, *arguments):
    """Run a command and wait for it; signals that come meanwhile are handed on.

    Args:
        name (str): Name of the command, a key of :data:`tgan_chainer.commands.COMMANDS`.
        *arguments: Its arguments, str or what str() turns into them.

    Raises:
        InputError: It failed, or was killed.
        Interrupted: It ended by one of ``SIGNALS``, at which a training writes a snapshot first.
    """
    reading, writing = os.pipe()
    try:
        # In a session of its own, so that it has each signal once: from here, and not from the terminal too.
        process = subprocess.Popen(
            [sys.executable, "-m", "tgan_chainer", name, *map(str, arguments)],
            env={**outside_environment(), _PIPE: str(reading)},
            pass_fds=[reading],
            start_new_session=True,
        )
        old = {number: signal.signal(number, lambda n, _: process.send_signal(n)) for number in SIGNALS}
        try:
            status = process.wait()
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
    finally:
        os.close(reading)
        os.close(writing)
    if status in (*(-number for number in SIGNALS), *(128 + number for number in SIGNALS)):
        raise Interrupted(128 - status if status < 0 else status)
    if status < 0:
        raise InputError(f"{name} was killed by {signal.Signals(-status).name}")
    if status:
        raise InputError(f"{name} ended with status {status}; its message stands above")


def end_with_parent():
    """Let this process get SIGTERM when the command that called it ends, be it by ``kill -9``.

    (Linux can send a signal then by itself, but sends one for each thread of the caller, and a training ends
    at the second one without a snapshot.) Nothing happens in a process that :func:`call` did not start.
    """
    descriptor = os.environ.pop(_PIPE, None)
    if descriptor is None:
        return
    os.set_inheritable(int(descriptor), False)

    def watch():
        os.read(int(descriptor), 1)  # nothing is ever written
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
