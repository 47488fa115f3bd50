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
        found = clip_by_products([xp.asarray(W)], limit)[0]
        assert type(found) is xp.ndarray and found.dtype == W.dtype
        np.testing.assert_allclose(to_host(found), clip_singular_values_by_svd(W, limit), rtol=0, atol=1e-13)


def test_it_leaves_what_was_clipped_and_clips_what_moved_a_little(xp):
    random_state = np.random.RandomState(0)
    clipped = clip_singular_values_by_svd(random_state.standard_normal((32, 256)))
    step = 2.5e-4 * np.sign(random_state.standard_normal(clipped.shape))
    for W in clipped, clipped + step:
        found = to_host(clip_by_products([xp.asarray(W)])[0])
        np.testing.assert_allclose(found, clip_singular_values_by_svd(W), rtol=0, atol=1e-13)
        assert np.linalg.svd(found, compute_uv=False).max() <= 1 + 1e-12


def test_float32_is_as_exact_as_it_can_be(xp):
    """For a weight as large as those that a discriminator begins with."""
    W = (np.random.RandomState(0).standard_normal((64, 192)) * np.sqrt(2 / 192)).astype("f")
    exact = clip_singular_values_by_svd(W.astype("d"))
    np.testing.assert_array_max_ulp(to_host(clip_by_products([xp.asarray(W)])[0]), exact.astype("f"), 1)


def test_rows_that_are_orthonormal_already_are_left(xp):
    for W in np.eye(3, 5), 0.5 * np.eye(4), np.full((1, 4), 0.5):
        np.testing.assert_allclose(to_host(clip_by_products([xp.asarray(W)])[0]), W, rtol=0, atol=1e-15)


def test_many_weights_at_once_are_each_clipped_alone(xp):
    random_state = np.random.RandomState(0)
    shapes = (1, 40), (3, 2, 4, 4), (6, 50), (12, 30), (5, 5), (20, 7), (12, 14)
    scales = 1, 1, 0.1, 1, 9, 1e-3, 1
    weights = [scale * random_state.standard_normal(shape) for scale, shape in zip(scales, shapes)]
    found = clip_by_products([xp.asarray(W) for W in weights])
    for W, clipped in zip(weights, found, strict=True):
        np.testing.assert_allclose(to_host(clipped), clip_singular_values_by_svd(W), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("largest", "error"), [(1.1, 1e-15), (2, 1e-15), (20, 1e-13), (1e3, 1e-8)])
def test_in_float64_it_is_an_svd_up_to_rounding(xp, largest, error):
    """Which grows with the square of the largest singular value, since that of W Wᵀ does."""
    W, clipped = with_singular_values(np.append(np.linspace(0.01, min(largest, 2), 63), largest), 192)
    assert abs(to_host(clip_by_products([xp.asarray(W)])[0]) - clipped).max() <= error


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("largest", [1e4, 1e6])
def test_a_huge_singular_value_spoils_its_own_weight_only_and_no_longer_than_once(xp, dtype, largest):
    W, _ = with_singular_values([largest, 2, 1.01, 0.5], 9)
    other, clipped = with_singular_values([3, 1, 0.5], 8)
    once = clip_by_products([xp.asarray(w.astype(dtype)) for w in (W, other)])
    np.testing.assert_allclose(to_host(once[1]), clipped, rtol=0, atol=1e-6)
    assert singular_values(once[0]).max() <= np.sqrt(2) * (1 + 1e-6)
    assert singular_values(*clip_by_products(once[:1])).max() <= 1 + 1e-6


def with_singular_values(values, n):
    """Return a matrix of n columns with these singular values, and what it is clipped to."""
    random_state, m = np.random.RandomState(0), len(values)
    u, v = (np.linalg.qr(random_state.standard_normal((k, m)))[0] for k in (m, n))
    return (u * values) @ v.T, (u * np.minimum(values, 1)) @ v.T


def singular_values(W):
    return np.linalg.svd(to_host(W).astype("d"), compute_uv=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_shows(xp, bad):
    W = np.ones((3, 4), "f")
    W[1, 2] = bad
    with np.errstate(invalid="ignore"):
        assert np.isnan(to_host(clip_by_products([xp.asarray(W)])[0])).all()


def to_host(array):
    return array if isinstance(array, np.ndarray) else array.get()
