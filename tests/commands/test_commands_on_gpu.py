"""Every command does on a GPU what it does on a CPU."""

import json

import numpy as np
import pytest
from helpers import TINY, call, write_dark_and_bright

from tgan_chainer.kernels import aten, cudnn
from tgan_chainer.logs import read_log
from tgan_chainer.reproduction.page import figure

import chainer
from chainer.backends import cuda

pytestmark = pytest.mark.gpu
on_stand_in = pytest.mark.skipif(not hasattr(cuda.cupy, "_counts"), reason="counts are the stand-in's")

SETTINGS = [
    *TINY[2:],  # all but --gpu -1
    *["--video-width", "8", "--log-interval", "1", "--snapshot-interval", "2"],
    # RMSprop's first steps are as large for a gradient that is rounding alone as for any other.
    *["--learning-rate", "1e-4"],
]
GAN = "--loss gan --clipping none --no-use-gamma".split()
MODELS = {
    "tgan": [],
    "weight clipping": ["--clipping", "weight"],
    "adam": ["--optimizer", "adam"],
    "z1 alone": ["--no-use-z0"],
    "simultaneous": ["--simultaneous"],
    "conditional": ["--model", "conditional_tgan"],
    "3d": ["--model", "3d"],
    "video gan": ["--model", "video_gan", *GAN, "--noise", "0"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.h5"
    write_dark_and_bright(path, "dark and bright")
    return path


def train(data, out, gpu, *options, iterations=3):
    if options[:1] != ("--resume",):
        options = ("--data", data, *SETTINGS, *options)
    done = call("train.py", "--gpu", gpu, "--out", out, "--iterations", iterations, *options)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return {
        name: train(data, folder / name, 0, *MODELS[name]) for name in ("tgan", "conditional", "video gan")
    }


@pytest.mark.parametrize("name", MODELS)
def test_losses_are_the_cpus(data, tmp_path, name):
    """RMSprop's first steps make much of last bits: what differs by 1e-6 at first may by 10 % two later."""
    logs = [read_log(train(data, tmp_path / str(gpu), gpu, *MODELS[name], iterations=2)) for gpu in (-1, 0)]
    for tolerance, on_cpu, on_gpu in zip((1e-4, 2e-2), *logs, strict=True):
        for key in on_cpu:
            if "/" in key:
                assert on_gpu[key] == pytest.approx(on_cpu[key], rel=tolerance, abs=tolerance / 20), key


@pytest.mark.parametrize("options", [(), (*GAN, "--noise", "0.2")])
def test_a_resumed_run_is_the_uninterrupted_one(data, tmp_path, options):
    options = *options, "--deterministic"
    whole = train(data, tmp_path / "whole", 0, *options, iterations=4)
    parts = train(data, tmp_path / "parts", 0, *options, iterations=2)
    train(data, parts, 0, "--resume", iterations=4)
    a, b = (np.load(out / "generator_iter_4.npz") for out in (whole, parts))
    for name in set(a.files) - {"metadata"}:
        np.testing.assert_array_equal(a[name], b[name], name)


@pytest.mark.parametrize(
    ("command", "name", "options"),
    [
        ("generate.py", "tgan", ("--num", 2)),
        ("generate.py", "conditional", ("--num", 2, "--label", "all")),
        ("generate.py", "video gan", ("--num", 2)),
        ("interpolate.py", "tgan", ("--factor", 3, "--num", 2)),
        ("interpolate.py", "tgan", ("--between", 0, 1, "--steps", 3)),
        ("show.py", "conditional", ("--num", 2)),
    ],
)
def test_videos_are_the_cpus(trained, tmp_path, command, name, options):
    videos = []
    for gpu in -1, 0:
        out = tmp_path / f"{gpu}.npy"
        done = call(command, trained[name], "--gpu", gpu, *options, "--out", out)
        assert done.returncode == 0, done.stderr
        videos.append(np.load(out))
    np.testing.assert_allclose(*videos, rtol=0, atol=1e-3)


@pytest.fixture(scope="module")
def classifier(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "c3d.npz"
    small = "--iterations", 1, "--batch-size", 2, "--validation", 0.1
    done = call("train_classifier.py", data, "--gpu", 0, "--out", path, *small)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("score", ["inception", "frechet", "gam"])
def test_scores_are_the_cpus(data, trained, classifier, tmp_path, score):
    by_classifier = "--classifier", classifier, "--samples", 4
    arguments = {
        "inception": [trained["tgan"], *by_classifier, "--repeats", 2],
        "frechet": [trained["tgan"], data, *by_classifier],
        "gam": [trained["tgan"], trained["video gan"], "--test-data", data, "--samples", 8],
    }[score]
    scores = []
    for gpu in -1, 0:
        out = tmp_path / f"{gpu}.json"
        done = call("evaluate.py", score, *arguments, "--gpu", gpu, "--out", out)
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(out.read_text()))
    on_cpu, on_gpu = (numbers_of(score) for score in scores)
    assert on_cpu and on_gpu == pytest.approx(on_cpu, rel=1e-3, abs=1e-3)


def test_the_yardstick_is_the_cpus(data, trained, tmp_path):
    measured = []
    for gpu in -1, 0:
        sources = f"real={data}", f"run={trained['tgan']}"
        done = call("yardstick.py", *sources, "--num", 4, "--gpu", gpu, "--out", tmp_path / str(gpu))
        assert done.returncode == 0, done.stderr
        measured.append(json.loads((tmp_path / f"{gpu}.json").read_text())["results"])
    for name in "real", "run":
        on_cpu, on_gpu = (results[name] for results in measured)
        assert on_gpu["frechet"] == pytest.approx(on_cpu["frechet"], rel=1e-3)
        assert on_gpu["empty"] == on_cpu["empty"]


def test_a_report_shows_runs(trained):
    shown = figure(str(trained["tgan"]), "TGAN", 0)
    assert shown.samples and shown.losses and not shown.problem


MEASURES = "score", "distance", "r_test", "r_sample"


def numbers_of(result, path=""):
    """Return the floats of a nested dict that are measures, by their paths."""
    found = {}
    for key, value in result.items():
        if isinstance(value, dict):
            found |= numbers_of(value, f"{path}/{key}")
        elif isinstance(value, float) and any(word in f"{path}/{key}" for word in MEASURES):
            found[f"{path}/{key}"] = value
    return found


@pytest.mark.parametrize(
    ("number", "names"),
    [(3, ["tgan", "video gan"]), (4, ["tgan"]), (5, ["tgan"]), (6, ["tgan"]), (7, ["conditional"])],
)
def test_figures_are_drawn(trained, tmp_path, number, names):
    runs = [trained[name] for name in names]
    done = call("figures.py", number, *runs, "--gpu", 0, "--out", tmp_path / "figure.png")
    assert done.returncode == 0 and (tmp_path / "figure.png").exists(), done.stderr


@on_stand_in
@pytest.mark.parametrize("kernels", ["auto", "off"])
@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("deterministic", [False, True])
def test_products_are_asked_for_in_the_mode_that_was_chosen(data, tmp_path, kernels, tf32, deterministic):
    """Of single matrices: of stacks, in which CuPy never asks for TF32, there are only those of float64."""
    options = ["--pytorch-kernels", kernels, *["--tf32"] * tf32, *["--deterministic"] * deterministic]
    cuda.cupy._counts.reset()
    train(data, tmp_path / "run", 0, *options, iterations=1)
    mode, convolution = "tf32" if tf32 else "float32", "aten::convolution"
    expected = {("product of matrices", mode)}
    if kernels == "auto" and aten.computes(cuda.cupy.empty(1, "f")):
        mode += " deterministic" * deterministic
        expected |= {(convolution, mode), (convolution + "_backward", mode)}
    assert cuda.cupy._counts.modes == expected


@on_stand_in
def test_kernels_are_those_that_were_asked_for(trained, tmp_path):
    counts, x = cuda.cupy._counts, cuda.cupy.empty((1, 1, 1, 1), "f")
    for kernels in "auto", "off":
        counts.reset()
        with chainer.using_config("pytorch_kernels", kernels):
            has_library = aten.computes(x) or cudnn.computes(x)
            options = "--gpu", 0, "--num", 1, "--out", tmp_path / "x.npy"
            assert call("generate.py", trained["tgan"], *options).returncode == 0
        assert ("gather_columns" in counts.launches or "add_columns" in counts.launches) != has_library


@pytest.mark.slow
def test_tables_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in 3, 4:
        done = call("tables.py", number, "--preset", "smoke", "--gpu", 0)
        assert done.returncode == 0 and (tmp_path / f"results/table{number}.md").exists(), done.stderr
    done = call("report.py", "results", "--gpu", 0)
    assert done.returncode == 0 and (tmp_path / "results/report.html").exists(), done.stderr
