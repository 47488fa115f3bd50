"""Singular value clipping of one weight does what Section 4 says, to the rounding of float32."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.functions import clip_singular_values, clip_singular_values_by_svd


def matrix_with(singular_values, shape, seed=0):
    """Return a float32 matrix (m, n) with the given singular values and random singular vectors."""
    random_state = np.random.RandomState(seed)
    k = min(shape)
    u = np.linalg.qr(random_state.randn(shape[0], k))[0]
    v = np.linalg.qr(random_state.randn(shape[1], k))[0]
    return ((u * singular_values) @ v.T).astype(np.float32)


def reference(matrix, limit):
    u, s, vt = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    return (u * np.minimum(s, limit)) @ vt


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 40)),
    scale=st.sampled_from([1e-3, 0.3, 1, 10, 1e4, 1e7]),
    limit=st.sampled_from([0.1, 1.0, 3.0]),
    rank=st.integers(1, 12),
    seed=st.integers(0, 2**31),
)
def test_no_singular_value_exceeds_the_limit_and_the_rest_is_kept(shape, scale, limit, rank, seed):
    random_state = np.random.RandomState(seed)
    rank = min(rank, *shape)
    w = (scale * random_state.randn(shape[0], rank) @ random_state.randn(rank, shape[1])).astype(np.float32)
    for transposed in w, w.T:
        clipped = clip_singular_values(transposed, limit)
        assert clipped.dtype == np.float32 and clipped.shape == transposed.shape
        assert np.linalg.svd(clipped.astype(np.float64), compute_uv=False)[0] <= limit * (1 + 1e-5)
        assert_allclose(clipped, reference(transposed, limit), rtol=0, atol=2e-6 * limit)


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (9, 9), (1, 50), (50, 1)])
def test_repeated_values_directions_and_small_values_survive(shape):
    k = min(shape)
    s = np.linspace(0.2, 3, k)
    s[k // 2 :] = 2.5
    w = matrix_with(s, shape)
    assert_allclose(clip_singular_values(w), matrix_with(np.minimum(s, 1), shape), atol=1e-6)


def test_a_weight_within_the_limit_comes_back_unchanged_and_clipping_twice_is_clipping_once():
    within = matrix_with(np.linspace(0.1, 1, 20), (20, 100))
    assert clip_singular_values(within) is within
    clipped = clip_singular_values(within * 5)
    assert clip_singular_values(clipped) is clipped
    assert not clip_singular_values(np.zeros((3, 5), np.float32)).any()


def test_a_convolution_weight_is_the_matrix_of_its_output_channels():
    w = np.random.RandomState(0).randn(6, 3, 4, 4, 4).astype(np.float32)
    original = w.copy()
    clipped = clip_singular_values(w)
    assert_allclose(clipped, reference(w.reshape(6, -1), 1).reshape(w.shape), atol=1e-6)
    assert (w == original).all()


def test_float64_is_clipped_in_float64():
    w = np.random.RandomState(0).randn(10, 40)
    assert_allclose(clip_singular_values(w), reference(w, 1), atol=1e-13)
    assert_allclose(clip_singular_values_by_svd(w), reference(w, 1), atol=1e-13)


def test_small_singular_values_survive_beside_a_very_large_one():
    # The eigenvalues of the Gram matrix, 1e20 and 0.25, are 1e21 apart: more than the digits of float64.
    u, v = (np.linalg.qr(np.random.randn(n, 4))[0] for n in (6, 30))
    w = (u * [1e10, 1e3, 0.9, 0.5]) @ v.T
    assert_allclose(clip_singular_values(w), (u * [1, 1, 0.9, 0.5]) @ v.T, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_an_error(bad):
    w = np.ones((3, 4), np.float32)
    w[1, 2] = bad
    with pytest.raises(NonFiniteError):
        clip_singular_values(w)


def fail(*_, **__):
    raise np.linalg.LinAlgError("did not converge")


def eigenvalues_with_nan(places):
    """Return an ``eigh`` whose result is as cuSOLVER's where it has not converged: NaN, without a word."""
    eigh = np.linalg.eigh

    def broken(matrix):
        eigenvalues, eigenvectors = eigh(matrix)
        eigenvalues[places] = np.nan
        return eigenvalues, eigenvectors

    return broken


@pytest.mark.parametrize("broken", [fail, *map(eigenvalues_with_nan, (slice(None), 0, -1))])
def test_where_the_eigendecomposition_fails_the_svd_clips(monkeypatch, broken):
    w = matrix_with(np.linspace(0.1, 5, 20), (20, 100))
    monkeypatch.setattr(np.linalg, "eigh", broken)
    for transposed in w, w.T:
        assert_allclose(clip_singular_values(transposed), reference(transposed, 1), atol=1e-6)


@pytest.mark.parametrize("svd", [fail, lambda a, **_: (a, np.full(len(a), np.nan), a)])
def test_where_no_decomposition_succeeds_the_weight_is_an_error(monkeypatch, svd):
    monkeypatch.setattr(np.linalg, "eigh", fail)
    monkeypatch.setattr(np.linalg, "svd", svd)
    with pytest.raises(NonFiniteError, match="^W has singular values that cannot be computed"):
        clip_singular_values(np.eye(5, 9) * 3)


@pytest.mark.parametrize(
    ("w", "limit"),
    [
        (np.ones(3, "f"), 1),
        (np.ones((0, 3), "f"), 1),
        (np.ones((2, 2), int), 1),
        (np.eye(2), 0),
        (np.eye(2), np.nan),
    ],
)
def test_what_cannot_be_clipped_is_refused(w, limit):
    with pytest.raises(InputError):
        clip_singular_values(w, limit)


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(64, 3, 4, 4, 4), (128, 2048), (96, 20), (1, 8192)])
def test_the_gpu_clips_as_the_cpu_does(shape):
    import cupy

    w = np.random.RandomState(0).randn(*shape).astype(np.float32)
    assert_allclose(cupy.asnumpy(clip_singular_values(cupy.asarray(w))), clip_singular_values(w), atol=2e-6)
