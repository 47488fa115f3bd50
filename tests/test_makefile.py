"""What the Makefile answers before it starts anything."""

import os
import shutil
import subprocess

from helpers import ROOT


def make(folder, *arguments):
    """Call make in a folder with the Makefile, where everything seems to be installed."""
    shutil.copy(os.path.join(ROOT, "Makefile"), folder)
    data = "data/moving_mnist.h5", "data/moving_digit_32.h5"
    for name in ".venv/bin/python", ".venv/.installed", *data, "setup.py", "pyproject.toml":
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\necho python $*\n")
        path.chmod(0o755)
    os.utime(folder / ".venv" / ".installed", (2**31, 2**31))
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def test_a_second_training_says_how_to_go_on_with_the_first(tmp_path):
    first = make(tmp_path, "train-mnist", "GPU=-1")
    assert "experiments/train.py --config tgan_moving_digit_32_cpu" in first.stdout
    larger = make(tmp_path, "train-mnist", "GPU=-1", "CONFIG=tgan_moving_mnist_cpu")
    assert "experiments/train.py --config tgan_moving_mnist_cpu" in larger.stdout
    for out, arguments, again in (
        ("results/tgan_moving_digit_32_cpu", [], "make train-mnist GPU='-1' ARGS=--resume"),
        (
            "elsewhere",
            ["ITERATIONS=600", "OUT=elsewhere"],
            "make train-mnist GPU='-1' ITERATIONS='600' OUT='elsewhere' ARGS=--resume",
        ),
    ):
        (tmp_path / out).mkdir(parents=True)
        (tmp_path / out / "snapshot_iter_500.npz").touch()
        result = make(tmp_path, "train-mnist", "GPU=-1", *arguments)
        assert result.returncode != 0 and "train.py" not in result.stdout
        assert f"{out} already holds a run" in result.stderr
        assert again in result.stderr
        result = make(tmp_path, "train-mnist", "GPU=-1", *arguments, "ARGS=--keep 0 --resume")
        assert result.returncode == 0 and "--keep 0 --resume" in result.stdout
