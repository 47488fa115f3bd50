"""Predictions are kept from one run to the next, video by video, and one bad video costs only itself."""

import functools
import os
import sqlite3

import numpy as np
import pytest
from helpers import refused

from tgan_chainer.datasets import write_videos
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import (
    TGAN,
    TGAN2,
    PredictionStore,
    VideoClassifier,
    inception_score,
    load_classifier,
    measure_frechet,
    measure_inception,
    open_source,
)
from tgan_chainer.links import C3D

N = 7


@pytest.fixture(params=["folder", "data set", "array"])
def videos(request, tmp_path):
    """Seven videos, and their path."""
    frames = np.random.RandomState(0).uniform(-1, 1, (N, 3, 18, 36, 36)).astype(np.float32)
    if request.param == "folder":
        (tmp_path / "videos").mkdir()
        for i, video in enumerate(frames):
            np.save(tmp_path / "videos" / f"{i}.npy", video)
        return str(tmp_path / "videos")
    if request.param == "array":
        np.save(tmp_path / "videos.npy", frames)
        return str(tmp_path / "videos.npy")
    with write_videos(tmp_path / "videos.h5", "noise") as writer:
        for video in frames:
            writer.append((video.transpose(1, 2, 3, 0) * 127 + 128).astype(np.uint8))
    return str(tmp_path / "videos.h5")


@pytest.fixture
def store(tmp_path):
    return functools.partial(PredictionStore, str(tmp_path / "cache" / "predictions.sqlite"))


class Counting:
    """Counts the videos that the network sees."""

    def __init__(self, monkeypatch, classifier):
        self.n, forward = 0, type(classifier).forward

        def count(network, videos, *args, **kwargs):
            self.n += len(videos)
            return forward(network, videos, *args, **kwargs)

        monkeypatch.setattr(type(classifier), "forward", count)


@pytest.fixture
def seen(monkeypatch, classifier):
    return Counting(monkeypatch, classifier)


def inception(path, classifier, store, n=N, **options):
    return measure_inception(open_source(path, size=None), classifier, n, 1, store=store, **options)


def test_a_second_run_does_not_call_the_network_and_gives_the_same_number(videos, classifier, store, seen):
    first = inception(videos, classifier, store())
    assert (seen.n, first["kept"]) == (N, 0) and first["inception_score"] > 1.01
    again = inception(videos, classifier, store())
    assert (seen.n, again["kept"]) == (N, N) and again["samples_per_second"] is None
    assert again["scores"] == first["scores"]
    without = inception(videos, classifier, None)
    assert seen.n == 2 * N and without["scores"] == pytest.approx(first["scores"], rel=1e-6)


def test_features_are_kept_as_well(videos, classifier, store, seen):
    def distance():
        sources = [open_source(path, size=None) for path in (videos, videos)]
        return measure_frechet(*sources, classifier, 3, seed=1, n_repeats=1, store=store())

    first, n = distance(), seen.n
    assert n == 6 and first["kept"] == 0 and first["features"] == "fc7"
    again = distance()
    assert seen.n == n and again["distances"] == first["distances"]
    inception(videos, classifier, store())  # whose rows have no features
    assert seen.n == n + N


@pytest.mark.parametrize("change", ["window", "seed", "classifier", "file"])
def test_what_is_another_video_or_another_classifier_is_scored_anew(
    videos, classifier, store, seen, change, tmp_path
):
    inception(videos, classifier, store())
    options = {}
    if change == "window":
        source = open_source(videos, window="first", size=None)
    else:
        source = open_source(videos, size=None)
    if change == "seed":
        options["seed"] = 5  # another window of each video
    if change == "classifier":
        other = classifier.copy()
        other.description = {"weights": {"file": "c.npz", "sha256": "of another file"}}
        classifier = other
    if change == "file" and videos.endswith(".h5"):  # whose content counts, not its time
        with write_videos(videos, "noise") as writer:
            for i in range(N):
                writer.append(np.full((18, 36, 36, 3), i, np.uint8))
        source = open_source(videos, size=None)
    elif change == "file":
        os.utime(os.path.join(videos, "0.npy") if os.path.isdir(videos) else videos, (1, 1))
        source = open_source(videos, size=None)
    measured = measure_inception(source, classifier, N, 1, store=store(), **options)
    assert measured["kept"] < N


def test_the_protocol_is_a_part_of_the_key(videos, store, tmp_path, monkeypatch, seen):
    narrow = functools.partial(C3D, width=2, n_units=4)
    monkeypatch.setattr("tgan_chainer.evaluations.video_classifier.C3D", narrow)
    np.savez(tmp_path / "w.npz", **{name[1:]: p.array for name, p in narrow(n_classes=5).namedparams()})
    np.savez(tmp_path / "m.npz", mean=np.zeros((3, 1, 16, 128, 171), np.float32))
    for protocol in TGAN, TGAN2, TGAN, TGAN2:
        published = load_classifier(tmp_path / "w.npz", tmp_path / "m.npz", protocol=protocol)
        inception(videos, published, store(), protocol=protocol)
    assert seen.n == 2 * N


def test_an_interrupted_run_goes_on_where_it_was(videos, classifier, store, seen, monkeypatch):
    whole = inception(videos, classifier, None)
    n, predict = seen.n, VideoClassifier.predict

    def interrupted(network, *arguments):
        if seen.n >= n + 4:
            raise KeyboardInterrupt
        return predict(network, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(VideoClassifier, "predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            inception(videos, classifier, store(), batch_size=2)
    resumed = inception(videos, classifier, store(), batch_size=2)
    assert resumed["kept"] == 4 and seen.n == n + N
    assert resumed["scores"] == pytest.approx(whole["scores"], rel=1e-6)


def spoil(folder, *numbers):
    for i in numbers:
        with open(os.path.join(folder, f"{i}.npy"), "wb") as file:
            file.write(b"no array")


@pytest.mark.parametrize("videos", ["folder"], indirect=True)
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_unreadable_videos_are_left_out_and_told(videos, classifier, store, seen, batch_size):
    readable = inception(videos, classifier, None)
    for i in 2, 5:
        os.rename(os.path.join(videos, f"{i}.npy"), os.path.join(videos, f"{i}.npy.keep"))
    expected = [p for p, _ in classifier.predict(open_source(videos, size=None, window="first").draw(5))]
    for i in 2, 5:
        os.rename(os.path.join(videos, f"{i}.npy.keep"), os.path.join(videos, f"{i}.npy"))
    spoil(videos, 2, 5)
    source = open_source(videos, size=None, window="first")
    for _ in range(2):  # and what is readable is kept
        measured = measure_inception(
            source, classifier, N, 1, batch_size=batch_size, store=store(), strict=False
        )
        assert sorted(os.path.basename(line.split(":")[0]) for line in measured["unreadable"]) == [
            "2.npy",
            "5.npy",
        ]
        p = np.concatenate(expected)
        entropy = lambda p: -(p * np.log(p)).sum(axis=-1)  # noqa: E731
        assert measured["scores"][0] == pytest.approx(
            np.exp(entropy(p.mean(axis=0)) - entropy(p).mean()), rel=1e-6
        )
    assert measured["kept"] == 5 and readable["unreadable"] == []


@pytest.mark.parametrize("videos", ["folder"], indirect=True)
def test_for_what_cannot_be_read_videos_stand_in_that_were_not_asked_for(videos, classifier, store):
    items = open_source(videos, size=None).items(N)
    drawn = np.concatenate([p for p, _ in classifier.predict([items[i].read() for i in (0, 5, 2, 3)])])
    spoil(videos, *(os.path.basename(items[i].name).removesuffix(".npy") for i in (1, 4)))
    measured = inception(videos, classifier, store(), n=4, strict=False)
    assert measured["samples"] == 4
    assert [line.split(":")[0] for line in measured["unreadable"]] == [items[1].name, items[4].name]
    assert measured["scores"][0] == pytest.approx(inception_score(drawn)[0], rel=1e-6)


@pytest.mark.parametrize("videos", ["folder"], indirect=True)
def test_a_video_that_was_mended_is_the_only_one_that_is_scored_then(videos, classifier, store, seen):
    good = np.load(os.path.join(videos, "3.npy"))
    spoil(videos, 3)
    inception(videos, classifier, store(), strict=False)
    assert seen.n == N - 1
    np.save(os.path.join(videos, "3.npy"), good)
    measured = inception(videos, classifier, store(), strict=False)
    assert seen.n == N and measured["unreadable"] == []


@pytest.mark.parametrize("videos", ["folder"], indirect=True)
def test_a_strict_run_ends_at_the_first_unreadable_video(videos, classifier, store):
    spoil(videos, 4)
    refused(lambda: inception(videos, classifier, store()), "4.npy")


@pytest.mark.parametrize("videos", ["folder"], indirect=True)
def test_of_unreadable_videos_alone_there_is_no_score(videos, classifier, store):
    spoil(videos, *range(N))
    refused(lambda: inception(videos, classifier, store(), strict=False), "no video can be read", ".npy")


# The file


def test_damaged_rows_are_scored_anew(videos, classifier, store, seen):
    first = inception(videos, classifier, store())
    with sqlite3.connect(store().path) as connection:
        (blob,) = connection.execute("SELECT probabilities FROM predictions LIMIT 1").fetchone()
        changed = bytes([blob[0] ^ 1, *blob[1:]])
        connection.execute(
            "UPDATE predictions SET probabilities = ? WHERE probabilities = ?", (changed, blob)
        )
    again = inception(videos, classifier, store())
    assert seen.n == N + 1 and again["scores"] == pytest.approx(first["scores"], rel=1e-6)


@pytest.mark.parametrize("problem", ["text", "a folder", "no folder"])
def test_a_file_that_cannot_be_used_costs_a_warning_and_no_score(videos, classifier, tmp_path, problem, seen):
    path = tmp_path / "cache" / "predictions.sqlite"
    if problem == "no folder":
        (tmp_path / "cache").write_text("a file in its place")
    else:
        path.parent.mkdir()
        path.write_text("no database, but long enough to be one " * 10) if problem == "text" else path.mkdir()
    with pytest.warns(RuntimeWarning, match="predictions are not kept in .*predictions.sqlite"):
        measured = inception(videos, classifier, PredictionStore(str(path)))
    assert measured["inception_score"] > 1 and seen.n == N


def test_a_full_disk_costs_one_warning_and_no_score(videos, classifier, store, seen):
    full = store()
    full._connection.execute("PRAGMA max_page_count = 3")
    with pytest.warns(RuntimeWarning) as warnings:
        for _ in range(3):
            full.put([(bytes([i]), (np.zeros(4000), None)) for i in range(9)])
        inception(videos, classifier, full)
    assert len(warnings) == 1 and "full" in str(warnings[0].message) and seen.n == N


def test_a_classifier_that_is_in_no_file_is_asked_again(videos, store, seen):
    fresh = VideoClassifier(C3D(4, width=2, n_units=8, size=32), np.float32([[[[90]]]]), 36, 1 / 64)
    for _ in range(2):
        inception(videos, fresh, store())
    assert seen.n == 2 * N


def test_an_error_of_a_strict_run_is_an_input_error(videos, classifier):
    with pytest.raises(InputError):
        inception(videos, classifier, None, n=10**6, splits=2 * 10**6)
