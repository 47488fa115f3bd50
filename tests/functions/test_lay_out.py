import numpy as np
import pytest

from tgan_chainer.functions import lay_out
from tgan_chainer.kernels import libraries

import chainer
from chainer import backend
from chainer.backends import cuda


@pytest.fixture
def x(xp):
    return chainer.Variable(xp.asarray(np.random.randn(3, 2, 4, 5).astype("f")))


def test_laying_out_changes_no_number(xp, x):
    y = lay_out(x)
    (gx,) = chainer.grad([y], [x], [x])
    assert backend.get_array_module(y) is xp
    for array in y.array, gx.array:
        np.testing.assert_array_equal(cuda.to_cpu(array), cuda.to_cpu(x.array))


def test_the_batch_lies_innermost_unless_a_library_convolves(x, monkeypatch):
    with chainer.using_config("pytorch_kernels", "off"):
        assert lay_out(x).array.transpose(1, 2, 3, 0).flags.c_contiguous
    monkeypatch.setattr(libraries.aten, "computes", lambda x: True)
    assert lay_out(x) is x
