"""train_classifier.py: what it writes can be scored with, and says how good it is."""

import json
import os

import numpy as np
import pytest
from helpers import assert_one_line_error, call

from tgan_chainer.datasets import write_videos
from tgan_chainer.evaluations import VideoClassifier, load_classifier


def test_a_trained_classifier_tells_apart_what_is_easy(classifier):
    trained = load_classifier(classifier)
    assert trained.label_names == ["dark", "bright"]
    videos = [np.full((1, 16, 32, 32), level, np.float32) for level in (-0.8, 0.7)]
    probabilities = np.concatenate([p for p, _ in trained.predict(videos)])
    assert probabilities.argmax(axis=1).tolist() == [0, 1]


def test_fine_tuning_keeps_all_but_the_last_layer_for_other_classes(classifier, data, tmp_path):
    path = str(tmp_path / "three.h5")
    with write_videos(path, "noise", ["a", "b", "c"], chunk_frames=16) as writer:
        for i in range(12):
            writer.append(np.full((16, 32, 32, 1), 80 * (i % 3), np.uint8), labels=i % 3)
    out = str(tmp_path / "three.npz")
    result = call(
        "train_classifier.py", path, "--init", classifier, "--out", out, "--iterations", 1, "--gpu", -1,
        "--batch-size", 4, "--learning-rate", 1e-9,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    old, new = load_classifier(classifier), load_classifier(out)
    assert new.n_classes == 3 and new.label_names == ["a", "b", "c"]
    np.testing.assert_allclose(new.c3d.fc6.W.array, old.c3d.fc6.W.array, atol=1e-6)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nothing.h5"], "no such file"),
        (["UNLABELLED"], "has no /labels"),
        (["DATA", "--validation", "0.001"], "leaves none to train on or to validate"),
        (["DATA", "--validation", "2"], "validation must be"),
        (["DATA", "--iterations", "0"], "iterations must be"),
        (["DATA", "--learning-rate", "-1"], "learning_rate must be"),
        (["DATA", "--init", "DATA"], "is a data set; expected a classifier"),
        (["DATA", "--mean", "DATA"], "--mean belongs to --init"),
        (["DATA", "--force-it"], "did you mean --force?"),
    ],
)
def test_bad_input_to_the_training_of_a_classifier_is_one_line(arguments, words, data, tmp_path):
    with write_videos(tmp_path / "unlabelled.h5", "zeros") as writer:
        writer.append(np.zeros((16, 32, 32, 3), np.uint8))
    places = {"DATA": data, "UNLABELLED": tmp_path / "unlabelled.h5"}
    arguments = [places.get(argument, argument) for argument in arguments]
    result = call("train_classifier.py", *arguments, "--gpu", -1, "--out", tmp_path / "out.npz")
    assert_one_line_error(result, words)


def test_a_classifier_that_is_there_is_not_replaced(data, classifier):
    before = os.stat(classifier).st_mtime_ns
    assert_one_line_error(call("train_classifier.py", data, "--out", classifier), "exists already")
    assert os.stat(classifier).st_mtime_ns == before


def test_a_classifier_says_how_it_was_trained(data, classifier, tmp_path):
    training = load_classifier(classifier).description["training"]
    assert training["data"]["source"] == "noise" and training["data"]["n_windows"] == 200
    assert training["guessing"] >= 0.5 and training["accuracy"] > 0.9  # anyone can tell these classes
    arguments = ["--classifier", classifier, "--samples", 4, "--gpu", -1, "--out", tmp_path / "s.json"]
    result = call("evaluate.py", "inception", data, *arguments)
    assert "Trained by train_classifier.py on noise" in result.stdout
    assert "NOT COMPARABLE with the scores of TGAN" in result.stdout
    assert ": samples 4 instead of 10,000; " in result.stdout
    departures = json.loads((tmp_path / "s.json").read_text())["departures"]
    assert {"what": "samples", "here": 4, "there": 10_000} in departures
    assert {"what": "data", "here": None, "there": "ucf101"} in departures


def test_a_classifier_is_a_video_classifier_with_its_own_mean(classifier):
    trained = load_classifier(classifier)
    assert isinstance(trained, VideoClassifier) and trained.c3d.use_bn and trained.size == 64
    assert trained.mean.shape == (3, 1, 1, 1) and 0 < trained.mean.mean() < 255
