"""The inception score against closed forms, and against SciPy and PyTorch on random tables."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import inception_score


def random_table(n, n_classes, seed=0, sharpness=2.0):
    """Probabilities, float64 (N, V), some of which are very small."""
    logits = sharpness * np.random.RandomState(seed).randn(n, n_classes)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def by_loops(p):
    """The definition, term by term."""
    n, n_classes = p.shape
    marginal = [sum(float(row[k]) for row in p) / n for k in range(n_classes)]
    total = 0.0
    for row in p:
        total += sum(float(x) * np.log(float(x) / m) for x, m in zip(row, marginal) if x > 0)
    return np.exp(total / n)


@pytest.mark.parametrize("n_classes", [1, 2, 101])
def test_it_is_one_if_all_predictions_are_the_same(n_classes):
    np.testing.assert_allclose(inception_score(np.full((30, n_classes), 1 / n_classes)), [1], rtol=1e-12)
    repeated = np.repeat(random_table(1, n_classes), 30, axis=0)
    np.testing.assert_allclose(inception_score(repeated), [1], rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 10, 101])
def test_it_is_the_number_of_classes_if_all_are_certain_and_equally_frequent(n_classes):
    p = np.eye(n_classes)[np.random.permutation(np.arange(3 * n_classes) % n_classes)]
    np.testing.assert_allclose(inception_score(p), [n_classes], rtol=1e-12)


def test_of_certain_predictions_it_is_the_exponential_of_their_entropy():
    p = np.eye(3)[[0, 0, 0, 1, 1, 2]]  # 1/2, 1/3, 1/6
    np.testing.assert_allclose(inception_score(p), [2 ** (1 / 2) * 3 ** (1 / 3) * 6 ** (1 / 6)], rtol=1e-12)


def test_half_certain_predictions_of_two_classes():
    # p(y) is one half each, so that each row's divergence is 0.9 log 1.8 + 0.1 log 0.2.
    p = np.array([[0.9, 0.1], [0.1, 0.9]])
    np.testing.assert_allclose(inception_score(p), [1.8**0.9 * 0.2**0.1], rtol=1e-12)


def test_classes_that_are_never_predicted_do_no_harm():
    p = np.pad(random_table(20, 4), ((0, 0), (0, 3)))
    with np.errstate(all="raise"):
        np.testing.assert_allclose(inception_score(p), inception_score(p[:, :4]), rtol=1e-12)
        tiny = np.array([[1.0, 0.0], [1 - 1e-300, 1e-300]])
        np.testing.assert_allclose(inception_score(tiny), [1], rtol=1e-12)


@pytest.mark.parametrize("sharpness", [0.1, 2, 30])
@pytest.mark.parametrize("shape", [(1, 5), (7, 3), (400, 101)])
def test_random_tables_agree_with_scipy_and_the_definition(shape, sharpness):
    p = random_table(*shape, sharpness=sharpness)
    (found,) = inception_score(p)
    marginal = p.mean(axis=0)
    assert found == pytest.approx(np.exp(scipy.special.rel_entr(p, marginal).sum(axis=1).mean()), rel=1e-10)
    assert found == pytest.approx(
        np.exp(np.mean([scipy.stats.entropy(row, marginal) for row in p])), rel=1e-10
    )
    assert found == pytest.approx(by_loops(p), rel=1e-10)
    assert 1 - 1e-12 <= found <= shape[1]


def test_a_softmax_in_float32_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    logits = torch.from_numpy(5 * np.random.randn(1000, 101))
    log_p = torch.log_softmax(logits, dim=1)
    log_marginal = torch.logsumexp(log_p, dim=0) - np.log(1000)
    divergences = torch.nn.functional.kl_div(
        log_marginal.expand_as(log_p), log_p, log_target=True, reduction="none"
    )
    expected = float(divergences.sum(dim=1).mean().exp())
    found = inception_score(torch.softmax(logits.float(), dim=1).numpy())
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_splits_are_the_scores_of_successive_parts():
    p = random_table(23, 6)
    parts = p[:5], p[5:10], p[10:15], p[15:19], p[19:]
    np.testing.assert_allclose(inception_score(p, splits=5), [by_loops(part) for part in parts], rtol=1e-10)
    np.testing.assert_allclose(inception_score(p, splits=23), np.ones(23), rtol=1e-10)


def table_with(row, values):
    p = random_table(5, 3)
    p[row] = values
    return p


@pytest.mark.parametrize(
    ("p", "splits", "message"),
    [
        (random_table(4, 3), 5, "4 samples cannot be cut into 5 splits"),
        (np.zeros((0, 3)), 1, "0 samples"),
        (random_table(4, 3), 0, "splits must be"),
        (random_table(4, 3), 1.5, "splits must be"),
        (random_table(4, 3)[0], 1, r"must have the shape \(N, V\), not \(3,\)"),
        (random_table(4, 3)[None], 1, r"not \(1, 4, 3\)"),
        (table_with(3, [np.nan, 0.5, 0.5]), 1, r"NaN or infinity \(row 3\)"),
        (table_with(0, [np.inf, 0, 0]), 1, r"NaN or infinity \(row 0\)"),
        (table_with(2, [-0.2, 0.6, 0.6]), 1, "must not be negative"),
        (table_with(2, [0.3, 0.3, 0.3]), 1, "sum one"),
        (table_with(2, [0.5, 0.5, 0.5]), 1, "sum one"),
    ],
)
def test_what_holds_no_probabilities_is_refused(p, splits, message):
    with pytest.raises(InputError, match=message) as caught:
        inception_score(p, splits)
    assert "\n" not in str(caught.value)
