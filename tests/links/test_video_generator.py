"""G is G1 after G0 for every frame (3.3); with labels (5.2); and between its frames (5.1)."""

import numpy as np
import pytest
from helpers import lively, parameter_names, uniform

from tgan_chainer import VideoDiscriminator, VideoGenerator
from tgan_chainer.links.video_generator import lengthen

import chainer

SMALL = {"channels": 1, "image_size": 16}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("n_frames", "start_length"), [(16, 1), (32, 1), (48, 3)])
def test_a_generated_video_fits_the_discriminator(channels, n_frames, start_length):
    sizes = {"channels": channels, "n_frames": n_frames, "image_size": 32}
    generator = VideoGenerator(**sizes, start_length=start_length, temporal_width=8, image_width=8)
    discriminator = VideoDiscriminator(**sizes, width=2)
    video = generator(generator.draw_z0(2))
    assert video.shape == (2, channels, n_frames, 32, 32)
    assert video.dtype == np.float32
    assert abs(video.array).max() <= 1
    assert discriminator(video).shape == (2, 1)


def test_every_frame_is_g1_of_its_own_z1_and_the_same_z0():
    generator = lively(VideoGenerator(**SMALL, temporal_width=8, image_width=8))
    z0 = generator.draw_z0(3)
    with chainer.using_config("train", False):
        video = generator(z0).array
        z1 = generator.temporal_generator(z0).array
        for t in range(16):
            frame = generator.image_generator(z1[:, t], z0).array
            assert abs(frame).max() > 0.1
            np.testing.assert_allclose(video[:, :, t], frame, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "in_g0", "in_g1"),
    [
        ({}, 4, 6),
        ({"use_beta": False}, 0, 0),
        ({"use_beta": False, "use_beta_g1": True}, 0, 6),  # the authors' own runs
        ({"use_beta": True, "use_beta_g1": False}, 4, 0),
    ],
)
def test_g0_and_g1_have_betas_as_asked_for(options, in_g0, in_g1):
    network = VideoGenerator(**SMALL, temporal_width=16, image_width=8, **options)
    assert len(parameter_names(network.temporal_generator, "beta")) == in_g0
    assert len(parameter_names(network.image_generator, "beta")) == in_g1


def test_both_parts_of_the_generator_see_the_label():
    network = lively(VideoGenerator(**SMALL, k0=5, k1=6, temporal_width=16, image_width=8, n_classes=3))
    z0 = np.repeat(uniform(1, 5), 3, axis=0)
    with chainer.using_config("train", False):
        z1 = network.generate_trajectory(z0, np.arange(3)).array
        assert abs(z1[0] - z1[1]).max() > 1e-3 and abs(z1[1] - z1[2]).max() > 1e-3
        frames = network.generate_frames(z0, np.repeat(z1[:1], 3, axis=0), np.arange(3)).array
        assert abs(frames[0] - frames[1]).max() > 1e-2


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_the_trajectory_is_lengthened_linearly(factor):
    z1 = uniform(2 * 4, 3, float).reshape(2, 4, 3)
    longer = lengthen(chainer.Variable(z1), factor).array
    times = np.linspace(0, 3, 3 * factor + 1)
    expected = np.empty((2, 3 * factor + 1, 3))
    for n, k in np.ndindex(2, 3):
        expected[n, :, k] = np.interp(times, np.arange(4), z1[n, :, k])
    np.testing.assert_allclose(longer, expected, rtol=0, atol=1e-14)


def test_interpolated_videos_contain_the_generated_frames():
    generator = lively(VideoGenerator(**SMALL, k0=5, k1=6, temporal_width=16, image_width=8))
    z0 = uniform(2, 5)
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        videos, longer = generator(z0).array, generator.interpolate(z0, 3).array
        between = generator.generate_between(z0[0], z0[1], 5).array
    assert longer.shape == (2, 1, 46, 16, 16)
    assert abs(videos[0] - videos[1]).max() > 0.1
    np.testing.assert_allclose(longer[:, :, ::3], videos, atol=1e-5)
    np.testing.assert_allclose(between[[0, -1]], videos, atol=1e-5)
