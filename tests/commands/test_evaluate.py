"""evaluate.py and train_classifier.py, run as a user runs them, and scores during training."""

import functools
import json
import os
import shutil
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from helpers import EXPERIMENTS, assert_one_line_error, call
from scipy.special import rel_entr, softmax

from tgan_chainer import evaluations
from tgan_chainer.commands import evaluate
from tgan_chainer.datasets import write_videos
from tgan_chainer.evaluations import (
    VideoClassifier,
    load_classifier,
    measures,
    open_source,
    save_classifier,
    video_classifier,
)
from tgan_chainer.links import C3D
from tgan_chainer.logs import read_log
from tgan_chainer.runs import load_generator

import chainer

TINY = (
    "--gpu -1 --temporal-width 8 --image-width 8 --video-width 8 --discriminator-width 2 --batch-size 3 "
    "--learning-rate 1e-3 --log-interval 2"
).split()


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Results folders of a Wasserstein GAN and of a normal one."""
    folder = tmp_path_factory.mktemp("runs")
    for name, options in ("wgan", []), ("gan", ["--model", "3d", "--loss", "gan", "--clipping", "none"]):
        result = call("train.py", *TINY, "--data", data, "--out", folder / name, "--iterations", 2, *options)
        assert result.returncode == 0, result.stderr
    return folder


def test_the_inception_score_is_that_of_the_classifiers_predictions(data, classifier, tmp_path):
    out = tmp_path / "score.json"
    arguments = ("--classifier", classifier, "--samples", 40, "--repeats", 2, "--gpu", -1, "--out", out)
    result = call("evaluate.py", "inception", data, *arguments, "--window", "first")
    assert result.returncode == 0, result.stderr
    written = json.loads(out.read_text())

    # Every clip once, from its first frame: the order does not matter.
    import h5py

    with h5py.File(data) as file:
        frames = file["frames"][:].reshape(40, 20, 32, 32, 1)[:, :16]
    videos = (frames.transpose(0, 4, 1, 2, 3).astype(np.float32) - 128) / 128
    p = np.concatenate([p for p, _ in load_classifier(classifier).predict(videos)])
    expected = np.exp(rel_entr(p, p.mean(axis=0)).sum(axis=1).mean())
    np.testing.assert_allclose(written["scores"], [expected, expected], rtol=1e-6)
    assert written["inception_score"] == pytest.approx(expected) and written["samples"] == 40
    assert written["standard_deviation"] == pytest.approx(0, abs=1e-6)
    assert 1.5 < expected <= 2
    for words in ("2 x 40 samples", "SHA-256", "seed 0", "64x64", "56x56", "first 16 frames", str(out)):
        assert words in result.stdout
    assert len(written["classifier"]["weights"]["sha256"]) == 64 and written["made_by"]["hardware"]


def test_a_run_an_array_and_a_folder_of_its_samples_have_one_score(runs, classifier, tmp_path):
    samples = tmp_path / "samples.npy"
    assert call("generate.py", runs / "wgan", "--num", 12, "--gpu", -1, "--out", samples).returncode == 0
    folder = tmp_path / "folder"
    folder.mkdir()
    for i, video in enumerate(np.load(samples)):
        np.save(folder / f"{i}.npy", video)
    scores = []
    for source in runs / "wgan", samples, folder:
        out = tmp_path / "score.json"
        options = [] if source == runs / "wgan" else ["--range", "signed", "--size", 0]
        result = call(
            "evaluate.py", "inception", source, "--classifier", classifier, "--samples", 12, "--repeats", 1,
            *options, "--gpu", -1, "--out", out,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        scores.append(json.loads(out.read_text())["inception_score"])
    np.testing.assert_allclose(scores, scores[0], rtol=1e-5)


def test_the_frechet_distance_to_itself_is_that_of_few_samples_and_to_others_is_more(
    data, runs, classifier, tmp_path
):
    distances = []
    for source in data, runs / "wgan":
        out = tmp_path / "score.json"
        result = call(
            "evaluate.py", "frechet", source, data, "--classifier", classifier, "--samples", 20, "--gpu", -1,
            "--out", out,
        )  # fmt: skip
        assert result.returncode == 0 and "biased upwards" in result.stdout, result.stderr
        distances.append(json.loads(out.read_text())["frechet_distance"])
    assert 0 < distances[0] < distances[1] / 5


def test_gam_is_won_by_one_or_the_other_and_says_by_what(data, runs, tmp_path):
    results = []
    for a, b in ("wgan", "gan"), ("gan", "wgan"):
        out = tmp_path / "score.json"
        result = call(
            "evaluate.py", "gam", runs / a, runs / b, "--samples", 20, "--bootstrap", 50, "--gpu", -1,
            "--test-data", data, "--out", out,
        )  # fmt: skip
        assert result.returncode == 0 and "r_sample" in result.stdout, result.stderr
        results.append(json.loads(out.read_text()))
    one, other = results
    assert one["thresholds"][1] == 0 and other["thresholds"][0] == 0  # the normal GAN's
    assert isinstance(one["r_sample"], float | str) and one["a"]["iteration"] == 2
    assert one["trained_on_test_data"] == ["a", "b"] and "which A and B were trained on" in result.stdout
    assert one["batch_statistics"]["errors"].keys() == one["errors"].keys()


def test_gam_chooses_thresholds_by_other_clips_than_it_tests_on(tmp_path):
    paths = [str(tmp_path / name) for name in ("one.h5", "other.h5")]
    for path in paths:
        with write_videos(path, "clip i is i everywhere") as writer:
            for i in range(10):
                writer.append(np.full((18, 16, 16, 1), i, np.uint8))

    def clips(source):
        return {int(video[0, 0, 0, 0] * 128 + 128) for video in source.draw(30)}

    shape = 1, 16, 16, 16
    test, real = map(clips, measures._real_videos(paths[0], paths[0], shape, seed=0))
    assert len(test) == len(real) == 5 and test | real == set(range(10))
    for source in measures._real_videos(*paths, shape, seed=0):  # of two files each is used as a whole
        assert clips(source) == set(range(10))


def test_a_model_against_itself_is_a_tie_but_for_chance(runs, tmp_path):
    out = tmp_path / "score.json"
    result = call(
        "evaluate.py", "gam", runs / "wgan", runs / "wgan", "--samples", 60, "--gpu", -1, "--out", out
    )
    assert result.returncode == 0, result.stderr
    written = json.loads(out.read_text())
    assert written["r_test"] in (1, "nan") and written["thresholds"][0] == pytest.approx(
        written["thresholds"][1], abs=0.5
    )
    assert written["decided"] is not True


@pytest.mark.parametrize(
    "options, words",
    [
        (["--opponent", "OTHER"], ["A makes videos (1, 16, 32, 32) and B (3, 16, 32, 32)"]),
        (["--opponent", "self", "--model", "conditional_tgan"], ["unconditional models"]),
        (["--classifier", "LONG"], ["the classifier takes 32 frames; n_frames is 16"]),
    ],
)
def test_scores_that_cannot_be_taken_are_met_before_training(options, words, data, tmp_path):
    other = str(tmp_path / "rgb.h5")
    with write_videos(other, "zeros") as writer:
        writer.append(np.zeros((16, 32, 32, 3), np.uint8))
    arguments = ["--data", other, "--out", tmp_path / "other", "--iterations", 1]
    assert call("train.py", *TINY, *arguments).returncode == 0
    long = VideoClassifier(C3D(2, width=2, n_units=4, size=32, n_frames=32), np.zeros((3, 1, 1, 1)), size=32)
    save_classifier(str(tmp_path / "long.npz"), long)
    places = {"OTHER": tmp_path / "other", "LONG": tmp_path / "long.npz"}
    options = [places.get(option, option) for option in options]
    result = call(
        "train.py", *TINY, "--data", data, "--out", tmp_path / "run", "--iterations", 4,
        "--score-interval", 4, *options,
    )  # fmt: skip
    assert_one_line_error(result, *words)


def test_scores_during_training_are_in_the_log(data, runs, classifier, tmp_path):
    result = call(
        "train.py", *TINY, "--data", data, "--out", tmp_path / "run", "--iterations", 4,
        "--snapshot-interval", 2,
        "--score-interval", 2, "--score-samples", 8, "--classifier", classifier, "--opponent", runs / "gan",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    log = read_log(tmp_path / "run")
    assert [entry["iteration"] for entry in log] == [2, 4]
    generator = load_generator(tmp_path / "run" / "generator_iter_4.npz")
    p = np.concatenate([p for p, _ in load_classifier(classifier).predict(generator.sample(8, seed=0))])
    expected = np.exp(rel_entr(p, p.mean(axis=0)).sum(axis=1).mean())
    assert log[1]["score/inception"] == pytest.approx(expected, rel=1e-5)
    for entry in log:
        assert 0 <= entry["score/fooled_opponent"] <= 1 and 0 <= entry["score/was_fooled"] <= 1


def test_scores_during_training_do_not_change_it(data, classifier, tmp_path):
    arguments = [*TINY, "--data", data, "--iterations", 4, "--snapshot-interval", 2]
    scores = ["--score-interval", 2, "--score-samples", 8, "--classifier", classifier, "--opponent", "self"]
    for name, more in ("without", []), ("with", scores):
        result = call("train.py", *arguments, "--out", tmp_path / name, *more)
        assert result.returncode == 0, result.stderr
    with np.load(tmp_path / "with" / "generator_iter_4.npz") as one:
        with np.load(tmp_path / "without" / "generator_iter_4.npz") as other:
            for key in one.files:
                if key != "metadata":
                    np.testing.assert_array_equal(one[key], other[key])
    log = read_log(tmp_path / "with")
    assert "score/fooled_opponent" not in log[0] and "score/fooled_opponent" in log[1]  # of its older self


def resized_as_tgan(video):
    """By OpenCV, and the middle of 128×128 pixels; the mean of the same place."""
    cv2 = pytest.importorskip("cv2")
    frames = [cv2.resize(frame, (128, 128), interpolation=cv2.INTER_CUBIC) for frame in video[0]]
    return np.stack(frames)[:, 8:120, 8:120], np.s_[:, 0, :, 8:120, 29:141]


def resized_as_tgan2(video):
    """By PyTorch, straight to 112×112; the mean of rows and columns 8 to 119."""
    torch = pytest.importorskip("torch")
    frames = torch.from_numpy(np.ascontiguousarray(video))
    resize = torch.nn.functional.interpolate
    frames = resize(frames, (112, 112), mode="bilinear", align_corners=True)
    return frames[0].numpy(), np.s_[:, 0, :, 8:120, 8:120]


@pytest.mark.parametrize(("protocol", "resized"), [("tgan", resized_as_tgan), ("tgan2", resized_as_tgan2)])
def test_the_published_weights_are_scored_as_published(data, tmp_path, monkeypatch, protocol, resized):
    """The whole way from files of the published layout, with a narrow network in C3D's place."""
    narrow = functools.partial(C3D, width=2, n_units=4)
    monkeypatch.setattr(video_classifier, "C3D", narrow)
    network = narrow(n_classes=5)
    network.fc8.W.array *= 0.03  # or all predictions would be certain, and the same
    np.savez(tmp_path / "w.npz", **{name[1:]: parameter.array for name, parameter in network.namedparams()})
    mean = np.random.RandomState(0).uniform(0, 200, (3, 1, 16, 128, 171)).astype(np.float32)
    np.savez(tmp_path / "m.npz", mean=mean)
    out = tmp_path / "score.json"
    result = call(
        "evaluate.py", "inception", data, "--classifier", tmp_path / "w.npz", "--mean", tmp_path / "m.npz",
        "--samples", 6, "--repeats", 1, "--gpu", -1, "--out", out, "--protocol", protocol,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    written = json.loads(out.read_text())

    probabilities = []
    for video in open_source(data).draw(6):
        frames, place = resized(video * 128 + 128)
        x = (frames - mean[place]).astype(np.float32)[None]  # grey: the same in all three channels
        with chainer.using_config("train", False):
            probabilities.append(softmax(network(x)["fc8"].array.astype(float), axis=1)[0])
    p = np.array(probabilities)
    expected = np.exp(rel_entr(p, p.mean(axis=0)).sum(axis=1).mean())
    assert written["inception_score"] == pytest.approx(expected, rel=1e-4) and expected > 1.01
    assert written["standard_deviation"] is None and written["protocol"] == protocol
    assert written["classifier"]["mean"]["file"] == "m.npz"
    size = {"tgan": "128x128", "tgan2": "112x112"}[protocol]
    assert f"each frame to {size}" in result.stdout and f"protocol {protocol}" in result.stdout
    first = result.stdout.partition("\n")[0]
    assert first.startswith(f"Inception score of the data set {data} (40 clips); ")
    assert f"protocol {protocol}, 16 frames of each video" in first


def test_the_second_score_of_real_data_is_there_at_once(data, classifier, tmp_path, monkeypatch):
    monkeypatch.setenv("TGAN_CHAINER_CACHE", str(tmp_path))
    arguments = ["inception", data, "--classifier", classifier, "--samples", 6, "--repeats", 2, "--seed", 11]
    scores = []
    for name, more in ("first", []), ("again", []), ("anew", ["--no-cache"]):
        out = tmp_path / f"{name}.json"
        assert call("evaluate.py", *arguments, *more, "--gpu", -1, "--out", out).returncode == 0
        scores.append(json.loads(out.read_text()))
    assert [score["kept"] for score in scores] == [0, 12, 0]
    assert scores[0]["scores"] == scores[1]["scores"]
    assert scores[2]["scores"] == pytest.approx(scores[0]["scores"], rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inception", "DATA"], "is kept; the same command goes on"),
        (["frechet", "RUN", "DATA"], "is kept; the same command goes on"),
        (["inception", "DATA", "--no-cache"], "--no-cache; the same command starts anew"),
        (["inception", "RUN"], "nothing is kept; the same command starts anew"),
        (["gam", "RUN", "RUN"], "nothing is kept; the same command starts anew"),
    ],
)
def test_an_interrupted_score_says_how_to_go_on(
    data, runs, classifier, tmp_path, monkeypatch, arguments, words
):
    for name in "inception", "frechet", "gam":
        monkeypatch.setattr(evaluations, f"measure_{name}", mock.Mock(side_effect=KeyboardInterrupt))
    arguments = [{"DATA": data, "RUN": runs / "gan"}.get(argument, argument) for argument in arguments]
    if arguments[0] != "gam":
        arguments += ["--classifier", classifier]
    result = call("evaluate.py", *arguments, "--gpu", -1, "--out", tmp_path / "score.json")
    assert result.returncode == 130 and not (tmp_path / "score.json").exists()
    assert words in result.stderr and result.stderr.endswith("interrupted\n")


@pytest.fixture
def some_unreadable(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for i in range(5):
        np.save(folder / f"{i}.npy", np.random.RandomState(i).uniform(-1, 1, (1, 16, 32, 32)))
    (folder / "cut\x1b[2J.npy").write_bytes(b"\x93NUMPY")
    (folder / "link.npy").symlink_to("nowhere")
    return folder


def test_unreadable_videos_are_listed_in_the_end_and_the_status_says_so(
    some_unreadable, classifier, tmp_path
):
    out = tmp_path / "score.json"
    arguments = ["--size", 0, "--classifier", classifier, "--gpu", -1, "--out", out]
    result = call("evaluate.py", "inception", some_unreadable, *arguments)
    assert result.returncode == 1, result.stderr
    assert "2 videos left out, which could not be read:" in result.stdout and "\x1b" not in result.stdout
    written = json.loads(out.read_text())
    names = {os.path.basename(line.partition(": ")[0]) for line in written["unreadable"]}
    assert names == {"cut\x1b[2J.npy", "link.npy"} and written["samples"] == 5
    assert {"what": "unreadable videos", "here": 2, "there": 0} in written["departures"]

    result = call("evaluate.py", "inception", some_unreadable, *arguments, "--strict")
    assert_one_line_error(result, "npy")
    result = call("evaluate.py", "frechet", some_unreadable, some_unreadable, *arguments)
    assert result.returncode == 1 and len(json.loads(out.read_text())["unreadable"]) == 2


@pytest.mark.parametrize("broken", ["particulars", "describe"])
def test_a_score_is_on_the_disk_before_anything_else_may_fail(
    data, classifier, tmp_path, monkeypatch, broken
):
    def fail(*_):
        raise RuntimeError("after hours")

    monkeypatch.setattr(evaluate.Inception, broken, fail)
    out = tmp_path / "score.json"
    with pytest.raises(RuntimeError):
        evaluate.main(
            [
                "inception",
                data,
                "--classifier",
                classifier,
                "--samples",
                "4",
                "--gpu",
                "-1",
                "--out",
                str(out),
            ]
        )
    written = json.loads(out.read_text())
    assert written["score"] == "inception" and len(written["scores"]) == 4


def test_a_name_that_is_not_utf_8_costs_no_score(data, classifier, tmp_path):
    source = os.path.join(str(tmp_path), "caf\udce9.h5")
    shutil.copyfile(data, source)
    out = tmp_path / "score.json"
    command = [sys.executable, os.path.join(EXPERIMENTS, "evaluate.py"), "inception", os.fsencode(source)]
    command += ["--classifier", classifier, "--samples", "4", "--gpu", "-1", "--out", str(out)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    subprocess.run(command, env=environment, capture_output=True, check=False)
    assert json.loads(out.read_text())["source"]["path"] == source


@pytest.mark.parametrize(
    ("training", "words"),
    [
        (None, "CAUTION: how good this classifier is was never tested"),
        ({"accuracy": 0.5, "validation_clips": 10}, "no better than guessing (accuracy 50.0%)"),
        ({"accuracy": 0.9, "validation_clips": 100, "data": "what it should not be"}, "accuracy 0.9"),
    ],
)
def test_a_classifier_that_may_guess_is_told_beside_the_score(data, tmp_path, training, words):
    path = str(tmp_path / "c.npz")
    network = VideoClassifier(C3D(2, width=2, n_units=4, size=32), np.zeros((3, 1, 1, 1)), size=36)
    save_classifier(path, network, training)
    arguments = ["--classifier", path, "--samples", 4, "--gpu", -1, "--out", tmp_path / "s.json"]
    result = call("evaluate.py", "inception", data, *arguments)
    assert result.returncode == 0, result.stderr
    assert words in result.stdout and "NOT COMPARABLE" in result.stdout


def test_a_run_is_compared_with_the_row_of_its_settings_whatever_it_calls_itself(data, classifier, tmp_path):
    config = tmp_path / "narrow.yaml"
    config.write_text(f"data: {data}\ndescription: TGAN with SVC on UCF-101, the paper's configuration\n")
    run = tmp_path / "run"
    result = call("train.py", "--config", config, *TINY, "--out", run, "--iterations", 1)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "score.json"
    arguments = ["--classifier", classifier, "--samples", 4, "--gpu", -1, "--out", out]
    assert call("evaluate.py", "inception", run, *arguments).returncode == 0
    found = {one["what"]: one for one in json.loads(out.read_text())["departures"]}
    assert found["image_width"] == {"what": "image_width", "here": 8, "there": 256}
    assert found["iterations"]["here"] == 1 and "data" in found and "model" not in found
    result = call("evaluate.py", "gam", run, run, "--samples", 8, "--gpu", -1, "--out", out)
    assert "NOT COMPARABLE with the paper's scores: iterations 1 instead of 100,000" in result.stdout
    assert {"what": "data", "here": None, "there": "moving_mnist"} in json.loads(out.read_text())[
        "departures"
    ]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["inception", "nothing"], ["there is no nothing"]),
        (["inception", "DATA", "--samples", "0"], ["samples must be"]),
        (["inception", "DATA", "--samples", "3", "--splits", "4"], ["3 samples cannot be cut into 4"]),
        (["inception", "DATA", "--seed", "-1"], ["seed must be"]),
        (["inception", "FOLDER"], ["no run and no videos"]),
        (["inception", "ARRAY", "--samples", "9"], ["holds 3 videos"]),
        (["inception", "NAN"], ["NaN"]),
        (["inception", "ARRAY", "--fps", "5"], ["fps is for folders"]),
        (["inception", "RUN", "--range", "unit"], ["value_range is for arrays"]),
        (["inception", "DATA", "--classifier", "CAFFE"], ["Caffe's own files"]),
        (["inception", "DATA", "--classifier", "mistyped.npz"], ["there is no mistyped.npz"]),
        (["gam", "RUN", "RUN", "--bootstrap", "-5"], ["bootstrap must be"]),
        (["inception", "SHORT"], ["15 frames; at least 16"]),
        (["inception", "DATA", "--classifier", "DATA"], ["is a data set; expected a classifier"]),
        (["inception", "DATA", "--mean", "DATA"], ["has its own mean"]),
        (["inception", "DATA", "--sample", "4"], ["did you mean --samples?"]),
        (["frechet", "DATA", "DATA", "--samples", "1"], ["needs two samples"]),
        (["frechet", "DATA"], ["REFERENCE"]),
        (["gam", "RUN", "DATA"], ["is a data set; expected"]),
        (["gam", "RUN", "FOLDER"], ["holds no snapshot_iter_N.npz"]),
        (["gam", "RUN", "RUN", "--data", "OTHER"], ["has videos (3, 16, 32, 32)"]),
    ],
)
def test_bad_input_is_one_line(arguments, words, data, runs, classifier, tmp_path):
    (tmp_path / "empty").mkdir()
    videos = np.random.RandomState(0).uniform(-1, 1, (3, 1, 16, 32, 32)).astype(np.float32)
    np.save(tmp_path / "array.npy", videos)
    np.save(tmp_path / "short.npy", videos[:, :, :15])
    np.save(tmp_path / "nan.npy", np.where(np.arange(32) == 3, np.nan, videos))
    with write_videos(tmp_path / "other.h5", "zeros") as writer:
        writer.append(np.zeros((16, 32, 32, 3), np.uint8))
    places = {
        "DATA": data, "FOLDER": tmp_path / "empty", "ARRAY": tmp_path / "array.npy",
        "NAN": tmp_path / "nan.npy", "SHORT": tmp_path / "short.npy", "RUN": runs / "wgan",
        "OTHER": tmp_path / "other.h5", "CAFFE": tmp_path / "c3d.caffemodel",
    }  # fmt: skip
    (tmp_path / "c3d.caffemodel").touch()
    arguments = [places.get(argument, argument) for argument in arguments]
    if arguments[0] != "gam" and "--classifier" not in arguments:
        arguments += ["--classifier", classifier]
    result = call("evaluate.py", *arguments, "--gpu", -1, "--out", tmp_path / "out.json")
    assert_one_line_error(result, *words)
    assert not os.path.exists(tmp_path / "out.json")


def test_an_output_that_cannot_be_written_is_met_before_scoring(data, tmp_path):
    # This is no classifier either, but that would have been met later.
    result = call("evaluate.py", "inception", data, "--classifier", data, "--out", tmp_path)
    assert_one_line_error(result, str(tmp_path))


def test_no_score_replaces_another_one(data, classifier, tmp_path, monkeypatch):
    arguments = ["--classifier", classifier, "--samples", 4, "--gpu", -1]
    monkeypatch.chdir(tmp_path)
    for i in range(2):
        result = call("evaluate.py", "inception", data, *arguments, "--seed", i)
        assert result.returncode == 0, result.stderr
    assert sorted(os.listdir("results/scores")) == ["inception_videos.json", "inception_videos_2.json"]


def test_a_long_name_is_cut_in_the_results_name(data, classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / ("é" * 120 + ".h5")
    shutil.copyfile(data, source)
    result = call("evaluate.py", "inception", source, "--classifier", classifier, "--samples", 4, "--gpu", -1)
    assert result.returncode == 0, result.stderr
    (name,) = os.listdir("results/scores")
    assert name.startswith("inception_é") and name.endswith(".json")
