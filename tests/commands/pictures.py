"""Runs with weights that were never trained, and what tests of pictures compare."""

import json

import numpy as np
from helpers import call

from tgan_chainer import figures, load_generator
from tgan_chainer.config import Config
from tgan_chainer.models import build_generator
from tgan_chainer.snapshots import save_generator

GAP, BORDER = figures.GAP, figures.BORDER
TINY = {"image_size": 16, "temporal_width": 32, "image_width": 8, "discriminator_width": 1, "video_width": 8}


def succeed(name, *arguments):
    result = call(name, *arguments, "--gpu", -1)
    assert result.returncode == 0, result.stderr
    return result.stdout


def save_run(folder, label_names=None, log=None, **settings):
    """Make a results folder as train.py leaves it, with weights that give pictures of some contrast."""
    config = Config(**TINY, **{"channels": 1, **settings})
    generator = build_generator(config)
    for name, parameter in sorted(generator.namedparams()):
        if name.endswith("/W"):
            parameter.array[...] *= 0.3 / parameter.array.std()
    folder.mkdir()
    config.save(str(folder / "config.yaml"))
    save_generator(str(folder / "generator_iter_7.npz"), generator, 7, config, label_names=label_names)
    if log is not None:
        (folder / "log").write_text(json.dumps(log))
    return str(folder)


def generate(run, num, seed=0, **options):
    return np.stack(list(load_generator(run).sample(num, seed, **options)))


def assert_close(picture, expected):
    """Equal but for the last bit: a batch of another size may add up in another order."""
    assert abs(picture.astype(int) - expected).max() <= 1


def read_npy(path):
    return np.load(path, allow_pickle=False)
