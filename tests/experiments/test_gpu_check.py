import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tarfile

import pytest
from helpers import ENVIRONMENT, EXPERIMENTS, ROOT

from chainer.backends import cuda

_SPEC = importlib.util.spec_from_file_location("gpu_check", os.path.join(EXPERIMENTS, "gpu_check.py"))
gpu_check = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(gpu_check)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(cuda.cupy, "_counts"), reason="the dry run is for the stand-in")
@pytest.mark.skipif(not os.environ.get("STAND_IN_PYTORCH"), reason="once, with all kernels, is enough")
def test_the_check_of_a_gpu_runs_to_its_end(tmp_path):
    command = [sys.executable, "experiments/gpu_check.py", "--dry", "--out", str(tmp_path)]
    command += ["--seconds", "3600"]  # on a CPU, which computes what a GPU would
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    report = json.loads((tmp_path / "gpu_check.json").read_text())
    assert not [name for name, step in report["steps"].items() if "failed" in step], report
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not measured" in (tmp_path / "verdict.txt").read_text() and "MISSED" not in done.stdout
    assert sum(os.path.getsize(tmp_path / name) for name in os.listdir(tmp_path)) < 1e6


@pytest.mark.gpu
def test_loading_is_judged_by_the_fastest_way():
    found = dict(gpu_check.loading(dry=True))
    assert found.pop("fastest") == min(found.values())


# A step's process, which has found two things when it hangs or fails.
SCRIPT = """
import json, sys, time
with open(sys.argv[sys.argv.index("--out") + 1], "w") as file:
    json.dump({"first": 1, "second": 2}, file)
if "hang" in sys.argv:
    time.sleep(600)
raise ValueError("what was wrong")
"""


def test_a_step_ends_with_its_time_and_keeps_what_it_found(monkeypatch, tmp_path):
    (tmp_path / "check.py").write_text(SCRIPT)
    monkeypatch.setattr(gpu_check, "__file__", str(tmp_path / "check.py"))
    args = argparse.Namespace(out=str(tmp_path), dry=True)
    hung, failed = (gpu_check.run_step(*step) for step in (("hang", args, 15), ("fail", args, 100)))
    assert hung == {"first": 1, "second": 2, "out of time": 15}
    assert failed.pop("failed").strip().endswith("ValueError: what was wrong") and "second" in failed
    assert gpu_check.run_step("hang", args, 0.5) == {"out of time": 0.0}
    report = {"dry": False, "steps": {"tests": hung, "losses": {**failed, "failed": "ValueError: it"}}}
    text = gpu_check.format_verdict({**report, "verdict": gpu_check.judge(report)})
    assert "tests ran out of time after 15 s" in text and "losses failed: ValueError: it" in text
    assert all(row["met"] is None for row in gpu_check.judge(report))


def test_what_a_step_found_is_kept_at_once(monkeypatch, tmp_path):
    def find(dry):
        yield "first", dry
        raise ValueError("what was wrong")

    monkeypatch.setitem(gpu_check.STEPS, "find", (find, 1))
    with pytest.raises(ValueError):
        gpu_check.run_part(argparse.Namespace(part="find", dry=True, out=str(tmp_path / "found.json")))
    assert json.loads((tmp_path / "found.json").read_text()) == {"first": True}


def test_targets_are_judged_by_what_was_measured():
    modes = {mode: {"total": 20.0, "given": 10.0, "clipping": 2.0} for mode in gpu_check.MODES}
    steps = {
        "iterations": {"by kernels": modes},
        "benchmark": {
            **{"status": 0, "seconds": 9.0},
            "by contender": {"ours": 2.0, "ours:tf32": 1.0, "pytorch": 1.5},
        },
        "benchmark, more": {"seconds": 0.1, "out of time": 0.1},
    }
    rows = {row["target"]: row["met"] for row in gpu_check.judge({"dry": False, "steps": steps})}
    assert rows["ms an iteration, auto, tf32 off"] is True
    assert rows["ms an iteration, auto, tf32 on"] is False
    assert rows["clipping's share of an iteration"] is True
    assert rows["time of ours:tf32 / pytorch"] is True
    assert rows["time of ours / pytorch:float32"] is None
    dry = {row["target"]: row["met"] for row in gpu_check.judge({"dry": True, "steps": steps})}
    assert dry["ms an iteration, auto, tf32 on"] is None and dry["exit status of the benchmark"] is True


def test_what_is_packed_runs_where_it_is_unpacked(tmp_path):
    def get_wheels(folder):
        with open(os.path.join(folder, "chainer-7.8.1-py3-none-any.whl"), "w") as file:
            file.write("a wheel")

    gpu_check.pack(str(tmp_path / "packed.tar.gz"), get_wheels)
    with tarfile.open(tmp_path / "packed.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "tgan_chainer"
    assert [path.name for path in (folder / "wheels").iterdir()] == ["chainer-7.8.1-py3-none-any.whl"]
    assert os.access(folder / "gpu_check.sh", os.X_OK)
    environment = {**ENVIRONMENT, "PYTHONPATH": str(folder)}
    command = [sys.executable, "experiments/gpu_check.py", "--help"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert "--pack" in done.stdout, done.stderr


def test_the_folder_stays_small(monkeypatch, tmp_path):
    (tmp_path / "there").write_bytes(bytes(60))
    (tmp_path / "new").write_bytes(bytes(50))
    out = tmp_path / "out"
    out.mkdir()
    (out / "verdict.txt").write_bytes(bytes(60))
    for most, is_copied in (100, False), (110, True):
        monkeypatch.setattr(gpu_check, "MAX_BYTES", most)
        gpu_check.copy_fitting([str(tmp_path / "new")], str(out), "preview.png")
        assert (out / "preview.png").exists() == is_copied
