"""Asking for a device changes nothing; using one does, for the whole process."""

import os
import subprocess
import sys

import pytest
from helpers import ROOT, refused

from tgan_chainer.devices import default_gpu, get_device, use_device

import chainer


@pytest.fixture
def unset(monkeypatch):
    """Forget what a test says of how to compute."""
    for name in "CUPY_TF32", "NVIDIA_TF32_OVERRIDE":
        monkeypatch.setenv(name, "")
    for name in "tf32", "pytorch_kernels":
        monkeypatch.setattr(chainer.global_config, name, None, raising=False)
    monkeypatch.setattr(chainer.global_config, "cudnn_deterministic", False)


def test_importing_the_package_says_nothing_of_how_to_compute():
    code = (
        "import tgan_chainer.kernels, chainer\n"
        "assert not {'tf32', 'pytorch_kernels'} & set(vars(chainer.global_config))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_asking_for_a_device_changes_nothing(unset):
    environment, settings = dict(os.environ), dict(vars(chainer.global_config))
    assert get_device(-1) == chainer.get_device("@numpy")
    assert (get_device() == get_device(-1)) == (default_gpu() < 0)
    assert dict(os.environ) == environment and dict(vars(chainer.global_config)) == settings


def test_what_is_said_holds_for_the_process_until_the_next_word(unset):
    use_device(-1, tf32=True, pytorch_kernels="off")
    use_device(-1)
    assert (chainer.config.tf32, chainer.config.pytorch_kernels) == (True, "off")
    assert (os.environ["CUPY_TF32"], os.environ["NVIDIA_TF32_OVERRIDE"]) == ("1", "")
    use_device(-1, tf32=False)
    assert (chainer.config.tf32, chainer.config.pytorch_kernels) == (False, "off")
    assert (os.environ["CUPY_TF32"], os.environ["NVIDIA_TF32_OVERRIDE"]) == ("0", "0")
    assert not chainer.config.cudnn_deterministic
    use_device(-1, deterministic=True)
    use_device(-1)
    assert chainer.config.cudnn_deterministic


def test_a_gpu_that_is_not_there_is_refused():
    refused(lambda: get_device(-2), "gpu must be -1", -2)
    refused(lambda: use_device(99), "gpu is 99")


@pytest.mark.gpu
def test_a_gpu_is_made_current():
    assert get_device(0).device.id == 0
    assert chainer.backends.cuda.Device() == use_device(0).device


def test_a_cupy_that_cannot_be_imported_says_why(tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')")
    code = """if True:
        from tgan_chainer.devices import get_device, why_no_cupy
        from tgan_chainer.errors import InputError
        print(why_no_cupy())
        assert get_device().name == "@numpy"
        try:
            get_device(0)
        except InputError as error:
            print(error)
    """
    path = os.pathsep.join([str(tmp_path), ROOT])
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    why, error = result.stdout.splitlines()
    assert "CuPy is installed but cannot be used: ImportError: libcudart.so.12" in why, result.stderr
    assert why in error and "[ctk]" in error and "--gpu -1" in error
