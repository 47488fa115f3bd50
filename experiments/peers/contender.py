"""One contender of benchmark.py, alone in its process, so that memory and threads do not mix with others'.

The argument is a JSON text: {"contender": NAME, "gpu": N, "config": {...}}. Then each line of the standard
input, a method of :class:`Contender` and perhaps a number, is answered by one line of JSON.
"""

import json
import platform
import resource
import sys
import time

import numpy as np

from peers import stock_chainer
from tgan_chainer.clipping import SingularValueClipping
from tgan_chainer.config import Config
from tgan_chainer.devices import use_device
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.optimizers import RMSprop
from tgan_chainer.parallel import keep_freed_memory, prepare_process
from tgan_chainer.processes import ONE, start
from tgan_chainer.spread_batch import SpreadBatch, part_of_batch
from tgan_chainer.updaters import GANUpdater

import chainer
from chainer.backends import cuda


def main():
    settings = json.loads(sys.argv[1])
    answers, sys.stdout = sys.stdout, sys.stderr  # a library's chatter must not come between the answers
    processes = start(gpu=settings["gpu"])
    config = Config.from_dict(settings["config"])
    contender = build_contender(settings["contender"], config, settings["gpu"], processes)
    while line := read_line(processes):
        method, *numbers = line.split()
        answer = getattr(contender, method)(*map(int, numbers))
        if processes.is_first:
            print(json.dumps(answer), file=answers, flush=True)


def read_line(processes):
    """Return the next line of the standard input, which mpiexec hands to the first process alone."""
    line = sys.stdin.readline() if processes.is_first else None
    if processes.size > 1:
        from mpi4py import MPI

        request = MPI.COMM_WORLD.Ibarrier()
        while not request.Test():  # waiting in MPI itself would keep a core busy in others' turns
            time.sleep(0.001)
    return processes.gather(line)[0]


def build_contender(name, config, gpu, processes=ONE):
    """Return the contender called ``ours``, ``stock`` or ``pytorch``, with ``:VARIANT`` or without."""
    kind, _, variant = name.partition(":")
    if kind == "pytorch":
        return PyTorchContender(config, gpu, variant)
    if kind == "ours":
        kernels = {"aten": "on", "no_aten": "off"}.get(variant.split("+")[0], "auto")
        config = config.replace(pytorch_kernels=kernels, tf32="tf32" in variant)
    return ChainerContender(config, gpu, kind == "stock", processes)


class Contender:
    """Runs and times iterations of Algorithm 1 on a batch that is already in the device's memory.

    Times between marks are those of the device: on a GPU a mark is an event in its stream, so that marking
    makes neither the GPU nor the CPU wait for the other.
    """

    def run(self, n):
        """Run n iterations.

        Returns:
            list of dict: For each, the seconds of its parts: "dis" and "gen", or "dis forward", ...;
            "svc" where it clipped; "rest".
        """
        iterations = []
        self.synchronize()
        for _ in range(n):
            self.marks = [("", self.now())]
            self.iterate()
            self.mark("rest")
            iterations.append(self.marks)
        self.synchronize()
        return list(map(self._parts, iterations))

    def mark(self, part):
        """Say that ``part`` ends here."""
        self.marks.append((part, self.now()))

    def matrix_product(self, size):
        """Return the operations per second of the best of five products of square float32 matrices."""
        a = self.random_matrix(size)
        seconds = []
        for _ in range(5):
            self.synchronize()
            start = time.perf_counter()
            a @ a
            self.synchronize()
            seconds.append(time.perf_counter() - start)
        return 2 * size**3 / min(seconds)

    def now(self):
        return time.perf_counter()

    def seconds(self, start, end):
        return end - start

    def synchronize(self):
        pass

    def _parts(self, marks):
        parts = {}
        for (_, begin), (part, end) in zip(marks, marks[1:]):
            parts[part] = parts.get(part, 0) + self.seconds(begin, end)
        return parts


class ChainerContender(Contender):
    """Our updater, with our links and clipping or with stock ones. Its attribute ``updater`` is that."""

    def __init__(self, config, gpu, stock, processes=ONE):
        self.processes = processes
        self.device = use_device(gpu, config.tf32, config.pytorch_kernels)
        self.on_gpu = gpu >= 0
        np.random.seed(config.seed)
        rmsprop = chainer.optimizers.RMSprop if stock else RMSprop
        if stock:
            generator = stock_chainer.VideoGenerator(config)
            discriminator = stock_chainer.VideoDiscriminator(config)
            clipping = stock_chainer.SVDClipping()
        else:
            prepare_process()  # as the commands do
            generator, discriminator = build_generator(config), build_discriminator(config)
            clipping = SingularValueClipping(processes=processes)
        optimizers = {}
        for name, network in ("gen", generator), ("dis", discriminator):
            network.to_device(self.device)
            optimizers[name] = rmsprop(config.learning_rate).setup(network)
        self._phases = _Phases(self.mark, optimizers)
        batch = random_videos(config)[part_of_batch(processes, config.batch_size)]
        self.updater = GANUpdater(
            _SameBatch(self.device.send(batch)),
            optimizers,
            clipping=_MarkedClipping(clipping, self.mark),
            n_clip=config.n_clip,
            batch=SpreadBatch(processes, config.batch_size) if processes.size > 1 else None,
            converter=lambda batch, device: batch,
            device=self.device,
        )

    def iterate(self):
        with self._phases:
            self.updater.update()

    def now(self):
        if not self.on_gpu:
            return time.perf_counter()
        event = cuda.cupy.cuda.Event()
        event.record()
        return event

    def seconds(self, start, end):
        return cuda.cupy.cuda.get_elapsed_time(start, end) / 1000 if self.on_gpu else end - start

    def synchronize(self):
        if self.on_gpu:
            cuda.cupy.cuda.get_current_stream().synchronize()

    def random_matrix(self, size):
        return self.device.send(np.random.uniform(-1, 1, (size, size)).astype(np.float32))

    def peak_memory(self):
        """Return bytes: of all processes, or of what the pool has taken of the GPU's memory."""
        if not self.on_gpu:
            return sum(self.processes.gather(_peak_of_process()))
        of_torch = sys.modules["torch"].cuda.max_memory_reserved() if "torch" in sys.modules else 0
        return cuda.cupy.get_default_memory_pool().total_bytes() + of_torch

    def versions(self):
        found = {"Python": platform.python_version(), "Chainer": chainer.__version__, "NumPy": np.__version__}
        if self.on_gpu:
            properties = cuda.cupy.cuda.runtime.getDeviceProperties(self.device.device.id)
            found |= {"CuPy": cuda.cupy.__version__, "GPU": properties["name"].decode()}
            found["cuDNN of CuPy"] = str(cuda.cudnn_enabled)
        return found


class PyTorchContender(Contender):
    """peers/pytorch.py. Its attribute ``tgan`` is that."""

    def __init__(self, config, gpu, variant):
        import torch

        from peers.pytorch import TGAN

        self.torch, self.on_gpu = torch, gpu >= 0
        variants = variant.split("+") if variant else []
        if "keep_memory" in variants:
            keep_freed_memory()
        device = torch.device(f"cuda:{gpu}" if self.on_gpu else "cpu")
        if self.on_gpu:
            torch.cuda.set_device(device)
        torch.manual_seed(config.seed)
        self.tgan = TGAN(config, device, variants)
        x = torch.from_numpy(random_videos(config))
        self.x = x.to(device, memory_format=self.tgan.video_format)
        self.n_clip, self.iteration = config.n_clip, 0

    def iterate(self):
        self.tgan.update_discriminator(self.x)
        self.mark("dis")
        self.tgan.update_generator(len(self.x))
        self.mark("gen")
        if self.iteration % self.n_clip == 0:
            self.tgan.clip()
            self.mark("svc")
        self.iteration += 1

    def now(self):
        if not self.on_gpu:
            return time.perf_counter()
        event = self.torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start, end):
        return start.elapsed_time(end) / 1000 if self.on_gpu else end - start

    def synchronize(self):
        if self.on_gpu:
            self.torch.cuda.synchronize()

    def random_matrix(self, size):
        # PyTorch's default is TF32 for convolutions but not for products; what the former may use counts.
        self.torch.backends.cuda.matmul.allow_tf32 = self.torch.backends.cudnn.allow_tf32
        return self.torch.rand(size, size, device=self.x.device) * 2 - 1

    def peak_memory(self):
        return self.torch.cuda.max_memory_reserved() if self.on_gpu else _peak_of_process()

    def versions(self):
        found = {"PyTorch": self.torch.__version__}
        if self.on_gpu:
            found |= {"GPU": self.torch.cuda.get_device_name(), "CUDA of PyTorch": self.torch.version.cuda}
            found["cuDNN of PyTorch"] = str(self.torch.backends.cudnn.version())
        return found


def random_videos(config):
    """Return float32 (N, C, T, H, W) in [-1, 1]."""
    shape = (config.batch_size, config.channels, config.n_frames, config.image_size, config.image_size)
    return np.random.RandomState(config.seed).uniform(-1, 1, shape).astype(np.float32)


class _SameBatch(chainer.dataset.Iterator):
    def __init__(self, batch):
        self.batch = batch

    def __next__(self):
        return self.batch

    next = __next__


class _MarkedClipping:
    def __init__(self, clipping, mark):
        self.clipping, self.mark = clipping, mark

    def __call__(self, link):
        self.mark("rest")
        self.clipping(link)
        self.mark("svc")


class _Phases(chainer.FunctionHook):
    """Marks the ends of the forward pass, the backward pass and the optimizer's work of both steps."""

    name = "phases"

    def __init__(self, mark, optimizers):
        self.mark = mark
        self.in_forward = "dis"  # the step whose forward pass goes on, or None
        for step, next_step in ("dis", "gen"), ("gen", "dis"):
            before, after = self._optimizer_hooks(step, next_step)
            optimizers[step].add_hook(before, "before", timing="pre")
            optimizers[step].add_hook(after, "after", timing="post")

    def backward_preprocess(self, function, in_data, out_grad):
        if self.in_forward:
            self.mark(f"{self.in_forward} forward")
            self.in_forward = None

    def _optimizer_hooks(self, step, next_step):
        def before(optimizer):
            self.mark(f"{step} backward")

        def after(optimizer):
            self.mark(f"{step} optimizer")
            self.in_forward = next_step

        return before, after


def _peak_of_process():
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            (line,) = (line for line in file if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    except FileNotFoundError:  # macOS, which counts in bytes; on Linux this would count the parent's, too
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
