"""Runs commands in children of one process that has imported everything, which saves 2 s for each.

``python fork_server.py ROOT FD``: ROOT is the checkout whose commands are run, FD a Unix socket. Each request
is one message of JSON, with four file descriptors beside it: the child's standard streams, and a socket for
the answers, which are the child's process id and, when it has ended, how. What a child does is what
``python SCRIPT ARGUMENTS`` does after its imports. It is killed when this process ends.
"""

import atexit
import ctypes
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import resource
import runpy
import signal
import socket
import sys
import termios

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def import_everything(root):
    sys.path.insert(0, root)
    package = importlib.import_module("tgan_chainer")
    for module in pkgutil.walk_packages(package.__path__, "tgan_chainer."):
        if not module.name.endswith(("__main__", "._native")):  # a program, and a library of C
            importlib.import_module(module.name)
    for name in "av", "cv2", "h5py", "matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.Image":
        try:
            importlib.import_module(name)
        except ImportError:  # not every version of the package needs each
            pass
    # What imageio and matplotlib import at their first use.
    import imageio.v3 as iio
    import numpy as np

    iio.imwrite("<bytes>", np.zeros((2, 16, 16), np.uint8), extension=".gif")
    iio.imwrite(
        "<bytes>", np.zeros((2, 16, 16, 3), np.uint8), extension=".mp4", plugin="pyav", codec="libx264"
    )


def serve(server):
    """Answer requests; return one in the process that has to run it, None when the other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while True:
        message, (*streams, answers), _, _ = receive(server)
        if not message:
            return None
        # A keeper for each command waits for it, so that several can run at a time.
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return keep(json.loads(message), streams, socket.socket(fileno=answers))
        for descriptor in (*streams, answers):
            os.close(descriptor)


def receive(server):
    message, descriptors, flags, address = socket.recv_fds(server, 1 << 20, 4)
    return message, descriptors or [None], flags, address


def keep(request, streams, answers):
    # A signal that comes before the command has begun waits for that.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    die_with_parent()
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        answers.close()
        become(request, streams)
        return request
    for descriptor in streams:
        os.close(descriptor)
    answers.send(json.dumps(pid).encode())
    _, status, usage = os.wait4(pid, 0)
    answer = {
        "status": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    answers.send(json.dumps(answer).encode())
    os._exit(0)


def become(request, streams):
    """Make this process what a command finds at its start."""
    os.setsid()
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    for target, descriptor in enumerate(streams):
        os.dup2(descriptor, target)
        os.close(descriptor)
    if request["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for target in request["closed"]:
        os.close(target)
    os.chdir(os.fsdecode(request["folder"].encode("latin-1")))
    os.environ.update(request["environment"])
    for name in request["unset"]:
        os.environ.pop(name, None)
    for name, value in request["limits"].items():
        number = getattr(resource, name)
        if name == "RLIMIT_AS":  # beyond what the imports took
            with open("/proc/self/statm") as file:
                value += int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(number, (value, value))
    if request["unprivileged"]:
        drop_capabilities()
    old = sys.__stdout__
    for target, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        opened = None if target in request["closed"] else stream(target, mode, old)
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)
    # As bytes, so that this process decodes them by its own locale.
    sys.argv = [os.fsdecode(word.encode("latin-1")) for word in request["command"]]
    sys.path[0] = os.path.dirname(sys.argv[0])


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def drop_capabilities():
    """Make files that forbid reading or writing forbid it to root, too."""
    version_3 = 0x20080522
    header, none = (ctypes.c_uint32 * 2)(version_3, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def stream(descriptor, mode, old):
    """Open a standard stream as Python does at its start."""
    raw = open(descriptor, mode + "b", buffering=-1, closefd=False)
    terminal = os.isatty(descriptor)
    errors = "backslashreplace" if descriptor == 2 else old.errors
    return io.TextIOWrapper(
        raw, encoding=old.encoding, errors=errors, line_buffering=descriptor == 2 or terminal
    )


def run_command(request):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if request["thorough"]:
        runpy.run_path(sys.argv[0], run_name="__main__")
        return
    status = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    # Python's own end takes half a second here, for all that was imported. What it does for a command are the
    # functions of atexit, the streams, and the C library's exit.
    atexit._run_exitfuncs()
    for file in sys.stdout, sys.stderr:
        try:
            if file is not None:
                file.flush()
        except OSError:
            status = 120
    ctypes.CDLL(None).exit(status)


if __name__ == "__main__":
    die_with_parent()
    root = sys.argv[1]
    connection = socket.socket(fileno=int(sys.argv[2]))
    import_everything(root)
    gc.collect()
    gc.freeze()
    connection.send(b"ready")
    request = serve(connection)
    if request is not None:
        run_command(request)
