"""What all tests share: Chainer made importable, fixed random seeds, and tests for NumPy and CuPy."""

import random

import numpy as np
import pytest

from tgan_chainer import _chainer_compat
from tgan_chainer.devices import default_gpu

with _chainer_compat.legacy_imports():
    import chainer.testing  # noqa: F401  (its import fails outside of this block)
from chainer.backends import cuda

GPU_FOUND = default_gpu() >= 0


def pytest_collection_modifyitems(items):
    if GPU_FOUND:
        return
    missing = "CuPy finds no GPU" if cuda.available else "CuPy, or a CUDA library it needs, is not installed"
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=f"needs a GPU: {missing}"))


@pytest.fixture(autouse=True)
def seeds():
    """Make each test draw the same random numbers, whichever ran before it."""
    random.seed(0)
    np.random.seed(0)
    if GPU_FOUND:
        cuda.cupy.random.seed(0)


@pytest.fixture(params=["numpy", pytest.param("cupy", marks=pytest.mark.gpu)])
def xp(request):
    """NumPy and, where there is a GPU, CuPy."""
    return np if request.param == "numpy" else cuda.cupy
