"""The losses are Eqs. 1 and 2."""

import numpy as np
import pytest

from tgan_chainer.losses import CrossEntropyLoss, WassersteinLoss

REAL, FAKE = np.array([[2.0], [-1.0], [0.5]]), np.array([[-3.0], [1.0], [0.25]])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_wasserstein_is_equation_2():
    loss = WassersteinLoss()
    assert loss.discriminator(REAL, FAKE).array == pytest.approx(FAKE.mean() - REAL.mean())
    assert loss.generator(FAKE).array == pytest.approx(-FAKE.mean())
    assert loss.statistics(REAL, FAKE)["wasserstein"] == pytest.approx(REAL.mean() - FAKE.mean())


def test_cross_entropy_is_equation_1():
    loss = CrossEntropyLoss()
    expected = -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean()
    assert loss.discriminator(REAL, FAKE).array == pytest.approx(expected)
    assert loss.generator(FAKE).array == pytest.approx(-np.log(sigmoid(FAKE)).mean())
    assert loss.statistics(REAL, FAKE)["accuracy"] == pytest.approx(3 / 6)
    assert loss.statistics(0 * REAL, 0 * FAKE)["accuracy"] == 0.5


def test_cross_entropy_of_sure_scores_stays_finite():
    loss = CrossEntropyLoss()
    large = np.array([[1e4]])
    assert loss.discriminator(-large, large).array == pytest.approx(2e4)
    assert loss.discriminator(large, -large).array == 0
