"""What training says before its first iteration."""

import dataclasses

import pytest

from tgan_chainer.commands.opening import differences, opening
from tgan_chainer.commands.options import parse_duration
from tgan_chainer.config import Config, Departure

CONFIG = Config(description="TGAN, of a test", data="/d.h5", channels=1, image_size=64, expect="strokes soon")
DATA = {"clips": 1000, "frames": 20_000, "classes": None, "size": [64, 64], "channels": 1, "n_short": 0}
PARAMETERS = {"generator": 1234567, "discriminator": 89}


def said(config=CONFIG, data=DATA, **more):
    text = opening(config, data, PARAMETERS, "a CPU", "results/x", **more)
    return text, " ".join(text.split())


def test_all_facts_are_there():
    text, words = said(changes=[Departure("seed", 1, 0)])
    assert words == (
        "TGAN, of a test "
        "data: /d.h5: 1,000 clips of 20 frames, 64×64 pixels, grey "
        "networks: TGAN: generator with 1,234,567 parameters, discriminator with 89 parameters; "
        "videos of 16 frames, 64×64 pixels, 1 channel "
        "training: WGAN, SVC every 5 iterations, rmsprop with learning rate 5e-5, "
        "batches of 32; iterations 1 to 100,000 "
        "computed on: a CPU "
        "changed: seed 1 instead of 0 "
        "results: results/x: losses every 100 iterations, videos in preview/ every 1,000, "
        "snapshots every 5,000 (the newest 3 stay) "
        "to expect: strokes soon; the losses do not tell how good the videos are; "
        "results/x/preview shows them, beside real ones"
    )
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clipping": "weight", "c": 0.01}, "WGAN, weight clipping, c = 0.01, rmsprop with"),
        ({"discriminator_learning_rate": 1e-4}, "rmsprop with learning rates 5e-5 (G) and 0.0001 (D), "),
        ({"learning_rate_drop": 4000}, "learning rate 5e-5, times 0.3 every 4,000 iterations, batches"),
        ({"generator_ema": 0.995}, "videos by a moving average of G's weights (decay 0.995), batches"),
        ({"clipping": "none", "loss": "gan"}, "normal GAN, no clipping"),
        ({"keep": 0}, "(all stay)"),
        ({"classifier": "c3d"}, "scores every 5,000"),
        ({"description": ""}, "x data:"),
        ({"data": "/a\x1b[2Jb.h5"}, "/a [2Jb.h5"),
    ],
)
def test_what_it_says_follows_the_settings(settings, words):
    assert words in said(CONFIG.replace(**settings))[1]


def test_clips_that_are_left_out_are_told():
    words = said(data={**DATA, "frames": 20_001, "n_short": 12, "classes": 101, "channels": 3})[1]
    assert "20 frames on average, 12 of them too short for 16 and left out, 101 classes, 64×64" in words
    assert "colour" in words


def test_a_resumed_run_says_where_it_goes_on():
    assert "iterations 1,001 to 100,000, at most 1,200 seconds" in said(iteration=1000, time_limit=1200)[1]


def test_every_setting_that_differs_is_told():
    other = CONFIG.replace(seed=3, data="/e.h5", description="another")
    assert differences(other, CONFIG) == [("data", "/e.h5", "/d.h5"), ("seed", 3, 0)]
    assert differences(CONFIG, CONFIG) == []
    fields = {field.name for field in dataclasses.fields(Config)}
    assert {change.what for change in differences(other, CONFIG)} < fields


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("3h30m", 12600), ("1d1s", 86401)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds
