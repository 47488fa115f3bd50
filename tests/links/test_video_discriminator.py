"""D is the right half of Fig. 1, with noise where the normal GAN has it and labels where they are known."""

import copy

import numpy as np
import pytest
from helpers import normalize_with_torch, output_shapes, parameter_names, to_torch

from tgan_chainer import VideoDiscriminator
from tgan_chainer.errors import InputError
from tgan_chainer.losses import WassersteinLoss

import chainer

SMALL = {"channels": 1, "image_size": 16}


def random_videos(n, channels=1, size=16):
    return np.random.randn(n, channels, 16, size, size).astype("f")


def test_its_layers_are_those_of_figure_1():
    network = VideoDiscriminator()
    assert output_shapes(network, np.zeros((2, 3, 16, 64, 64), np.float32)) == [
        (64, 8, 32, 32), (128, 4, 16, 16), (256, 2, 8, 8), (512, 1, 4, 4), (1,)
    ]  # fmt: skip
    # No batch normalization after the first convolution; no bias where it follows.
    assert parameter_names(network, "gamma") == {"/bn2/gamma", "/bn3/gamma", "/bn4/gamma"}
    assert parameter_names(network, "b") == {"/conv1/b", "/linear5/b"}


def weight_deviations(network):
    """Return the standard deviation of each weight, and what it has with HeNormal."""
    weights = {name: p.array for name, p in network.namedparams() if name.endswith("/W")}
    assert len(weights) == 5
    return {name: (W.std(), np.sqrt(2 / W[0].size)) for name, W in weights.items()}


def test_weights_start_as_section_6_2_says():
    for name, (deviation, expected) in weight_deviations(VideoDiscriminator()).items():
        assert deviation == pytest.approx(expected, rel=0.05), name


def test_weights_can_start_as_those_of_vondrick_et_al():
    network = VideoDiscriminator(initialW=chainer.initializers.Normal(0.01))
    for name, (deviation, _) in weight_deviations(network).items():
        assert deviation == pytest.approx(0.01, rel=0.05), name


@pytest.mark.parametrize("use", [False, True])
def test_beta_and_gamma_are_there_if_asked_for(use):
    assert len(parameter_names(VideoDiscriminator(**SMALL, use_beta=use), "beta")) == 3 * use
    assert len(parameter_names(VideoDiscriminator(**SMALL, use_gamma=use), "gamma")) == 3 * use


def test_it_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    with chainer.using_config("dtype", np.float64):
        network = VideoDiscriminator(image_size=32, width=4)
    x, p = np.random.randn(4, 3, 16, 32, 32), to_torch(network)
    h = f.leaky_relu(f.conv3d(torch.from_numpy(x), p["conv1/W"], p["conv1/b"], 2, 1), 0.2)
    for i in 2, 3, 4:
        h = f.conv3d(h, p[f"conv{i}/W"], None, 2, 1)
        h = f.leaky_relu(normalize_with_torch(h, p, f"bn{i}"), 0.2)
    score = h.reshape(4, -1) @ p["linear5/W"].T + p["linear5/b"]
    np.testing.assert_allclose(network(x).array, score.numpy(), rtol=1e-7, atol=1e-10)


class Noisy(VideoDiscriminator):
    """Notes the shape and the deviation of every noise that it adds."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.shapes, self.deviations = [], []

    def _add_noise(self, h):
        noisy = super()._add_noise(h)
        self.shapes.append(h.shape[1:])
        self.deviations.append(float(chainer.as_variable(noisy - h).array.std()))
        return noisy


@pytest.mark.parametrize("noise_input", [False, True])
def test_noise_is_added_to_every_layer_while_training_alone(noise_input):
    x = random_videos(16)
    network = Noisy(**SMALL, width=8, noise=0.2, noise_input=noise_input, use_gamma=False)
    scores = [network(x).array for _ in range(2)]
    assert abs(scores[0] - scores[1]).max() > 1e-3
    convolutions = [(8, 8, 8, 8), (16, 4, 4, 4), (32, 2, 2, 2), (64, 1, 1, 1)]
    layers = [(1, 16, 16, 16), *convolutions] if noise_input else convolutions
    assert network.shapes == 2 * layers
    np.testing.assert_allclose(network.deviations, 0.2, rtol=0.05)
    with chainer.using_config("train", False):
        np.testing.assert_array_equal(network(x).array, network(x).array)
    assert network.shapes == 2 * layers


def test_without_noise_both_ways_through_it_are_the_same():
    x = random_videos(3)
    quiet, noisy = VideoDiscriminator(**SMALL, width=4), VideoDiscriminator(**SMALL, width=4, noise=1e-30)
    noisy.copyparams(quiet)
    np.testing.assert_allclose(noisy(x).array, quiet(x).array, rtol=1e-4, atol=1e-5)


def test_it_sees_the_label_as_constant_channels():
    network = VideoDiscriminator(**SMALL, width=2, n_classes=3)
    plain = VideoDiscriminator(channels=4, image_size=16, width=2)
    plain.copyparams(network)
    x, labels = random_videos(4), np.array([2, 0, 1, 1])
    voxel = np.zeros((4, 3, 16, 16, 16), "f")
    for i, label in enumerate(labels):
        voxel[i, label] = 1
    expected = plain(np.concatenate([x, voxel], axis=1)).array
    np.testing.assert_allclose(network(x, labels).array, expected, rtol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("n", [1, 3, 8])
@pytest.mark.parametrize("n_classes", [0, 3])
def test_real_and_generated_videos_scored_together_are_scored_as_apart(n, n_classes, noise):
    real, fake = random_videos(n, size=32), 3 + 2 * random_videos(n, size=32)
    labels = [np.arange(n) % 3] if n_classes else []
    original = VideoDiscriminator(1, image_size=32, width=2, n_classes=n_classes, noise=noise)
    results = []
    for is_together in True, False:
        np.random.seed(1)
        network = copy.deepcopy(original)
        if is_together:
            scores = network.score_both(real, fake, *labels)
        else:
            scores = network(real, *labels), network(fake, *labels)
        difference = chainer.functions.average(scores[1]) - 2 * chainer.functions.average(scores[0])
        parameters = [p for _, p in sorted(network.namedparams())]
        gradients = chainer.grad([difference], parameters)
        statistics = [a for bn in (network.bn2, network.bn3, network.bn4) for a in (bn.avg_mean, bn.avg_var)]
        results.append([*(s.array for s in scores), *(g.array for g in gradients), *statistics])
    for together, apart in zip(*results, strict=True):
        np.testing.assert_allclose(together, apart, rtol=1e-3, atol=1e-4 * abs(apart).max())


def test_a_needless_label_is_refused():
    with pytest.raises(InputError, match="n_classes is 0"):
        VideoDiscriminator(**SMALL, width=2)(np.zeros((1, 1, 16, 16, 16), "f"), np.zeros(1, int))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: VideoDiscriminator(n_frames=8), "n_frames"),
        (lambda: VideoDiscriminator(image_size=0), "image_size"),
        (lambda: VideoDiscriminator(width=2)(np.zeros((2, 3, 16, 64, 60), np.float32)), "x"),
    ],
)
def test_what_is_impossible_is_refused_by_the_arguments_name(make, named):
    with pytest.raises(InputError, match=rf"^{named} must"):
        make()


@pytest.mark.parametrize("n", [3, 6, 11])
def test_scoring_together_leaves_the_last_bias_of_a_wgan_alone(n):
    """E[D(G(z))] - E[D(x)] does not depend on it, and RMSprop makes whole steps of tiny gradients."""
    network = VideoDiscriminator(**SMALL, width=2)
    loss = WassersteinLoss().discriminator(*network.score_both(random_videos(n), random_videos(n)))
    network.cleargrads()
    loss.backward()
    assert network.linear5.b.grad == 0 and np.any(network.linear5.W.grad)
