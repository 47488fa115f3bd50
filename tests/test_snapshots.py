"""Snapshots: what they say, and that nothing in them is taken which does not fit."""

import json
import os
import random
import shutil
from functools import partial

import numpy as np
import pytest
from helpers import TINY, assert_one_line_error, call, refused, write_noise

from tgan_chainer import load_generator, load_run
from tgan_chainer.runs import read_run
from tgan_chainer.snapshots import find_snapshots, read_snapshot

PARAMETER = "updater/model:dis/conv2/W"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("data") / "videos.h5")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("trained") / "run")
    result = call("train.py", *TINY, "--data", data, "--out", out, "--iterations", 2, "--n-clip", 3)
    assert result.returncode == 0, result.stderr
    return out


@pytest.fixture
def changed(trained, tmp_path):
    """A function that returns a copy of the snapshot in which something is another."""

    def change(arrays=None, metadata=None, name="snapshot_iter_2.npz"):
        with np.load(os.path.join(trained, name)) as file:
            content = {key: file[key] for key in file.files}
        facts = json.loads(str(content["metadata"]))
        for key, value in (metadata or {}).items():
            if value is None:
                del facts[key]
            else:
                facts[key] = value
        content = {**content, "metadata": np.array(json.dumps(facts)), **(arrays or {})}
        path = str(tmp_path / name)
        np.savez(path, **{key: array for key, array in content.items() if array is not None})
        return path

    return change


def test_a_run_is_all_that_is_known_of_it(trained):
    run = load_run(trained)
    assert run.path == os.path.join(trained, "snapshot_iter_2.npz")
    assert (run.iteration, run.config.batch_size, run.label_names, run.label_prior) == (2, 3, None, None)
    assert run.data["source"] == "random numbers"
    assert run.discriminator.conv1.W.shape[0] == 2 and run.generator.video_shape == (1, 16, 32, 32)
    assert 0 < run.wall_time < 600 and run.provenance[0]["from_iteration"] == 0
    without = read_run(trained)
    assert (without.generator, without.discriminator) == (None, None)
    for key in "path", "config", "iteration", "label_names", "data", "wall_time", "provenance":
        assert getattr(without, key) == getattr(run, key), key
    alone = load_run(os.path.join(trained, "generator_iter_2.npz"))
    assert alone.discriminator is None and alone.wall_time > 0


def test_a_generator_is_taken_from_a_snapshot_where_there_is_none_newer(trained, tmp_path):
    load = partial(load_run, with_discriminator=False)
    assert load(trained).path.endswith("generator_iter_2.npz")
    folder = shutil.copytree(trained, tmp_path / "copy")
    os.rename(folder / "generator_iter_2.npz", folder / "generator_iter_1.npz")
    assert load(str(folder)).path.endswith("snapshot_iter_2.npz")
    os.remove(folder / "generator_iter_1.npz")
    run = load(str(folder))
    expected = next(load_generator(trained).sample(1, seed=0))
    np.testing.assert_array_equal(next(run.generator.sample(1, seed=0)), expected)
    assert run.discriminator is None


def test_a_snapshot_tells_the_row_and_what_was_changed_by_its_settings_whatever_it_calls_itself(
    data, trained, tmp_path
):
    changes = {
        "temporal_width": (8, 512), "image_width": (8, 256), "discriminator_width": (2, 64),
        "n_clip": (3, 5), "learning_rate": (1e-3, 5e-5), "batch_size": (3, 32),
    }  # fmt: skip
    (tmp_path / "tgan_svc_ucf101.yaml").write_text("description: nothing changed\nn_clip: 3")
    resumed = shutil.copytree(trained, tmp_path / "resumed")
    options = ["--config", tmp_path / "tgan_svc_ucf101.yaml", "--data", data, "--out", tmp_path / "own"]
    for arguments in [*TINY, *options], ["--gpu", -1, "--out", resumed, "--resume"]:
        result = call("train.py", *arguments, "--iterations", 3)
        assert result.returncode == 0, result.stderr
    for folder in trained, resumed, tmp_path / "own":
        for path in find_snapshots(str(folder)):
            facts = read_snapshot(path)[0]
            assert facts["row"] == "tgan_moving_mnist"
            found = {change["setting"]: (change["here"], change["row"]) for change in facts["changes"]}
            assert found == changes, path


def test_loading_leaves_random_numbers_alone(trained):
    def draw():
        return np.random.rand(), random.random()

    np.random.seed(3)
    random.seed(3)
    expected = draw()
    np.random.seed(3)
    random.seed(3)
    load_run(trained)
    load_generator(trained)
    assert draw() == expected


def test_a_snapshot_of_before_there_were_kinds_is_read(changed):
    old = {"kind": None, "row": None, "changes": None, "wall_time": None}
    run = load_run(changed(metadata=old))
    assert run.discriminator is not None and run.wall_time > 0
    run = load_run(changed(metadata=old, name="generator_iter_2.npz"))
    assert run.discriminator is None and run.wall_time is None


WEIGHT = np.zeros((4, 2, 4, 4, 4), "f")
BAD_ARRAYS = {
    "NaN": np.full_like(WEIGHT, np.nan),
    "infinite": np.full_like(WEIGHT, -np.inf),
    "one number": np.float32(0),
    "one of each": np.zeros((1, 1, 1, 1, 1), "f"),
    "transposed": WEIGHT.transpose(1, 0, 2, 3, 4),
    "flat": WEIGHT.reshape(-1),
    "double": WEIGHT.astype("d"),
    "half": WEIGHT.astype("e"),
    "integers": WEIGHT.astype(int),
    "truth values": WEIGHT.astype(bool),
    "text": WEIGHT.astype(str),
    "complex": WEIGHT.astype(complex),
    "big-endian": WEIGHT.astype(">f4"),
    "missing": None,
}


@pytest.mark.parametrize("array", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
@pytest.mark.parametrize("key", [PARAMETER, "updater/optimizer:dis/conv2/W/ms"])
def test_an_array_that_does_not_fit_exactly_is_refused(changed, tmp_path, key, array):
    path = changed({key: array})
    out = tmp_path / "out"
    result = call("train.py", "--gpu", -1, "--resume", path, "--out", out, "--iterations", 3)
    assert_one_line_error(result, path)
    assert not out.exists()
    if key == PARAMETER:
        refused(lambda: load_run(path), path)


BAD_METADATA = {
    "format": [None, 1, "tgan_chainer snapshot 2"],
    "kind": [1, "else"],
    "iteration": [None, "2", 2.5, -1, True, [2]],
    "config": [None, [], {"k0": -1}, {"unknown": 1}, {"k0": [1]}],
    "data": [None, 1, {}, {"source": 1}],
    "label_names": [1, [1], "abc", {}],
    "wall_time": ["long", []],
    "random_states": [
        *([], {}, {"python": 1, "numpy": 1}, {"python": [3, ["\ud800"] * 625, None], "numpy": []}),
        {"python": [3, [2**40], None], "numpy": ["MT19937", [1], 1, 0, 0]},
    ],
}


@pytest.mark.parametrize("key", BAD_METADATA)
def test_metadata_of_the_wrong_kind_are_refused(changed, tmp_path, key):
    for value in BAD_METADATA[key]:
        path, out = changed(metadata={key: value}), tmp_path / "out"
        result = call("train.py", "--gpu", -1, "--resume", path, "--out", out, "--iterations", 3)
        assert_one_line_error(result, path)
        assert not out.exists()


def test_metadata_that_are_no_object_are_refused(changed):
    for text in "", "[", "[]", "1", "null", "[" * 100_000, '{"format": "tgan_chainer snapshot 1"}':
        path = changed({"metadata": np.array(text)})
        refused(partial(read_snapshot, path), path)
    for array in np.zeros(3), np.array(b"{}"), np.zeros((2, 2), "U3"):
        path = changed({"metadata": array})
        refused(partial(read_snapshot, path), path)


def test_a_generator_cannot_be_resumed(trained, tmp_path):
    path = os.path.join(trained, "generator_iter_2.npz")
    result = call("train.py", "--gpu", -1, "--resume", path, "--out", tmp_path / "out")
    assert_one_line_error(result, path, "snapshot_iter_N.npz")


def test_what_is_no_run_is_said_so(data, tmp_path):
    for source in data, str(tmp_path), str(tmp_path / "none"), __file__:
        refused(partial(load_run, source), source)
    refused(lambda: load_run(data), "is a data set; expected a results folder or a snapshot")
