"""The classifier of the inception score: its preprocessing by OpenCV, its files, and what it refuses."""

import functools
import io
import json
import os
import pickle
import urllib.request

import numpy as np
import pytest
import scipy.special
from helpers import refused

from tgan_chainer.download import sha256_of
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import (
    TGAN2,
    VideoClassifier,
    load_classifier,
    save_classifier,
    video_classifier,
)
from tgan_chainer.links import C3D

import chainer

N_CLASSES = 6
narrow_c3d = functools.partial(C3D, width=2, n_units=8)


def random_mean(seed=0):
    """As published: BGR, a singleton, 16 frames of 171×128 pixels."""
    return np.random.RandomState(seed).uniform(50, 150, (3, 1, 16, 128, 171)).astype(np.float32)


def random_videos(n=2, channels=3, size=64, n_frames=16, seed=0):
    shape = n, channels, n_frames, size, size
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


def small_classifier(n_classes=N_CLASSES, seed=0, **more):
    """A classifier that sees 32×32 pixels of 36×36, whose predictions are not all the same."""
    np.random.seed(seed)
    classifier = VideoClassifier(narrow_c3d(n_classes, size=32), np.float32([[[[90]]]]), 36, 1 / 64, **more)
    classifier.c3d.fc8.W.array *= 5
    return classifier


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Paths of files as published, weights and mean, but of a narrow network; and their arrays."""
    monkeypatch.setattr(video_classifier, "C3D", narrow_c3d)
    monkeypatch.setattr(urllib.request, "urlopen", None)  # nothing here needs the network
    weights = {name[1:]: p.array.copy() for name, p in narrow_c3d(N_CLASSES).namedparams()}
    assert set(weights) == {
        f"{layer}/{name}"
        for layer in (
            *("conv1a", "conv2a", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b"),
            *("fc6", "fc7", "fc8"),
        )
        for name in "Wb"
    }
    np.savez(tmp_path / "c3d.npz", **weights)
    np.savez(tmp_path / "mean2.npz", mean=random_mean())
    return tmp_path / "c3d.npz", tmp_path / "mean2.npz", weights


# Preprocessing


def opencv_preprocess(videos, mean):
    """The steps behind the published scores, frame by frame."""
    cv2 = pytest.importorskip("cv2")
    mean = mean.reshape(3, 16, 128, 171)[..., 21:149]
    result = np.empty((len(videos), 3, 16, 112, 112))
    for n, video in enumerate(videos):
        for t in range(16):
            frame = video[:, t].transpose(1, 2, 0) * 128 + 128
            frame = cv2.resize(frame, (128, 128), interpolation=cv2.INTER_CUBIC)
            for i, channel in enumerate((2, 1, 0)):
                result[n, i, t] = (frame[..., channel] - mean[i, t])[8:120, 8:120]
    return result


@pytest.mark.parametrize("size", [64, 32, 128, 75])
def test_the_published_preprocessing_is_that_of_opencv(published, size):
    weights, mean, _ = published
    classifier = load_classifier(weights, mean)
    videos = random_videos(2, size=size)
    found = classifier.preprocess(videos)
    assert found.shape == (2, 3, 16, 112, 112) and found.dtype == np.float32
    np.testing.assert_allclose(found, opencv_preprocess(videos, random_mean()), rtol=0, atol=2e-3)


@pytest.mark.parametrize("size", [64, 112, 192, 75])
def test_tgan2s_preprocessing_is_bilinear_to_the_size_that_the_network_sees(published, size):
    """Against NumPy's interpolation of lines: the first pixel and the last one stay where they are."""
    weights, mean, _ = published
    found = load_classifier(weights, mean, protocol=TGAN2).preprocess(random_videos(1, size=size))
    assert found.shape == (1, 3, 16, 112, 112) and found.dtype == np.float32
    place, pixels = np.linspace(0, size - 1, 112), np.arange(size)
    video = random_videos(1, size=size)[0].astype(np.float64) * 128 + 128
    rows = np.apply_along_axis(lambda line: np.interp(place, pixels, line), 2, video)
    frames = np.apply_along_axis(lambda line: np.interp(place, pixels, line), 3, rows)
    expected = frames[::-1] - random_mean()[:, 0, :, 8:120, 8:120]
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-3)


def test_a_corner_takes_other_pixels(published):
    weights, mean, _ = published
    classifier = load_classifier(weights, mean)
    videos = random_videos(1)
    middle, shifted = classifier.preprocess(videos), classifier.preprocess(videos, corner=(3, 16))
    np.testing.assert_allclose(shifted[..., 5:, :-8], middle[..., :-5, 8:], rtol=0, atol=1e-4)


def test_grey_videos_are_three_equal_channels(published):
    weights, mean, _ = published
    classifier = load_classifier(weights, mean)
    grey = random_videos(2, channels=1)
    as_colours = np.repeat(grey, 3, axis=1)
    np.testing.assert_allclose(classifier.preprocess(grey), classifier.preprocess(as_colours), atol=1e-4)
    grey, as_colours = (np.concatenate([p for p, _ in classifier.predict(v)]) for v in (grey, as_colours))
    np.testing.assert_allclose(grey, as_colours, rtol=1e-4)


def test_the_difference_from_the_mean_is_scaled():
    classifier = small_classifier()
    found = classifier.preprocess(np.full((1, 3, 16, 36, 36), 0.5, np.float32))
    np.testing.assert_allclose(found, (0.5 * 128 + 128 - 90) / 64, rtol=1e-6)


def test_videos_stay_as_they_were():
    videos = random_videos()
    before = videos.copy()
    small_classifier().preprocess(videos)
    np.testing.assert_array_equal(videos, before)


def test_frames_cannot_be_smaller_than_what_the_network_sees():
    with pytest.raises(InputError, match="^size must be at least 32, what the network sees, not 31"):
        VideoClassifier(narrow_c3d(2, size=32), np.zeros((3, 1, 1, 1)), size=31)


# Predictions


def test_videos_of_several_sizes_are_batches_of_their_own():
    videos = [*random_videos(2, size=40), *random_videos(1, size=36), *random_videos(2, size=40)]
    batches = [p for p, _ in small_classifier().predict(videos, 4)]
    assert [len(p) for p in batches] == [2, 1, 2]
    alone = [p for video in videos for p, _ in small_classifier().predict([video])]
    np.testing.assert_allclose(np.concatenate(batches), np.concatenate(alone), rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3, 5, None])
def test_predictions_are_probabilities_that_do_not_depend_on_the_batch_size(batch_size):
    classifier, videos = small_classifier(), random_videos(5)
    batches = list(classifier.predict(iter(videos), batch_size, features="fc6"))
    assert [len(p) for p, _ in batches] == {1: [1] * 5, 3: [3, 2], 5: [5], None: [5]}[batch_size]
    p, features = map(np.concatenate, zip(*batches))
    assert p.dtype == np.float64 and p.shape == (5, N_CLASSES) and features.shape == (5, 8)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert p.std(axis=0).max() > 0.01  # or this would not say much
    with chainer.using_config("train", False):
        outputs = classifier(videos, layers=["fc6", "fc8"])
    np.testing.assert_allclose(
        p, scipy.special.softmax(outputs["fc8"].array.astype(float), axis=1), rtol=1e-4
    )
    np.testing.assert_allclose(features, outputs["fc6"].array, rtol=1e-3, atol=1e-4)


def test_features_come_only_when_asked_for():
    assert [features for _, features in small_classifier().predict(random_videos(2), 1)] == [None, None]


def test_very_certain_predictions_are_no_overflow():
    classifier = small_classifier()
    classifier.c3d.fc8.b.array[:3] = [3000, 3000, -3000]
    classifier.c3d.fc8.W.array[...] = 0
    with np.errstate(over="raise", invalid="raise"):
        ((p, _),) = classifier.predict(random_videos(1))
    np.testing.assert_allclose(p[0], [0.5, 0.5, 0, 0, 0, 0], rtol=0, atol=1e-15)


def test_predicting_leaves_the_mode_and_the_network_as_they_were():
    classifier = small_classifier()
    before = {name: p.array.copy() for name, p in classifier.namedparams()}
    first, again = (np.concatenate([p for p, _ in classifier.predict(random_videos(3))]) for _ in range(2))
    np.testing.assert_array_equal(first, again)  # no dropout
    assert chainer.config.train is True
    for name, p in classifier.namedparams():
        np.testing.assert_array_equal(p.array, before[name])


@pytest.mark.parametrize(
    ("training", "doubt"),
    [
        (None, "not tested"),
        ({"accuracy": 0.5}, "not tested"),
        ({"accuracy": None, "validation_clips": 10}, "not tested"),
        ({"accuracy": "high", "validation_clips": 10}, "not tested"),
        ({"accuracy": float("nan"), "validation_clips": 10}, "not tested"),
        ({"accuracy": 1 / N_CLASSES, "validation_clips": 10_000}, 1 / N_CLASSES),
        ({"accuracy": 0.4, "validation_clips": 10}, 0.4),  # 0.17 ± 0.12 by chance
        ({"accuracy": 0.4, "validation_clips": 100}, None),
        ({"accuracy": 0.4, "validation_clips": 100, "guessing": 0.4}, 0.4),  # 40 % are of a class
        ({"accuracy": 1.0, "validation_clips": 4}, None),
    ],
)
def test_a_classifier_that_may_as_well_guess_is_told(training, doubt):
    classifier = small_classifier()
    if training is not None:
        classifier.description["training"] = training
    assert classifier.doubt == doubt


def test_the_published_classifier_is_beyond_doubt():
    classifier = small_classifier()
    classifier.description = {"weights": {"file": "conv3d_deepnetA_ucf.npz"}, "published": True}
    assert classifier.doubt is None


def spoiled(value):
    video = random_videos(1)[0]
    video[1, 7, 3, 5] = value
    return video


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (spoiled(np.nan), "a video holds NaN or infinite values"),
        (spoiled(-np.inf), "a video holds NaN or infinite values"),
        (random_videos(1, n_frames=15)[0], "a video has 15 frames; the classifier takes 16"),
        (random_videos(1, n_frames=32)[0], "a video has 32 frames; the classifier takes 16"),
        (random_videos(1)[0, ..., :60], "a video has frames of 60×64 pixels; they must be square"),
        (random_videos(1, channels=2)[0], "a video has 2 channels"),
    ],
)
def test_videos_that_cannot_be_scored_are_refused(video, message):
    refused(lambda: list(small_classifier().predict([video])), message)


# The published files


def test_the_published_arrays_are_the_parameters(published):
    weights, mean, arrays = published
    classifier = load_classifier(weights, mean)
    assert classifier.n_classes == N_CLASSES and classifier.n_frames == 16
    for name, parameter in classifier.c3d.namedparams():
        np.testing.assert_array_equal(parameter.array, arrays[name[1:]])
    np.testing.assert_array_equal(classifier.mean, random_mean()[:, 0, :, :, 21:149])
    assert classifier.description == {
        "weights": {"file": "c3d.npz", "sha256": sha256_of(weights)},
        "mean": {"file": "mean2.npz", "sha256": sha256_of(mean)},
        "published": False,  # these are of 6 classes
    }


def test_files_in_the_cache_need_no_network(published, tmp_path):
    weights, mean, arrays = published
    cache = tmp_path / "cache"
    cache.mkdir()
    os.rename(weights, cache / "conv3d_deepnetA_ucf.npz")
    os.rename(mean, cache / "mean2.npz")
    classifier = load_classifier(cache=str(cache))
    np.testing.assert_array_equal(classifier.c3d.fc7.W.array, arrays["fc7/W"])
    files = [classifier.description[key]["file"] for key in ("weights", "mean")]
    assert files == ["conv3d_deepnetA_ucf.npz", "mean2.npz"]


@pytest.mark.parametrize(
    "change", [lambda m: m.reshape(-1), lambda m: m[:, 0], lambda m: m[None], lambda m: m.astype(np.float64)]
)
def test_a_mean_of_the_same_numbers_in_the_same_order_will_do(published, tmp_path, change):
    weights, mean, _ = published
    np.savez(tmp_path / "other.npz", mean=change(random_mean()))
    videos = random_videos(1)
    expected = load_classifier(weights, mean).preprocess(videos)
    np.testing.assert_array_equal(
        load_classifier(weights, tmp_path / "other.npz").preprocess(videos), expected
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mean": np.zeros((3, 1, 16, 112, 112))}, "(3, 1, 16, 112, 112); expected (3, 1, 16, 128, 171)"),
        ({"mean": np.zeros((3, 128, 171))}, "(3, 128, 171); expected"),
        ({"mean": np.zeros((16, 128, 171, 3))}, "(16, 128, 171, 3); expected"),
        ({"mean": np.zeros((3, 1, 16, 171, 128))}, "(3, 1, 16, 171, 128); expected"),
        ({"mean": np.full((3, 1, 16, 128, 171), np.nan)}, "the mean holds NaN"),
        ({"average": np.zeros((3, 1, 16, 128, 171))}, "has no array mean"),
    ],
)
def test_a_mean_of_another_layout_is_refused(published, tmp_path, arrays, message):
    path = tmp_path / "other.npz"
    np.savez(path, **arrays)
    refused(lambda: load_classifier(published[0], path), path, message)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conv3b/W": None}, ["has no array conv3b/W"]),
        ({"fc6/b": None}, ["has no array fc6/b"]),
        ({"fc8/W": None}, ["has no array fc8/W", "conv3d_deepnetA_ucf.npz"]),
        ({"fc8/W": np.zeros(5)}, ["fc8/W"]),
        ({"conv1a/W": np.zeros((2, 3, 3, 3))}, ["conv1a/W is float64 (2, 3, 3, 3)", "(2, 3, 3, 3, 3)"]),
        ({"fc7/W": np.zeros((8, 9))}, ["fc7/W is float64 (8, 9)", "(8, 8)"]),
        ({"fc7/b": np.zeros(8, int)}, ["fc7/b is int64", "floats"]),
        ({"conv5a/b": np.full(16, np.nan)}, ["conv5a/b holds NaN"]),
        ({"fc6/b": np.full(8, np.inf)}, ["fc6/b holds NaN or infinite"]),
    ],
)
def test_other_weights_are_refused_by_name(published, tmp_path, changes, words):
    _, mean, arrays = published
    path = tmp_path / "other.npz"
    np.savez(path, **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
    refused(lambda: load_classifier(path, mean), path, *words)


class Crafted:
    """Unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def damaged_files(folder, content):
    """Files that are no npz of plain arrays, by name."""
    trap = np.empty(1, object)
    trap[0] = Crafted(folder / "unpickled")
    pickled = io.BytesIO()
    np.savez(pickled, **{"fc8/W": trap, "mean": trap, "metadata": trap})
    changed = bytearray(content)
    changed[len(content) // 2] ^= 255
    return {
        "truncated": content[: len(content) // 2],
        "almost-whole": content[:-5],
        "empty": b"",
        "text": b"<html>504 Gateway Timeout</html>" * 50,
        "changed": bytes(changed),
        "pickle": pickle.dumps({"fc8/W": [1, 2, 3]}),
        "npy": b"\x93NUMPY" + content[6:],
        "objects": pickled.getvalue(),
    }


KINDS = ["truncated", "almost-whole", "empty", "text", "changed", "pickle", "npy", "objects"]


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_and_nothing_is_unpickled(published, tmp_path, kind):
    weights, mean, _ = published
    path = tmp_path / f"{kind}.npz"
    path.write_bytes(damaged_files(tmp_path, weights.read_bytes())[kind])
    refused(lambda: load_classifier(path, mean), path, "truncated, damaged or not a classifier")
    path.write_bytes(damaged_files(tmp_path, mean.read_bytes())[kind])
    refused(lambda: load_classifier(weights, path), path, "truncated, damaged or not a mean")
    assert not (tmp_path / "unpickled").exists()


def test_missing_files_are_refused_by_name(published, tmp_path):
    weights, mean, _ = published
    missing = tmp_path / "nowhere.npz"
    refused(lambda: load_classifier(missing, mean), f"there is no {missing}")
    refused(lambda: load_classifier(weights, missing), f"there is no {missing}")


# Our own files


@pytest.fixture
def saved(tmp_path):
    """A classifier, and the path of the file that it was saved to."""
    np.random.seed(1)
    mean = np.random.uniform(80, 120, (3, 1, 36, 36)).astype(np.float32)
    c3d = narrow_c3d(N_CLASSES, size=32, n_frames=32, dropout=0.25)
    c3d.fc8.W.array *= 5
    names = ["a", "b", "c", "d", "e", "ñ"]
    classifier = VideoClassifier(c3d, mean, size=36, scale=0.02, label_names=names)
    save_classifier(str(tmp_path / "own.npz"), classifier, {"accuracy": 0.75})
    return classifier, tmp_path / "own.npz"


def test_a_saved_classifier_comes_back_as_it_was(saved):
    classifier, path = saved
    again = load_classifier(path)
    videos = random_videos(3, size=20, n_frames=32)
    expected, found = (list(c.predict(videos, features="fc6")) for c in (classifier, again))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_array_equal(again.mean, classifier.mean)
    assert (again.size, again.scale, again.label_names) == (36, 0.02, ["a", "b", "c", "d", "e", "ñ"])
    assert (again.c3d.dropout, again.n_frames, again.n_classes) == (0.25, 32, N_CLASSES)
    assert again.description == {
        "weights": {"file": "own.npz", "sha256": sha256_of(path)},
        "training": {"accuracy": 0.75},
    }


def test_in_half_precision_a_file_is_smaller_and_predictions_are_nearly_the_same(saved, tmp_path):
    classifier, path = saved
    half = str(tmp_path / "half.npz")
    save_classifier(half, classifier, half=True)
    assert os.path.getsize(half) < os.path.getsize(path)
    videos = random_videos(3, size=20, n_frames=32)
    (expected, _), (found, _) = (next(load_classifier(file).predict(videos)) for file in (path, half))
    assert 0 < abs(found - expected).max() < 0.01


def test_a_saved_classifier_has_its_own_mean(saved, tmp_path):
    np.savez(tmp_path / "mean2.npz", mean=random_mean())
    refused(lambda: load_classifier(saved[1], tmp_path / "mean2.npz"), saved[1], "has its own mean")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"c3d/fc7/W": None}, ["c3d/fc7/W"]),
        ({"c3d/fc8/W": None}, ["not a classifier", "c3d/fc8/W"]),
        ({"mean": None}, ["not a classifier", "mean"]),
        ({"mean": np.zeros((3, 1, 35, 36), np.float32)}, ["not a classifier"]),
        ({"c3d/fc7/W": np.zeros((8, 9), np.float32)}, ["c3d/fc7/W"]),
        ({"c3d/fc7/W": np.zeros((8, 8), np.float64)}, ["c3d/fc7/W"]),
        ({"c3d/fc7/b": np.zeros(1, np.float32)}, ["c3d/fc7/b"]),
        ({"c3d/fc7/W": np.full((8, 8), np.nan, np.float32)}, ["c3d/fc7/W holds NaN"]),
        ({"mean": np.full((3, 1, 36, 36), np.inf, np.float32)}, ["mean holds NaN"]),
        ({"metadata": np.array("{")}, ["not a classifier"]),
        ({"metadata": np.array("[1]")}, ["not a classifier"]),
        ({"metadata": np.array("[" * 100_000)}, ["not a classifier"]),
        ({"metadata": np.array("{}")}, ["not a classifier", "format"]),
        ({"metadata": np.array('{"format": "tgan_chainer snapshot 1"}')}, ["tgan_chainer snapshot 1"]),
    ],
)
def test_a_file_that_was_changed_is_refused(saved, tmp_path, changes, words):
    with np.load(saved[1]) as file:
        arrays = {**file, **changes}
    path = tmp_path / "changed.npz"
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    refused(lambda: load_classifier(path), path, *words)


BAD = (None, True, -1, 0, 2**40, 0.5, "text", [], [1], {}, {"a": 1}, float("nan"), 10**400)


NETWORK = "width", "n_units", "n_frames", "size", "dropout", "use_bn", "n_classes"


@pytest.mark.parametrize(
    "key",
    ["format", "network", "size", "scale", "label_names", "training", *(f"network/{key}" for key in NETWORK)],
)
def test_metadata_of_any_type_are_taken_or_refused_in_one_line(saved, tmp_path, key):
    with np.load(saved[1]) as file:
        arrays = dict(file)
    refusals = 0
    for value in BAD:
        metadata = json.loads(str(arrays["metadata"]))
        place, _, inner = key.partition("/")
        if inner:
            metadata[place][inner] = value
        else:
            metadata[place] = value
        np.savez(tmp_path / "c.npz", **{**arrays, "metadata": np.array(json.dumps(metadata))})
        try:
            list(load_classifier(tmp_path / "c.npz").predict(random_videos(1, n_frames=32)))
        except InputError as error:
            assert "\n" not in str(error) and "c.npz" in str(error)
            refusals += 1
    assert refusals >= 3


def test_loading_leaves_the_callers_random_numbers_alone(saved, published):
    for paths in (saved[1],), published[:2]:
        np.random.seed(5)
        load_classifier(*paths)
        found = np.random.rand()
        np.random.seed(5)
        assert found == np.random.rand()


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_of_our_own_are_refused(saved, tmp_path, kind):
    path = tmp_path / f"{kind}.npz"
    path.write_bytes(damaged_files(tmp_path, saved[1].read_bytes())[kind])
    refused(lambda: load_classifier(path), path, "truncated, damaged or not a classifier")
    assert not (tmp_path / "unpickled").exists()
