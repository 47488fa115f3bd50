"""What tests of commands, of networks and of errors share."""

import concurrent.futures
import contextlib
import io
import os
import runpy
import signal
import subprocess
import sys
import threading
from unittest import mock

import numpy as np
import pytest

from tgan_chainer.datasets import write_videos
from tgan_chainer.errors import InputError
from tgan_chainer.processes import Processes

import chainer

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXPERIMENTS = os.path.join(ROOT, "experiments")
CONFIGS = os.path.join(EXPERIMENTS, "configs")

# More threads than cores make small networks a hundred times slower.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Options of train.py for networks as small as possible.
TINY = (
    "--gpu -1 --temporal-width 8 --image-width 8 --discriminator-width 2 --batch-size 3 --learning-rate 1e-3 "
    "--log-interval 2 --preview-interval 4"
).split()


def default_signals():
    """Do what a shell does for a command in the foreground; for ``preexec_fn``."""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)


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


def write_dark_and_bright(path, source):
    """Make a data set of 40 grey clips of two classes that anyone can tell."""
    random_state = np.random.RandomState(0)
    with write_videos(path, source, ["dark", "bright"], chunk_frames=20) as writer:
        for i in range(40):
            noise = random_state.randint(0, 60, (20, 32, 32, 1)) + 190 * (i % 2)
            writer.append(noise.astype(np.uint8), labels=i % 2)


def write_noise(path, label_names=None):
    """Make a data set of 7 grey clips of random numbers, of each label in turn if there are any."""
    random_state = np.random.RandomState(0)
    with write_videos(path, "random numbers", label_names, chunk_frames=20) as writer:
        for i in range(7):
            labels = {} if label_names is None else {"labels": i % len(label_names)}
            writer.append(random_state.randint(0, 256, (20, 32, 32, 1)).astype(np.uint8), **labels)
    return str(path)


def refused(function, *words):
    """Assert that a function raises an InputError of one line with these words."""
    with pytest.raises(InputError) as caught:
        function()
    assert "\n" not in str(caught.value)
    for word in words:
        assert str(word) in str(caught.value)


def assert_one_line_error(result, *words):
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    for word in words:
        assert word in lines[0]


def uniform(n, size, dtype="f"):
    """Return latent variables (n, size) in [-1, 1]."""
    return np.random.uniform(-1, 1, (n, size)).astype(dtype)


def lively(network):
    """Give weights a size with which untrained networks do not put out nearly nothing."""
    for parameter in network.params():
        if parameter.ndim > 1:
            parameter.array[...] = np.random.randn(*parameter.shape) / np.sqrt(parameter[0].size / 2)
    return network


def trained(network):
    """Give a network statistics and shifts that are nobody's initial ones."""
    lively(network)
    for link in network.links():
        if isinstance(link, chainer.links.BatchNormalization):
            link.avg_mean[...] = np.random.randn(*link.avg_mean.shape) / 4
            link.avg_var[...] = np.random.uniform(0.5, 2, link.avg_var.shape)
            for parameter in link.params():
                parameter.array[...] = np.random.uniform(0.5, 1.5, parameter.shape)
    return network


def weight_shapes(network):
    return {name: p.shape for name, p in network.namedparams() if name.endswith("/W")}


def parameter_names(network, kind):
    """Return the names of the parameters of a kind, such as "b" or "beta"."""
    return {name for name, _ in network.namedparams() if name.endswith(f"/{kind}")}


def output_shapes(network, *inputs):
    """Return the shapes of what a network's layers put out, in order of execution, without repetitions."""
    shapes = []

    class Recorder(chainer.LinkHook):
        def forward_postprocess(self, args):
            if not isinstance(args.link, chainer.Chain):
                shapes.append(args.out.shape[1:])

    with Recorder(), chainer.no_backprop_mode():
        network(*inputs)
    return list(dict.fromkeys(shapes))


def to_torch(network):
    """Return the parameters of a network as PyTorch tensors that share their memory, by name."""
    torch = pytest.importorskip("torch")

    return {name[1:]: torch.from_numpy(p.array) for name, p in network.namedparams()}


def normalize_with_torch(x, parameters, name):
    """Normalize by the statistics of the batch, with the parameters of the link of this name."""
    torch = pytest.importorskip("torch")

    gamma, beta = parameters[f"{name}/gamma"], parameters[f"{name}/beta"]
    return torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=2e-5)


class Threads(Processes):
    """Processes of a run that are threads of a test, see :func:`in_threads`."""

    def __init__(self, rank, values, barrier):
        super().__init__()
        self.size, self.rank, self._values, self._barrier = len(values), rank, values, barrier
        self.n_sums = 0

    def gather(self, value):
        self._values[self.rank] = value
        self._barrier.wait(60)
        values = list(self._values)
        self._barrier.wait(60)
        return values

    def add_up(self, array):
        self.n_sums += 1
        return sum(self.gather(array))

    def send_round(self, array, rank):
        array[...] = self.gather(array.copy())[rank]


def in_threads(n, function):
    """Call ``function(processes)`` as n processes would; return what each returns."""
    values, barrier = [None] * n, threading.Barrier(n)

    def call(rank):
        try:
            return function(Threads(rank, values, barrier))
        except BaseException:
            barrier.abort()
            raise

    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        futures = [pool.submit(call, rank) for rank in range(n)]
        errors = [future.exception() for future in futures]
        for error in sorted(filter(None, errors), key=lambda e: isinstance(e, threading.BrokenBarrierError)):
            raise error
        return [future.result() for future in futures]
