import numpy as np

from tgan_chainer.functions import lay_out

import chainer
from chainer import backend
from chainer.backends import cuda


def test_laying_out_changes_no_number(xp):
    x = chainer.Variable(xp.asarray(np.random.randn(3, 2, 4, 5).astype("f")))
    y = lay_out(x)
    (gx,) = chainer.grad([y], [x], [x])
    assert backend.get_array_module(y) is xp
    for array in y.array, gx.array:
        np.testing.assert_array_equal(cuda.to_cpu(array), cuda.to_cpu(x.array))
