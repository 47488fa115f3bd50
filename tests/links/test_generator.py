"""What all generators share: latent variables, labels, samples, and no penalty."""

import numpy as np
import pytest
from helpers import lively, uniform

from tgan_chainer import VideoGenerator
from tgan_chainer.errors import InputError
from tgan_chainer.links import VideoGANGenerator

import chainer

SMALL = {"channels": 1, "image_size": 16}


@pytest.fixture
def generator():
    return lively(VideoGenerator(**SMALL, k0=5, k1=6, temporal_width=16, image_width=8))


@pytest.fixture
def conditional():
    return lively(VideoGenerator(**SMALL, k0=5, k1=6, temporal_width=16, image_width=8, n_classes=3))


def test_z0_is_uniform(generator):
    z0 = generator.draw_z0(20_000, np.random.RandomState(0))
    assert z0.shape == (20_000, 5) and z0.dtype == np.float32
    assert -1 <= z0.min() < -0.999 and 0.999 < z0.max() <= 1
    assert z0.var() == pytest.approx(1 / 3, rel=0.01)


def test_the_number_of_samples_must_be_positive(generator):
    with pytest.raises(InputError, match="^n must"):
        generator.draw_z0(0)


def test_without_a_penalty_training_adds_nothing_to_the_loss(conditional):
    z0, labels = uniform(2, 5), np.array([0, 2])
    with chainer.using_config("train", False):
        videos, penalty = conditional.forward_with_penalty(z0, labels)
        np.testing.assert_array_equal(videos.array, conditional(z0, labels).array)
    assert penalty is None


def test_sampling_leaves_the_generator_as_it_was(generator):
    before = {name: np.copy(p.array) for name, p in generator.namedparams()}
    mean = generator.image_generator.bn1.avg_mean.copy()
    list(generator.sample(2, seed=0))
    assert all((before[name] == p.array).all() for name, p in generator.namedparams())
    assert (generator.image_generator.bn1.avg_mean == mean).all()


def test_labels_are_drawn_from_the_prior(conditional):
    conditional.label_prior[...] = [0.7, 0.3, 0]
    labels = conditional.draw_labels(2000, np.random.RandomState(0))
    assert labels.dtype == np.int32
    np.testing.assert_allclose(np.bincount(labels, minlength=3) / 2000, [0.7, 0.3, 0], atol=0.03)


def test_sampling_with_given_labels(conditional):
    videos = np.stack(list(conditional.sample(4, seed=1, labels=[2, 2, 0, 1], batch_size=3)))
    z0 = np.concatenate([conditional.draw_z0(n, r) for r in [np.random.RandomState(1)] for n in (3, 1)])
    with chainer.using_config("train", False):
        np.testing.assert_allclose(videos, conditional(z0, np.array([2, 2, 0, 1])).array, atol=1e-5)
    assert len(list(conditional.sample(4, seed=1))) == 4


def test_the_batch_size_does_not_change_what_a_seed_means(conditional):
    few, many = (np.stack(list(conditional.sample(6, seed=3, batch_size=n))) for n in (2, 6))
    np.testing.assert_allclose(few, many, atol=1e-5)
    assert abs(few[0] - few[1]).max() > 0.1


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 3], [0.0, 1.0, 2.0], [-1, 0, 1]])
def test_impossible_labels_are_refused(conditional, labels):
    with pytest.raises(InputError, match="labels must be"):
        next(conditional.sample(3, labels=labels))


def test_a_missing_label_or_one_that_does_not_fit_is_refused(conditional):
    with pytest.raises(InputError, match="n_classes is 3"):
        conditional(uniform(2, 5))
    for labels in np.array([0, 3]), np.array([0]), np.array([0.0, 1.0]):
        with pytest.raises(InputError, match="labels must be"):
            conditional(uniform(2, 5), labels)
    with pytest.raises(InputError, match="not conditional"):
        next(VideoGANGenerator(**SMALL, width=8).sample(1, labels=[0]))
