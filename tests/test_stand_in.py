"""The stand-in for CuPy has nothing that the real one has not, and computes what NumPy does."""

import inspect
import os
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest
import record_names

from chainer.backends import cuda

FOLDER = pathlib.Path(__file__).parent / "stand_in"
IS_STAND_IN = cuda.available and pathlib.Path(cuda.cupy.__file__).is_relative_to(FOLDER)
on_stand_in = pytest.mark.skipif(not IS_STAND_IN, reason="looks at the stand-in for CuPy, not at a real GPU")


def public_names():
    for place in record_names.PLACES:
        for name, value in vars(record_names.find(place)).items():
            if not (name.startswith("_") or isinstance(value, types.ModuleType)):
                parameters = record_names.parameters(value) if inspect.isfunction(value) else None
                yield f"{place}.{name}", parameters or []


@pytest.mark.gpu
@on_stand_in
def test_names_and_parameters_are_the_real_ones():
    lines = (FOLDER / "names.txt").read_text().splitlines()
    real = {line.split()[0]: set(line.split()[1:]) for line in lines}
    for name, parameters in public_names():
        assert name in real, name
        assert real[name] >= set(parameters), name


@pytest.mark.gpu
@on_stand_in
def test_nothing_crosses_to_the_host_or_back_by_itself():
    cupy, x = cuda.cupy, cuda.cupy.ones((2, 3), "f")
    for crossing in (
        lambda: np.asarray(x),
        lambda: x + np.ones((2, 3)),
        lambda: np.ones((2, 3)) * x,
        lambda: cupy.maximum(x, np.ones(3)),
        lambda: x.__setitem__(0, np.ones(3)),
        lambda: x * np.float64(2),  # whose dtype would depend on CuPy's version
    ):
        with pytest.raises(TypeError):
            crossing()


@pytest.mark.gpu
@on_stand_in
def test_what_a_gpu_would_do_is_counted():
    cupy, counts = cuda.cupy, cuda.cupy._counts
    x = cupy.asarray(np.arange(6, dtype="f").reshape(2, 3))
    counts.reset()
    y = x.T * 2
    assert y.flags.c_contiguous and counts.launches == {"multiply": 1}
    assert counts.bytes == 6 * (12 + 4)  # read across rows of 12 bytes, written in order
    assert not counts.synchronizations
    assert float(y.sum()) == 30
    (place,) = counts.synchronizations
    assert place.startswith("float at") and "test_stand_in.py" in place
    assert np.isnan(cupy.empty(3, "f").get()).all()


@pytest.mark.gpu
@on_stand_in
def test_kernels_are_run():
    cupy = cuda.cupy
    x = cupy.asarray(np.arange(6, dtype="f").reshape(2, 3))
    kernel = cupy.ElementwiseKernel("T x, raw int32 y, T a", "T z", "z = a * x + y[i % 3]", "axpy")
    z = kernel(x.T, cupy.arange(3, dtype="i"), 2)
    np.testing.assert_array_equal(z.get(), 2 * x.get().T + np.arange(6).reshape(3, 2) % 3)
    norm = cupy.ReductionKernel("T x", "T y", "x * x", "a + b", "y = sqrt(a)", "0", "norm")
    np.testing.assert_allclose(norm(x, axis=0).get(), np.linalg.norm(x.get(), axis=0), rtol=1e-6)
    with pytest.raises(RuntimeError, match="g\\+\\+ refuses"):
        cupy.ElementwiseKernel("T x", "T y", "y = z", "wrong")(x)


def test_without_a_gpu_every_such_test_runs_on_it():
    """Also where these tests run without it: that it can be imported and says what it is."""
    code = "import cupy; print(cupy.__version__, cupy.cuda.runtime.getDeviceProperties(0)['name'].decode())"
    environment = {**os.environ, "PYTHONPATH": str(FOLDER)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "14.0.0 stand-in for a GPU\n", done.stderr
