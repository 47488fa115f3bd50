"""tables.py and report.py: Tables 3 and 4, made as a user makes them."""

import base64
import glob
import html
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import EXPERIMENTS, assert_one_line_error, call, write_dark_and_bright
from PIL import Image

from tgan_chainer.datasets import write_videos
from tgan_chainer.evaluations import load_classifier
from tgan_chainer.files import locked
from tgan_chainer.reproduction import running
from tgan_chainer.reproduction.rows import TABLES
from tgan_chainer.reproduction.tables import TableFile
from tgan_chainer.snapshots import RESUMABLE, find_snapshots, read_snapshot

PAPER = {  # as printed
    3: {
        "TGAN vs. 3D model (GAN)": "1.70",
        "TGAN vs. 3D model (SVC)": "1.27",
        "TGAN vs. TGAN (G1(z1))": "1.03",
    },
    4: {
        "3D model (Weight clipping)": "4.32 ± 0.01",
        "3D model (SVC)": "4.78 ± 0.02",
        "Video GAN (Normal GAN)": "8.18 ± 0.05",
        "Video GAN (SVC)": "8.31 ± 0.09",
        "TGAN (Normal GAN)": "9.18 ± 0.11",
        "TGAN (Weight clipping)": "11.77 ± 0.11",
        "TGAN (SVC)": "11.85 ± 0.07",
        "Conditional TGAN (SVC)": "15.83 ± 0.18",
        "UCF-101 dataset": "34.49 ± 0.03",
    },
}
TRAINED_3 = "TGAN vs. 3D model (SVC)"
TRAINED_4 = "Conditional TGAN (SVC)", "UCF-101 dataset"


def tables(folder, *arguments):
    """Run the command in a folder and within this process; what it calls, such as train.py, are processes."""
    running._read.cache_clear()  # a new process knows nothing of files of the same name in another folder
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        return call("tables.py", *arguments)


def load(folder, number):
    with open(folder / "results" / f"table{number}.json", encoding="utf-8") as file:
        return json.load(file)["smoke"]["rows"]


def markdown_rows(folder, number):
    """Return the cells as Markdown shows them: escapes taken back."""
    lines = (folder / "results" / f"table{number}.md").read_text().splitlines()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("| ")]
    rows = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in row] for row in cells]
    return rows[0], {row[0]: row[1:] for row in rows[2:]}


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Grey clips of two classes, and what makes training on them a matter of seconds."""
    path = str(tmp_path_factory.mktemp("data") / "videos.h5")
    write_dark_and_bright(path, "noise of <two> kinds")
    return ["--preset", "smoke", "--data", path, "--gpu", -1, "--iterations", 2]


@pytest.fixture(scope="module")
def done(options, tmp_path_factory):
    """A folder with a part of both tables."""
    folder = tmp_path_factory.mktemp("done")
    for number, rows in (3, ["model3d_svc_moving_mnist"]), (4, ["conditional_tgan_svc_ucf101", "data"]):
        result = tables(folder, number, *options, "--rows", *rows)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def copy(done, tmp_path):
    return shutil.copytree(done, tmp_path / "copy")


@pytest.mark.parametrize("number", [3, 4])
def test_the_papers_values_stand_beside_ours(done, number):
    header, rows = markdown_rows(done, number)
    assert header[1] == "paper" and header[2].startswith("ours") and header[3] == "difference"
    assert {name: row[0] for name, row in rows.items()} == PAPER[number]
    trained = {3: [TRAINED_3], 4: TRAINED_4}[number]
    for name, row in rows.items():
        if name in trained:
            assert row[1].endswith("(reduced)")
            assert load(done, number)[name]["status"] == "done"
        else:
            assert row[1] == "not run" and not any(row[2:])


def test_each_output_of_a_reduced_run_says_so(done):
    for name in "table3.md", "table4.md", "report.html":
        text = html.unescape((done / "results" / name).read_text())
        assert "iterations 2 instead of 100,000" in text and "batch_size 4 instead of 32" in text
        assert "data unknown instead of " in text
        assert "REDUCED: not a reproduction of the paper's numbers." in text
    assert "instead of the published one" in (done / "results" / "table4.md").read_text()
    assert load(done, 3)[TRAINED_3]["departures"] and load(done, 4)["UCF-101 dataset"]["departures"]


def test_a_row_says_how_it_was_trained(done):
    header, rows = markdown_rows(done, 3)
    row = dict(zip(header[1:], rows[TRAINED_3]))
    assert (row["iterations"], row["seed"]) == ("2", "0")
    assert "cores" in row["hardware"] and row["wall time"].endswith("s") and row["commit"]
    entry = load(done, 3)[TRAINED_3]
    assert all(run["wall_time"] > 0 for run in entry["runs"])
    for model, run in zip(("TGAN", "3D model (SVC)"), entry["runs"]):
        with open(done / "results" / entry["folders"][model] / "provenance.json", encoding="utf-8") as file:
            assert run["commit"] == json.load(file)[0]["commit"]


def test_a_run_with_changed_settings_knows_in_what_it_is_not_the_papers(done):
    folder = done / "results" / "smoke" / "tgan_moving_mnist"
    metadata = read_snapshot(find_snapshots(folder, RESUMABLE)[-1])[0]
    assert metadata["row"] == "tgan_moving_mnist"
    assert {"setting": "temporal_width", "here": 16, "row": 512} in metadata["changes"]
    assert "video_width" not in {change["setting"] for change in metadata["changes"]}


def test_the_scores_are_those_of_evaluate(done, options, tmp_path, monkeypatch):
    monkeypatch.chdir(done)
    out, data = tmp_path / "score.json", options[3]
    runs = [f"results/smoke/{name}_moving_mnist" for name in ("tgan", "model3d_svc")]
    common = ["--gpu", -1, "--out", out]
    assert call("evaluate.py", "gam", *runs, "--data", data, "--samples", 64, *common).returncode == 0
    expected = json.loads(out.read_text())
    entry = load(done, 3)[TRAINED_3]
    for key in "r_sample", "r_test", "r_sample_interval", "r_sample_accuracies":
        assert entry["game"][key] == expected[key]
    assert sorted(map(str, entry["departures"])) == sorted(map(str, expected["departures"]))

    classifier = ["--classifier", "results/smoke/classifier.npz", "--samples", 32, "--repeats", 2]
    for row, source in zip(TRAINED_4, ["results/smoke/conditional_tgan_svc_ucf101", data]):
        assert call("evaluate.py", "inception", source, *classifier, *common).returncode == 0
        entry, expected = load(done, 4)[row], json.loads(out.read_text())
        assert entry["score"]["scores"] == expected["scores"]
        assert entry["ours"] == expected["inception_score"]
        assert entry["difference"] == pytest.approx(entry["ours"] - float(PAPER[4][row].split()[0]))


def test_what_is_done_is_not_done_again(copy, options):
    before = {path: path.stat().st_mtime_ns for path in (copy / "results").rglob("*.npz")}
    scored = load(copy, 3)
    result = tables(copy, 3, *options, "--rows", "model3d_svc_moving_mnist")
    assert result.returncode == 0, result.stderr
    assert load(copy, 3) == scored
    assert {path: path.stat().st_mtime_ns for path in (copy / "results").rglob("*.npz")} == before


def test_more_iterations_go_on_from_the_snapshots_and_are_scored_anew(done, copy, options, tmp_path):
    moved = tmp_path / "moved.h5"
    shutil.copyfile(options[3], moved)
    arguments = [*options[:3], moved, *options[4:-1], 3]
    result = tables(copy, 3, *arguments, "--rows", "model3d_svc_moving_mnist")
    assert result.returncode == 0, result.stderr
    for name in "tgan_moving_mnist", "model3d_svc_moving_mnist":
        folder = copy / "results" / "smoke" / name
        assert len(json.loads((folder / "provenance.json").read_text())) == 2
        assert read_snapshot(find_snapshots(folder, RESUMABLE)[-1])[0]["iteration"] == 3
    row = load(copy, 3)[TRAINED_3]
    assert [run["iterations"] for run in row["runs"]] == [3, 3]
    assert row["game"] != load(done, 3)[TRAINED_3]["game"]
    assert {"what": "iterations", "here": 3, "there": 100_000} in row["departures"]


def test_nothing_is_trained_if_it_must_not_be(tmp_path, options):
    result = tables(tmp_path, 4, *options, "--no-train")
    assert_one_line_error(result, "there is no results/smoke/classifier.npz")
    result = tables(tmp_path, 3, *options, "--no-train")
    assert result.returncode == 0, result.stderr
    assert {row["status"] for row in load(tmp_path, 3).values()} == {"not run"}
    assert os.listdir(tmp_path / "results") and not (tmp_path / "results" / "smoke").exists()


def test_of_models_of_different_iterations_both_are_told(copy, options):
    arguments = ["--data", options[3], "--iterations", 4, "--resume", "--gpu", -1]
    folder = copy / "results" / "smoke" / "tgan_moving_mnist"
    assert call("train.py", "--out", folder, *arguments).returncode == 0
    result = tables(copy, 3, *options, "--no-train", "--rows", "model3d_svc_moving_mnist")
    assert result.returncode == 0, result.stderr
    header, rows = markdown_rows(copy, 3)
    assert dict(zip(header[1:], rows[TRAINED_3]))["iterations"] == "4 / 2"
    found = load(copy, 3)[TRAINED_3]["departures"]
    assert {"what": "iterations of A and B", "here": [4, 2], "there": "equally many"} in found


def test_a_score_is_not_lost_with_its_run(copy, options):
    before = load(copy, 3)[TRAINED_3]
    shutil.rmtree(copy / "results" / "smoke" / "tgan_moving_mnist")
    result = tables(copy, 3, *options, "--no-train")
    assert result.returncode == 0, result.stderr
    after = load(copy, 3)[TRAINED_3]
    assert after.pop("note") == "not run" and after == before
    assert "as scored before; now not run" in markdown_rows(copy, 3)[1][TRAINED_3][1]


def test_runs_on_other_data_are_not_scored(done, copy, options, tmp_path):
    other = tmp_path / "other.h5"
    with write_videos(other, "other noise", ["dark", "bright"]) as writer:
        for i in range(4):
            writer.append(np.full((16, 32, 32, 1), i, np.uint8), labels=i % 2)
    result = tables(copy, 3, "--preset", "smoke", "--data", other, "--gpu", -1, "--iterations", 2)
    assert result.returncode == 1 and "was trained on other data than" in result.stderr
    row = load(copy, 3)[TRAINED_3]
    assert row.pop("note").startswith("failed: ") and row == load(done, 3)[TRAINED_3]
    assert tables(copy, 3, *options, "--rows", "model3d_svc_moving_mnist").returncode == 0
    assert load(copy, 3)[TRAINED_3] == load(done, 3)[TRAINED_3]  # the note is gone
    result = tables(copy, 4, "--preset", "smoke", "--data", other, "--gpu", -1, "--rows", "data")
    assert_one_line_error(result, "classifier.npz was trained on other data than")


def test_a_run_that_was_killed_before_its_first_snapshot_begins_anew(copy, options):
    folder = copy / "results" / "smoke" / "model3d_svc_moving_mnist"
    for path in find_snapshots(folder):
        os.remove(path)
    result = tables(copy, 3, *options, "--rows", "model3d_svc_moving_mnist")
    assert result.returncode == 0, result.stderr
    assert len(list(folder.parent.glob("model3d_svc_moving_mnist.incomplete-*"))) == 1
    assert find_snapshots(folder)


def test_a_classifier_that_was_interrupted_is_not_used(tmp_path, options):
    folder = tmp_path / "results" / "smoke"
    folder.mkdir(parents=True)
    (folder / "classifier.npz.part").write_bytes(b"half of one")
    result = tables(tmp_path, 4, *options, "--rows", "data")
    assert result.returncode == 0, result.stderr
    assert os.listdir(folder) == ["classifier.npz"]
    assert 0 <= load_classifier(folder / "classifier.npz").description["training"]["accuracy"] <= 1


def test_a_row_that_fails_is_marked_and_the_next_one_begins(copy, options):
    broken = find_snapshots(copy / "results" / "smoke" / "model3d_svc_moving_mnist", RESUMABLE)[-1]
    with open(broken, "r+b") as file:
        file.truncate(1000)
    rows = ["model3d_svc_moving_mnist", "tgan_z1_moving_mnist"]
    result = tables(copy, 3, *options, "--rows", *rows)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    found = load(copy, 3)
    assert found[TRAINED_3]["status"] == "done"  # as it was before
    note = found[TRAINED_3]["note"]
    assert note.startswith("failed: ") and os.path.basename(broken) in note
    assert found["TGAN vs. TGAN (G1(z1))"]["status"] == "done"


def make_classifier(folder, options):
    path = folder / "classifier.npz"
    result = call(
        "train_classifier.py", options[3], "--out", path, "--iterations", 1, "--batch-size", 2, "--gpu", -1
    )
    assert result.returncode == 0, result.stderr
    return path


def start(folder, number, options, rows):
    """Start a command that trains for very long, and return it when it does."""
    command = [sys.executable, os.path.join(EXPERIMENTS, "tables.py"), number, *options[:-1], 10**6, *rows]
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while not list(folder.glob("results/smoke/*/log.jsonl")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    return process


def children_of(process):
    paths = glob.glob(f"/proc/{process.pid}/task/*/children")
    return [int(child) for path in paths for child in open(path).read().split()]


def kill_all(process):
    """Kill a command and what it called."""
    for child in children_of(process):
        os.kill(child, signal.SIGKILL)
    process.kill()
    return process.communicate()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_goes_on_where_it_was(tmp_path, options, number):
    rows = ["--rows", "tgan_svc_ucf101", "data"]
    folder = tmp_path / "results" / "smoke" / "tgan_svc_ucf101"
    process = start(tmp_path, 4, options, rows)
    try:
        os.killpg(process.pid, number)  # as a terminal does, and Slurm
        errors = process.communicate(timeout=60)[1]
    finally:
        kill_all(process)
    assert process.returncode == 128 + number and "Traceback" not in errors and "the same command" in errors
    assert load(tmp_path, 4)["TGAN (SVC)"]["status"] == "not run"
    reached = read_snapshot(find_snapshots(folder, RESUMABLE)[-1])[0]["iteration"]
    result = tables(tmp_path, 4, *options[:-1], reached + 2, *rows)
    assert result.returncode == 0, result.stderr
    assert load(tmp_path, 4)["TGAN (SVC)"]["runs"][0]["iterations"] == reached + 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_a_command_that_is_killed_takes_its_training_with_it(tmp_path, options, number):
    rows = ["--rows", "tgan_svc_ucf101"]
    folder = tmp_path / "results" / "smoke" / "tgan_svc_ucf101"
    process = start(tmp_path, 4, options, [*rows, "--classifier", make_classifier(tmp_path, options)])
    try:
        (trainer,) = children_of(process)
        os.kill(process.pid, number)
        process.communicate(timeout=60)
        # At once, while the training may still be writing its snapshot.
        again = [*options[:-1], 3, *rows, "--classifier", tmp_path / "classifier.npz"]
        result = tables(tmp_path, 4, *again)
        assert result.returncode == 0, result.stderr
        until = time.monotonic() + 30  # it has left the folder, but maybe not yet ended
        while os.path.exists(f"/proc/{trainer}"):
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        kill_all(process)
    assert load(tmp_path, 4)["TGAN (SVC)"]["status"] == "done"
    assert not list(folder.parent.glob("*.incomplete-*"))  # it wrote a snapshot, and went on from there


@pytest.mark.slow
def test_two_commands_share_the_rows_and_one_goes_on_alone(tmp_path, options):
    smoke = tmp_path / "results" / "smoke"
    one = start(tmp_path, 3, options, [])
    try:
        other = subprocess.Popen(
            [sys.executable, os.path.join(EXPERIMENTS, "tables.py"), "3", *map(str, options)],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        until = time.monotonic() + 200
        while not find_snapshots(smoke / "tgan_z1_moving_mnist"):  # of the last row
            assert time.monotonic() < until and other.poll() is None
            time.sleep(0.1)
        assert one.poll() is None and find_snapshots(smoke / "model3d_svc_moving_mnist")
        one.kill()  # the player whom all others meet is at its training yet
        one.communicate(timeout=60)
        printed, _ = other.communicate(timeout=300)
    finally:
        kill_all(one)
    assert other.returncode == 0, printed
    assert "another process is at work on results/smoke/tgan_moving_mnist" in printed
    assert {row["status"] for row in load(tmp_path, 3).values()} == {"done"}
    for name in "model3d_gan", "model3d_svc", "tgan_z1":
        with open(smoke / f"{name}_moving_mnist" / "provenance.json", encoding="utf-8") as file:
            assert len(json.load(file)) == 1  # trained once
    assert not list(tmp_path.rglob("*.lock"))


def test_a_training_that_is_killed_is_a_failed_row(tmp_path, options):
    process = start(tmp_path, 3, options, ["--rows", "model3d_svc_moving_mnist"])
    try:
        (trainer,) = children_of(process)
        os.kill(trainer, signal.SIGKILL)  # as the kernel does when memory is short
        errors = process.communicate(timeout=60)[1]
    finally:
        kill_all(process)
    assert process.returncode == 1 and "failed: train was killed by SIGKILL" in errors
    assert "SIGKILL" in load(tmp_path, 3)[TRAINED_3]["status"]


def test_what_another_process_is_training_is_left_alone(copy, options, monkeypatch):
    monkeypatch.setattr(running, "PATIENCE", 0.1)
    monkeypatch.chdir(copy)
    smoke = copy / "results" / "smoke"
    young, old = smoke / "tgan_z1_moving_mnist", smoke / "model3d_svc_moving_mnist"
    young.mkdir()
    (young / "log").write_text("[]")  # and no snapshot yet
    (old / ".incomplete-1-snapshot_iter_9.npz").write_text("half of one")
    rows = ["--rows", "model3d_svc_moving_mnist", "tgan_z1_moving_mnist"]
    with locked(young), locked(old):
        result = call("tables.py", 3, *options[:-1], 3, *rows)
    assert result.returncode == 1 and result.stderr.count("another process is writing") == 2, result.stderr
    assert (young / "log").exists() and (old / ".incomplete-1-snapshot_iter_9.npz").exists()
    assert "another process" in load(copy, 3)["TGAN vs. TGAN (G1(z1))"]["status"]


def test_tables_that_are_made_at_the_same_time_keep_each_others_rows(copy, monkeypatch):
    monkeypatch.chdir(copy)
    one, other = (TableFile(3, "smoke") for _ in range(2))
    rows = TABLES[3].rows
    one.add(rows[0], {"status": "failed: one"})
    other.add(rows[2], {"status": "failed: other"})
    assert [row["status"] for row in load(copy, 3).values()] == ["failed: one", "done", "failed: other"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["5"], ["invalid choice", "5"]),
        (["3", "--preset", "big"], ["big"]),
        (["3", "--rows", "tgan"], ["'tgan'", "model3d_svc_moving_mnist"]),
        (["4", "--rows", "model3d_svc_moving_mnist"], ["Table 4", "tgan_svc_ucf101", "data"]),
        (["3", "--data", "nowhere.h5"], ["nowhere.h5"]),
        (["3", "--iterations", "0"], ["iterations"]),
        (["3", "--gpu", "99"], ["gpu is 99"]),
        (["4", "--classifier", "nowhere.npz"], ["nowhere.npz"]),
        (["4", "--classifier", "DATA"], ["videos.h5", "a classifier"]),
        (["3", "--classifier", "any.npz"], ["Table 3 has no use for --classifier"]),
        (["4", "--test-data", "any.h5"], ["Table 4 has no use for --test-data"]),
    ],
)
def test_bad_input_is_one_line_and_trains_nothing(tmp_path, options, arguments, words):
    given = dict(zip(options[::2], options[1::2]))
    for name in arguments[1::2]:
        given.pop(name, None)
    if "--gpu" not in arguments:
        given["--gpu"] = -1
    rest = [x for pair in given.items() for x in pair]
    arguments = [options[3] if argument == "DATA" else argument for argument in arguments]
    result = tables(tmp_path, arguments[0], *rest, *arguments[1:])
    assert_one_line_error(result, *words)
    assert not (tmp_path / "results" / "smoke").exists()


def test_a_mistyped_classifier_is_met_before_small_data_are_made(tmp_path):
    result = tables(tmp_path, 4, "--preset", "smoke", "--gpu", -1, "--classifier", "nowhere.npz")
    assert_one_line_error(result, "nowhere.npz")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 4])
def test_the_smoke_preset_makes_a_whole_table_from_nothing(tmp_path, number):
    result = tables(tmp_path, number, "--preset", "smoke", "--gpu", -1)
    assert result.returncode == 0, result.stderr
    assert {row["status"] for row in load(tmp_path, number).values()} == {"done"}


@pytest.mark.slow
def test_the_preset_of_digits_makes_its_data_and_scores_by_the_c3d_of_the_package(tmp_path):
    rows = "video_gan_svc_ucf101", "conditional_tgan_svc_ucf101", "data"
    result = tables(tmp_path, 4, "--preset", "digits", "--iterations", 2, "--gpu", -1, "--rows", *rows)
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "results" / "table4.md").read_text()
    assert "EASIER WORLD" in text and "data moving_mnist instead of ucf101" in text
    scores = {name: float(row[1].split()[0]) for name, row in markdown_rows(tmp_path, 4)[1].items() if row[2]}
    assert len(scores) == 3 and scores["UCF-101 dataset"] > 5 > max(list(scores.values())[:2])


# The page


def test_the_page_loads_in_a_browser_without_errors_and_without_a_network(done, browser):
    browser.get((done / "results" / "report.html").as_uri())
    assert browser.get_log("browser") == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith("data:") for name in loaded)
    pictures = browser.execute_script(
        "return [...document.images].map(i => [i.complete && i.naturalWidth, i.alt, i.src])"
    )
    assert all(width > 0 for width, _, _ in pictures)
    moving = [(alt, source) for _, alt, source in pictures if source.startswith("data:image/gif")]
    assert len(moving) == 3 and len(pictures) == 6  # and the loss curves of each
    frames = []
    for _, source in moving:
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as gif:
            frames.append(gif.n_frames)
    assert max(frames) == 16  # of equal ones, which two iterations may bring, only one is kept
    for name in "TGAN", "3D model (SVC)", "Conditional TGAN (SVC)":
        assert any(f"samples of {name} after 2 iterations" in alt for alt, _ in moving)


def test_the_page_has_the_tables(done, browser):
    browser.get((done / "results" / "report.html").as_uri())
    found = browser.execute_script(
        "return [...document.querySelectorAll('tr')].map(r => [...r.cells].map(c => c.innerText.trim()))"
    )
    expected = []
    for number in 3, 4:
        header, rows = markdown_rows(done, number)
        expected += [header, *([name, *row] for name, row in rows.items())]
    assert found == expected
    labels = browser.execute_script("return [...document.querySelectorAll('.reduced')].map(e => e.innerText)")
    assert len(labels) == 2 and all("REDUCED" in text for text in labels)
    assert all("\n" not in text.strip() for text in labels)  # one line; the details are folded
    assert "noise of <two> kinds" in browser.execute_script("return document.body.textContent")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1400, 900)])
def test_the_page_needs_no_scrolling_sideways(done, browser, width, height):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get((done / "results" / "report.html").as_uri())
        script = "return [innerWidth, document.documentElement.scrollWidth]"
        shown, needed = browser.execute_script(script)
        assert shown == width and needed <= width
        # Nor is anything cut off, or hidden behind something of its own that scrolls.
        all_of_it = "[...document.querySelectorAll('body *')]"
        wide = f"return {all_of_it}.filter(e => e.scrollWidth > innerWidth).length"
        assert browser.execute_script(wide) == 0
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_page_can_be_made_of_the_tables_alone(copy):
    shutil.rmtree(copy / "results" / "smoke")
    page = copy / "page.html"
    result = call("report.py", copy / "results", "--out", page, "--gpu", -1)
    assert result.returncode == 0 and result.stdout.strip() == str(page)
    assert "<img" not in page.read_text() and PAPER[4]["TGAN (SVC)"] in page.read_text()
    assert "tgan_moving_mnist is not there" in page.read_text()


def test_a_damaged_run_does_not_stop_the_page(copy):
    (generator,) = (copy / "results" / "smoke" / "tgan_moving_mnist").glob("generator_iter_*.npz")
    generator.write_bytes(b"no")
    result = call("report.py", copy / "results", "--gpu", -1)
    page = (copy / "results" / "report.html").read_text()
    assert result.returncode == 0 and "generator_iter_2.npz is truncated, damaged" in page


def test_a_damaged_table_stays_as_it_is(copy, options):
    path = copy / "results" / "table3.json"
    path.write_text(path.read_text()[:-50])
    before = path.read_text()
    assert_one_line_error(tables(copy, 3, *options), "table3.json is truncated, damaged or not a table")
    assert path.read_text() == before


def test_text_is_shown_and_not_run(copy, browser):
    path = copy / "results" / "table3.json"
    content = json.loads(path.read_text())
    status = "failed: <script>console.error('run')</script> | <b>"
    content["smoke"]["rows"]["TGAN vs. 3D model (GAN)"]["status"] = status
    path.write_text(json.dumps(content))
    call("report.py", copy / "results", "--gpu", -1)
    browser.get((copy / "results" / "report.html").as_uri())
    assert browser.get_log("browser") == []
    assert status in browser.execute_script("return document.body.innerText")
