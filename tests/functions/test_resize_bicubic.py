"""Frames are resized as OpenCV does it, on which the published inception scores depend."""

import numpy as np
import pytest

from tgan_chainer.errors import InputError
from tgan_chainer.functions.resize_bicubic import bicubic_matrix, resize_bicubic

from chainer import backend
from chainer.backends import cuda


def resize(xp, frames, size, window=None):
    result = resize_bicubic(xp.asarray(frames), size, window)
    assert backend.get_array_module(result) is xp and result.dtype == frames.dtype
    return cuda.to_cpu(result)


def opencv(frames, height, width):
    cv2 = pytest.importorskip("cv2")
    flat = frames.reshape(-1, *frames.shape[-2:])
    resized = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in flat]
    return np.stack(resized).reshape(*frames.shape[:-2], height, width)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((64, 64), (128, 128)),  # that of the inception score
        ((32, 32), (128, 128)),
        ((64, 64), (112, 112)),
        ((61, 47), (128, 128)),
        ((7, 5), (23, 12)),
        ((128, 128), (64, 64)),
        ((33, 65), (17, 20)),
        ((2, 3), (9, 9)),
        ((1, 1), (4, 3)),
    ],
)
def test_floats_are_those_of_opencv(xp, before, after):
    frames = np.random.uniform(0, 256, (2, 3, *before)).astype(np.float32)
    found = resize(xp, frames, after)
    assert found.shape == (2, 3, *after)
    np.testing.assert_allclose(found, opencv(frames, *after), rtol=0, atol=1e-3)


@pytest.mark.parametrize("before", [32, 64, 100])
def test_bytes_are_those_of_opencv_but_for_its_rounding(xp, before):
    frames = np.random.randint(0, 256, (4, before, before)).astype(np.uint8)
    expected = opencv(frames, 128, 128)
    found = resize(xp, frames.astype(np.float32), 128).clip(0, 255)
    assert abs(found - expected).max() <= 1
    # Random frames are worst: most pixels are off by no more than half a level of rounding.
    assert abs(found - expected).mean() < 0.3


def test_values_are_neither_rounded_nor_clipped(xp):
    edge = np.zeros((1, 8, 8), np.float32)
    edge[..., 4:] = 255
    found = resize(xp, edge, 16)
    assert found.min() < -10 and found.max() > 265
    assert (found != np.rint(found)).any()


def test_weights_are_those_of_keys_formula():
    # At twice the size pixels lie a quarter to both sides of the old ones: with a = -3/4 the cubic
    # convolution kernel at 1.25, 0.25, 0.75 and 1.75.
    a = -0.75
    far = [a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a for x in (1.25, 1.75)]
    near = [(a + 2) * x**3 - (a + 3) * x**2 + 1 for x in (0.25, 0.75)]
    matrix = bicubic_matrix(8, 16)
    np.testing.assert_allclose(matrix[7, 2:6], [far[0], near[0], near[1], far[1]], rtol=1e-12)
    np.testing.assert_allclose(matrix[8, 2:6], [far[1], near[1], near[0], far[0]], rtol=1e-12)
    assert np.count_nonzero(matrix[7]) == 4


def test_constant_frames_stay_constant(xp):
    found = resize(xp, np.full((2, 9, 5), 37, np.float64), (31, 14))
    np.testing.assert_allclose(found, 37, rtol=1e-14)


@pytest.mark.parametrize("window", [(slice(8, 120), slice(8, 120)), (slice(0, 3), slice(100, 128))])
def test_a_window_is_that_part_of_the_whole(xp, window):
    frames = np.random.randn(3, 2, 64, 48)
    found = resize(xp, frames, 128, window)
    np.testing.assert_allclose(found, resize(xp, frames, 128)[(..., *window)], rtol=0, atol=1e-12)


def test_a_frame_of_the_right_size_stays_as_it_is(xp):
    frames = np.random.randn(2, 5, 7).astype(np.float32)
    np.testing.assert_array_equal(resize(xp, frames, (5, 7)), frames)


@pytest.mark.parametrize("size", [0, (4, -1), (2.5, 4)])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(InputError, match=r"size\[\d\] must be a whole number"):
        resize_bicubic(np.zeros((4, 4)), size)
