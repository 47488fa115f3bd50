"""The Fréchet distance against the formula with a matrix root, and its moments against NumPy's."""

import numpy as np
import pytest
import scipy.linalg

from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import Moments, frechet_distance


def moments(features, *bounds):
    """Moments of features that were added in batches, cut at the bounds."""
    result = Moments()
    for batch in np.split(features, bounds):
        result.add(batch)
    return result


def random_features(n, size, seed=0, rank=None):
    """Correlated features, float64 (N, D), whose covariance has the given rank."""
    rng = np.random.RandomState(seed)
    return rng.randn(n, rank or size) @ rng.randn(rank or size, size) + rng.randn(size)


def with_moments(mean, covariance):
    """A few points that have this mean and this covariance exactly: those of a root, with both signs."""
    values, vectors = np.linalg.eigh(covariance)
    points = (vectors * np.sqrt(values.clip(0))).T
    n = 2 * len(points)
    return moments(mean + np.concatenate([points, -points]) * np.sqrt((n - 1) / 2))


# Moments


@pytest.mark.parametrize("bounds", [(), (50,), (1, 2, 40), (33, 66, 99)])
def test_moments_of_batches_are_those_of_all(bounds):
    features = random_features(100, 7)
    found = moments(features, *bounds)
    assert found.n == 100
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(features, rowvar=False), rtol=1e-10, atol=1e-12)


def test_a_mean_that_is_large_beside_the_deviation_costs_no_digits():
    features = (10_000 + 0.01 * random_features(500, 5)).astype(np.float32)
    found = moments(features, 1, 3, 250)
    exact = features.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(exact, rowvar=False), rtol=1e-9, atol=1e-13)


def test_features_stay_as_they_were():
    features = random_features(10, 3)
    before = features.copy()
    moments(features)
    np.testing.assert_array_equal(features, before)


# Distances


def test_a_set_has_no_distance_from_itself():
    features = random_features(50, 6)
    assert frechet_distance(moments(features), moments(features[::-1])) == pytest.approx(0, abs=1e-10)


def test_of_a_shifted_set_it_is_the_square_of_the_shift():
    features = random_features(50, 4)
    shift = np.array([3, 0, -4, 12])
    found = frechet_distance(moments(features), moments(features + shift))
    assert found == pytest.approx(9 + 16 + 144, rel=1e-10)


def test_of_diagonal_covariances_it_is_the_squared_difference_of_the_deviations():
    deviations = np.array([[1, 2, 0.5, 3], [4, 2, 0, 1]])
    a, b = (with_moments(np.zeros(4), np.diag(d**2)) for d in deviations)
    assert frechet_distance(a, b) == pytest.approx(9 + 0 + 0.25 + 4, rel=1e-10)


def test_in_one_dimension():
    a, b = with_moments(np.array([2.0]), np.array([[9.0]])), with_moments(np.array([5.0]), np.array([[1.0]]))
    assert frechet_distance(a, b) == pytest.approx((2 - 5) ** 2 + (3 - 1) ** 2, rel=1e-12)


def test_of_scaled_features():
    # Σ_b = s² Σ_a, whose roots commute: tr(Σ_a) (1 - s)².
    features = random_features(30, 5)
    features -= features.mean(axis=0)
    expected = np.trace(np.cov(features, rowvar=False)) * (1 - 3) ** 2
    assert frechet_distance(moments(features), moments(3 * features)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("size", [1, 2, 20])
def test_random_moments_agree_with_the_root_of_a_matrix(size):
    a, b = (random_features(3 * size + 5, size, seed) for seed in (0, 1))
    covariances = [np.cov(x, rowvar=False).reshape(size, size) for x in (a, b)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    difference = a.mean(axis=0) - b.mean(axis=0)
    expected = difference @ difference + np.trace(covariances[0] + covariances[1] - 2 * root)
    found = frechet_distance(moments(a), moments(b))
    assert isinstance(found, float)
    assert found == pytest.approx(expected, rel=1e-7)
    assert frechet_distance(moments(b), moments(a)) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize(("n", "rank"), [(6, None), (2, None), (100, 3)])
def test_singular_covariances_are_no_special_case(n, rank):
    """Against the singular values of the product of both centred sets: their sum is that of the roots."""
    a, b = (random_features(n, 40, seed, rank) for seed in (0, 1))
    centred = [(x - x.mean(axis=0)) / np.sqrt(n - 1) for x in (a, b)]
    roots = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    difference = a.mean(axis=0) - b.mean(axis=0)
    expected = difference @ difference + sum((x**2).sum() for x in centred) - 2 * roots
    assert frechet_distance(moments(a), moments(b)) == pytest.approx(expected, rel=1e-5)


def test_constant_features_have_the_distance_of_their_means():
    a, b = moments(np.zeros((3, 2))), moments(np.tile([3.0, 4.0], (5, 1)))
    assert frechet_distance(a, b) == pytest.approx(25, rel=1e-14)
    assert frechet_distance(a, a) == 0


def test_few_samples_of_the_same_distribution_look_further_apart_than_many():
    rng = np.random.RandomState(0)
    few, many = (frechet_distance(*(moments(rng.randn(n, 10)) for _ in range(2))) for n in (20, 2000))
    assert few > 10 * many > 0


# What is refused


@pytest.mark.parametrize(
    "features",
    [np.zeros(3), np.zeros((2, 3, 4)), np.array([[0, np.nan]]), np.array([[np.inf, 0]]), np.zeros((0, 3))],
)
def test_features_that_are_no_finite_vectors_are_refused(features):
    found = Moments()
    with pytest.raises(InputError, match="features must"):
        found.add(features)
    assert found.n == 0


def test_features_of_another_size_are_refused_and_do_not_count():
    found = moments(np.arange(6.0).reshape(2, 3))
    with pytest.raises(InputError, match="4 dimensions; those before 3"):
        found.add(np.zeros((2, 4)))
    assert found.n == 2
    np.testing.assert_array_equal(found.mean, [1.5, 2.5, 3.5])


def test_sets_of_different_sizes_have_no_distance():
    with pytest.raises(InputError, match="of 3 and of 4 dimensions"):
        frechet_distance(moments(random_features(9, 3)), moments(random_features(9, 4)))


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_samples_have_no_distance(n):
    few, enough = moments(np.zeros((1, 3))) if n else Moments(), moments(random_features(9, 3))
    for pair in (few, enough), (enough, few):
        with pytest.raises(InputError, match=f"no covariance of {n} sample"):
            frechet_distance(*pair)
