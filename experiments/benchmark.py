"""Time one training iteration: this package, stock Chainer, and PyTorch where it is installed.

An iteration is that of Algorithm 1 with n_D = 1: a step of the discriminator, a step of the generator with
fresh z0, and a fifth of a singular value clipping (n_clip = 5). Networks are the paper's (Table 1, Fig. 1),
numbers are float32, and the batch is already in memory.

  %(prog)s
  %(prog)s --gpu -1 --batch-size 8 32 --threads 2 --out benchmark.json
  %(prog)s --gpu 0 --batch-size 32 --out benchmark.json
  %(prog)s --batch-size 8 --width-divisor 8 --contenders ours pytorch

Contenders (the code of the others is in experiments/peers/):

  ours                   the package as train.py uses it (on a GPU with PyTorch's kernels, if it is there)
  ours:processes         as many processes of one thread each, by mpiexec, which share the batch
  ours:numpy             with NumPy's in place of the compiled kernels
  ours:aten              with PyTorch's kernels on the CPU as well
  ours:no_aten           with our own on a GPU as well
  ours:tf32, ours:no_aten+tf32       on a GPU, factors rounded to TF32, as pytorch does by default
  stock                  the same updater on Chainer's own links and functions, clipping by SVD
  pytorch                eager, all defaults, torch.linalg.svd every fifth iteration
  pytorch:channels_last  the same with channels last in memory
  pytorch:foreach        the same with the optimizer's foreach implementation (a GPU's default)
  ...+keep_memory        the same with glibc told to keep freed memory, as ours does
  ...+jemalloc, ...+tcmalloc         the same with another allocator preloaded, where it is installed (Debian:
                         libjemalloc2, libtcmalloc-minimal4)
  pytorch:cudnn.benchmark, pytorch:float32 (without TF32)            on a GPU
  pytorch:compile        with torch.compile, which takes a minute to begin; only when asked for

Each runs in a process of its own with the same number of threads. They take turns, so that a disturbance
hits all of them: one iteration each on a CPU, five on a GPU. The first turn is not counted. Shown are the
medians, with smallest and largest in brackets. GFLOP/s count the products in linear layers, convolutions and
deconvolutions that the algorithm needs, and "peak" is the best product of two large square matrices that a
contender's library did. Memory is the peak of the process, or of what its pool took of the GPU's memory.
Leave the machine alone meanwhile. With --out, all single times are in the JSON file.
"""

import contextlib
import ctypes.util
import dataclasses
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
from peers import stock_chainer
from tqdm import tqdm

from tgan_chainer import provenance
from tgan_chainer.checks import check_positive_int
from tgan_chainer.commands.cli import ArgumentParser, run_command
from tgan_chainer.config import Config
from tgan_chainer.devices import default_gpu, use_device
from tgan_chainer.errors import InputError
from tgan_chainer.files import save_json
from tgan_chainer.kernels import native
from tgan_chainer.parallel import core_count

import chainer
import chainer.links as L

CPU_CONTENDERS = (
    *("ours", "ours:processes", "ours:numpy", "ours:aten", "stock", "pytorch", "pytorch:channels_last"),
    *("pytorch:foreach", "pytorch:keep_memory", "pytorch:foreach+keep_memory"),
    *("pytorch:channels_last+keep_memory", "pytorch:channels_last+foreach+keep_memory"),
    *("pytorch:channels_last+jemalloc", "pytorch:channels_last+tcmalloc"),
)
GPU_CONTENDERS = (
    *("ours", "ours:tf32", "ours:no_aten", "ours:no_aten+tf32", "stock", "pytorch"),
    *("pytorch:channels_last", "pytorch:cudnn.benchmark", "pytorch:float32"),
)
ALL_CONTENDERS = (
    *dict.fromkeys(CPU_CONTENDERS + GPU_CONTENDERS),
    *("pytorch:jemalloc", "pytorch:tcmalloc", "pytorch:compile", "pytorch:compile+keep_memory"),
    "pytorch:compile+channels_last+keep_memory",
)
# Allocators to preload: names of the library and of Debian's package.
ALLOCATORS = {
    "jemalloc": ("jemalloc", "libjemalloc2"),
    "tcmalloc": ("tcmalloc_minimal", "libtcmalloc-minimal4"),
}
PROCESSES = "ours:processes"
AS_ROOT = "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"
N_CLIP = 5
# On a GPU the threads of the CPU matter little, and a turn must be long against its start.
TURN = {"CPU": 1, "GPU": N_CLIP}
ITERATIONS = {"CPU": N_CLIP, "GPU": 50}
MATRIX_SIZE = {"CPU": 2048, "GPU": 8192}


def main(argv=None):
    args = parse_arguments(argv)
    gpu = default_gpu() if args.gpu is None else args.gpu
    use_device(gpu)  # or say why there is none
    kind = "CPU" if gpu < 0 else "GPU"
    configs = [choose_config(args, n, divisor) for divisor in args.width_divisor for n in args.batch_size]
    n_iterations = ITERATIONS[kind] if args.iterations is None else args.iterations
    check_positive_int(threads=args.threads, iterations=n_iterations)
    if n_iterations % N_CLIP:
        raise InputError(f"iterations must be a multiple of {N_CLIP} (each fifth clips), not {n_iterations}")
    if args.out and os.path.isdir(args.out):
        raise InputError(f"out must be a file, but {args.out} is a folder")
    names = choose_contenders(args.contenders, kind)
    left_out = {}
    if PROCESSES in names and (why := why_no_processes(args.threads)):
        names.remove(PROCESSES)
        left_out[PROCESSES] = why
        if not names:
            raise InputError(f"{PROCESSES} {why}")

    report = {"machine": describe_machine(kind, args.threads), "results": []}
    if report["machine"]["load_average"] > 0.5:
        print(f"warning: this machine is busy: its load average is {report['machine']['load_average']:.1f}")
    n_turns = len(configs) * len(names) * (1 + n_iterations // TURN[kind])
    with tqdm(total=n_turns, unit="turn", disable=None, leave=False) as progress:
        for config in configs:
            result = compare(config, names, gpu, args.threads, n_iterations, progress)
            result["left_out"] = left_out
            report["results"].append(result)
            progress.clear()
            print(format_result(result, report["machine"]), flush=True)
            if args.out:
                save_json(args.out, report)
    failed = sorted({name for result in report["results"] for name in result["failed"]})
    if failed:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument(
        "--gpu", type=int, metavar="N", help="GPU to use, -1 for the CPU (default: 0 if there)"
    )
    parser.add_argument(
        "--batch-size", type=int, nargs="+", metavar="N", default=[32], help="videos per batch (default 32)"
    )
    parser.add_argument(
        "--iterations",
        type=int,
        metavar="N",
        help=f"to time, a multiple of {N_CLIP} (default {ITERATIONS['CPU']} on a CPU, {ITERATIONS['GPU']} on "
        "a GPU)",
    )
    parser.add_argument(
        "--width-divisor",
        type=int,
        nargs="+",
        metavar="D",
        default=[1],
        help="1, 2, 4, ..., 32: divide the width of all layers by it (default 1)",
    )
    parser.add_argument("--channels", type=int, metavar="C", default=3, help="channels of a frame (3)")
    cores = core_count()
    parser.add_argument(
        "--threads", type=int, metavar="N", default=cores, help=f"CPU threads (default {cores}, all cores)"
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        metavar="NAME",
        choices=ALL_CONTENDERS,
        help="default: all that run here, but for some with other allocators or compile",
    )
    parser.add_argument("--out", metavar="FILE", help="JSON file to write")
    return parser.parse_args(argv)


def choose_config(args, batch_size, divisor):
    if divisor < 1 or 32 % divisor:
        raise InputError(f"width_divisor must be 1, 2, 4, 8, 16 or 32, not {divisor}")
    return Config(
        batch_size=batch_size,
        channels=args.channels,
        image_size=64,
        temporal_width=512 // divisor,
        image_width=256 // divisor,
        discriminator_width=64 // divisor,
        n_clip=N_CLIP,
    )


def choose_contenders(given, kind):
    names = given or (CPU_CONTENDERS if kind == "CPU" else GPU_CONTENDERS)
    if not given:
        names = [name for name in names if find_allocator(name) or not needs_allocator(name)]
    if importlib.util.find_spec("torch"):
        return list(dict.fromkeys(names))
    if given and any("pytorch" in name or ":aten" in name for name in given):
        raise InputError("PyTorch is not installed: pip install torch, or leave it out of --contenders")
    return [name for name in names if not ("pytorch" in name or ":aten" in name)]


def why_no_processes(threads):
    """Return why no iteration can be shared by processes of one thread each; None if it can."""
    if threads == 1:
        return "needs more threads than one"
    if shutil.which("mpiexec") is None or importlib.util.find_spec("mpi4py") is None:
        return "needs mpiexec, of an MPI, and mpi4py: see experiments/README.md"
    return None


def compare(config, names, gpu, threads, n_iterations, progress):
    """Let the contenders take turns.

    Args:
        config (Config): Complete.
        names (list of str): Names of the contenders.
        gpu (int): Number of the GPU; -1 for the CPU.
        threads (int): Threads of each contender.
        n_iterations (int): Iterations to time.
        progress: Has a method ``update()``, called after each turn.

    Returns:
        dict: For the JSON file: the configuration, operations of an iteration, the contenders' numbers
        (see :func:`summarize`), and those that failed.
    """
    kind = "CPU" if gpu < 0 else "GPU"
    flops = count_flops(config)
    result = {
        "config": dataclasses.asdict(config),
        "width_divisor": 512 // config.temporal_width,
        "flops": flops,
        "contenders": {},
        "failed": {},
    }
    iterations = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(ContenderProcess(name, config, gpu, threads)) for name in names
        }

        def ask(name, *question):
            try:
                return processes[name].ask(*question)
            except ChildProcessError as error:
                result["failed"][name] = str(error)
                del processes[name]

        for turn in range(1 + n_iterations // TURN[kind]):
            for name in names:
                if name in processes:
                    time.sleep(0.1)  # until the threads that the last one's library keeps awake are asleep
                    parts = ask(name, "run", TURN[kind])
                    iterations[name] += parts if parts and turn else []
                progress.update()
        for name in list(processes):
            numbers = summarize(iterations[name], sum(flops.values())) | {"iterations": iterations[name]}
            for question in ("peak_memory",), ("versions",), ("matrix_product", MATRIX_SIZE[kind]):
                numbers[question[0]] = ask(name, *question) if name in processes else None
            if name in processes:
                result["contenders"][name] = numbers
    return result


class ContenderProcess:
    """A process of peers/contender.py; a context manager that ends it."""

    def __init__(self, name, config, gpu, threads):
        settings = {"contender": name, "gpu": gpu, "config": dataclasses.asdict(config)}
        command = [sys.executable, "-m", "peers.contender", json.dumps(settings)]
        library = find_allocator(name)
        if needs_allocator(name) and not library:
            raise InputError(f"{name}: not installed (Debian: apt install {needs_allocator(name)})")
        if name == PROCESSES:
            command, threads = ["mpiexec", "-n", str(threads), *command], 1
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)),
                **({"TGAN_CHAINER_KERNELS": "numpy"} if name == "ours:numpy" else {}),
                **({"LD_PRELOAD": library} if library else {}),
                # Containers run as root; other MPIs than Open MPI do not ask.
                **(dict.fromkeys(AS_ROOT, "1") if os.geteuid() == 0 else {}),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.terminate()  # mpiexec ends its processes then
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def ask(self, method, *numbers):
        """Return the answer. Raises ChildProcessError if the process has ended; it has said why."""
        with contextlib.suppress(BrokenPipeError):
            print(method, *numbers, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise ChildProcessError(f"ended with status {self.process.wait()}")
        return json.loads(answer)


def needs_allocator(name):
    """Return Debian's package with the allocator that a contender preloads, or None."""
    return next((package for variant, (_, package) in ALLOCATORS.items() if variant in name), None)


def find_allocator(name):
    """Return the library of that allocator, or None if there is none."""
    libraries = [library for variant, (library, _) in ALLOCATORS.items() if variant in name]
    return ctypes.util.find_library(libraries[0]) if libraries else None


def count_flops(config):
    """Count the floating-point operations that the matrix products of one iteration need.

    A layer with the weight W multiplies and adds each of its elements once for every position: of the output
    of a convolution, of the input of a deconvolution, once in a linear layer. The gradients of W and of the
    input cost as much again. Products with the zeros of the padding are counted; batch normalization,
    activations, optimizers and clipping are not.

    Args:
        config (Config): Complete.

    Returns:
        dict: ``"dis"``, for the discriminator's step: G forward; D forward and backward, without the
        gradient of the video, for a real and a generated batch. ``"gen"``, for the generator's step: G
        forward and backward, without the gradient of z0; D forward and its gradient of the video alone.
    """
    video_shape = (1, config.channels, config.n_frames, config.image_size, config.image_size)
    generator = layer_flops(stock_chainer.VideoGenerator(config), (1, config.k0))
    discriminator = layer_flops(stock_chainer.VideoDiscriminator(config), video_shape)
    g, d = sum(generator.values()), sum(discriminator.values())
    of_z0 = generator["/temporal_generator/deconv0"] + generator["/image_generator/linear_z0"]
    of_video = discriminator["/conv1"]
    of_a_video = {"dis": g + 2 * (3 * d - of_video), "gen": 3 * g - of_z0 + 2 * d}
    return {step: config.batch_size * flops for step, flops in of_a_video.items()}


def layer_flops(network, shape):
    """Return {path of a layer: operations of its forward pass} for an input of zeros of that shape."""
    trace = _Trace()
    with trace, chainer.using_config("train", False), chainer.no_backprop_mode():
        network(np.zeros(shape, np.float32))
    return {path: trace.flops[id(link)] for path, link in network.namedlinks() if id(link) in trace.flops}


class _Trace(chainer.LinkHook):
    name = "trace"

    def __init__(self):
        super().__init__()
        self.flops = {}

    def forward_postprocess(self, args):
        if hasattr(args.link, "W"):
            is_deconvolution = isinstance(args.link, L.DeconvolutionND | L.Deconvolution2D)
            small = args.args[0] if is_deconvolution else args.out
            self.flops[id(args.link)] = 2 * args.link.W.size * small.size // len(args.link.W)


def summarize(iterations, flops):
    """Return medians of the seconds (and of each part), their smallest and largest, and flop/s.

    Args:
        iterations (list of dict): Seconds of the parts of each; see ``Contender.run``.
        flops (int): Floating-point operations of an iteration.
    """
    clipping = statistics.median(parts["svc"] for parts in iterations if "svc" in parts) / N_CLIP
    steps = [sum(seconds for part, seconds in parts.items() if part != "svc") for parts in iterations]
    seconds = statistics.median(steps) + clipping
    names = dict.fromkeys(name for parts in iterations for name in parts if name != "svc")
    return {
        "seconds": seconds,
        "min": min(steps) + clipping,
        "max": max(steps) + clipping,
        "parts": {name: statistics.median(parts[name] for parts in iterations) for name in names}
        | {"svc": clipping},
        "flops_per_second": flops / seconds,
    }


def describe_machine(kind, threads):
    return {
        "device": kind,
        "threads": threads,
        "kernels": native.description(),
        **provenance.describe_machine(),
        "commit": provenance.commit(),
        "environment": {k: v for k, v in os.environ.items() if k.startswith(("MALLOC_", "OMP_", "KMP_"))},
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def format_result(result, machine):
    """Return the text of :func:`compare`'s result for the screen."""
    config, contenders = result["config"], result["contenders"]
    versions = {k: v for numbers in contenders.values() for k, v in numbers["versions"].items()}
    width = "the paper's width" if result["width_divisor"] == 1 else f"width/{result['width_divisor']}"
    operations = sum(result["flops"].values())
    lines = [
        "",
        f"batch {config['batch_size']}, {width}, {config['channels']} channels; "
        f"{versions.pop('GPU', machine['CPU'])}, CPU threads: {machine['threads']}; kernels on a CPU: "
        f"{machine['kernels']}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        "",
        f"{'':34}{'ms/iteration':>26}{'D step':>9}{'G step':>9}{'SVC':>8}{'GFLOP/s':>9}{'peak':>6}{'MiB':>8}"
        f"{'ours/it':>9}",
    ]
    peak = max((numbers["matrix_product"] for numbers in contenders.values()), default=None)
    ours = contenders.get("ours")
    for name, numbers in contenders.items():
        steps = [sum(s for part, s in numbers["parts"].items() if part.startswith(d)) for d in ("dis", "gen")]
        spread = f"{_ms(numbers['seconds'])} ({_ms(numbers['min'])} – {_ms(numbers['max'])})"
        lines.append(
            f"{name:34}{spread:>26}{_ms(steps[0]):>9}{_ms(steps[1]):>9}{_ms(numbers['parts']['svc']):>8}"
            f"{numbers['flops_per_second'] / 1e9:9.0f}{numbers['flops_per_second'] / peak:6.0%}"
            f"{numbers['peak_memory'] / 2**20:8.0f}"
            + (f"{ours['seconds'] / numbers['seconds']:9.2f}" if ours else "")
        )
    for others in result["failed"], result["left_out"]:
        lines += [f"{name:34}{reason}" for name, reason in others.items()]
    lines.append("")
    if ours:
        parts = (f"{name} {_ms(seconds)}" for name, seconds in ours["parts"].items())
        lines.append(f"ours: {', '.join(parts)} ms; SVC is {ours['parts']['svc'] / ours['seconds']:.1%}")
    torches = [name for name in contenders if name.startswith("pytorch")]
    if torches:
        fastest = min(torches, key=lambda name: contenders[name]["seconds"])
        lines.append(f"the fastest PyTorch: {fastest}")
    if contenders:
        products = (f"{name} {x['matrix_product'] / 1e9:.0f}" for name, x in contenders.items())
        lines.append(
            f"{operations / 1e9:.1f} GFLOP an iteration; matrix products, GFLOP/s: {', '.join(products)}"
        )
    return "\n".join(lines)


def _ms(seconds):
    return f"{1000 * seconds:.{0 if seconds >= 0.1 else 1 if seconds >= 0.01 else 2}f}"


if __name__ == "__main__":
    run_command(main)
