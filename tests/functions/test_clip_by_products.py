import numpy as np
import pytest

from tgan_chainer.functions import clip_by_products, clip_singular_values_by_svd


@pytest.mark.parametrize(
    ("shape", "scale"),
    [
        ((16, 3, 4, 4, 4), 0.1),
        ((64, 192), 1),
        ((64, 192), 10),
        ((60, 20), 1),
        ((1, 512), 1),
        ((8, 8), 1e3),
        ((4, 6), 0),
    ],
)
def test_it_is_the_clipping_by_an_svd(xp, shape, scale):
    W = np.random.RandomState(0).standard_normal(shape) * scale
    for limit in 1.0, 0.5:
        found = clip_by_products(xp.asarray(W), limit)
        assert type(found) is xp.ndarray and found.dtype == W.dtype
        np.testing.assert_allclose(to_host(found), clip_singular_values_by_svd(W, limit), rtol=0, atol=1e-13)


def test_it_leaves_what_was_clipped_and_clips_what_moved_a_little(xp):
    random_state = np.random.RandomState(0)
    clipped = clip_singular_values_by_svd(random_state.standard_normal((32, 256)))
    step = 2.5e-4 * np.sign(random_state.standard_normal(clipped.shape))
    for W in clipped, clipped + step:
        found = to_host(clip_by_products(xp.asarray(W)))
        np.testing.assert_allclose(found, clip_singular_values_by_svd(W), rtol=0, atol=1e-13)
        assert np.linalg.svd(found, compute_uv=False).max() <= 1 + 1e-12


def test_float32_is_as_exact_as_it_can_be(xp):
    W = np.random.RandomState(0).standard_normal((64, 192)).astype("f")
    exact = clip_singular_values_by_svd(W.astype("d"))
    np.testing.assert_array_max_ulp(to_host(clip_by_products(xp.asarray(W))), exact.astype("f"), 1)


def test_rows_that_are_orthonormal_already_are_left(xp):
    for W in np.eye(3, 5), 0.5 * np.eye(4), np.full((1, 4), 0.5):
        np.testing.assert_allclose(to_host(clip_by_products(xp.asarray(W))), W, rtol=0, atol=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_shows(xp, bad):
    W = np.ones((3, 4), "f")
    W[1, 2] = bad
    with np.errstate(invalid="ignore"):
        assert np.isnan(to_host(clip_by_products(xp.asarray(W)))).all()


def to_host(array):
    return array if isinstance(array, np.ndarray) else array.get()
