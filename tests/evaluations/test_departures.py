"""What is not comparable with the paper's Table 4 is told to be so."""

import pytest

from tgan_chainer.evaluations import departures

MEASURED = {"samples": 10_000, "repeats": 4, "splits": 1}
CLASSIFIER = {"weights": {"file": "conv3d_deepnetA_ucf.npz", "sha256": "..."}, "published": True}
GENERATOR = {"kind": "generator", "iteration": 100_000, "size": 64}
GENERATOR |= {"training": "TGAN with SVC", "trained on": "UCF-101 (all), frames resized to 85x64"}
FOLDER = {"kind": "folder", "size": 64, "fps": None}
UCF101 = {"kind": "data set", "source": "UCF-101 (all), frames resized to 85x64", "size": 64}
ARRAY = {"kind": "array", "size": 64}


@pytest.mark.parametrize("source", [GENERATOR, FOLDER, UCF101, ARRAY])
def test_what_was_done_as_in_the_paper_departs_in_nothing(source):
    assert departures(MEASURED, CLASSIFIER, source) == []


@pytest.mark.parametrize(
    ("measured", "classifier", "source", "window", "departure"),
    [
        ({"samples": 2500}, {}, GENERATOR, "random", "samples: 2,500 instead of 10,000"),
        ({"repeats": 1}, {}, GENERATOR, "random", "repeats: 1 instead of 4"),
        ({"splits": 10}, {}, GENERATOR, "random", "splits: 10 instead of 1"),
        ({}, {"published": False}, ARRAY, "random", "classifier conv3d_deepnetA_ucf.npz, not the published"),
        ({}, {}, ARRAY, "middle", "the middle frames"),
        ({}, {}, {**GENERATOR, "training": "TGAN; CHANGED: c 1"}, "random", "TGAN; CHANGED: c 1"),
        ({}, {}, {**GENERATOR, "training": "REDUCED PRESET"}, "random", "REDUCED PRESET"),
        ({}, {}, {**GENERATOR, "trained on": "golf clips"}, "random", "data: golf clips, not UCF-101 (all)"),
        ({}, {}, {**GENERATOR, "iteration": 99_999}, "random", "iteration 99,999 instead of 100,000"),
        ({}, {}, {**ARRAY, "size": 128}, "random", "frames of 128 pixels instead of 64"),
        ({}, {}, {**FOLDER, "size": None}, "random", "frames of their own pixels instead of 64"),
        ({}, {}, {**FOLDER, "fps": "8"}, "random", "resampled to 8 frames a second"),
        ({}, {}, {**UCF101, "source": "UCF-101 (test1), frames"}, "random", "data: UCF-101 (test1)"),
    ],
)
def test_each_departure_is_named(measured, classifier, source, window, departure):
    (found,) = departures({**MEASURED, **measured}, {**CLASSIFIER, **classifier}, source, window)
    assert found.startswith(departure)
