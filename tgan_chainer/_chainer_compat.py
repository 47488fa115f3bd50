"""The one place that knows that Chainer is frozen.

Chainer 7.8.1 is its last release and was written for the Python and NumPy of 2021. Importing this module
imports Chainer on today's ones: it lends Chainer the modules and names that have since been removed, and
nothing where nothing is missing. It also makes Chainer's snapshot loader refuse pickles.
"""

import contextlib
import importlib
import sys
import types
import warnings

import numpy


class _NothingInstalledError(Exception):
    """Stands in for the exceptions of ``pkg_resources``."""


def _require(*requirements):
    raise _NothingInstalledError(f"pkg_resources is not there to tell whether {requirements} are installed")


class _WorkingSet:
    require = staticmethod(_require)


# What Chainer takes from each module that it imports unconditionally, should the module be gone. With these,
# its check of optional dependencies finds none to complain about, and its look at macOS's BLAS finds nothing.
_STAND_INS = {
    # chainer/_environment_check.py; removed from Python >= 3.12 and from NumPy >= 2.5.
    "numpy.distutils": {},
    "numpy.distutils.system_info": {"get_info": lambda *names: {}},
    # chainer/_environment_check.py, chainer/testing/helper.py; removed from setuptools >= 82.
    "pkg_resources": {
        "require": _require,
        "WorkingSet": _WorkingSet,
        "DistributionNotFound": _NothingInstalledError,
        "ResolutionError": _NothingInstalledError,
    },
}

# Warnings that only say that Chainer is old, which the user of this package can do nothing about. Each is
# matched by its own words, so that other warnings still show.
_MESSAGES_ABOUT_AGE = (
    r"pkg_resources is deprecated",
    r"(?s).*may not be compatible with this version of Chainer",  # CuPy >= 8, built from source
    r"Setuptools is replacing distutils",  # numpy.distutils, of the NumPys that still have it
    r"Distutils was imported before Setuptools",
    # chainer/backends/cuda.py: CuPy >= 14 cannot have cuDNN, and CuPy < 14 says by itself how to add it.
    r"cuDNN is not enabled",
    # chainer/training/updaters/multiprocess_parallel_updater.py asks for NCCL, which one GPU does not need.
    r"\s*nccl library could not be loaded",
)


@contextlib.contextmanager
def legacy_imports():
    """Let Chainer's modules be imported inside the block, although modules they import have been removed.

    The stand-ins leave ``sys.modules`` with the block: a lasting fake ``pkg_resources`` would mislead other
    libraries, which try to import it to learn whether it is there. ``import tgan_chainer`` has done this for
    ``import chainer``; ``chainer.testing`` needs it once more.
    """
    lent = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        for message in _MESSAGES_ABOUT_AGE:
            warnings.filterwarnings("ignore", message)
        try:
            for name, content in _STAND_INS.items():
                if not _importable(name):
                    lent.append(name)
                    _lend(name, content)
            yield
        finally:
            for name in reversed(lent):
                _take_back(name)


def _importable(name):
    try:
        importlib.import_module(name)
    except Exception:  # old setuptools on Python 3.12 and new ones under numpy.distutils fail in many ways
        return False
    return True


def _lend(name, content):
    stand_in = types.ModuleType(name)
    vars(stand_in).update(content)
    sys.modules[name] = stand_in
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, stand_in)


def _take_back(name):
    del sys.modules[name]
    parent, _, child = name.rpartition(".")
    if parent:
        delattr(sys.modules[parent], child)


def _restore_numpy_names():
    """Put back the names that NumPy has removed and that Chainer 7.8.1 reads, and no others."""
    removed = {
        # chainer/functions/array/as_strided.py, at import; removed in NumPy 2.0. It reads these two keys.
        "sctypes": {
            "int": [numpy.int8, numpy.int16, numpy.int32, numpy.int64],
            "float": [numpy.float16, numpy.float32, numpy.float64, numpy.longdouble],
        },
        # chainer/functions/array/resize_images.py; removed in NumPy 1.24.
        "float": float,
    }
    for name, value in removed.items():
        with warnings.catch_warnings():  # just asking for a deprecated name warns
            warnings.simplefilter("ignore")
            missing = not hasattr(numpy, name)
        if missing:
            setattr(numpy, name, value)


_restore_numpy_names()
with legacy_imports():
    import chainer
    from chainer.serializers import npz

# chainer/serializers/npz.py opens files with allow_pickle=True, so that a stranger's snapshot could run code.
# Parameters, optimizer states and logs are plain arrays, which need no pickle.
npz._allow_pickle_kwargs["allow_pickle"] = False

__all__ = ["chainer", "legacy_imports"]
