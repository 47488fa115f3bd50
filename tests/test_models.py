"""The other models: conditional TGAN (5.2), 3D model and Video GAN (6.3); interpolation (5.1)."""

import numpy as np
import pytest

from tgan_chainer.config import Config
from tgan_chainer.errors import InputError
from tgan_chainer.labels import parse_labels
from tgan_chainer.links import VideoDiscriminator, VideoGANGenerator, VideoGenerator, VideoGenerator3D
from tgan_chainer.links.video_generator import lengthen
from tgan_chainer.models import build_discriminator, build_generator

import chainer

PAPER = Config(channels=3, image_size=64, n_classes=101)
SMALL = {"channels": 1, "image_size": 16}


@pytest.fixture
def conditional():
    return lively(VideoGenerator(**SMALL, k0=5, k1=6, temporal_width=16, image_width=8, n_classes=3))


def lively(network):
    """Give weights a size with which untrained networks do not put out nearly nothing."""
    for parameter in network.params():
        if parameter.ndim > 1:
            parameter.array[...] = np.random.randn(*parameter.shape) / np.sqrt(parameter[0].size / 2)
    return network


def z(n, size, dtype="f"):
    return np.random.uniform(-1, 1, (n, size)).astype(dtype)


# By hand, with 3 channels: weights (and the biases of last layers), and γ and β of each normalization.
G0 = 100 * 512 + 4 * (512 * 256 + 256 * 128 + 128 * 128 + 128 * 100) + 100 + 2 * (512 + 256 + 128 + 128)
BRANCH = 100 * 4096 + 2 * 4096
DECONVOLUTIONS = 16 * (256 * 128 + 128 * 64 + 64 * 32) + 9 * 32 * 3 + 3 + 2 * (256 + 128 + 64 + 32)
G1 = 2 * BRANCH + 16 * 512 * 256 + DECONVOLUTIONS
D = 64 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 64 + 2 * (128 + 256 + 512) + 512 * 16 + 1
STREAM = [(100, 512), (512, 256), (256, 128), (128, 64)]
COUNTS = {
    "tgan": (G0 + G1, D),
    "conditional_tgan": (
        (G0 + 101 * 512) + (2 * BRANCH + 101 * 4096 + 2 * 4096 + 16 * 768 * 256 + DECONVOLUTIONS),
        D + 64 * 101 * 64,
    ),
    "3d": (
        100 * 512 * 16 + 2 * 512 * 16
        + 64 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 3 + 2 * (256 + 128 + 64),
        D,
    ),
    "video_gan": (
        # foreground (64 elements to a kernel, 16 in the first), f and m; background (16 everywhere), b
        16 * 100 * 512 + 64 * (512 * 256 + 256 * 128 + 128 * 64) + 64 * 64 * (3 + 1) + 3 + 1
        + 16 * sum(a * b for a, b in STREAM) + 16 * 64 * 3 + 3
        + 2 * 2 * (512 + 256 + 128 + 64),
        D,
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", COUNTS)
def test_numbers_of_parameters_are_those_counted_by_hand(model):
    config = PAPER.replace(model=model)
    assert (build_generator(config).count_params(), build_discriminator(config).count_params()) == COUNTS[
        model
    ]


def test_g1_of_z1_alone_and_the_normal_gans_discriminator():
    # Without z0 its branch is missing, and the first deconvolution sees half the maps.
    assert build_generator(PAPER.replace(use_z0=False)).count_params() == G0 + G1 - BRANCH - 16 * 256 * 256
    d = build_discriminator(PAPER.replace(loss="gan", use_gamma=False))
    assert d.count_params() == D - (128 + 256 + 512)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("model", [VideoGenerator3D, VideoGANGenerator])
def test_videos_fit_the_discriminator(model, channels):
    generator = model(k0=7, channels=channels, image_size=32, n_frames=16, width=16)
    videos = generator(generator.draw_z0(2))
    assert videos.shape == (2, channels, 16, 32, 32) and abs(videos.array).max() <= 1
    assert VideoDiscriminator(channels, 16, 32, 2)(videos).shape == (2, 1)
    for parameter, gradient in zip(generator.params(), chainer.grad([videos], list(generator.params()))):
        assert gradient is not None and gradient.shape == parameter.shape


def test_video_gan_puts_the_foreground_before_the_background_where_the_mask_says():
    generator = lively(VideoGANGenerator(**SMALL, k0=7, width=16, mask_penalty=0.5))
    z0 = generator.draw_z0(3)
    with chainer.using_config("train", False):
        streams = {name: stream.array for name, stream in generator.streams(z0).items()}
        videos, penalty = generator.forward_with_penalty(z0)
    f, m, b = (streams[name] for name in ("foreground", "mask", "background"))
    assert f.shape == (3, 1, 16, 16, 16) and m.shape == f.shape and b.shape == (3, 1, 1, 16, 16)
    assert 0 <= m.min() and m.max() <= 1
    np.testing.assert_allclose(videos.array, m * f + (1 - m) * b, atol=1e-6)
    assert float(penalty.array) == pytest.approx(0.5 * abs(m).mean(), rel=1e-6)
    np.testing.assert_array_equal(generator(z0).shape, videos.shape)


def test_video_gan_draws_from_a_normal_distribution():
    z0 = VideoGANGenerator(**SMALL, width=8).draw_z0(1000)
    assert abs(z0).max() > 3 and abs(z0.mean()) < 0.02 and abs(z0.std() - 1) < 0.02


def test_both_parts_of_the_generator_and_the_discriminator_see_the_label(conditional):
    z0 = np.repeat(z(1, 5), 3, axis=0)
    with chainer.using_config("train", False):
        z1 = conditional.generate_trajectory(z0, np.arange(3)).array
        assert abs(z1[0] - z1[1]).max() > 1e-3 and abs(z1[1] - z1[2]).max() > 1e-3
        frames = conditional.generate_frames(z0, np.repeat(z1[:1], 3, axis=0), np.arange(3)).array
        assert abs(frames[0] - frames[1]).max() > 1e-2
        discriminator = VideoDiscriminator(**SMALL, width=2, n_classes=3)
        scores = discriminator(np.repeat(frames[:1], 3, axis=0), np.arange(3)).array
    assert len(np.unique(scores)) == 3


def test_the_discriminator_sees_the_label_as_constant_channels():
    discriminator = VideoDiscriminator(**SMALL, width=2, n_classes=3)
    plain = VideoDiscriminator(channels=4, image_size=16, width=2)
    plain.copyparams(discriminator)
    x, labels = np.random.randn(4, 1, 16, 16, 16).astype("f"), np.array([2, 0, 1, 1])
    voxel = np.zeros((4, 3, 16, 16, 16), "f")
    for i, label in enumerate(labels):
        voxel[i, label] = 1
    np.testing.assert_allclose(
        discriminator(x, labels).array, plain(np.concatenate([x, voxel], axis=1)).array, rtol=1e-5
    )


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


def test_labels_are_names_or_numbers(conditional):
    conditional.label_names = ["Archery", "IceDancing", "2"]
    assert parse_labels(["IceDancing", "0", "2"], conditional) == [1, 0, 2]
    assert parse_labels(["all"], conditional) == [0, 1, 2]
    for text, hint in ("IceDancin", "did you mean IceDancing"), ("3", "0 ... 2"), ("-1", "0 ... 2"):
        with pytest.raises(InputError, match=hint):
            parse_labels([text], conditional)
    with pytest.raises(InputError, match="not conditional"):
        parse_labels(["0"], VideoGANGenerator(**SMALL, width=8))


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 3], [0.0, 1.0, 2.0], [-1, 0, 1]])
def test_impossible_labels_are_refused(conditional, labels):
    with pytest.raises(InputError, match="labels must be"):
        next(conditional.sample(3, labels=labels))


def test_a_missing_or_needless_label_is_refused(conditional):
    with pytest.raises(InputError, match="n_classes is 3"):
        conditional(z(2, 5))
    for labels in np.array([0, 3]), np.array([0]), np.array([0.0, 1.0]):
        with pytest.raises(InputError, match="labels must be"):
            conditional(z(2, 5), labels)
    with pytest.raises(InputError, match="n_classes must be set"):
        build_generator(Config(channels=1, image_size=16, model="conditional_tgan"))
    with pytest.raises(InputError, match="n_classes is 0"):
        VideoDiscriminator(**SMALL, width=2)(np.zeros((1, 1, 16, 16, 16), "f"), np.zeros(1, int))
    with pytest.raises(InputError, match="not conditional"):
        next(VideoGANGenerator(**SMALL, width=8).sample(1, labels=[0]))


def test_noise_is_added_to_every_layer_while_training_alone():
    deviations = []

    class Noisy(VideoDiscriminator):
        def _add_noise(self, h):
            noisy = super()._add_noise(h)
            deviations.append(float(chainer.as_variable(noisy - h).array.std()))
            return noisy

    x = np.random.randn(16, 1, 16, 16, 16).astype("f")
    discriminator = Noisy(**SMALL, width=8, noise=0.2, use_gamma=False)
    scores = [discriminator(x).array for _ in range(2)]
    assert abs(scores[0] - scores[1]).max() > 1e-3
    # The video and four convolutions, twice.
    np.testing.assert_allclose(deviations, np.full(10, 0.2), rtol=0.05)
    with chainer.using_config("train", False):
        np.testing.assert_array_equal(discriminator(x).array, discriminator(x).array)
    assert len(deviations) == 10


def test_without_noise_both_ways_through_the_discriminator_are_the_same():
    x = np.random.randn(3, 1, 16, 16, 16).astype("f")
    quiet, noisy = VideoDiscriminator(**SMALL, width=4), VideoDiscriminator(**SMALL, width=4, noise=1e-30)
    noisy.copyparams(quiet)
    np.testing.assert_allclose(noisy(x).array, quiet(x).array, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_the_trajectory_is_lengthened_linearly(factor):
    z1 = z(2 * 4, 3, "float64").reshape(2, 4, 3)
    longer = lengthen(chainer.Variable(z1), factor).array
    times = np.linspace(0, 3, 3 * factor + 1)
    expected = np.empty((2, 3 * factor + 1, 3))
    for n, k in np.ndindex(2, 3):
        expected[n, :, k] = np.interp(times, np.arange(4), z1[n, :, k])
    np.testing.assert_allclose(longer, expected, rtol=0, atol=1e-14)


def test_interpolated_videos_contain_the_generated_frames():
    generator = lively(VideoGenerator(**SMALL, k0=5, k1=6, temporal_width=16, image_width=8))
    z0 = z(2, 5)
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        videos, longer = generator(z0).array, generator.interpolate(z0, 3).array
        between = generator.generate_between(z0[0], z0[1], 5).array
    assert longer.shape == (2, 1, 46, 16, 16)
    assert abs(videos[0] - videos[1]).max() > 0.1
    np.testing.assert_allclose(longer[:, :, ::3], videos, atol=1e-5)
    np.testing.assert_allclose(between[[0, -1]], videos, atol=1e-5)
