import argparse
import glob
import os
import runpy

import pytest
import yaml
from helpers import CONFIGS, EXPERIMENTS

from tgan_chainer.commands.options import add_settings, given_settings
from tgan_chainer.config import Config, Departure, as_options, find_config
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
        ("batch_size:", "batch_size has no value; leave the line out for the default, 32"),
        ("use_z0: 1", "use_z0 must be of type bool, not 1"),
        ("learning_rate: 0", "learning_rate must be more than 0, not 0.0"),
        ("learning_rate: .nan", "learning_rate must be a finite number, not nan"),
        ("noise: -0.1", "noise must be at least 0, not -0.1"),
        ("model: vgan", "model must be one of tgan, conditional_tgan, 3d, video_gan, not 'vgan'"),
        ("learning_rate: fast", "learning_rate must be of type float, not 'fast'"),
        ("clipping: svd", "clipping must be one of svc, weight, none, not 'svd'; did you mean svc"),
        ("k0: 9223372036854775808", "k0 must be at most 16384, not 9223372036854775808"),
        ("k0: 0x" + "f" * 6000, "k0 must be at most 16384, not a number of 24000 bits"),
        *((f"n_frames: {n}", f"n_frames must be 16, 32, 64, ... for model tgan, not {n}") for n in (-16, 20)),
        ("{n_frames: 48, model: tgan}", "n_frames must be 16, 32, 64, ... for model tgan, not 48"),
        ("{n_frames: 24, model: 3d}", "n_frames must be 16, 32, 48, ... for model 3d, not 24"),
        ("description: [[[[[[[[[a]]]]]]]]]", "description must be of type str, not [[[[[[[...]]]]]]]"),
        ("a: " + "[" * 5000, "nested more than 20 levels deep"),
        ("a: &a [x, x]\nb: [*a, *a]", "it has an alias"),
        ("description: " + "x" * 20_000, "it has a value of 20000 characters"),
        ("a: 1\n" * 400_000, "it has more than 1048576 characters"),
        ("- 1", "must hold `key: value` lines, not list"),
        ("a: [", "not a YAML file"),
        ("data: 2020-13-45", "not a YAML file"),
        ("learning_rate: 1" + "0" * 400, "learning_rate must be"),
        ("a: !!python/object/apply:os.system [touch /tmp/never]", "not a YAML file"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert "config.yaml" in str(caught.value)
    assert len(str(caught.value)) < 1000 and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no .*nowhere.yaml; expected a YAML file"):
        Config.load(str(tmp_path / "nowhere.yaml"))


def test_every_setting_is_an_option_too():
    parser = argparse.ArgumentParser()
    add_settings(parser)
    arguments = parser.parse_args("--batch-size 4 --learning-rate 1e-3 --no-use-z0 --clipping weight".split())
    given = given_settings(arguments)
    assert given == {"batch_size": 4, "learning_rate": 1e-3, "use_z0": False, "clipping": "weight"}
    options = {option for action in parser._actions for option in action.option_strings}
    keys = set(yaml.safe_load(yaml.safe_dump(vars(Config())))) - {"description", "expect"}
    assert {"--" + key.replace("_", "-") for key in keys} <= options
    changed = {"batch_size": 4, "use_z0": False, "simultaneous": True, "clipping": "weight", "c": 1e-5}
    assert given_settings(parser.parse_args(as_options(changed))) == changed


def test_the_readme_has_the_table_of_all_settings():
    with_table = runpy.run_path(os.path.join(EXPERIMENTS, "settings_table.py"))["with_table"]
    with open(os.path.join(EXPERIMENTS, "README.md"), encoding="utf-8") as file:
        text = file.read()
    assert with_table(text) == text, "make settings"
    assert with_table(text.replace("| `n_clip` | `5` |", "| `n_clap` | `6` |")) == text


def test_what_makes_another_experiment_is_compared():
    row = Config(learning_rate=1e-4)
    assert row.compare(row) == []
    changed = row.replace(n_clip=1, use_z0=False)
    assert changed.compare(row) == [Departure("use_z0", False, True), Departure("n_clip", 1, 5)]
    same = {"seed": 1, "log_interval": 7, "pytorch_kernels": "on"}
    resumable = {"iterations": 5, "keep": 0, "data": "elsewhere.h5", "lipschitz": True}
    as_in_the_data = {"channels": 1, "image_size": 64, "n_classes": 101}
    ignored_by_tgan = {"video_width": 8, "mask_penalty": 1.0}
    assert row.replace(**same, **resumable, **as_in_the_data, **ignored_by_tgan).compare(row) == []


@pytest.mark.parametrize("model", ["3d", "video_gan"])
def test_settings_that_only_other_models_take_are_not_compared(model):
    row = Config(model=model)
    other = row.replace(k1=7, temporal_width=8, image_width=8, use_z0=False, use_beta_g1=False)
    assert other.compare(row) == []
    assert row.replace(video_width=8).compare(row) == [Departure("video_width", 8, 512)]
    assert bool(row.replace(mask_penalty=1.0).compare(row)) == (model == "video_gan")


def test_the_shift_of_g1_is_compared_as_it_takes_effect():
    row = Config()
    assert row.replace(use_beta_g1=True).compare(row) == []
    assert Departure("use_beta_g1", False, True) in row.replace(use_beta=False).compare(row)
    assert row.replace(use_beta=False, use_beta_g1=True).compare(row) == [Departure("use_beta", False, True)]


def test_a_configuration_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = os.path.join(CONFIGS, "tgan_svc_ucf101.yaml")
    assert find_config("tgan_svc_ucf101") == find_config("tgan_svc_ucf101.yaml") == path == find_config(path)
    with pytest.raises(InputError, match="no configuration tgan_svc_ucf; did you mean tgan_svc_ucf101"):
        find_config("tgan_svc_ucf")
    with pytest.raises(InputError, match="there is no configuration elsewhere/tgan_svc_ucf101.yaml"):
        find_config("elsewhere/tgan_svc_ucf101.yaml")
    (tmp_path / "tgan_svc_ucf101").write_text("k0: 3")
    assert Config.load(find_config("tgan_svc_ucf101")).k0 == 3  # a file of one's own comes first
