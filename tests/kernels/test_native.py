"""The compiled kernels compute what Chainer's own functions do in float64, wherever arrays lie."""

import ctypes
import mmap
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgan_chainer import functions
from tgan_chainer.kernels import Grid, choose, columns, compiled, layout, native
from tgan_chainer.links import VideoDiscriminator
from tgan_chainer.optimizers import RMSprop

import chainer
import chainer.functions as F
import chainer.links as L

SOURCES = pathlib.Path(native.__file__).with_suffix("")
pytestmark = pytest.mark.skipif(
    not native.description().startswith("compiled"), reason=f"computes by {native.description()}"
)


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    """Let even the smallest of these arrays be computed by several threads."""
    monkeypatch.setattr(compiled, "ELEMENTS_OF_THREAD", 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")


@st.composite
def convolutions(draw):
    """Draw (n, large channels, small channels, grid)."""

    def wide_axis(least, most):
        return 3, 1, draw(st.integers(0, 2)), draw(st.integers(least, most))

    def axis():
        kernel, stride, pad = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(0, 3))
        return kernel, stride, pad, draw(st.integers(max(1, kernel - 2 * pad), 9))

    is_wide = draw(st.integers(0, 3)) == 0  # as those of C3D
    axes = [wide_axis(3, 6), wide_axis(17, 21), wide_axis(17, 21)] if is_wide else []
    kernel, stride, pad, large = zip(*(axes or [axis() for _ in range(draw(st.integers(1, 3)))]))
    small = tuple((d + 2 * p - k) // s + 1 for d, p, k, s in zip(large, pad, kernel, stride))
    n = draw(st.sampled_from([1, 2, 4, 5, 8] if is_wide else [1, 2, 4, 5, 8, 16, 19, 32]))
    return n, draw(st.integers(1, 14)), draw(st.integers(1, 14)), Grid(kernel, stride, pad, large, small)


def inputs_of(n, n_large, n_small, grid):
    """Return random x, W and gy, float32 (N, C, *axes)."""
    random_state = np.random.RandomState(0)
    shapes = (n, n_large, *grid.large), (n_small, n_large, *grid.whole_kernel), (n, n_small, *grid.small)
    return [random_state.standard_normal(shape).astype("f") for shape in shapes]


def biases(W):
    return np.arange(len(W), dtype="f"), np.arange(W.shape[1], dtype="f")


def exact_results(x, W, gy, grid):
    """Return convolution, its transpose and gradient of the kernel, by Chainer in float64."""
    of_y, of_x = biases(W)
    x, W, gy, of_y = (chainer.Variable(array.astype("d")) for array in (x, W, gy, of_y))
    y = F.convolution_nd(x, W, of_y, grid.stride, grid.whole_pad)
    gx, gW = chainer.grad([y], [x, W], [gy])
    return [y.array, gx.array + of_x.reshape(-1, *(1 for _ in grid.large)), gW.array]


def native_results(x, W, gy, grid):
    of_y, of_x = biases(W)
    y, gx = native.convolve(x, W, grid, of_y), native.deconvolve(gy, W, grid, of_x)
    return [y, gx, native.kernel_gradient(x, gy, grid)]


def assert_close(results, expected, tolerance=1e-5):
    """The tolerance is a share of the largest element."""
    for result, exact in zip(results, expected):
        assert result.shape == exact.shape and result.dtype == np.float32
        np.testing.assert_allclose(result, exact, rtol=0, atol=tolerance * max(abs(exact).max(), 1e-3))


@settings(max_examples=150, deadline=None)
@given(convolutions())
def test_every_convolution_is_the_direct_sum(convolution):
    x, W, gy = inputs_of(*convolution)
    grid = convolution[-1]
    assert_close(native_results(x, W, gy, grid), exact_results(x, W, gy, grid))


LAYERS = {
    "conv2 of D": (8, 12, 20, Grid((4,) * 3, (2,) * 3, (1,) * 3, (8, 12, 12), (4, 6, 6))),
    "conv4 of D": (4, 16, 24, Grid((4,) * 3, (2,) * 3, (1,) * 3, (2, 8, 8), (1, 4, 4))),
    "deconv of G0": (8, 16, 24, Grid((4,), (2,), (1,), (8,), (4,))),
    "deconv2 of G1": (40, 16, 32, Grid((4, 4), (2, 2), (1, 1), (16, 16), (8, 8))),
    "deconv4 of a narrow G1": (32, 4, 8, Grid((4, 4), (2, 2), (1, 1), (12, 12), (6, 6))),
    "deconv5 of G1": (48, 3, 32, Grid((3, 3), (1, 1), (1, 1), (12, 12), (12, 12))),
    "conv1 of C3D": (4, 3, 20, Grid((3,) * 3, (1,) * 3, (1,) * 3, (3, 6, 16), (3, 6, 16))),
    "conv2 of C3D": (4, 24, 40, Grid((3,) * 3, (1,) * 3, (1,) * 3, (4, 18, 21), (4, 18, 21))),
    "conv2 of C3D, eight videos": (8, 9, 20, Grid((3,) * 3, (1,) * 3, (1,) * 3, (3, 20, 17), (3, 20, 17))),
    "conv4 of C3D": (4, 24, 40, Grid((3,) * 3, (1,) * 3, (1,) * 3, (4, 9, 9), (4, 9, 9))),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_results_do_not_depend_on_the_number_of_threads(layer, monkeypatch):
    arrays, grid = inputs_of(*LAYERS[layer]), LAYERS[layer][-1]
    results = []
    for threads in ("1", "2", "3", "64"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        results.append(native_results(*arrays, grid))
    assert_close(results[0], exact_results(*arrays, grid))
    for others in results[1:]:
        for one, other in zip(results[0], others):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("target", ["baseline", "avx2", "avx512"])
def test_every_target_that_runs_here_computes_the_same(target):
    script = (
        "from tests.kernels.test_native import *\n"
        "print(native.description())\n"
        "for layer in LAYERS.values() if native.description().startswith('compiled') else ():\n"
        "    arrays = inputs_of(*layer)\n"
        "    assert_close(native_results(*arrays, layer[-1]), exact_results(*arrays, layer[-1]))\n"
    )
    found = run_python(script, TGAN_CHAINER_KERNELS=target)
    assert found.startswith("compiled") or "does not run on this processor" in found, found


def run_python(script, **environment):
    """Run a script in the folder of the tests, in a process of its own; return what it printed first."""
    root = pathlib.Path(__file__).parents[2]
    path = os.pathsep.join([str(root), *sys.path])
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.partition("\n")[0]


@pytest.mark.parametrize(
    "layer", ["conv2 of D", "deconv5 of G1", *(name for name in LAYERS if "C3D" in name)]
)
def test_rounding_errors_are_a_few_times_those_of_the_direct_sum(layer):
    (x, W, gy), grid = inputs_of(*LAYERS[layer]), LAYERS[layer][-1]
    exact = exact_results(x, W, gy, grid)[0]
    direct = F.convolution_nd(x, W, biases(W)[0], grid.stride, grid.whole_pad).array
    assert abs(native_results(x, W, gy, grid)[0] - exact).max() < 8 * abs(direct - exact).max()


def misplaced(array, how):
    if how == "misaligned":
        memory = np.empty(array.nbytes + 1, np.uint8)
        result = memory[1:].view(np.float32).reshape(array.shape)
    elif how == "backwards":
        result = np.empty(array.shape, "f")[..., ::-1]
    else:  # strided
        result = np.empty((*array.shape[:-1], 2 * array.shape[-1]), "f")[..., ::2]
    result[...] = array
    return result


@pytest.mark.parametrize("how", ["misaligned", "backwards", "strided"])
def test_arrays_may_lie_anywhere(how):
    arrays, grid = inputs_of(*LAYERS["conv2 of D"]), LAYERS["conv2 of D"][-1]
    assert_close(
        native_results(*(misplaced(array, how) for array in arrays), grid), exact_results(*arrays, grid)
    )


def guarded(shape, at_end):
    """Return an array whose last (or first) element has a page after (before) it that nobody may touch."""
    page, size = mmap.PAGESIZE, 4 * int(np.prod(shape))
    n_pages = -(-size // page)
    memory = mmap.mmap(-1, (n_pages + 2) * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (0, n_pages + 1):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + guard * page), page, 0) == 0
    offset = page + (n_pages * page - size if at_end else 0)
    return np.frombuffer(memory, np.float32, size // 4, offset).reshape(shape)


def compute_between_guards():
    """Compute with arrays that have guards on either side; what reads or writes there ends the process."""
    empty, layout._MIN_COPY, compiled.ELEMENTS_OF_THREAD = np.empty, 1, 1
    for n, n_large, n_small, grid in [*LAYERS.values(), (3, 1, 1, Grid((5,), (2,), (2,), (7,), (4,)))]:
        for at_end in (False, True):
            inputs = []
            for array in inputs_of(n, n_large, n_small, grid):
                if array.shape[2:] != grid.whole_kernel or array.shape[0] == n:
                    array = np.moveaxis(array, 0, -1)
                inputs.append(guarded(array.shape, at_end))
                inputs[-1][...] = array
            x, W, gy = inputs
            first = (-1, *range(x.ndim - 1))
            np.empty = lambda shape, dtype, at_end=at_end: guarded(shape, at_end)
            native_results(x.transpose(first), W, gy.transpose(first), grid)
            native.pool(x, 1)
            layout.copy(np.moveaxis(x, 0, -1), np.empty((*x.shape[1:], x.shape[0]), "f"))
            np.empty = empty
            vectors = [guarded((len(x),), at_end) for _ in range(4)]
            native.normalize(x, *vectors, 1e-5, 0.2, False)
            native.normalize_backward(x, x, *vectors, 1e-5, 0.2, False)
            native.update_by_rmsprop([x], [x], [x], 0.1, 0.9, 1e-8)


@pytest.mark.parametrize("n, n_frames, size", [(8, 16, 64), (3, 12, 70), (1, 9, 33), (33, 1, 6), (20, 9, 17)])
def test_copies_are_those_of_numpy(n, n_frames, size, monkeypatch):
    monkeypatch.setattr(layout, "_MIN_COPY", 1)
    calls = []
    monkeypatch.setattr(layout, "call", lambda *arguments: (calls.append(1), compiled.call(*arguments)))
    x = np.random.RandomState(0).standard_normal((2, size, 3, n, n_frames)).astype("f")
    orders = [
        (0, 4, 1, 2, 3),
        (4, 1, 2, 0, 3),
        (0, 2, 3, 4, 1),
        (3, 0, 4, 1, 2),
        (4, 3, 2, 1, 0),
        (0, 1, 2, 3, 4),
    ]
    for view in (x, x[:, ::-1], x[:, 1:, ..., : n_frames // 2 + 1], x[..., ::2]):
        for order in orders:
            expected = view.transpose(order)
            for memory in np.full(expected.shape, 7, "f"), np.full((2, *expected.shape), 7, "f"):
                to = memory if memory.ndim == expected.ndim else memory[1]
                layout.copy(expected, to)
                np.testing.assert_array_equal(to, expected)
                assert to is memory or (memory[0] == 7).all()
    # At least those of x whose last axis is one of eight elements or more that was not the last one before.
    assert len(calls) >= 2 * sum(x.shape[order[-1]] >= 8 and order[-1] < 4 for order in orders)


def test_a_copy_that_is_none_of_the_kernels_is_numpys(monkeypatch):
    monkeypatch.setattr(layout, "_MIN_COPY", 1)
    x = np.random.RandomState(0).standard_normal((16, 24)).astype("f")
    for dtype in ("d", ">f4", "i4"):
        to = np.empty((24, 16), dtype)
        layout.copy(x.T, to)
        np.testing.assert_array_equal(to, x.T.astype(dtype))
    to.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        layout.copy(x.T, to)


def test_nothing_outside_of_the_arrays_is_read_or_written():
    run_python("from tests.kernels.test_native import *\ncompute_between_guards()")


@pytest.mark.parametrize("shape", [(7, 5), (8, 3, 4, 5), (2, 1, 6, 7, 8), (1, 2, 3), (33, 4, 131)])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("is_fixed", [False, True])
def test_batch_normalization_is_that_of_chainer(shape, slope, is_fixed):
    random_state = np.random.RandomState(0)
    x, gy = (random_state.standard_normal(shape).astype("f") + offset for offset in (3, 0))
    gamma, beta, mean, var = (random_state.uniform(0.5, 1.5, shape[1]).astype("f") for _ in range(4))
    results = []
    for dtype in ("f", "d"):
        inputs = [chainer.Variable(array.astype(dtype)) for array in (x, gamma, beta)]
        fixed = [array.astype(dtype) for array in (mean, var)]
        if dtype == "f":
            if is_fixed:
                y = functions.fixed_batch_normalization(*inputs, *fixed, slope=slope)
            else:
                y = functions.batch_normalization(*inputs, slope=slope)
        else:
            y = F.fixed_batch_normalization(*inputs, *fixed) if is_fixed else F.batch_normalization(*inputs)
            y = F.leaky_relu(y, slope)
        gradients = chainer.grad([y], inputs, [chainer.Variable(gy.astype(dtype))])
        results.append([v.array for v in (y, *gradients)])
    assert_close(*results, tolerance=3e-5)


@pytest.mark.parametrize("offset", [0, 1e3])
def test_a_mean_far_from_zero_does_not_spoil_the_variance(offset):
    rows = np.random.RandomState(0).standard_normal((2, 10**5)).astype("f") + np.float32(offset)
    mean, var = np.empty(2, "f"), np.empty(2, "f")
    native.normalize(rows, np.ones(2, "f"), None, mean, var, 1e-5, 1.0, False)
    np.testing.assert_allclose(mean, rows.astype("d").mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(var, rows.astype("d").var(axis=1), rtol=1e-5)


def test_rmsprop_is_that_of_chainer():
    links = [L.Linear(300, 401), L.Linear(300, 401)]
    links[1].copyparams(links[0])
    optimizers = [RMSprop(0.01).setup(links[0]), chainer.optimizers.RMSprop(0.01, 0.99, 1e-8).setup(links[1])]
    for _ in range(3):
        gradients = [np.random.standard_normal(p.shape).astype("f") for p in links[0].params()]
        for link, optimizer in zip(links, optimizers):
            for parameter, gradient in zip(link.params(), gradients):
                parameter.grad = gradient.copy()
            optimizer.update()
    for ours, theirs in zip(*(link.params() for link in links)):
        np.testing.assert_allclose(ours.array, theirs.array, rtol=2e-6, atol=3e-7)
        np.testing.assert_allclose(ours.update_rule.state["ms"], theirs.update_rule.state["ms"], rtol=2e-6)


@pytest.mark.parametrize("function", ["normalization", "gradient of it", "RMSprop", "tanh", "copy"])
def test_passes_over_memory_do_not_depend_on_the_number_of_threads(function, monkeypatch):
    x, gy = np.random.RandomState(0).standard_normal((2, 5, 70_000)).astype("f")
    results = []
    for threads in ("1", "2", "3", "64"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        gamma, mean, var = np.ones(5, "f"), np.ones((2, 5), "f"), np.ones((2, 5), "f")
        parameters = gamma, gamma, mean, var, 1e-5, 0.2, False, 8
        if function == "normalization":
            results.append([native.normalize(x, *parameters), mean, var])
        elif function == "gradient of it":
            results.append(native.normalize_backward(x, gy, *parameters))
        elif function == "RMSprop":
            results.append([x.copy(), abs(gy)])
            native.update_by_rmsprop(*([a] for a in results[-1]), [gy], 0.1, 0.9, 1e-8)
        elif function == "tanh":
            results.append([native.tanh(x), native.tanh_backward(x, gy)])
        else:
            results.append([np.empty(x.shape[::-1], "f")])
            layout.copy(x.T, results[-1][0])
    for others in results[1:]:
        for one, other in zip(results[0], others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_thread_starts_only_for_work_that_is_worth_it(monkeypatch):
    monkeypatch.setattr(compiled, "ELEMENTS_OF_THREAD", 100)
    assert [compiled.threads_for(n) for n in (0, 99, 199, 200, 299, 300, 10**6)] == [1, 1, 1, 2, 2, 3, 3]


def test_no_thread_is_left_and_a_fork_computes():
    arrays, grid = inputs_of(*LAYERS["deconv2 of G1"]), LAYERS["deconv2 of G1"][-1]
    before = set(os.listdir("/proc/self/task"))
    results = native_results(*arrays, grid)
    # A thread that has ended and been joined may be listed for a moment longer.
    deadline = time.monotonic() + 10
    while (left := set(os.listdir("/proc/self/task")) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left
    if (child := os.fork()) == 0:
        same = all(map(np.array_equal, native_results(*arrays, grid), results))
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_numpy_computes_where_it_is_asked_to(monkeypatch):
    x, *_ = inputs_of(*LAYERS["conv2 of D"])
    assert choose(x) is native
    assert choose(x.astype("d")) is columns
    script = "from tgan_chainer.kernels import native\nprint(native.description())"
    assert run_python(script, TGAN_CHAINER_KERNELS="numpy").startswith("NumPy (TGAN_CHAINER_KERNELS=numpy)")
    monkeypatch.setattr(compiled, "load", lambda: (None, ""))
    assert choose(x) is columns


def test_a_library_of_other_sources_is_not_used(tmp_path):
    for path in SOURCES.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "filtering.hpp").write_text("// other\n", encoding="utf-8")
    script = (
        "import pathlib\nfrom tgan_chainer.kernels import compiled, native\n"
        f"compiled._SOURCES = pathlib.Path({str(tmp_path)!r})\nprint(native.description())"
    )
    assert "older than their sources" in run_python(script)


def build_program(folder, compiler, flags, target="baseline"):
    """Compile the kernels with sanitize.cpp, and return the program."""
    flags = ["-std=c++17", "-g", "-pthread", "-Wno-psabi", '-DTGAN_SOURCES=""', f"-I{SOURCES}", *flags]
    objects = []
    here = pathlib.Path(__file__).with_name("sanitize.cpp")
    for path in SOURCES / "target.cpp", SOURCES / "kernels.cpp", here:
        objects.append(str(folder / f"{path.stem}.o"))
        name = f"-DTARGET={target}" if path.stem == "target" else f"-DTARGETS=TARGET({target})"
        subprocess.run([compiler, *flags, name, "-c", str(path), "-o", objects[-1]], check=True)
    program = str(folder / "program")
    subprocess.run([compiler, *flags, *objects, "-o", program], check=True)
    return program


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_sanitizers_find_nothing(sanitizers, tmp_path):
    program = build_program(tmp_path, "g++", ["-O1", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"])
    run = subprocess.run([program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_vectors_of_sixteen_compute_the_direct_sums(tmp_path):
    # Those of AVX-512, which has run nowhere yet, each by several registers of what runs everywhere.
    program = build_program(tmp_path, "g++", ["-O2", "-D__AVX512F__"])
    run = subprocess.run([program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_aarch64_computes_the_direct_sums(tmp_path):
    for program in "aarch64-linux-gnu-g++", "qemu-aarch64-static":
        if not shutil.which(program):
            pytest.skip(f"no {program} (Debian: apt install g++-aarch64-linux-gnu qemu-user-static)")
    program = build_program(tmp_path, "aarch64-linux-gnu-g++", ["-O2", "-static"])
    run = subprocess.run(["qemu-aarch64-static", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def discriminator_gradients(discriminator, videos, signs=None):
    """Return gradients of D, and where its leaky ReLUs see positive numbers, unless ``signs`` says where."""
    seen, h = [], videos
    for i in range(1, 5):
        h = discriminator[f"conv{i}"](h)
        h = discriminator[f"bn{i}"](h) if i > 1 else h
        seen.append(h.array > 0)
        h = h * np.where(seen[-1] if signs is None else signs[i - 1], 1, 0.2).astype(h.dtype)
    loss = F.sum(discriminator.linear5(h))
    parameters = [p for _, p in sorted(discriminator.namedparams())]
    return [g.array for g in chainer.grad([loss], parameters)], seen


@pytest.mark.slow
def test_gradients_of_the_papers_discriminator_differ_by_signs_that_flip_and_nothing_else():
    # In float32 an element next to 0 may come out on its other side, where the slope of the leaky ReLU is
    # five times as large, or a fifth.
    discriminator = VideoDiscriminator(width=64)
    exact = discriminator.copy("copy")
    for parameter in exact.params():
        parameter.array = parameter.array.astype("d")
    n_flips = []
    for seed in range(5):
        videos = np.random.RandomState(seed).uniform(-1, 1, (8, 3, 16, 64, 64)).astype("f")
        expected, signs = discriminator_gradients(exact, videos.astype("d"))
        found, own_signs = discriminator_gradients(discriminator, videos)
        frozen, _ = discriminator_gradients(discriminator, videos, signs)
        n_flips.append(sum(np.count_nonzero(a != b) for a, b in zip(signs, own_signs)))
        with_flips, without = (largest_distance(gradients, expected) for gradients in (found, frozen))
        print(f"{n_flips[-1]} of {sum(s.size for s in signs)} signs flip: {with_flips:.1e}, {without:.1e}")
        assert without < 1e-5
        assert n_flips[-1] or with_flips == without
    assert 0 < sum(n_flips) < 100


def largest_distance(gradients, expected):
    return max(np.linalg.norm(g - e) / np.linalg.norm(e) for g, e in zip(gradients, expected))
