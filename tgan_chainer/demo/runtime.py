"""ONNX Runtime Web, which runs ONNX models in a browser: fetched once, or taken from npm's package."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

from tgan_chainer.download import UnreachableError, cache_folder, download
from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path
from tgan_chainer.reading import reading

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web@{VERSION}"
URL = f"https://cdn.jsdelivr.net/npm/{PACKAGE}/dist/"  # serves the files of npm's packages as they are
# Of the package's many builds the one that computes on the processor. Name → bytes, SHA-256.
FILES = {
    "ort.wasm.bundle.min.mjs": (73_054, "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"),
    "ort-wasm-simd-threaded.wasm": (
        14_239_897,
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
}
SCRIPT, WASM = FILES


def load_runtime(source=None):
    """Return the files of ONNX Runtime Web; they are exactly those of ``VERSION``.

    Args:
        source (str): npm's package, as ``npm pack`` fetches it, or a folder that it was unpacked to. None
            takes the files from the cache, and fetches them the first time: from ``URL`` or, where that
            cannot be reached, by npm, if it is installed.

    Returns:
        dict: Name → bytes, by the names of ``FILES``.

    Raises:
        InputError: A file cannot be fetched or is not there, or is of another version.
    """
    if source is None:
        source = os.path.join(cache_folder(), PACKAGE)
        try:
            _fetch(source)
        except UnreachableError as error:
            if not _fetch_by_npm(source, error.reason):
                raise
    if os.path.isdir(source):
        return {name: _read_checked(_find(source, name), name) for name in FILES}
    with reading(source, f"npm's package {PACKAGE}"), tarfile.open(source) as archive:
        return {name: _check(archive.extractfile(f"package/dist/{name}"), name, source) for name in FILES}


def _fetch(folder):
    """Fetch the files that are not in a folder; those that are there are checked."""
    for name, (size, sha256) in FILES.items():
        option = f"--runtime FILE, which `npm pack {PACKAGE}` fetches"
        download(URL + name, os.path.join(folder, name), size=size, sha256=sha256, option=option)


def _fetch_by_npm(folder, why):
    """Fetch the whole package, of which two files are kept; return whether that was possible."""
    npm = shutil.which("npm")
    if npm is None:
        return False
    print(f"{why}; fetching {PACKAGE} by npm, 33 MB", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        command = [npm, "pack", "--silent", "--pack-destination", temporary, PACKAGE]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=600)
        except subprocess.SubprocessError:
            return False
        archives = os.listdir(temporary)
        if len(archives) != 1:
            return False
        files = load_runtime(os.path.join(temporary, archives[0]))
    for name, content in files.items():
        with atomic_path(os.path.join(folder, name)) as path, open(path, "wb") as file:
            file.write(content)
    return True


def _find(folder, name):
    for inner in "", "dist", os.path.join("package", "dist"):
        path = os.path.join(folder, inner, name)
        if os.path.isfile(path):
            return path
    raise InputError(f"{folder} has no {name}; expected the unpacked package {PACKAGE} of npm")


def _read_checked(path, name):
    with open(path, "rb") as file:
        return _check(file, name, path)


def _check(file, name, source):
    size, sha256 = FILES[name]
    content = file.read(size + 1)
    if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{source}: {name} is not that of {PACKAGE}; npm pack {PACKAGE} fetches the package")
    return content
