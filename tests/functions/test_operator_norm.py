"""The operator norm of a convolution is the largest singular value of the matrix that it is."""

import itertools

import numpy as np
import pytest

from tgan_chainer.functions import clip_singular_values, operator_norm

from chainer.backends import cuda


def dense(W, size, stride, pad):
    """Write a convolution down as a matrix: a row for each output, a column for each element of the input."""
    out_channels, in_channels, *kernel = W.shape
    out_size = [(d + 2 * p - k) // s + 1 for d, k, s, p in zip(size, kernel, stride, pad)]
    matrix = np.zeros((out_channels, *out_size, in_channels, *size))
    for place in itertools.product(*map(range, out_size)):
        for offset in itertools.product(*map(range, kernel)):
            element = [j * s - p + o for j, s, p, o in zip(place, stride, pad, offset)]
            if all(0 <= e < d for e, d in zip(element, size)):
                matrix[(slice(None), *place, slice(None), *element)] = W[(..., *offset)]
    return matrix.reshape(out_channels * np.prod(out_size), -1)


@pytest.mark.parametrize(
    ("shape", "size", "stride", "pad"),
    [
        ((3, 2, 4), (16,), (2,), (1,)),
        ((2, 3, 3), (8,), (3,), (0,)),  # no window reaches the last two elements
        ((4, 2, 3, 3), (6, 5), (1, 1), (1, 1)),
        ((2, 3, 4, 1), (8, 3), (2, 2), (1, 0)),
        ((4, 3, 4, 4, 4), (4, 6, 6), (2, 2, 2), (1, 1, 1)),
        ((5, 2, 4, 4, 4), (2, 4, 4), (2, 2, 2), (1, 1, 1)),
        ((2, 2, 3, 2, 1), (5, 4, 3), (2, 1, 2), (1, 0, 0)),
    ],
)
def test_it_is_the_largest_singular_value_of_the_dense_matrix(shape, size, stride, pad, xp):
    W = np.random.randn(*shape)
    expected = np.linalg.svd(dense(W, size, stride, pad), compute_uv=False)[0]
    assert operator_norm(xp.asarray(W), size, stride, pad, 500) == pytest.approx(expected, rel=1e-4)
    # Fewer iterations estimate it from below.
    assert 0.8 * expected < operator_norm(xp.asarray(W), size, stride, pad, 10) <= expected * (1 + 1e-12)


def test_stride_and_pad_may_be_numbers():
    W = np.random.randn(3, 2, 4, 4)
    assert operator_norm(W, (8, 8), 2, 1) == operator_norm(W, (8, 8), (2, 2), (1, 1))


def test_the_norm_of_a_weight_of_zeros_is_zero(xp):
    assert operator_norm(xp.zeros((3, 2, 4, 4, 4), np.float32), (4, 8, 8), 2, 1) == 0


def test_neither_the_weight_nor_random_numbers_are_touched(xp):
    W = xp.asarray(np.random.randn(3, 2, 4, 4).astype("f"))
    before, state = cuda.to_cpu(W).copy(), np.random.get_state()[1].copy()
    operator_norm(W, (8, 8), 2, 1)
    np.testing.assert_array_equal(cuda.to_cpu(W), before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_clipped_convolution_of_the_discriminators_kind_reaches_the_square_root_of_eight():
    # Eight times the mean of each window has the singular value 1. Equal values become 8 times as large
    # in an eighth of the places, so that the norm grows by 8 / sqrt(8), but for the border.
    W = np.full((1, 1, 4, 4, 4), 1 / 8)
    assert clip_singular_values(W) is W
    norm = operator_norm(W, (32, 32, 32), 2, 1)
    assert 2.75 < norm <= np.sqrt(8)
    # Random weights stay below as well.
    W = clip_singular_values(3 * np.random.randn(8, 4, 4, 4, 4))
    assert 1 < operator_norm(W, (8, 16, 16), 2, 1) <= np.sqrt(8)
