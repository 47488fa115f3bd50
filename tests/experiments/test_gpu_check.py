import json
import os
import subprocess
import sys

import pytest
from helpers import ENVIRONMENT, ROOT

from chainer.backends import cuda


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(cuda.cupy, "_counts"), reason="the dry run is for the stand-in")
@pytest.mark.skipif(not os.environ.get("STAND_IN_PYTORCH"), reason="once, with all kernels, is enough")
def test_the_check_of_a_gpu_runs_to_its_end(tmp_path):
    command = [sys.executable, "experiments/gpu_check.py", "--dry", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    report = json.loads((tmp_path / "gpu_check.json").read_text())
    assert not [step for step in report["steps"].values() if "failed" in step], report
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not measured" in (tmp_path / "verdict.txt").read_text() and "MISSED" not in done.stdout
    assert sum(os.path.getsize(tmp_path / name) for name in os.listdir(tmp_path)) < 1e6
