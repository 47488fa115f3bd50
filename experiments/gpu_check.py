"""Find out on a real GPU, within nine minutes, what was only tested on a stand-in for one.

  %(prog)s
  %(prog)s --out results/gpu_check --train
  %(prog)s --pack gpu_check.tar.gz
  PYTHONPATH=tests/stand_in %(prog)s --dry

In this order: what is installed; the error of each way to convolve against float64, TF32 on and off; the
losses of all models, GPU against CPU; iterations, and the CPU's time to give them to the GPU; what loading a
batch takes; clipping by its methods and sizes; the benchmark with PyTorch; what an iteration starts and
moves, counted on the stand-in; and the tests that need a GPU. Each step is a process of its own, which ends
when its time or that of all is over. What it found until then counts; a step that fails or runs out of time
does not keep the others from their turn.

A verdict, target by target, is shown at the end. The folder holds it as verdict.txt, verdict.png and, with
all numbers, gpu_check.json, which is written anew after each step: less than 1 MB in all.

--train goes on afterwards, in the background: tgan_moving_mnist to 100,000 iterations in FOLDER_training.
Its newest preview and at last the generator in half precision are copied into the folder, which stays below
10 MB.

--pack writes an archive for a machine without a network, which has CuPy, NumPy, h5py, imageio, matplotlib,
pillow and, for all of it, PyTorch: this checkout, and wheels of Chainer and of the small packages that it and
we need, for this version of Python (fetching them takes a network). There:
tar xf gpu_check.tar.gz && cd tgan_chainer && bash gpu_check.sh

--dry goes through everything with networks as small as possible, on the stand-in or on a GPU. Its times mean
nothing, and no target of time is judged; a step then may take all that --seconds leaves.
"""

import functools
import glob
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from tgan_chainer import provenance
from tgan_chainer.clipping import SingularValueClipping
from tgan_chainer.commands.cli import ArgumentParser, run_command
from tgan_chainer.config import Config
from tgan_chainer.datasets import (
    PartsOfBatches,
    RandomWindows,
    VideoDataset,
    n_reading_threads,
    send_and_scale,
    write_videos,
)
from tgan_chainer.devices import use_device
from tgan_chainer.files import atomic_path, make_folder, save_json, save_text
from tgan_chainer.functions import clip_by_products, clip_singular_values_by_svd, convolution_nd
from tgan_chainer.losses import LOSSES
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.optimizers import build_optimizer
from tgan_chainer.pretrained import save_half
from tgan_chainer.updaters import GANUpdater

import chainer
from chainer.backends import cuda

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = {
    "temporal_width": 16, "image_width": 8, "discriminator_width": 4, "video_width": 16,
    "image_size": 32, "channels": 1,
}  # fmt: skip
MODELS = {
    "tgan": {},
    "tgan, weight clipping": {"clipping": "weight"},
    "tgan, Adam": {"optimizer": "adam"},
    "tgan, G1(z1)": {"use_z0": False},
    "conditional_tgan": {"model": "conditional_tgan", "n_classes": 3},
    "3d": {"model": "3d"},
    "video_gan": {"model": "video_gan", "loss": "gan", "clipping": "none", "use_gamma": False},
}
WORDS = {"off": False, "on": True}
KERNELS = ("auto", "off")  # PyTorch's where they are there, and our own
MODES = {f"{kernels}, tf32 {word}": (kernels, tf32) for kernels in KERNELS for word, tf32 in WORDS.items()}
SECONDS = 530  # for all steps; the rest of nine minutes is for the verdict
MAX_BYTES = 10 * 10**6

ROOT = os.path.dirname(HERE)
# Pure Python, or tiny: what a machine for PyTorch may lack. Setuptools is what Chainer's import needs.
WHEELS = (
    "chainer==7.8.1 setuptools<81 typing_extensions filelock protobuf six threadpoolctl tqdm PyYAML jinja2 "
    "MarkupSafe pytest iniconfig pluggy packaging hypothesis sortedcontainers"
).split()
START = """#!/usr/bin/env bash
# Run the check of a GPU in what this machine has, and the wheels beside this file.
set -e
cd "$(dirname "$0")"
python3 -m venv .venv
# What this machine has may lie in an environment of its own, which --system-site-packages would not show.
site_packages=$(echo .venv/lib/python3.*/site-packages)
python3 -c 'import sys; print(*sys.path[1:], sep=chr(10))' > "$site_packages/of_this_machine.pth"
install() { .venv/bin/python -m pip install --quiet --no-index --no-deps "$@"; }
install wheels/*.whl || for wheel in wheels/*.whl; do
    install "$wheel" || echo "without $wheel: what this machine has must do"
done
PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} exec .venv/bin/python experiments/gpu_check.py "$@"
"""


def main(argv=None):
    parser = ArgumentParser(__doc__)
    parser.add_argument("--out", metavar="FOLDER", default="results/gpu_check", help="default: %(default)s")
    parser.add_argument("--dry", action="store_true", help="as small as possible, times not judged")
    parser.add_argument("--train", action="store_true", help="afterwards train, in the background")
    parser.add_argument("--pack", metavar="FILE", help="write an archive to carry, and end")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all steps (default: %(default)s)")
    parser.add_argument("--part", help="used by this command itself: one step")
    args = parser.parse_args(argv)
    if args.pack:
        return pack(args.pack)
    if args.part == "training":
        return training(args.out)
    if args.part:
        return run_part(args)
    deadline = time.monotonic() + args.seconds
    make_folder(args.out)
    report = {"dry": args.dry, "seconds": args.seconds, "steps": {}}
    for name, (_, most) in tqdm(STEPS.items(), unit="step", disable=None, leave=False):
        start = time.monotonic()
        left = deadline - start
        report["steps"][name] = run_step(name, args, left if args.dry else min(most, left))
        report["steps"][name]["seconds"] = time.monotonic() - start
        report["verdict"] = judge(report)
        save_json(os.path.join(args.out, "gpu_check.json"), report)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    text = format_verdict(report)
    save_text(os.path.join(args.out, "verdict.txt"), text)
    draw(text, os.path.join(args.out, "verdict.png"))
    print(text)
    if args.train:
        command = [sys.executable, os.path.abspath(__file__), "--part", "training", "--out", args.out]
        with open(args.out.rstrip("/") + "_training.log", "w") as log:
            child = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        print(f"training goes on as process {child.pid}, see {log.name}")
    return int(any(row["met"] is False for row in report["verdict"]))


def run_step(name, args, seconds):
    """Run a step in a process group of its own for so many seconds; return what it found."""
    if seconds <= 1:
        return {"out of time": 0.0}
    environment = dict(os.environ)
    if name.startswith("counts"):  # on the stand-in, whatever there is
        environment["PYTHONPATH"] = os.pathsep.join([os.path.join(ROOT, "tests", "stand_in"), ROOT])
        environment["STAND_IN_PYTORCH"] = str(int(name.endswith("with PyTorch")))
    with tempfile.TemporaryDirectory() as folder:
        found, log = os.path.join(folder, "found.json"), os.path.join(folder, "log")
        command = [sys.executable, os.path.abspath(__file__), "--part", name, "--out", found]
        with open(log, "w") as file:
            child = subprocess.Popen(
                [*command, *(["--dry"] if args.dry else [])],
                **{"stdout": file, "stderr": file, "env": environment, "start_new_session": True},
            )
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        result = {}
        if os.path.exists(found):
            with open(found, encoding="utf-8") as file:
                result = json.load(file)
        if status is None:
            result["out of time"] = seconds
        elif status:
            with open(log, encoding="utf-8", errors="replace") as file:
                result["failed"] = file.read()[-2000:] or f"exit status {status}"
    return result


def run_part(args):
    """Do one step, and write what it has found after each finding."""
    found = {}
    for key, value in STEPS[args.part][0](args.dry):
        found[key] = value
        save_json(args.out, found)
    return 0


def training(out):
    """Train Moving MNIST's TGAN, and copy of it into the folder ``out`` what fits."""
    folder = out.rstrip("/") + "_training"
    data = os.path.join(ROOT, "data", "moving_mnist.h5")
    if not os.path.exists(data):
        script = os.path.join(ROOT, "datasets", "moving_mnist.py")
        subprocess.run([sys.executable, script, "--out", data], check=True)
    command = [sys.executable, os.path.join(HERE, "train.py"), "--config", "tgan_moving_mnist", "--gpu", "0"]
    resume = ["--resume"] if glob.glob(os.path.join(folder, "snapshot_iter_*.npz")) else []
    with subprocess.Popen([*command, "--data", data, "--out", folder, *resume]) as child:
        while child.poll() is None:
            time.sleep(60)
            previews = glob.glob(os.path.join(folder, "preview", "iter_*.png"))
            copy_fitting(sorted(previews, key=os.path.getmtime)[-1:], out, "preview.png")
    generators = glob.glob(os.path.join(folder, "generator_iter_*.npz"))
    if generators:
        newest = max(generators, key=os.path.getmtime)
        half = os.path.join(folder, "half.npz")
        save_half(newest, half)
        copy_fitting([half], out, "generator_half.npz")
    copy_fitting([os.path.join(folder, "losses.png")], out, "losses.png")
    return child.returncode


def copy_fitting(paths, out, name):
    """Copy a file, if it is there, into a folder unless that would become too large."""
    for path in filter(os.path.exists, paths):
        others = [os.path.join(out, other) for other in os.listdir(out) if other != name]
        if os.path.getsize(path) + sum(map(os.path.getsize, others)) <= MAX_BYTES:
            with atomic_path(os.path.join(out, name)) as temporary:
                shutil.copyfile(path, temporary)


def pack(path, get_wheels=None):
    """Write an archive of this checkout and the wheels that a machine without a network may lack."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    with tempfile.TemporaryDirectory() as wheels, atomic_path(path) as temporary:
        (get_wheels or download_wheels)(wheels)
        with tarfile.open(temporary, "w:gz") as archive:
            for name in filter(None, listed.stdout.split("\0")):
                archive.add(os.path.join(ROOT, name), os.path.join("tgan_chainer", name))
            for name in os.listdir(wheels):
                archive.add(os.path.join(wheels, name), os.path.join("tgan_chainer", "wheels", name))
            start = tarfile.TarInfo("tgan_chainer/gpu_check.sh")
            start.size, start.mode = len(START), 0o755
            archive.addfile(start, io.BytesIO(START.encode()))
    print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")
    return 0


def download_wheels(folder):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w"]
    subprocess.run([*command, folder, *WHEELS], check=True)


# The steps. Each yields pairs: a name, and numbers or a dict of them.


def environment(dry):
    properties = cuda.cupy.cuda.runtime.getDeviceProperties(0)
    runtime = cuda.cupy.cuda.runtime
    found = {
        "GPU": properties["name"].decode(),
        "memory": properties["totalGlobalMem"],
        "CuPy": cuda.cupy.__version__,
        "cuDNN of CuPy": cuda.cudnn_enabled,
        "CUDA": [runtime.runtimeGetVersion(), runtime.driverGetVersion()],
        "machine": provenance.describe_machine(),
        "commit": provenance.commit(),
    }
    yield from found.items()


def convolution_error(kernels, tf32, dry):
    """The relative error of a convolution and its gradients against float64; libraries take one mode only."""
    device = use_device(0, tf32, kernels)
    random_state = np.random.RandomState(0)
    x, W = random_state.randn(4, 32, 8, 16, 16), random_state.randn(64, 32, 4, 4, 4) / 40
    on_cpu, on_gpu = [chainer.Variable(x), chainer.Variable(W)], []
    for array in x, W:
        on_gpu.append(chainer.Variable(device.send(array.astype(np.float32))))
    exact, found = (
        [y.array, *(g.array for g in chainer.grad([y], inputs, [y]))]
        for inputs in (on_cpu, on_gpu)
        for y in [convolution_nd(*inputs, stride=2, pad=1)]
    )
    yield (
        "error",
        max(float(np.linalg.norm(cuda.to_cpu(a) - b) / np.linalg.norm(b)) for a, b in zip(found, exact)),
    )


def losses(dry):
    """Two iterations of each model: the largest relative difference of a loss, GPU against CPU."""
    differences = {}
    for name, settings in MODELS.items():
        for kernels in KERNELS:
            config = Config(batch_size=4, learning_rate=1e-4, pytorch_kernels=kernels, **TINY, **settings)
            pairs = zip(*(_losses_of(config, gpu) for gpu in (-1, 0)))
            differences[f"{name}, {kernels}"] = max(abs(a - b) / max(abs(a), 1e-2) for a, b in pairs)
            yield "relative differences", differences


def clipping(dry):
    """Milliseconds by method and size, and the error of the products against an SVD on the CPU."""
    found = {}
    for shape in [(16, 48)] if dry else [(64, 192), (128, 4096), (256, 8192), (512, 16384)]:
        W = np.random.RandomState(0).standard_normal(shape).astype(np.float32) * (2 / shape[1]) ** 0.5
        on_gpu = cuda.to_gpu(W)
        gram = on_gpu.astype(np.float64) @ on_gpu.astype(np.float64).T
        error = cuda.to_cpu(clip_by_products([on_gpu])[0]) - clip_singular_values_by_svd(W)
        found[str(shape)] = {
            "products": milliseconds(lambda on_gpu=on_gpu: clip_by_products([on_gpu])[0], 2 if dry else 10),
            "eigh": milliseconds(lambda gram=gram: cuda.cupy.linalg.eigh(gram), 1 if dry else 3),
            "error": float(abs(error).max()),
        }
        yield "by shape", found


def iterations(dry):
    """Iterations of the paper's networks: milliseconds of one, and until the CPU had given it away."""
    found = {}
    sizes = TINY if dry else {"image_size": 64, "channels": 3}
    for mode, (kernels, tf32) in MODES.items():
        config = Config(batch_size=2 if dry else 32, tf32=tf32, pytorch_kernels=kernels, **sizes)
        updater = _updater(config, 0)
        clip = functools.partial(updater.clipping, updater.discriminator)
        found[mode] = milliseconds(updater.update, 2 if dry else 300 if kernels == "auto" else 50)
        found[mode]["clipping"] = milliseconds(clip, 1 if dry else 10)["total"]
        found[mode]["pool"] = cuda.cupy.get_default_memory_pool().total_bytes()
        yield "by kernels", found
        del updater, clip
        cuda.cupy.get_default_memory_pool().free_all_blocks()


def loading(dry):
    """Milliseconds until a batch of frames like UCF-101's is on the GPU, read by threads ahead of it."""
    n = 2 if dry else 32
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "videos.h5")
        _write_videos(path, 4 if dry else 100)
        dataset = VideoDataset(path)
        fastest = float("inf")
        for threads in sorted({1, n_reading_threads()}):
            order = RandomWindows(dataset, 0)
            iterator = PartsOfBatches(dataset, n, slice(None), order, threads, dataset.frames_of)
            load = functools.partial(_load, iterator, chainer.get_device("@cupy:0"))
            took = milliseconds(load, 2 if dry else 30)["total"]
            iterator.finalize()
            fastest = min(fastest, took)
            yield f"{threads} threads", took
            yield "fastest", fastest


def _load(iterator, device):
    return send_and_scale(iterator.next(), device)


def _write_videos(path, n_clips):
    """Write clips that compress about as well as small frames of films: blurred noise that moves."""
    random_state = np.random.RandomState(0)
    with write_videos(path, source="Blurred noise.") as videos:
        for _ in range(n_clips):
            large = np.kron(random_state.uniform(0, 255, (10, 20, 3)), np.ones((8, 8, 1)))
            frames = np.stack([np.roll(large, t, axis=1)[:64, :64] for t in range(60)])
            noise = random_state.standard_normal(frames.shape)
            videos.append((frames + noise).clip(0, 255).astype(np.uint8))


def counts(dry):
    """What an iteration without and one with a clipping give to a GPU, counted on the stand-in."""
    counts = cuda.cupy._counts
    counts.only = True
    updater = _updater(Config(batch_size=32, image_size=64, channels=3), 0)
    updater.update()
    for name, clips in ("without clipping", False), ("clipping", True):
        counts.reset()
        updater.clipping(updater.discriminator) if clips else updater.update()
        yield (
            name,
            {
                "launches": sum(counts.launches.values()),
                "gigabytes": counts.bytes / 1e9,
                "synchronizations": sum(counts.synchronizations.values()),
            },
        )


def tests(dry):
    chosen = [os.path.join("tests", "test_devices.py")] if dry else []
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    yield "output", (done.stdout + done.stderr)[-3000:]
    yield "status", done.returncode


def benchmark(contenders, dry):
    """Seconds of an iteration by contender."""
    small = ["--batch-size", "2", "--width-divisor", "32", "--channels", "1", "--iterations", "5"]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "benchmark.json")
        command = [sys.executable, os.path.join(HERE, "benchmark.py"), "--gpu", "0", "--out", out]
        command += [*small, "--contenders", "ours", "--threads", "1"] if dry else ["--iterations", "20"]
        command += [] if dry else ["--contenders", *contenders]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        yield "output", (done.stdout + done.stderr)[-6000:]
        yield "status", done.returncode
        if os.path.exists(out):
            with open(out, encoding="utf-8") as file:
                (result,) = json.load(file)["results"]
            yield "by contender", {name: numbers["seconds"] for name, numbers in result["contenders"].items()}


FIRST = "ours ours:tf32 pytorch pytorch:float32 pytorch:channels_last".split()
SECOND = "ours:tf32 ours:no_aten pytorch:cudnn.benchmark pytorch:compile".split()
# By names: what is done, and its seconds at most. A process takes about ten to begin.
STEPS = {
    "environment": (environment, 30),
    **{
        f"convolutions, {mode}": (functools.partial(convolution_error, *of_mode), 40)
        for mode, of_mode in MODES.items()
    },
    "losses": (losses, 90),
    "iterations": (iterations, 90),
    "loading": (loading, 40),
    "clipping": (clipping, 40),
    "benchmark": (functools.partial(benchmark, FIRST), 110),
    "counts, with PyTorch": (counts, 40),
    "counts, without": (counts, 40),
    "tests": (tests, 150),
    "benchmark, more": (functools.partial(benchmark, SECOND), 110),
}


def milliseconds(function, n):
    """Time n calls: "total" milliseconds of one, and "given", until the CPU had started all its kernels."""
    function()
    cuda.cupy.cuda.Device().synchronize()
    start = time.perf_counter()
    for _ in range(n):
        function()
    given = time.perf_counter() - start
    cuda.cupy.cuda.Device().synchronize()
    return {"total": 1e3 * (time.perf_counter() - start) / n, "given": 1e3 * given / n}


class _SameBatch(chainer.dataset.Iterator):
    epoch, epoch_detail, is_new_epoch = 0, 0.0, False

    def __init__(self, batch):
        self.batch = batch

    def next(self):
        return self.batch

    __next__ = next


def _updater(config, gpu):
    device = use_device(gpu, config.tf32, config.pytorch_kernels)
    np.random.seed(0)
    networks = {"gen": build_generator(config), "dis": build_discriminator(config)}
    optimizers = {name: build_optimizer(config).setup(network) for name, network in networks.items()}
    for network in networks.values():
        network.to_device(device)
    shape = config.batch_size, config.channels, config.n_frames, config.image_size, config.image_size
    videos = np.random.uniform(-1, 1, shape).astype(np.float32)
    batch = list(videos)
    if config.model == "conditional_tgan":
        batch = [(video, np.int32(i % config.n_classes)) for i, video in enumerate(videos)]
    clipping = SingularValueClipping() if config.clipping == "svc" else None
    return GANUpdater(
        _SameBatch(batch), optimizers, clipping, LOSSES[config.loss](), device=device, check_interval=10**9
    )


def _losses_of(config, gpu):
    updater, found = _updater(config, gpu), []
    reporter = chainer.Reporter()
    reporter.add_observer("gen", updater.generator)
    reporter.add_observer("dis", updater.discriminator)
    for _ in range(2):
        with reporter.scope({}):
            updater.update()
            found += [float(value) for _, value in sorted(reporter.observation.items())]
    return found


# The verdict


def judge(report):
    """Return a list of dicts: target, value, limit and whether it is met, None where it was not measured."""
    steps, rows = report["steps"], []

    def add(target, limit, value, is_time=False):
        try:
            found = value()
        except (KeyError, IndexError, ValueError):  # the step failed, or has not come so far
            found = None
        met = None if found is None or (is_time and report["dry"]) else bool(found <= limit)
        rows.append({"target": target, "value": found, "limit": limit, "met": met})

    for mode, (_, tf32) in MODES.items():
        name = f"convolutions, {mode}"
        add(f"error of {name}", 3e-3 if tf32 else 3e-6, lambda name=name: steps[name]["error"])
    add("losses, GPU against CPU", 2e-2, lambda: max(steps["losses"]["relative differences"].values()))
    of_mode = lambda mode, key: steps["iterations"]["by kernels"][mode][key]  # noqa: E731
    for mode, limit in ("auto, tf32 off", 30), ("auto, tf32 on", 13), ("off, tf32 off", 64):
        add(f"ms an iteration, {mode}", limit, lambda mode=mode: of_mode(mode, "total"), is_time=True)
    fastest = "auto, tf32 on"
    add(
        "clipping's share of an iteration",
        0.05,
        lambda: of_mode(fastest, "clipping") / 5 / of_mode(fastest, "total"),
        is_time=True,
    )
    add(
        "the CPU's share of an iteration",
        0.9,
        lambda: of_mode(fastest, "given") / of_mode(fastest, "total"),
        is_time=True,
    )
    add(
        "loading's share of an iteration",
        1.0,
        lambda: steps["loading"]["fastest"] / of_mode(fastest, "total"),
        is_time=True,
    )
    by_shape = lambda: list(steps["clipping"]["by shape"].values())  # noqa: E731
    add("clipping's error", 2e-6, lambda: max(v["error"] for v in by_shape()))
    add(
        "time of products / eigh, largest weight",
        1.0,
        lambda: by_shape()[-1]["products"]["total"] / by_shape()[-1]["eigh"]["total"],
        is_time=True,
    )
    for name in "benchmark", "benchmark, more":
        seconds = steps.get(name, {}).get("by contender", {})
        for other in (c for c in (FIRST, SECOND)[name != "benchmark"] if c.startswith("pytorch")):
            ours = "ours" if other == "pytorch:float32" else "ours:tf32"  # PyTorch's default is TF32
            add(
                f"time of {ours} / {other}",
                1.0,
                lambda seconds=seconds, ours=ours, other=other: seconds[ours] / seconds[other],
                is_time=True,
            )
    for word, launches, gigabytes in ("with PyTorch", 206, 15), ("without", 286, 45):  # as its tests assert
        for key, limit in ("launches", launches), ("gigabytes", gigabytes), ("synchronizations", 0):
            add(
                f"{key} an iteration, {word}",
                limit,
                lambda word=word, key=key: steps[f"counts, {word}"]["without clipping"][key],
            )
        add(
            f"synchronizations a clipping, {word}",
            0,
            lambda word=word: steps[f"counts, {word}"]["clipping"]["synchronizations"],
        )
    add("exit status of the tests", 0, lambda: steps["tests"]["status"])
    add("exit status of the benchmark", 0, lambda: steps["benchmark"]["status"])
    return rows


def format_verdict(report):
    words = {None: "not measured", True: "met", False: "MISSED"}
    gpu = report["steps"].get("environment", {}).get("GPU", "?")
    lines = [f"{gpu}{', dry run: times mean nothing' if report['dry'] else ''}", ""]
    lines.append(f"{'target':48}{'value':>12}{'at most':>12}  verdict")
    for row in report["verdict"]:
        value = "-" if row["value"] is None else f"{row['value']:.3g}"
        lines.append(f"{row['target']:48}{value:>12}{row['limit']:>12.3g}  {words[row['met']]}")
    for name, step in report["steps"].items():
        if "failed" in step:
            lines.append(f"\n{name} failed: {step['failed'].strip().splitlines()[-1]}")
        if "out of time" in step:
            lines.append(f"\n{name} ran out of time after {step['out of time']:.0f} s")
    return "\n".join(lines) + "\n"


def draw(text, path):
    figure = Figure(figsize=(9, 0.22 * text.count("\n") + 0.5))
    figure.text(0.02, 0.98, text, family="monospace", size=8, va="top")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


if __name__ == "__main__":
    run_command(main)
