"""What tests of several commands start from."""

import os

import numpy as np
import pytest
from commands.pictures import save_run
from helpers import call, write_dark_and_bright


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Two classes that anyone can tell: dark clips and bright ones."""
    path = str(tmp_path_factory.mktemp("data") / "videos.h5")
    write_dark_and_bright(path, "noise")
    return path


@pytest.fixture(scope="session")
def classifier(data, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("classifier") / "classifier.npz")
    result = call(
        "train_classifier.py", data, "--out", path, "--gpu", -1, "--iterations", 30, "--batch-size", 8,
        "--validation", 0.25, "--validation-interval", 10, "--log-interval", 10,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "30 clips to train on, 10 to validate, 2 classes" in result.stdout
    assert os.listdir(os.path.dirname(path)) == ["classifier.npz"]  # no log, which might replace a run's
    return path


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Folders of runs by name."""
    np.random.seed(0)
    folder = tmp_path_factory.mktemp("runs")
    log = [{"iteration": i, "gen/loss": i, "dis/loss": -i, "dis/wasserstein": i**2} for i in (10, 20, 30)]
    normal = [{"iteration": i, "gen/loss": 0.5, "dis/loss": 0.1 * i} for i in (10, 20)]
    names = [f"Class{i}" for i in range(9)]
    return {
        "tgan": save_run(folder / "tgan", log=log),
        "weight": save_run(folder / "weight", log=log[:2], clipping="weight", c=0.02),
        "gan": save_run(folder / "gan", log=normal, loss="gan", clipping="none", channels=3),
        "3d": save_run(folder / "3d", model="3d"),
        "long": save_run(folder / "long", n_frames=32),
        "conditional": save_run(folder / "conditional", names, model="conditional_tgan", n_classes=9),
    }
