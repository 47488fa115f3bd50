"""What is not as in the paper is told to be so, whatever it calls itself."""

import dataclasses
import json
import os
import types

import numpy as np
import pytest
from helpers import CONFIGS

from tgan_chainer.config import Config, Departure
from tgan_chainer.evaluations import TGAN, TGAN2, VideoClassifier
from tgan_chainer.links import C3D
from tgan_chainer.reproduction import departures
from tgan_chainer.reproduction.rows import MOVING_MNIST, TABLES, TRAINED, UCF101, configurations, nearest
from tgan_chainer.runs import Run

ROWS = [*configurations(3), *configurations(4)]


def run_of(name, iteration=100_000, data=None, **changes):
    config = Config.load(os.path.join(CONFIGS, f"{name}.yaml"))
    config = dataclasses.replace(config, **{"channels": 1, "image_size": 64, **changes})
    return Run(config, iteration=iteration, data=data)


# Runs


def test_every_configuration_but_the_one_for_a_cpu_is_the_papers():
    names = {name.removesuffix(".yaml") for name in os.listdir(CONFIGS)}
    trained = {name for names in TRAINED.values() for name in names}
    assert trained <= names and all(name.endswith(("_cpu", "_night")) for name in names - trained)


@pytest.mark.parametrize("row", ROWS)
def test_a_run_with_a_rows_settings_departs_in_nothing(row):
    run = run_of(row, seed=7, log_interval=3, description="REDUCED; CHANGED: all")
    assert departures.of_run(run, row) == []


@pytest.mark.parametrize(
    ("changes", "what", "here", "there"),
    [
        ({"iteration": 99_999}, "iterations", 99_999, 100_000),
        ({"discriminator_width": 32}, "discriminator_width", 32, 64),
        ({"clipping": "weight"}, "clipping", "weight", "svc"),
        ({"n_clip": 1}, "n_clip", 1, 5),
        ({"optimizer": "adam"}, "optimizer", "adam", "rmsprop"),
        ({"simultaneous": True}, "simultaneous", True, False),
        ({"tf32": True}, "tf32", True, False),
    ],
)
def test_each_setting_that_differs_from_the_rows_is_a_departure(changes, what, here, there):
    run = run_of("tgan_moving_mnist", **changes)
    assert departures.of_run(run, "tgan_moving_mnist") == [Departure(what, here, there)]


@pytest.mark.parametrize(
    "description",
    ["", "TGAN; REDUCED: eighth", "TGAN with SVC on UCF-101 (Table 4), the paper's configuration", "narrow"],
)
def test_a_narrow_run_is_none_of_the_papers_whatever_its_description(description):
    run = run_of("tgan_svc_ucf101", temporal_width=64, image_width=32, description=description)
    found = departures.of_run(run, nearest(run.config, configurations(4)))
    assert Departure("temporal_width", 64, 512) in found and Departure("image_width", 32, 256) in found


@pytest.mark.parametrize("number", [3, 4])
def test_the_nearest_row_is_the_one_whose_settings_a_run_has(number):
    names = configurations(number)
    for name in names:
        assert nearest(run_of(name).config, names) == name
        assert nearest(run_of(name, batch_size=8, description="another row").config, names) == name


# Data


@pytest.mark.parametrize("published", [UCF101, MOVING_MNIST])
def test_the_published_data_depart_in_nothing(published):
    facts = json.loads(json.dumps({**published, "source": "anything", "fingerprint": "0"}))
    assert departures.of_data(facts, published) == []


@pytest.mark.parametrize(
    ("change", "departure"),
    [
        ({"clips": 26}, Departure("data's clips", 26, 9537)),
        ({"classes": 2}, Departure("data's classes", 2, 101)),
        ({"split": "all"}, Departure("data's split", "all", "train1")),
        ({"split": "test1"}, Departure("data's split", "test1", "train1")),
        ({"filter": "bicubic"}, Departure("data's filter", "bicubic", "nearest")),
        ({"filter": None}, Departure("data's filter", None, "nearest")),
        ({"frame_rate": 12.5}, Departure("data's frame_rate", 12.5, None)),
        ({"resized": [128, 96]}, Departure("data's resized", [128, 96], [85, 64])),
        ({"dataset": "golf", "clips": 3}, Departure("data", "golf", "ucf101")),
        ({"dataset": None}, Departure("data", None, "ucf101")),
    ],
)
def test_a_ucf101_of_other_clips_is_not_ucf101(change, departure):
    facts = {**UCF101, "source": "UCF-101 (train1), frames resized to 85x64, crop 64", **change}
    assert departures.of_data(facts, UCF101) == [departure]


@pytest.mark.parametrize(
    "facts", [None, {}, {"source": "UCF-101 (all), frames resized to 85x64, crop 64", "n_windows": 2_000_000}]
)
def test_of_an_old_file_nothing_is_known_whatever_its_source_says(facts):
    assert departures.of_data(facts, UCF101) == [Departure("data", None, "ucf101")]


# Measuring


def classifier(published=True, **training):
    network = VideoClassifier(C3D(5, width=2, n_units=4, size=32), np.zeros((3, 1, 1, 1)), 36)
    network.description = {"weights": {"file": "weights.npz", "sha256": "0"}, "published": published}
    if training:
        network.description["training"] = training
    return network


def measured(protocol, **changes):
    return {
        "samples": protocol.samples,
        "repeats": protocol.repeats,
        "splits": 1,
        "unreadable": [],
        **changes,
    }


FOLDER = {"kind": "folder", "size": 64, "fps": None}


@pytest.mark.parametrize("protocol", [TGAN, TGAN2])
def test_what_was_measured_by_a_protocol_departs_in_nothing(protocol):
    for source in FOLDER, {"kind": "array", "size": 64}:
        assert departures.of_measuring(measured(protocol), classifier(), source, protocol) == []


@pytest.mark.parametrize(
    ("changes", "source", "window", "departure"),
    [
        ({"samples": 2500}, {}, "random", Departure("samples", 2500, 10_000)),
        ({"repeats": 1}, {}, "random", Departure("repeats", 1, 4)),
        ({"splits": 10}, {}, "random", Departure("splits", 10, 1)),
        ({"unreadable": ["a.mp4: cut short"]}, {}, "random", Departure("unreadable videos", 1, 0)),
        ({}, {}, "middle", Departure("frames of longer videos", "middle", "random")),
        ({}, {"size": 128}, "random", Departure("size", 128, 64)),
        ({}, {"size": None}, "random", Departure("size", "as it is", 64)),
        ({}, {"fps": "25/2"}, "random", Departure("frame rate", "25/2", "the videos' own")),
    ],
)
def test_each_number_that_differs_from_the_protocols_is_a_departure(changes, source, window, departure):
    found = departures.of_measuring(
        measured(TGAN, **changes), classifier(), {**FOLDER, **source}, TGAN, window
    )
    assert found == [departure]


def test_tgans_numbers_are_not_tgan2s():
    found = departures.of_measuring(measured(TGAN), classifier(), FOLDER, TGAN2)
    assert found == [Departure("samples", 10_000, 2048), Departure("repeats", 4, 10)]
    large = departures.of_measuring(measured(TGAN2), classifier(), {**FOLDER, "size": 192}, TGAN2)
    assert large == []


def test_a_frechet_distance_is_compared_with_tgan2s():
    numbers = {"frechet_distance": 1.0, "samples": 2048, "repeats": 10, "unreadable": []}
    found = departures.of_measuring({**numbers, "reference_samples": 95_370}, classifier(), FOLDER, TGAN2)
    assert found == []
    found = departures.of_measuring({**numbers, "reference_samples": 2048}, classifier(), FOLDER, TGAN2)
    assert found == [Departure("reference_samples", 2048, 95_370)]


@pytest.mark.parametrize(
    ("training", "doubt"), [({}, "not tested"), ({"accuracy": 0.2, "validation_clips": 100}, 0.2)]
)
def test_another_classifier_is_a_departure_and_one_that_guesses_is_another(training, doubt):
    found = departures.of_classifier(classifier(published=False, **training))
    assert found == [
        Departure("classifier", "weights.npz", "the published one"),
        Departure("classifier's accuracy", doubt, "better than guessing"),
    ]
    good = departures.of_classifier(classifier(published=False, accuracy=0.9, validation_clips=100))
    assert good == found[:1]


# Sources


def source(kind, facts=None, run=None):
    return types.SimpleNamespace(description={"kind": kind, "facts": facts}, run=run)


def test_of_what_is_scored_settings_and_data_are_compared_as_far_as_they_are_known():
    run, other = run_of("tgan_svc_ucf101", data=UCF101), {**UCF101, "split": "all"}
    narrow = run_of("tgan_svc_ucf101", temporal_width=64, data=UCF101)
    width, split = Departure("temporal_width", 64, 512), Departure("data's split", "all", "train1")
    for protocol, one, found in (
        (TGAN, source("generator", UCF101, run), []),
        (TGAN, source("generator", UCF101, narrow), [width]),
        (TGAN2, source("generator", UCF101, narrow), []),  # that of a model which others trained
        (TGAN, source("data_set", other), [split]),
        (TGAN2, source("data_set", {**UCF101, "size": [128, 128]}), []),
        (TGAN2, source("data_set", other), [split]),
        (TGAN, source("folder"), []),
        (TGAN, source("generator", None, run), [Departure("data", None, "ucf101")]),
    ):
        assert departures.of_source(one, protocol) == found, (protocol.name, one)


# Games


def test_a_game_of_table_3_departs_in_nothing():
    for row in TABLES[3].rows:
        players = [(run_of(name, data=MOVING_MNIST), name) for name in ("tgan_moving_mnist", row.config)]
        assert departures.of_game({"samples": 10_000}, players, 10_000) == []
        players.reverse()
        wanted = Departure("model A", row.config, "tgan_moving_mnist")
        assert departures.of_game({"samples": 10_000}, players, 10_000) == [wanted]


def test_what_holds_for_both_players_is_told_once():
    names = "tgan_moving_mnist", "tgan_z1_moving_mnist"
    data = {**MOVING_MNIST, "official": False}
    players = [(run_of(name, n, data, batch_size=8), name) for name, n in zip(names, (10, 20))]
    assert departures.of_game({"samples": 5000}, players, 10_000) == [
        Departure("iterations", 10, 100_000),
        Departure("batch_size", 8, 32),
        Departure("iterations", 20, 100_000),
        Departure("data's official", False, True),
        Departure("iterations of A and B", [10, 20], "equally many"),
        Departure("samples", 5000, 10_000),
    ]


# Text


@pytest.mark.parametrize(
    ("departure", "text"),
    [
        (Departure("iterations", 99_999, 100_000), "iterations 99,999 instead of 100,000"),
        (Departure("learning_rate", 1e-3, 5e-5), "learning_rate 0.001 instead of 5e-5"),
        (Departure("use_z0", False, True), "use_z0 false instead of true"),
        (Departure("data", None, "ucf101"), "data unknown instead of ucf101"),
        (Departure("data's frame_rate", 12.5, None), "data's frame_rate 12.5 instead of none"),
        (Departure("data's resized", [128, 96], [85, 64]), "data's resized 128×96 instead of 85×64"),
    ],
)
def test_departures_as_text_and_in_files(departure, text):
    assert departure.text == text
    written = json.loads(json.dumps(departures.as_json([departure])))
    assert departures.from_json(written) == [departure]
