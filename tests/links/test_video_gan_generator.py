"""Video GAN's generator is that of Vondrick et al. (2016), Section 6.3 (ii)."""

import numpy as np
import pytest
from helpers import lively, normalize_with_torch, to_torch

from tgan_chainer.errors import InputError
from tgan_chainer.links import VideoDiscriminator, VideoGANGenerator

import chainer

SMALL = {"channels": 1, "image_size": 16}


@pytest.mark.parametrize("n_frames", [16, 32])
def test_it_agrees_with_pytorch(n_frames):
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    with chainer.using_config("dtype", np.float64):
        network = lively(VideoGANGenerator(k0=7, n_frames=n_frames, image_size=32, width=16))
    z0, p = np.random.randn(4, 7), to_torch(network)
    background = torch.from_numpy(z0)[:, :, None, None]
    foreground = background[..., None]
    for i in range(4):
        grid = {} if i == 0 else {"stride": 2, "padding": 1}
        foreground = f.conv_transpose3d(foreground, p[f"foreground{i}/W"], **grid)
        foreground = f.relu(normalize_with_torch(foreground, p, f"foreground_bn{i}"))
        background = f.conv_transpose2d(background, p[f"background{i}/W"], **grid)
        background = f.relu(normalize_with_torch(background, p, f"background_bn{i}"))
    last = {"stride": 2, "padding": 1}
    mask = f.conv_transpose3d(foreground, p["mask_last/W"], p["mask_last/b"], **last).sigmoid()
    foreground = f.conv_transpose3d(foreground, p["foreground_last/W"], p["foreground_last/b"], **last).tanh()
    background = f.conv_transpose2d(background, p["background_last/W"], p["background_last/b"], **last).tanh()
    expected = mask * foreground + (1 - mask) * background[:, :, None]

    videos, penalty = network.forward_with_penalty(z0)
    assert videos.shape == (4, 3, n_frames, 32, 32)
    np.testing.assert_allclose(videos.array, expected.numpy(), rtol=1e-7, atol=1e-10)
    assert float(penalty.array) == pytest.approx(0.1 * float(mask.mean()), rel=1e-7)
    assert VideoDiscriminator(3, n_frames, 32, 2)(videos.array.astype("f")).shape == (4, 1)


def test_weights_start_as_those_of_vondrick_et_al():
    for name, parameter in VideoGANGenerator(width=128).namedparams():
        if name.endswith("/W"):
            assert parameter.array.std() == pytest.approx(0.01, rel=0.1), name
        elif name.endswith("/gamma"):
            assert parameter.array.mean() == pytest.approx(1, abs=0.02), name
            assert 0.01 < parameter.array.std() < 0.03, name


def test_its_penalty_is_the_mean_of_the_mask():
    generator = lively(VideoGANGenerator(**SMALL, k0=7, width=16, mask_penalty=0.5))
    with chainer.using_config("train", False):
        z0 = generator.draw_z0(3)
        videos, penalty = generator.forward_with_penalty(z0)
        mask = generator.streams(z0)["mask"].array
        np.testing.assert_array_equal(generator(z0).array, videos.array)
    assert 0 <= mask.min() and mask.max() <= 1
    assert float(penalty.array) == pytest.approx(0.5 * abs(mask).mean(), rel=1e-6)


def test_z0_is_drawn_from_a_normal_distribution():
    z0 = VideoGANGenerator(**SMALL, width=8).draw_z0(1000)
    assert abs(z0).max() > 3 and abs(z0.mean()) < 0.02 and abs(z0.std() - 1) < 0.02


@pytest.mark.parametrize("use_beta", [False, True])
def test_every_parameter_has_a_gradient(use_beta):
    generator = VideoGANGenerator(**SMALL, k0=7, width=16, use_beta=use_beta)
    videos = generator(generator.draw_z0(2))
    gradients = chainer.grad([videos], list(generator.params()))
    assert len(gradients) == 8 * (2 + use_beta) + 3 * 2
    for parameter, gradient in zip(generator.params(), gradients):
        assert gradient is not None and gradient.shape == parameter.shape


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: VideoGANGenerator(width=12), "width"),
        (lambda: VideoGANGenerator(n_frames=24), "n_frames"),
        (lambda: VideoGANGenerator(width=8)(np.zeros((2, 99), "f")), "z0"),
    ],
)
def test_what_is_impossible_is_refused_by_the_arguments_name(make, named):
    with pytest.raises(InputError, match=rf"^{named} must"):
        make()
