"""train.py and generate.py, run as a user runs them, on a tiny data set and networks."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import imageio.v3 as iio
import numpy as np
import pytest
import yaml
from helpers import (
    CONFIGS,
    ENVIRONMENT,
    EXPERIMENTS,
    TINY,
    assert_one_line_error,
    call,
    default_signals,
    write_noise,
)

from tgan_chainer import provenance
from tgan_chainer.datasets import write_videos
from tgan_chainer.logs import read_log
from tgan_chainer.losses import WassersteinLoss
from tgan_chainer.texts import count


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("data") / "videos.h5", ["run", "jump"])


def command(name, *arguments):
    return [sys.executable, os.path.join(EXPERIMENTS, name), *map(str, arguments)]


def run(name, *arguments):
    """Run a command in a process of its own."""
    return subprocess.run(
        command(name, *arguments), capture_output=True, text=True, env=ENVIRONMENT, timeout=120
    )


def train(data, out, *arguments, run=run):
    return run("train.py", *TINY, "--data", data, "--out", out, *arguments)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A results folder of 6 iterations with a snapshot every third."""
    out = str(tmp_path_factory.mktemp("trained") / "run")
    result = train(data, out, "--iterations", 6, "--snapshot-interval", 3)
    assert result.returncode == 0, result.stderr
    return out


def test_batches_larger_than_the_data_set_are_told(data, tmp_path):
    for size, expected in (7, ""), (8, "warning: a batch of 8 has several windows of one clip; "):
        result = train(data, tmp_path / str(size), "--iterations", 1, "--batch-size", size, run=call)
        assert result.returncode == 0 and result.stderr.startswith(expected)
        assert bool(expected) == bool(result.stderr)
        assert "7 clips of 16 frames or more" in result.stderr or not expected


def arrays(path):
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def assert_same_state(one, other):
    """Parameters, statistics, optimizer states, positions and random states are equal bit for bit."""
    one, other = arrays(one), arrays(other)
    assert one.keys() == other.keys()
    states = [json.loads(str(a["metadata"]))["random_states"] for a in (one, other)]
    assert states[0] == states[1]
    for key in one.keys() - {"metadata", "_snapshot_elapsed_time"}:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


@pytest.mark.parametrize("config", sorted(os.listdir(CONFIGS)))
def test_every_config_trains_resumes_and_generates(config, data, tmp_path):
    out = str(tmp_path / "run")
    path = os.path.join(CONFIGS, config)
    smaller = ("--batch-size", 3, "--video-width", 16, "--snapshot-interval", 2)
    result = train(data, out, "--config", path, *smaller, "--iterations", 2, run=call)
    assert result.returncode == 0, result.stderr
    result = call("train.py", "--gpu", -1, "--out", out, "--resume", "--iterations", 4)
    assert result.returncode == 0 and "trained 4 iterations" in result.stdout, result.stderr
    is_conditional = config.startswith("conditional")
    labels = ("--label", "jump", 0, 0) if is_conditional else ()
    result = call("generate.py", out, "--gpu", -1, "--num", 2, *labels, "--out", tmp_path / "x.npy")
    assert result.returncode == 0, result.stderr
    videos = np.load(tmp_path / "x.npy")
    assert videos.shape == (6 if is_conditional else 2, 1, 16, 32, 32) and np.isfinite(videos).all()


def test_a_conditional_model_needs_labels(tmp_path):
    path = str(tmp_path / "unlabelled.h5")
    with write_videos(path, "zeros") as writer:
        writer.append(np.zeros((16, 32, 32, 1), np.uint8))
    result = train(path, str(tmp_path / "run"), "--model", "conditional_tgan", run=call)
    assert_one_line_error(result, "has no /labels")


def test_a_run_leaves_everything_in_its_folder(trained):
    assert set(os.listdir(trained)) == {
        "config.yaml", "log.jsonl", "log.csv", "losses.png", "preview", "provenance.json",
        "snapshot_iter_3.npz", "snapshot_iter_6.npz", "generator_iter_3.npz", "generator_iter_6.npz",
    }  # fmt: skip
    assert set(os.listdir(os.path.join(trained, "preview"))) == {
        *(f"{name}.{suffix}" for name in ("real", "iter_4", "iter_6") for suffix in ("gif", "png")),
        "progress.png",
    }
    with open(os.path.join(trained, "config.yaml")) as file:
        config = yaml.safe_load(file)
    assert (config["channels"], config["image_size"], config["batch_size"], config["seed"]) == (1, 32, 3, 0)
    log = read_log(trained)
    assert [entry["iteration"] for entry in log] == [2, 4, 6]
    assert all(
        np.isfinite(entry[key]) for entry in log for key in ("gen/loss", "dis/loss", "dis/wasserstein")
    )
    assert iio.imread(os.path.join(trained, "losses.png")).ndim == 3
    grid = iio.imread(os.path.join(trained, "preview", "iter_6.gif"))
    assert grid.shape[1:3] == (2 * (5 * 34 - 2), 2 * (5 * 34 - 2))


def test_a_resumed_run_is_the_uninterrupted_run_bit_for_bit(data, tmp_path):
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    # An epoch is 70 videos, so that the second part reaches the next one within a batch.
    for out, *options in (whole, "--iterations", 30), (parts, "--iterations", 10):
        result = train(data, out, *options, "--snapshot-interval", 10)
        assert result.returncode == 0, result.stderr
    result = run("train.py", "--gpu", -1, "--out", parts, "--resume", "--iterations", 30)
    assert result.returncode == 0, result.stderr
    assert_same_state(
        os.path.join(parts, "snapshot_iter_30.npz"), os.path.join(whole, "snapshot_iter_30.npz")
    )
    # The log goes on where it stopped, too.
    assert [e["gen/loss"] for e in read_log(parts)] == [e["gen/loss"] for e in read_log(whole)]


def start(data, out, *arguments):
    """Start a long run and wait until it has trained a few iterations."""
    process = subprocess.Popen(
        command("train.py", *TINY, "--data", data, "--out", out, "--iterations", 100000, *arguments),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        preexec_fn=default_signals,
    )  # fmt: skip
    for line in process.stdout:
        if "/100000" in line:
            return process
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_iteration_keeps_a_snapshot_and_says_how_to_go_on(data, tmp_path, number, status):
    out = str(tmp_path / "run")
    process = start(data, out)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert errors.strip() == "finishing the iteration to write a snapshot; the same once more ends at once"
    stopped = output.strip().splitlines()[-1]
    iteration = int(stopped.split("iteration ")[1].split(";")[0])
    assert os.path.exists(os.path.join(out, f"snapshot_iter_{iteration}.npz"))
    # What it says can be pasted into a shell.
    going_on = stopped.split("to go on: ")[1]
    resumed = subprocess.run(
        f"{going_on} --gpu -1 --iterations {iteration + 1}",
        shell=True, capture_output=True, text=True, env=ENVIRONMENT, timeout=60,
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stderr
    assert os.path.exists(os.path.join(out, f"snapshot_iter_{iteration + 1}.npz"))


def test_kill_9_while_snapshots_are_written_leaves_a_usable_one(data, tmp_path):
    out = str(tmp_path / "run")
    process = start(data, out, "--snapshot-interval", 1)
    time.sleep(0.3)
    process.kill()
    process.communicate()
    written = [name for name in os.listdir(out) if name.startswith(("snapshot", "generator"))]
    assert written and all(load(os.path.join(out, name)) for name in written)
    (tmp_path / "run" / ".incomplete-1-snapshot_iter_9.npz").write_bytes(b"half")
    # Of Chainer's LogReport, and of somebody else.
    for name, content in ("log12ab_z9x", "log.json"), ("logs_of_mine", "notes"):
        (tmp_path / "run" / name).mkdir()
        (tmp_path / "run" / name / content).touch()
    newest = max(int(name.split("_")[2][:-4]) for name in os.listdir(out) if name.startswith("snapshot_"))
    resumed = run("train.py", "--gpu", -1, "--out", out, "--resume", "--iterations", newest + 2)
    assert resumed.returncode == 0, resumed.stderr
    assert not [name for name in os.listdir(out) if name.startswith((".incomplete", "log12ab_z9x"))]
    assert (tmp_path / "run" / "logs_of_mine" / "notes").exists()
    # Only the newest three are kept.
    assert len([name for name in os.listdir(out) if name.startswith("snapshot_")]) == 3


def load(path):
    return bool(arrays(path))


def times(folder):
    return {name: os.stat(os.path.join(folder, name)).st_mtime_ns for name in os.listdir(folder)}


def test_nothing_is_overwritten(data, trained, tmp_path):
    before = times(trained)
    assert_one_line_error(train(data, trained, run=call), "already holds a run", "--resume")
    # Nor when an older snapshot, or one of another run, is resumed into a folder that holds a newer one.
    older = os.path.join(trained, "snapshot_iter_3.npz")
    assert_one_line_error(call("train.py", "--gpu", -1, "--resume", older), "snapshot_iter_6.npz", "--out")
    other = shutil.copy(older, tmp_path)
    result = call("train.py", "--gpu", -1, "--resume", other, "--out", trained)
    assert_one_line_error(result, "snapshot_iter_6.npz", "--out")
    assert before == times(trained)


def test_resuming_a_finished_run_is_no_error_so_that_loops_of_retries_end(trained):
    before = times(trained)
    for iterations in "6", "5":
        result = call("train.py", "--gpu", -1, "--out", trained, "--resume", "--iterations", iterations)
        assert result.returncode == 0 and "already has 6 iterations" in result.stdout, result.stderr
    assert before == times(trained)


def test_a_folder_in_which_no_iteration_was_trained_can_be_used_again(data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("seed: 1")
    assert train(data, tmp_path / "run", "--iterations", 1, run=call).returncode == 0


def test_the_folder_is_looked_at_once_more_under_its_lock(data, tmp_path, monkeypatch):
    @contextlib.contextmanager
    def locked_after_another_run(out):
        os.makedirs(out)
        with open(os.path.join(out, "snapshot_iter_7.npz"), "w") as file:
            file.write("of another run")
        yield

    monkeypatch.setattr("tgan_chainer.commands.train.locked", locked_after_another_run)
    result = train(data, str(tmp_path / "run"), "--iterations", 1, run=call)
    assert_one_line_error(result, "already holds a run")
    assert os.listdir(tmp_path / "run") == ["snapshot_iter_7.npz"]


def test_a_wrong_name_is_met_before_anything_is_written(data, tmp_path):
    for option in "--classifier", "--opponent":
        result = train(data, tmp_path / "run", option, tmp_path / "nowhere", run=call)
        assert_one_line_error(result, "nowhere")
        assert not (tmp_path / "run").exists()


def test_an_older_snapshot_can_be_gone_on_from_elsewhere(trained, tmp_path):
    older = os.path.join(trained, "snapshot_iter_3.npz")
    result = call("train.py", "--gpu", -1, "--resume", older, "--out", tmp_path / "new", "--iterations", 4)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "new" / "snapshot_iter_4.npz").exists()


def test_every_setting_reaches_what_it_sets(data, tmp_path):
    def state(*options):
        out = str(tmp_path / "_".join(options))
        result = train(data, out, "--iterations", 2, *options, run=call)
        assert result.returncode == 0, result.stderr
        return arrays(os.path.join(out, "snapshot_iter_2.npz"))

    def largest_singular_value(arrays):
        w = arrays["updater/model:dis/conv3/W"].astype(np.float64)
        return np.linalg.svd(w.reshape(len(w), -1), compute_uv=False)[0]

    plain = state("--n-clip", "1")
    assert largest_singular_value(plain) == pytest.approx(1, abs=1e-5)
    assert largest_singular_value(state("--clipping", "none")) > 1.1
    assert largest_singular_value(state("--n-clip", "5")) > 1.001  # last clipped in iteration 1
    clamped = state("--clipping", "weight", "--c", "0.003")
    assert abs(clamped["updater/model:dis/conv3/W"]).max() == pytest.approx(0.003)
    assert (plain["updater/optimizer:dis/t"], plain["updater/optimizer:gen/t"]) == (2, 2)
    assert state("--n-dis", "3")["updater/optimizer:dis/t"] == 6
    w = "updater/model:gen/image_generator/linear_z0/W"
    assert (state("--n-clip", "1", "--simultaneous")[w] != plain[w]).any()
    assert w not in state("--no-use-z0")
    assert not [key for key in state("--no-use-beta") if key.endswith("/beta")]
    kept = [key for key in state("--no-use-beta", "--use-beta-g1") if key.endswith("/beta")]
    assert kept and all(key.startswith("updater/model:gen/image_generator/") for key in kept)
    w = "updater/model:dis/conv1/W"
    assert (state("--noise", "0.2")[w] != state("--noise", "0.2", "--no-noise-input")[w]).any()


def test_the_log_has_the_lipschitz_constants_if_asked_for(data, tmp_path):
    for option in "--lipschitz", "--no-lipschitz":
        out = str(tmp_path / option)
        result = train(data, out, "--iterations", 4, "--log-interval", 2, option, run=call)
        assert result.returncode == 0, result.stderr
        found = [entry.get("dis/lipschitz") for entry in read_log(out)]
        assert len(found) == 2 and all((value is not None) == (option == "--lipschitz") for value in found)


def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("train.py", *TINY, "--data", data, "--dry-run", "--time-limit", "90s")
    assert result.returncode == 0 and result.stderr == ""
    said = " ".join(result.stdout.split())
    for words in "results/videos", "7 clips of 20 frames", "image_width 8 instead of 256", "90 seconds":
        assert words in said
    assert "iterations 1 to 100,000" in said and "Moving MNIST" not in said
    assert os.listdir(tmp_path) == []
    assert_one_line_error(call("train.py", *TINY, "--data", data, "--dry-run", "--n-frames", 32), "no clip")


def test_a_run_on_data_of_ones_own_is_named_after_it(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for option in [], ["--resume"]:
        iterations = 1 + len(option)
        result = call("train.py", *TINY, "--data", data, "--iterations", iterations, *option)
        assert result.returncode == 0, result.stderr
        assert "TGAN on videos, by tgan_moving_mnist" in result.stdout
        assert f"trained {count(iterations, 'iteration')}; see results/videos/preview" in result.stdout
    # The data of the configuration has its name, wherever they lie.
    os.symlink(data, tmp_path / "moving_mnist.h5")
    result = call("train.py", *TINY, "--data", "moving_mnist.h5", "--iterations", 1)
    assert "see results/tgan_moving_mnist/preview" in result.stdout


def test_a_time_limit_ends_in_a_snapshot_and_says_how_to_go_on(data, tmp_path):
    out = str(tmp_path / "run")
    result = train(data, out, "--iterations", 10**6, "--time-limit", "1s", run=call)
    assert result.returncode == 0
    last = result.stdout.strip().splitlines()[-1]
    iteration = int(last.split("iteration ")[1].split()[0])
    assert f"stopped in iteration {iteration} by --time-limit" in last and "--resume" in last
    assert os.path.exists(os.path.join(out, f"snapshot_iter_{iteration}.npz"))
    assert read_log(out)[-1]["iteration"] == iteration
    resumed = call("train.py", "--gpu", -1, "--out", out, "--resume", "--iterations", iteration + 1)
    assert resumed.returncode == 0, resumed.stderr


def test_keep_0_keeps_all_snapshots(data, tmp_path):
    result = train(data, tmp_path / "run", "--iterations", 5, "--snapshot-interval", 1, "--keep", 0, run=call)
    assert result.returncode == 0, result.stderr
    assert len([name for name in os.listdir(tmp_path / "run") if name.startswith("snapshot_")]) == 5


def test_output_that_nobody_reads_any_more_does_not_stop_training(data, tmp_path):
    process = start(data, str(tmp_path / "run"))
    process.stdout.close()
    time.sleep(1)
    assert process.poll() is None
    process.terminate()
    process.wait(timeout=60)
    assert [name for name in os.listdir(tmp_path / "run") if name.startswith("snapshot_")]


def test_other_data_is_noticed_on_resuming(trained, tmp_path):
    other = str(tmp_path / "other.h5")
    with write_videos(other, "other numbers", chunk_frames=20) as writer:
        for _ in range(7):
            writer.append(np.zeros((20, 32, 32, 1), np.uint8))
    copy = shutil.copytree(trained, tmp_path / "copy")
    result = call("train.py", "--gpu", -1, "--resume", copy, "--data", other, "--iterations", 7)
    assert_one_line_error(result, "other data", "random numbers")


def test_a_damaged_or_foreign_snapshot_is_refused_by_name(trained, tmp_path):
    whole = os.path.join(trained, "snapshot_iter_6.npz")
    truncated, foreign, text = (str(tmp_path / name) for name in ("cut.npz", "foreign.npz", "text.npz"))
    with open(whole, "rb") as file:
        content = file.read()
    with open(truncated, "wb") as file:
        file.write(content[: len(content) // 2])
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 0xFF
    flipped = str(tmp_path / "flipped.npz")
    with open(flipped, "wb") as file:
        file.write(damaged)
    np.savez(foreign, w=np.zeros(3))
    with open(text, "w") as file:
        file.write("hello")
    array = str(tmp_path / "array.npy")
    np.save(array, np.zeros(3))
    for path in truncated, flipped, foreign, text, array, str(tmp_path / "none.npz"):
        for result in call("train.py", "--gpu", -1, "--resume", path), call("generate.py", path, "--gpu", -1):
            assert_one_line_error(result, path)
    only_generator = os.path.join(trained, "generator_iter_6.npz")
    assert_one_line_error(
        call("train.py", "--gpu", -1, "--resume", only_generator, "--out", tmp_path / "new"),
        only_generator,
        "snapshot_iter_N",
    )


def test_a_run_cannot_become_another_one_on_resuming(trained, tmp_path):
    copy = shutil.copytree(trained, tmp_path / "copy")
    for option in ("--image-width", "16"), ("--seed", "1"), ("--batch-size", "4"):
        result = call("train.py", "--gpu", -1, "--out", copy, "--resume", "--iterations", 7, *option)
        assert_one_line_error(result, option[0][2:].replace("-", "_"), "cannot change")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bach-size", 3], ["--bach-size", "did you mean --batch-size"]),
        (["--batch-size", 1], ["batch_size must be at least 2"]),
        (["--n-frames", 20], ["n_frames must be"]),
        (["--n-frames", 32], ["no clip has 32 frames"]),
        (["--channels", 3], ["channels is 3", "has 1"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
        (["--data", "nowhere.h5"], ["nowhere.h5", "moving_mnist"]),
        (["--gpu", 99], ["gpu"]),
        (["--gpu", -2], ["gpu must be"]),
        (["--image-width", 12], ["image_width must be a multiple of 8"]),
        (["--seed", 2**32], ["seed must be at most"]),
        (["--k0", 2**63], ["k0 must be at most"]),
        (["--config", "tgan_moving_mnis"], ["did you mean tgan_moving_mnist?"]),
        (["--resume", "videos.h5"], ["there is no videos.h5; expected a results folder or a snapshot"]),
        (["--resume"], ["there is no folder", "--out"]),
        (["--time-limit", "soon"], ["'soon' is no time such as 90s, 20m, 3h30m or 2d"]),
        (["--time-limit", "0m"], ["no time such as"]),
    ],
)
def test_bad_input_is_one_clear_line(data, tmp_path, arguments, words):
    assert_one_line_error(train(data, tmp_path / "run", *arguments, run=call), *words)
    assert not (tmp_path / "run").exists()


def test_training_that_diverges_says_so_and_keeps_the_last_good_snapshot(data, tmp_path, monkeypatch):
    calls = itertools.count()
    compute = WassersteinLoss.discriminator

    def spoilt_in_iteration_5(self, *scores):
        return compute(self, *scores) * (np.nan if next(calls) >= 4 else 1)

    monkeypatch.setattr(WassersteinLoss, "discriminator", spoilt_in_iteration_5)
    out = str(tmp_path / "run")
    result = train(data, out, "--iterations", 100, "--snapshot-interval", 2, "--keep", 1, run=call)
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: training diverged: ") and "became nan in iteration 5" in line
    last_good = os.path.join(out, "snapshot_iter_4.npz")
    assert last_good in line
    assert all(np.isfinite(a).all() for a in arrays(last_good).values() if a.dtype.kind == "f")
    assert [name for name in os.listdir(out) if name.startswith("snapshot_")] == ["snapshot_iter_4.npz"]


@pytest.mark.parametrize("name", ["train.py", "generate.py"])
def test_help_teaches_by_example(name):
    result = run(name, "--help")
    assert result.returncode == 0
    assert f"  python experiments/{name} " in result.stdout


@pytest.mark.gpu
def test_training_resuming_and_generating_on_a_gpu(data, tmp_path):
    out = str(tmp_path / "run")
    on_gpu = ["--gpu" if option == "--gpu" else "0" if option == "-1" else option for option in TINY]
    result = call("train.py", *on_gpu, "--data", data, "--out", out, "--iterations", 3)
    assert result.returncode == 0, result.stderr
    result = call("train.py", "--gpu", 0, "--out", out, "--resume", "--iterations", 6)
    assert result.returncode == 0, result.stderr
    videos = []
    for gpu in 0, -1:
        path = str(tmp_path / f"{gpu}.npy")
        result = call("generate.py", out, "--gpu", gpu, "--num", 3, "--out", path)
        assert result.returncode == 0, result.stderr
        videos.append(np.load(path, allow_pickle=False))
    np.testing.assert_allclose(*videos, atol=1e-4)  # a seed means the same videos on every device


def test_a_run_records_on_what_it_was_trained_each_time(data, tmp_path):
    out = str(tmp_path / "run")
    train(data, out, "--iterations", 1, run=call)
    call("train.py", "--gpu", -1, "--out", out, "--resume", "--iterations", 2)
    first, second = provenance.read(out)
    assert [first["from_iteration"], second["from_iteration"]] == [0, 1]
    assert first["hardware"] and first["versions"]["chainer"] == "7.8.1" and "commit" in first
