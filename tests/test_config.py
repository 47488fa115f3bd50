import argparse
import glob
import os

import pytest
import yaml
from helpers import CONFIGS

from tgan_chainer.config import Config
from tgan_chainer.errors import InputError

PATHS = sorted(glob.glob(os.path.join(CONFIGS, "*.yaml")))


def load(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return Config.load(str(path))


def test_the_defaults_are_the_papers():
    config = Config()
    assert (config.k0, config.k1, config.n_frames) == (100, 100, 16)  # Table 1
    assert (config.temporal_width, config.image_width, config.discriminator_width) == (512, 256, 64)
    assert (config.n_clip, config.n_dis, config.clipping, config.simultaneous) == (5, 1, "svc", False)
    assert (config.learning_rate, config.c) == (5e-5, 0.01)  # Section 6.2
    assert config.batch_size == 32


@pytest.mark.parametrize("path", PATHS, ids=os.path.basename)
def test_every_config_that_comes_with_the_project_is_valid_and_described(path):
    assert Config.load(path).description


def test_what_is_saved_is_what_is_loaded(tmp_path):
    config = Config(description="ü: 'quoted'", learning_rate=1e-5, channels=3, use_z0=False)
    config.save(str(tmp_path / "config.yaml"))
    assert Config.load(str(tmp_path / "config.yaml")) == config


def test_a_number_without_a_point_is_still_a_number(tmp_path):
    assert load(tmp_path, "learning_rate: 5e-5").learning_rate == 5e-5  # YAML itself reads a string
    assert load(tmp_path, "c: 1").c == 1.0
    assert load(tmp_path, "") == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bach_size: 3", "unknown key 'bach_size'; did you mean batch_size"),
        ("colour: red", "unknown key 'colour'; known are"),
        ("batch_size: many", "batch_size must be of type int, not 'many'"),
        ("batch_size: true", "batch_size must be of type int, not True"),
        ("batch_size: 2.5", "batch_size must be of type int, not 2.5"),
        ("batch_size: 1", "batch_size must be at least 2, not 1"),
        ("batch_size:", "batch_size must be of type int, not None"),
        ("use_z0: 1", "use_z0 must be of type bool, not 1"),
        ("learning_rate: 0", "learning_rate must be more than 0, not 0.0"),
        ("learning_rate: .nan", "learning_rate must be a finite number, not nan"),
        ("noise: -0.1", "noise must be at least 0, not -0.1"),
        ("model: vgan", "model must be one of tgan, conditional_tgan, 3d, video_gan, not 'vgan'"),
        ("learning_rate: fast", "learning_rate must be of type float, not 'fast'"),
        ("clipping: svd", "clipping must be one of svc, weight, none, not 'svd'; did you mean svc"),
        ("- 1", "must hold `key: value` lines, not list"),
        ("a: [", "is not a YAML file"),
        ("data: 2020-13-45", "is not a YAML file"),
        ("learning_rate: 1" + "0" * 400, "learning_rate must be"),
        ("a: !!python/object/apply:os.system [touch /tmp/never]", "is not a YAML file"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert "config.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no configuration .*nowhere.yaml"):
        Config.load(str(tmp_path / "nowhere.yaml"))


def test_every_setting_is_an_option_too():
    parser = argparse.ArgumentParser()
    Config.add_arguments(parser)
    arguments = parser.parse_args("--batch-size 4 --learning-rate 1e-3 --no-use-z0 --clipping weight".split())
    given = Config.given_arguments(arguments)
    assert given == {"batch_size": 4, "learning_rate": 1e-3, "use_z0": False, "clipping": "weight"}
    options = {option for action in parser._actions for option in action.option_strings}
    keys = set(yaml.safe_load(yaml.safe_dump(vars(Config())))) - {"description"}
    assert {"--" + key.replace("_", "-") for key in keys} <= options
