"""Find out on a real GPU, within nine minutes, what was only tested on a stand-in for one.

  %(prog)s
  %(prog)s --out results/gpu_check
  PYTHONPATH=tests/stand_in %(prog)s --dry

In this order: what is installed; the error of each way to convolve against float64, TF32 on and off; the
losses of all models, GPU against CPU; clipping by its methods and sizes; iterations, and the CPU's time to
give them to the GPU; the tests that need a GPU; and the benchmark with PyTorch. A step that fails or runs out
of time does not keep the others from their turn.

A verdict, target by target, is shown at the end. The folder holds it as verdict.txt, verdict.png and, with
all numbers, gpu_check.json, which is written anew after each step: less than 1 MB in all.

--dry goes through everything with networks as small as possible, on the stand-in or on a GPU. Its times mean
nothing, and no target of time is judged.
"""

import functools
import json
import os
import subprocess
import sys
import time
import traceback

import numpy as np
from tqdm import tqdm

from tgan_chainer import provenance
from tgan_chainer.clipping import SingularValueClipping
from tgan_chainer.commands.cli import ArgumentParser, run_command
from tgan_chainer.config import Config
from tgan_chainer.devices import use_device
from tgan_chainer.files import atomic_path, make_folder, save_json, save_text
from tgan_chainer.functions import clip_by_products, clip_singular_values_by_svd, convolution_nd
from tgan_chainer.losses import LOSSES
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.optimizers import build_optimizer
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
KERNELS = ("auto", "off")  # PyTorch's where they are there, and our own


def main(argv=None):
    parser = ArgumentParser(__doc__)
    parser.add_argument("--out", metavar="FOLDER", default="results/gpu_check", help="default: %(default)s")
    parser.add_argument("--dry", action="store_true", help="as small as possible, times not judged")
    parser.add_argument("--part", help="used by this command itself: one step that needs a fresh process")
    args = parser.parse_args(argv)
    if args.part:
        print(json.dumps(convolution_error(**json.loads(args.part))))
        return 0
    use_device(0)
    make_folder(args.out)
    report = {"dry": args.dry, "steps": {}}
    steps = [environment, convolutions, losses, clipping, iterations, tests, benchmark]
    for step in tqdm(steps, unit="step", disable=None, leave=False):
        start = time.time()
        try:
            found = step(args.dry)
        except Exception:
            found = {"failed": traceback.format_exc()[-2000:]}
        report["steps"][step.__name__] = {"seconds": time.time() - start, **found}
        report["verdict"] = judge(report)
        save_json(os.path.join(args.out, "gpu_check.json"), report)
        print(f"{step.__name__}: {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    text = format_verdict(report)
    save_text(os.path.join(args.out, "verdict.txt"), text)
    draw(text, os.path.join(args.out, "verdict.png"))
    print(text)
    return int(any(row["met"] is False for row in report["verdict"]))


# The steps. Each returns numbers by names.


def environment(dry):
    properties = cuda.cupy.cuda.runtime.getDeviceProperties(0)
    runtime = cuda.cupy.cuda.runtime
    return {
        "GPU": properties["name"].decode(),
        "memory": properties["totalGlobalMem"],
        "CuPy": cuda.cupy.__version__,
        "cuDNN of CuPy": cuda.cudnn_enabled,
        "CUDA": [runtime.runtimeGetVersion(), runtime.driverGetVersion()],
        "machine": provenance.describe_machine(),
        "commit": provenance.commit(),
    }


def convolutions(dry):
    """Each in a process of its own, since libraries ask for TF32 only once."""
    errors = {}
    for kernels in KERNELS:
        for tf32 in False, True:
            part = json.dumps({"kernels": kernels, "tf32": tf32})
            command = [sys.executable, os.path.abspath(__file__), "--part", part]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            if done.returncode:
                raise RuntimeError(done.stderr[-1000:])
            errors[f"{kernels}, tf32 {'on' if tf32 else 'off'}"] = json.loads(done.stdout)
    return {"relative errors": errors}


def convolution_error(kernels, tf32):
    """Return the relative error of a convolution and its gradients against float64."""
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
    return max(
        float(np.linalg.norm(cuda.to_cpu(a) - b) / np.linalg.norm(b)) for a, b in zip(found, exact)
    )


def losses(dry):
    """Two iterations of each model: the largest relative difference of a loss, GPU against CPU."""
    differences = {}
    for name, settings in MODELS.items():
        for kernels in KERNELS:
            config = Config(batch_size=4, learning_rate=1e-4, pytorch_kernels=kernels, **TINY, **settings)
            pairs = zip(*(_losses_of(config, gpu) for gpu in (-1, 0)))
            differences[f"{name}, {kernels}"] = max(abs(a - b) / max(abs(a), 1e-2) for a, b in pairs)
    return {"relative differences": differences}


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
    return {"by shape": found}


def iterations(dry):
    """300 iterations of the paper's networks: milliseconds of one, and until the CPU had given it away."""
    found = {}
    sizes = TINY if dry else {"image_size": 64, "channels": 3}
    for kernels in KERNELS:
        for tf32 in False, True:
            config = Config(batch_size=2 if dry else 32, tf32=tf32, pytorch_kernels=kernels, **sizes)
            updater = _updater(config, 0)
            n = 2 if dry else 300 if kernels == "auto" else 50
            clip = functools.partial(updater.clipping, updater.discriminator)
            name = f"{kernels}, tf32 {'on' if tf32 else 'off'}"
            found[name] = milliseconds(updater.update, n)
            found[name]["clipping"] = milliseconds(clip, 1 if dry else 10)["total"]
            found[name]["pool"] = cuda.cupy.get_default_memory_pool().total_bytes()
            del updater, clip
            cuda.cupy.get_default_memory_pool().free_all_blocks()
    return {"by kernels": found}


def tests(dry):
    chosen = [os.path.join("tests", "test_devices.py")] if dry else []
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", *chosen]
    done = _run(command, 150)
    return {"passed": done.returncode == 0, "output": done.stdout[-3000:]}


def benchmark(dry):
    small = ["--batch-size", "2", "--width-divisor", "32", "--channels", "1", "--iterations", "5"]
    contenders = "ours ours:tf32 ours:no_aten pytorch pytorch:channels_last pytorch:float32".split()
    contenders += ["pytorch:cudnn.benchmark", "pytorch:compile"]
    command = [sys.executable, os.path.join(HERE, "benchmark.py"), "--gpu", "0"]
    command += [*small, "--contenders", "ours"] if dry else ["--contenders", *contenders]
    done = _run([*command, "--threads", "1"] if dry else command, 200)
    return {"passed": done.returncode == 0, "output": (done.stdout + done.stderr)[-6000:]}


def _run(command, seconds):
    try:
        return subprocess.run(
            command, cwd=os.path.dirname(HERE), capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(command, 124, str(error.stdout or ""), f"over {seconds} s")


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

    def add(target, step, value, limit, is_time=False):
        found = None
        if step in steps and "failed" not in steps[step]:
            found = value(steps[step])
        met = None if found is None or (is_time and report["dry"]) else bool(found <= limit)
        rows.append({"target": target, "value": found, "limit": limit, "met": met})

    for kernels in KERNELS:
        of = f"{kernels}, tf32 off"
        add(f"error of convolutions, {of}", "convolutions", lambda s, of=of: s["relative errors"][of], 3e-6)
        of = f"{kernels}, tf32 on"
        add(f"error of convolutions, {of}", "convolutions", lambda s, of=of: s["relative errors"][of], 3e-3)
    largest = lambda numbers: max(numbers.values())  # noqa: E731
    add("losses, GPU against CPU", "losses", lambda s: largest(s["relative differences"]), 2e-2)
    add("clipping's error", "clipping", lambda s: max(v["error"] for v in s["by shape"].values()), 2e-6)
    add(
        "time of products / eigh, largest weight",
        "clipping",
        lambda s: (v := list(s["by shape"].values())[-1])["products"]["total"] / v["eigh"]["total"],
        1.0,
        is_time=True,
    )
    fastest = "auto, tf32 on"
    of_iteration = lambda s: s["by kernels"][fastest]  # noqa: E731
    add(
        "clipping's share of an iteration",
        "iterations",
        lambda s: of_iteration(s)["clipping"] / 5 / of_iteration(s)["total"],
        0.05,
        is_time=True,
    )
    add(
        "the CPU's share of an iteration",
        "iterations",
        lambda s: of_iteration(s)["given"] / of_iteration(s)["total"],
        0.9,
        is_time=True,
    )
    add("tests that failed", "tests", lambda s: int(not s["passed"]), 0)
    add("benchmarks that failed", "benchmark", lambda s: int(not s["passed"]), 0)
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
    return "\n".join(lines) + "\n"


def draw(text, path):
    import matplotlib.pyplot as plt

    n_lines = text.count("\n") + 1
    figure = plt.figure(figsize=(9, 0.22 * n_lines + 0.3))
    figure.text(0.02, 0.98, text, family="monospace", size=8, va="top")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run_command(main)
