"""``export.py``: ONNX models of a run and of a classifier."""

import sys

import numpy as np
import pytest
from helpers import assert_one_line_error, call

from tgan_chainer import load_generator
from tgan_chainer.config import Config
from tgan_chainer.evaluations.video_classifier import VideoClassifier, save_classifier
from tgan_chainer.links import C3D
from tgan_chainer.models import build_generator
from tgan_chainer.snapshots import save_generator

NARROW = {"k0": 10, "k1": 6, "temporal_width": 8, "image_width": 8, "channels": 1, "image_size": 32}


@pytest.fixture
def snapshot(tmp_path):
    config = Config(**NARROW)
    path = tmp_path / "generator_iter_3.npz"
    save_generator(path, build_generator(config), 3, config)
    return path


def test_a_run_is_written_whole_and_in_two_parts(snapshot, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    result = call("export.py", snapshot, "--out", tmp_path / "onnx")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 3 and lines[0].endswith("z0 (N, 10) -> videos (N, 1, 16, 32, 32)")
    assert lines[2].endswith("image_generator.onnx: z1 (N, T, 6), z0 (N, 10) -> videos (N, 1, T, 32, 32)")
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "generator.onnx"))
    generator = load_generator(snapshot)
    expected = list(generator.sample(2, seed=0))
    z0 = generator.draw_z0(2, np.random.RandomState(0))
    np.testing.assert_allclose(session.run(None, {"z0": z0})[0], expected, rtol=0, atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map["iteration"] == "3"


def test_a_classifier_is_written_with_its_protocol_and_without(tmp_path):
    pytest.importorskip("onnx")
    path = tmp_path / "classifier.npz"
    c3d = C3D(n_classes=5, width=2, n_units=16, size=40)
    save_classifier(path, VideoClassifier(c3d, np.zeros((3, 16, 48, 48), "f"), 48))
    result = call("export.py", "--classifier", path, "--out", tmp_path / "onnx")
    assert result.returncode == 0, result.stderr
    assert "classifier.onnx: videos (N, C, 16, H, W) -> fc8 (N, 5), fc7 (N, 16)" in result.stdout
    assert "c3d.onnx: x (N, 3, 16, 40, 40) -> fc8 (N, 5), fc7 (N, 16)" in result.stdout


def test_what_is_missing_is_told_in_one_line(snapshot, tmp_path, monkeypatch):
    assert_one_line_error(call("export.py"), "either a SOURCE or --classifier")
    assert_one_line_error(call("export.py", snapshot, "--classifier", "c3d"), "either a SOURCE")
    for name in [name for name in sys.modules if name.startswith("tgan_chainer.export")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert_one_line_error(call("export.py", snapshot, "--out", tmp_path / "onnx"), "pip install onnx")
    assert not (tmp_path / "onnx").exists()
