"""The weights that come with the package: what is said of them, and that a name is all one needs."""

import json
import os

import numpy as np
import pytest
from helpers import CONFIGS, TINY, assert_one_line_error, call

from tgan_chainer import Config, load_generator, pretrained
from tgan_chainer.datasets import write_videos
from tgan_chainer.download import sha256_of
from tgan_chainer.evaluations import open_source
from tgan_chainer.runs import load_run

NAMES = list(pretrained.catalogue())


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_the_one_of_the_table_and_says_where_it_comes_from(name):
    entry = pretrained.catalogue()[name]
    path = pretrained.find(name)
    assert (os.path.getsize(path), sha256_of(path)) == (entry["size"], entry["sha256"])
    assert entry["licence"] == "MIT" and entry["command"].startswith("python experiments/train.py ")
    assert set(entry["yardstick"]) >= {"legible", "persistent", "moving", "empty"}
    run = load_run(name, with_discriminator=False)
    config = Config.load(os.path.join(CONFIGS, entry["command"].split("--config ")[1] + ".yaml"))
    assert run.config.compare(config) == [] and run.iteration == config.iterations
    assert run.data["dataset"] == "moving_mnist" and not os.path.isabs(run.config.data)


def test_all_files_together_are_small():
    assert sum(entry["size"] for entry in pretrained.catalogue().values()) < 3_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_sampled_scored_and_interpolated(name, tmp_path):
    videos = list(load_generator(name).sample(2, seed=0))
    assert all(np.isfinite(video).all() and video.shape == (1, 16, 32, 32) for video in videos)
    np.testing.assert_array_equal(list(open_source(name).draw(2, seed=0)), videos)
    for command, *options in ("generate.py", "--num", 2), ("interpolate.py", "--num", 1):
        out = tmp_path / f"{command}.gif"
        result = call(command, name, *options, "--gpu", -1, "--out", out)
        assert result.returncode == 0 and out.exists(), result.stderr
    result = call("evaluate.py", "inception", name, "--gpu", -1, "--classifier", tmp_path / "none.npz")
    assert_one_line_error(result, "none.npz, which --classifier names")  # the source is one


def test_the_names_are_listed_and_a_wrong_one_is_told_the_nearest(tmp_path):
    result = call("generate.py", "--list")
    assert result.returncode == 0 and [line.split()[0] for line in result.stdout.splitlines()] == NAMES
    for command in "generate.py", "interpolate.py":
        result = call(command, "moving_mnits", "--gpu", -1, "--out", tmp_path / "x.gif")
        assert_one_line_error(result, "there is no moving_mnits", "did you mean moving_mnist?")
    assert_one_line_error(call("generate.py", "elsewhere", "--gpu", -1), "elsewhere", *NAMES)
    assert_one_line_error(call("generate.py", "--gpu", -1), "SOURCE is missing")


def test_a_file_of_ones_own_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moving_mnist").mkdir()
    assert_one_line_error(call("generate.py", "moving_mnist", "--gpu", -1), "moving_mnist holds no")


def test_weights_elsewhere_are_fetched_once_and_checked(tmp_path, monkeypatch):
    source = pretrained.find(NAMES[0])
    entry = {"file": "far.npz", "size": os.path.getsize(source), "sha256": sha256_of(source)}
    table = tmp_path / "catalogue.json"
    table.write_text(json.dumps({"far": {**entry, "url": "https://example.org/far.npz", "summary": "far"}}))
    monkeypatch.setattr(pretrained, "CATALOGUE", str(table))
    monkeypatch.setenv("TGAN_CHAINER_CACHE", str(tmp_path))
    asked = []
    monkeypatch.setattr(pretrained, "download", lambda *args, **known: asked.append((args, known)))
    path = pretrained.find("far")
    assert path == str(tmp_path / "far.npz")
    known = {"size": entry["size"], "sha256": entry["sha256"]}
    assert asked == [(("https://example.org/far.npz", path), known)]


def test_half_precision_changes_samples_by_less_than_a_grey_level(tmp_path):
    data, out = str(tmp_path / "videos.h5"), tmp_path / "run"
    with write_videos(data, "random numbers", chunk_frames=20) as writer:
        for _ in range(7):
            writer.append(np.random.randint(0, 256, (20, 32, 32, 1)).astype(np.uint8))
    result = call("train.py", *TINY, "--data", data, "--out", out, "--iterations", 4)
    assert result.returncode == 0, result.stderr
    whole, half = str(out / "generator_iter_4.npz"), str(tmp_path / "half.npz")
    facts = pretrained.save_half(whole, half)
    assert facts == {"file": "half.npz", "size": os.path.getsize(half), "sha256": sha256_of(half)}
    assert facts["size"] < 0.75 * os.path.getsize(whole)
    a, b = (np.stack(list(load_generator(path).sample(4, seed=0))) for path in (whole, half))
    assert 0 < abs(a - b).max() < 1 / 128
