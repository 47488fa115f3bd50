"""generate.py: videos of a run or of one of its snapshots."""

import os

import numpy as np
import pytest
from helpers import TINY, assert_one_line_error, call, write_noise

from tgan_chainer import load_generator


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A results folder of 6 iterations with a snapshot every third."""
    folder = tmp_path_factory.mktemp("trained")
    data = write_noise(folder / "videos.h5")
    options = ["--data", data, "--out", folder / "run", "--iterations", 6, "--snapshot-interval", 3]
    result = call("train.py", *TINY, *options)
    assert result.returncode == 0, result.stderr
    return str(folder / "run")


def test_a_label_that_is_not_there_is_refused(trained, tmp_path):
    out = ("--out", tmp_path / "x.gif")
    assert_one_line_error(call("generate.py", trained, "--label", 0, *out), "not conditional")


def test_generate_makes_the_same_videos_from_a_run_and_from_its_snapshots(trained, tmp_path):
    videos = []
    for i, name in enumerate(["", "generator_iter_6.npz", "snapshot_iter_6.npz", "generator_iter_3.npz"]):
        out = str(tmp_path / f"{i}.npy")
        result = call("generate.py", os.path.join(trained, name), "--num", 5, "--seed", 2, "--out", out)
        assert result.returncode == 0, result.stderr
        videos.append(np.load(out, allow_pickle=False))
    assert videos[0].shape == (5, 1, 16, 32, 32) and videos[0].dtype == np.float32
    assert (videos[0] == videos[1]).all() and (videos[0] == videos[2]).all()
    assert (videos[0] != videos[3]).any()
    from_python = np.stack(list(load_generator(trained).sample(5, seed=2)))
    np.testing.assert_allclose(from_python, videos[0], atol=1e-6)


def test_generate_writes_one_file_each(trained, tmp_path):
    result = call("generate.py", trained, "--num", 3, "--each", "--out", tmp_path / "samples" / "video.gif")
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(tmp_path / "samples")) == [f"video_0000{i}.gif" for i in range(3)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "samples.avi"], ["samples.avi", ".gif"]),
        (["--num", 0], ["num must be"]),
        (["--seed", -1], ["seed must be"]),
        (["--fps", 0], ["fps must be"]),
        (["--scale", 3000], ["scale must be"]),
        (["--num", 2000], ["more than 1024 videos"]),
        (["--out", "/proc/samples.gif"], ["/proc"]),
    ],
)
def test_generate_refuses_bad_input_in_one_line(trained, tmp_path, arguments, words):
    assert_one_line_error(call("generate.py", trained, *arguments), *words)
    assert_one_line_error(call("generate.py", tmp_path), "generator_iter_N.npz")
