"""Chainer, frozen in 2022, imports on today's Python and NumPy, says nothing, and unpickles nothing."""

import os
import subprocess
import sys
import types

import numpy as np
import pytest
from helpers import ROOT

from tgan_chainer import _chainer_compat

import chainer
import chainer.functions as F
import chainer.links as L
from chainer.training import extensions

# Python 3.12 without setuptools, whatever Python runs the tests.
MODULES_REMOVED = """
import importlib.abc, sys
class Removed(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.startswith(("numpy.distutils", "distutils", "pkg_resources")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Removed())
"""

# Python 3.11 with setuptools 80, likewise; the fakes stand for the real modules.
MODULES_PRESENT = """
import sys, types, warnings
import numpy
numpy.distutils = sys.modules["numpy.distutils"] = types.ModuleType("numpy.distutils")
numpy.distutils.system_info = sys.modules["numpy.distutils.system_info"] = types.ModuleType("system_info")
"""

OLD_PKG_RESOURCES = """
import warnings
warnings.warn("pkg_resources is deprecated as an API. Pin to Setuptools<81.", UserWarning, stacklevel=2)
warnings.warn("declare_namespace is deprecated", DeprecationWarning)
class DistributionNotFound(Exception): pass
class VersionConflict(Exception): pass
def require(requirement):
    if not requirement.startswith("cupy>="): raise DistributionNotFound
    raise VersionConflict
def get_distribution(name):
    import types
    return types.SimpleNamespace(version="13.6.0")
"""


def run(code, *options, path=ROOT):
    """Run code in an interpreter of its own; return what it printed, and what it put on the error stream."""
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("PYTHONWARNINGS", None)
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def with_old_pkg_resources(tmp_path):
    (tmp_path / "pkg_resources.py").write_text(OLD_PKG_RESOURCES)
    return os.pathsep.join([str(tmp_path), ROOT])


class TestImport:
    def test_works_where_the_modules_are_gone_and_leaves_no_stand_ins(self):
        _, errors = run(
            MODULES_REMOVED
            + """
import tgan_chainer, chainer, numpy
assert chainer.__version__ == "7.8.1"
left = [name for name in sys.modules if name.startswith(("numpy.distutils", "pkg_resources"))]
assert not left, left
assert "distutils" not in vars(numpy)
try:
    import pkg_resources
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("a fake pkg_resources is left for others to find")
""",
            "-W",
            "default",
        )
        assert errors == ""

    def test_uses_the_modules_that_are_there(self, with_old_pkg_resources):
        run(
            MODULES_PRESENT
            + """
import pkg_resources
given = [sys.modules[name] for name in ("numpy.distutils", "numpy.distutils.system_info", "pkg_resources")]
import tgan_chainer
import chainer._environment_check as check
assert check.pkg_resources is pkg_resources
after = [sys.modules[name] for name in ("numpy.distutils", "numpy.distutils.system_info", "pkg_resources")]
assert all(a is b for a, b in zip(given, after)), after
assert numpy.distutils is given[0] and numpy.distutils.system_info is given[1]
""",
            path=with_old_pkg_resources,
        )

    def test_keeps_the_numpy_names_that_are_there(self):
        run("""
import numpy
sctypes = numpy.sctypes = {"int": [numpy.int8], "float": [numpy.float64]}
numpy.float = "theirs"
import tgan_chainer
assert numpy.sctypes is sctypes
assert numpy.float == "theirs"
""")

    def test_says_nothing(self):
        output, errors = run("import tgan_chainer, chainer", "-W", "default")
        assert (output, errors) == ("", "")

    def test_says_nothing_of_pkg_resources_and_of_cupys_version(self, with_old_pkg_resources):
        bare = 'numpy.sctypes = {"int": [numpy.int8], "float": [numpy.float32]}; import chainer'
        _, errors = run(MODULES_PRESENT + bare, path=with_old_pkg_resources)
        assert "pkg_resources is deprecated" in errors and "may not be compatible" in errors
        _, errors = run(MODULES_PRESENT + "import tgan_chainer", "-W", "default", path=with_old_pkg_resources)
        assert errors == ""

    def test_lets_other_warnings_through(self):
        _, errors = run("""
import warnings
from tgan_chainer._chainer_compat import legacy_imports
with legacy_imports():
    warnings.warn("the disk is full")
""")
        assert "the disk is full" in errors


class TestLegacyImports:
    def test_makes_chainers_test_tools_importable(self):
        run(
            MODULES_REMOVED
            + """
from tgan_chainer._chainer_compat import legacy_imports
with legacy_imports():
    import chainer.testing, chainer.gradient_check
assert "pkg_resources" not in sys.modules
chainer.testing.assert_allclose(1, 1)
chainer.testing.with_requires("numpy>=1.0")
"""
        )

    def test_cleans_up_after_an_error(self):
        run(
            MODULES_REMOVED
            + """
from tgan_chainer._chainer_compat import legacy_imports
try:
    with legacy_imports():
        assert "pkg_resources" in sys.modules and "numpy.distutils.system_info" in sys.modules
        raise KeyError
except KeyError:
    pass
assert "pkg_resources" not in sys.modules and "numpy.distutils" not in sys.modules
"""
        )


class TestRestoredNumpyNames:
    def test_as_strided(self):
        x = chainer.Variable(np.arange(6, dtype=np.float32))
        F.sum(F.as_strided(x, (4, 3), (1, 1))).backward()
        np.testing.assert_array_equal(x.grad, [1, 2, 3, 3, 2, 1])

    def test_resize_images(self):
        constant = np.full((1, 2, 3, 4), 7, np.float32)
        np.testing.assert_allclose(F.resize_images(constant, (6, 5)).array, 7, rtol=1e-6)


class MakesFolder:
    """Unpickles by making a folder, which tells that it was unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class TestLoadNpz:
    @pytest.fixture
    def trap(self, tmp_path):
        """A snapshot of a link, with code in place of a bias; and the folder that the code makes."""
        sprung = str(tmp_path / "sprung")
        path = str(tmp_path / "snapshot_iter_1")
        with open(path, "wb") as file:
            np.savez(file, W=np.zeros((1, 1), np.float32), b=np.array(MakesFolder(sprung), dtype=object))
        return path, sprung

    def test_the_trap_works(self, trap):
        path, sprung = trap
        with np.load(path, allow_pickle=True) as arrays:
            arrays["b"]
        assert os.path.isdir(sprung)

    def test_refuses_a_path(self, trap):
        path, sprung = trap
        with pytest.raises(ValueError, match="allow_pickle"):
            chainer.serializers.load_npz(path, L.Linear(1, 1))
        assert not os.path.exists(sprung)

    def test_refuses_an_open_file(self, trap):
        path, sprung = trap
        with open(path, "rb") as file, pytest.raises(ValueError, match="allow_pickle"):
            chainer.serializers.load_npz(file, L.Linear(1, 1))
        assert not os.path.exists(sprung)

    def test_refuses_a_snapshot_that_chainer_finds_by_itself(self, trap):
        path, sprung = trap
        snapshot = extensions.snapshot_object(L.Linear(1, 1), "snapshot_iter_{}", autoload=True)
        with pytest.raises(ValueError, match="allow_pickle"):
            snapshot.initialize(types.SimpleNamespace(out=os.path.dirname(path)))
        assert not os.path.exists(sprung)

    def test_loads_what_chainer_saves(self, tmp_path):
        saved, loaded = L.BatchNormalization(3), L.BatchNormalization(3)
        saved.gamma.array[...] = [1, 2, 3]
        path = str(tmp_path / "link.npz")
        chainer.serializers.save_npz(path, saved)
        chainer.serializers.load_npz(path, loaded)
        np.testing.assert_array_equal(loaded.gamma.array, [1, 2, 3])


def test_chainer_is_the_version_that_the_patches_were_written_for():
    assert _chainer_compat.chainer.__version__ == "7.8.1"
