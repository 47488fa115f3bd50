"""An average follows a network, is kept by snapshots, and is what is sampled."""

import os

import numpy as np
import pytest
from helpers import TINY, call

from tgan_chainer import load_generator
from tgan_chainer.averaging import MovingAverage
from tgan_chainer.datasets import write_videos
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.snapshots import AVERAGE_PATH, GENERATOR_PATH


def test_weights_and_statistics_are_averaged_and_counters_copied():
    network = BatchNormalization(2)
    average = MovingAverage(network, 0.75)
    expected = {"gamma": np.ones(2), "beta": np.zeros(2), "avg_mean": np.zeros(2), "avg_var": np.ones(2)}
    random_state = np.random.RandomState(0)
    for t in range(1, 40):
        # (1 + t) / (10 + t) is below 0.75 before t = 26.
        decay = (1 + t) / (10 + t) if t < 26 else 0.75
        for name in expected:
            value = random_state.randn(2)
            parameter = getattr(network, name)
            (parameter.array if name in ("gamma", "beta") else parameter)[...] = value
            expected[name] = decay * expected[name] + (1 - decay) * value
        network.N = t
        average.update(t)
    for name, value in expected.items():
        found = getattr(average.link, name)
        np.testing.assert_allclose(getattr(found, "array", found), value, rtol=1e-5)
    assert average.link.N == 39


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs of the same seed: without an average, with one, and with one after an interruption."""
    folder = tmp_path_factory.mktemp("averaged")
    data = str(folder / "videos.h5")
    with write_videos(data, "random numbers", chunk_frames=20) as writer:
        for _ in range(7):
            writer.append(np.random.randint(0, 256, (20, 32, 32, 1)).astype(np.uint8))
    options = [*TINY, "--data", data, "--snapshot-interval", 2]
    for name, *more in (
        ("plain", "--iterations", 4),
        ("whole", "--iterations", 4, "--generator-ema", 0.9),
        ("parts", "--iterations", 2, "--generator-ema", 0.9),
    ):
        result = call("train.py", *options, *more, "--out", folder / name)
        assert result.returncode == 0, result.stderr
    result = call("train.py", "--gpu", -1, "--out", folder / "parts", "--resume", "--iterations", 4)
    assert result.returncode == 0, result.stderr
    return folder


def read(path):
    with np.load(path) as file:
        return {key: file[key] for key in file.files}


def test_training_is_the_same_with_an_average_and_resumes_bit_for_bit(runs):
    plain, whole, parts = (read(runs / name / "snapshot_iter_4.npz") for name in ("plain", "whole", "parts"))
    averaged = {key for key in whole if key.startswith(AVERAGE_PATH)}
    assert averaged == whole.keys() - plain.keys() and whole.keys() == parts.keys()
    for key, array in plain.items():
        if key.startswith("updater/"):
            np.testing.assert_array_equal(whole[key], array)
    for key in averaged:
        np.testing.assert_array_equal(parts[key], whole[key])


def test_the_average_is_what_is_sampled(runs):
    whole = read(runs / "whole" / "snapshot_iter_4.npz")
    alone = read(runs / "whole" / "generator_iter_4.npz")
    key = "image_generator/deconv1/W"
    np.testing.assert_array_equal(alone[key], whole[AVERAGE_PATH + key])
    assert (alone[key] != whole[GENERATOR_PATH + key]).any()
    for name in "snapshot_iter_4.npz", "generator_iter_4.npz":
        generator = load_generator(os.path.join(runs, "whole", name))
        np.testing.assert_array_equal(generator.image_generator.deconv1.W.array, alone[key])
