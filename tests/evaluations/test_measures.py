"""Scores are those of the videos that sources draw, in the numbers that protocols name."""

import dataclasses

import numpy as np
import pytest
from helpers import refused

from tgan_chainer.datasets import write_videos
from tgan_chainer.evaluations import (
    PROTOCOLS,
    TGAN,
    TGAN2,
    Moments,
    VideoClassifier,
    frechet_distance,
    inception_score,
    measure_frechet,
    measure_inception,
    open_source,
)
from tgan_chainer.evaluations.measures import _choose_numbers
from tgan_chainer.links import C3D

FEW = dataclasses.replace(
    TGAN2, frechet_samples=4, frechet_repeats=2, frechet_windows=3, samples=5, repeats=3
)


@pytest.fixture(scope="module")
def classifier():
    np.random.seed(0)
    network = VideoClassifier(C3D(4, width=2, n_units=3, size=32), np.float32([[[[90]]]]), 36, 1 / 64)
    network.c3d.fc8.W.array *= 20
    return network


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("data") / "videos.h5")
    rng = np.random.RandomState(0)
    with write_videos(path, "noise") as writer:
        for i in range(10):
            writer.append(rng.randint(0, 20 + 25 * i, (20, 36, 36, 3)).astype(np.uint8))
    return path


def moments(classifier, source, n, seed, repeat):
    result = Moments()
    for _, features in classifier.predict(source.draw(n, seed, repeat), features="fc7"):
        result.add(features)
    return result


def test_the_protocols_are_those_of_the_papers():
    assert PROTOCOLS == {"tgan": TGAN, "tgan2": TGAN2}
    with pytest.raises(dataclasses.FrozenInstanceError):
        TGAN.samples = 5
    for protocol in PROTOCOLS.values():
        # What is left of the resized frame is as large as what C3D sees, and lies within the mean.
        assert protocol.crop[1] - protocol.crop[0] + 1 == 112
        lengths = [last - first + 1 for first, last in (protocol.mean_rows, protocol.mean_columns)]
        assert lengths == [protocol.size] * 2
        assert protocol.mean_rows[1] < 128 and protocol.mean_columns[1] < 171


def test_a_frechet_distance_of_a_protocol_has_its_numbers(classifier, data):
    source, reference = open_source(data, window="first"), open_source(data)
    measured = measure_frechet(source, reference, classifier, seed=3, protocol=FEW)
    assert (measured["samples"], measured["repeats"], measured["reference_samples"]) == (4, 2, 30)
    assert measured["protocol"] == "tgan2" and measured["features"] == "fc7" and measured["dimensions"] == 3
    # The reference begins behind the eight videos that a source of the same path gives.
    of_reference = moments(classifier, reference, 30, 3, 1)
    expected = [
        frechet_distance(moments(classifier, source, 4, 3, repeat), of_reference) for repeat in range(2)
    ]
    np.testing.assert_allclose(measured["distances"], expected, rtol=1e-4)
    assert measured["frechet_distance"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert measured["standard_deviation"] == pytest.approx(np.std(expected), rel=1e-3)


def test_a_data_set_against_itself_gives_other_clips_to_either_side(data, tmp_path):
    halves = [open_source(data, window="first").draw(5, 0, repeat) for repeat in range(2)]
    clips = [{video.tobytes() for video in half} for half in halves]
    assert len(clips[0] | clips[1]) == 10


def test_an_inception_score_of_a_protocol_has_its_numbers(classifier, data):
    measured = measure_inception(open_source(data), classifier, protocol=FEW, seed=2)
    assert (measured["samples"], measured["repeats"], measured["protocol"]) == (5, 3, "tgan2")
    for repeat, score in enumerate(measured["scores"]):
        p = np.concatenate([p for p, _ in classifier.predict(open_source(data).draw(5, 2, repeat))])
        assert score == pytest.approx(inception_score(p)[0], rel=1e-5)
    assert len(set(measured["scores"])) == 3


@pytest.mark.parametrize(
    ("n", "given", "chosen"),
    [
        (None, (None, None), (10_000, 4)),
        (50_000, (None, None), (10_000, 4)),
        (25_000, (None, None), (10_000, 2)),
        (300, (None, None), (300, 1)),
        (300, (100, None), (100, 3)),
        (None, (100, None), (100, 4)),
        (300, (None, 1), (300, 1)),
    ],
)
def test_of_few_videos_there_are_as_many_samples_and_repeats_as_there_can_be(n, given, chosen):
    class Source:
        description = {"path": "videos"}

    Source.n = n
    assert _choose_numbers(Source, *given, TGAN.samples, TGAN.repeats) == chosen
    if n is not None:
        refused(lambda: _choose_numbers(Source, n, 2, 1, 1), f"holds {n:,} videos, but {2 * n:,} are needed")
