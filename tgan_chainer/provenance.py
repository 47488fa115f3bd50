"""Where numbers come from: the machine, the code and the libraries that made them."""

import contextlib
import os
import platform
import subprocess
import time

import numpy as np

from tgan_chainer.errors import InputError
from tgan_chainer.files import save_json
from tgan_chainer.kernels import native
from tgan_chainer.parallel import thread_count
from tgan_chainer.processes import ONE
from tgan_chainer.reading import read_json
from tgan_chainer.version import __version__

import chainer
from chainer.backends import cuda

FILENAME = "provenance.json"


def describe_machine():
    """Return the machine as a dict: ``CPU`` (its model), ``cores``, ``load_average``, ``system``."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    return {
        "CPU": model,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "system": platform.platform(),
    }


def commit():
    """Return the commit of this checkout, with ``-dirty`` if files differ from it; None if it is none."""
    command = ["git", "-C", os.path.dirname(os.path.abspath(__file__)), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None


def describe_hardware(device):
    """Return what a device (~chainer.backend.Device) computes with, as text: a GPU, or a CPU and threads."""
    if device.xp is not np:
        return cuda.cupy.cuda.runtime.getDeviceProperties(device.device.id)["name"].decode()
    machine = describe_machine()
    return f"{machine['CPU']}, {thread_count()} of {machine['cores']} cores"


def describe(device):
    """Describe all that a result depends on but its settings.

    Args:
        device (~chainer.backend.Device): Where it is computed.

    Returns:
        dict: ``date``, ``commit``, ``version`` of this package, ``versions`` of others, ``hardware`` (see
        :func:`describe_hardware`), ``kernels`` (which a CPU computes with, as text), and what
        :func:`describe_machine` returns.
    """
    versions = {"python": platform.python_version(), "numpy": np.__version__, "chainer": chainer.__version__}
    if device.xp is not np:
        versions["cupy"] = cuda.cupy.__version__
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": commit(),
        "version": __version__,
        "versions": versions,
        "hardware": describe_hardware(device),
        "kernels": native.description(),
        **describe_machine(),
    }


def record(out, device, processes=ONE, **more):
    """Append :func:`describe`, and ``more``, to the list in ``provenance.json`` of a results folder.

    So are, as ``processes``, the number of processes, what sends arrays between them, and their hosts.

    A file that cannot be read is kept under another name.
    """
    path, entries = os.path.join(out, FILENAME), read(out)
    if not entries and os.path.exists(path):
        os.replace(path, f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    save_json(path, [*entries, {**more, **describe(device), "processes": processes.describe()}])


def read(out):
    """Return the list that :func:`record` wrote; an empty one if there is none that can be read."""
    try:
        entries = read_json(os.path.join(out, FILENAME), "a list of provenances")
    except InputError:
        return []
    is_list = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    return entries if is_list else []
