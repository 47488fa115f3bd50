"""The commands: what ``tgan NAME`` and the scripts in ``experiments/`` and ``datasets/`` run."""

import importlib
import os
import sys

from tgan_chainer.checks import suggestion
from tgan_chainer.commands import cli
from tgan_chainer.version import __version__

COMMANDS = {
    "train": "train a model",
    "show": "show what a data set or a folder of videos holds",
    "generate": "make videos with a trained generator",
    "interpolate": "make the frames between frames (Section 5.1)",
    "evaluate": "score videos: inception score, Fréchet distance, GAM",
    "export": "write trained networks as ONNX models, for use without Chainer",
    "demo": "write a web page that makes videos in the browser",
    "yardstick": "measure how legible moving digits are",
    "figures": "draw the paper's figures from runs",
    "train_classifier": "train a classifier for inception scores on labelled videos",
    "tables": "make Table 3 or 4: train, score, write",
    "report": "write one HTML page about the tables",
    "moving_mnist": "make the Moving MNIST data set",
    "ucf101": "make a data set of UCF-101",
    "golf": "make a data set of the golf scenes",
    "video_folder": "make a data set of your own videos",
}

OF_SEVERAL = "train", "evaluate"  # what several processes of mpiexec's can share


def run(name):
    """Run a command with the arguments of this process, and exit with its status."""
    cli.run_command(
        lambda: importlib.import_module(f"tgan_chainer.commands.{name}").main(), of_several=name in OF_SEVERAL
    )


def main():
    """Run ``tgan NAME ...``, NAME being a key of ``COMMANDS``, with ``-`` or ``_`` between words.

    Without a name the commands are listed.
    """
    name = sys.argv[1].replace("-", "_") if len(sys.argv) > 1 else ""
    if name in COMMANDS:
        del sys.argv[1]
        by_name = os.path.basename(sys.argv[0]) == "tgan"
        cli.program = [*(["tgan"] if by_name else [sys.executable, "-m", "tgan_chainer"]), name]
        run(name)
    from tgan_chainer.kernels import native  # late: it imports Chainer, which takes a second

    lines = (f"  {known:18}{what}" for known, what in COMMANDS.items())
    parser = cli.ArgumentParser(
        "Temporal Generative Adversarial Nets with Singular Value Clipping, in Chainer.\n\n"
        "commands, each with its own --help:\n" + "\n".join(lines),
        prog="tgan",
        usage="tgan COMMAND ...",
    )
    version = f"tgan_chainer {__version__}; kernels on a CPU: {native.description()}"
    parser.add_argument("--version", action="version", version=version)
    if name and not sys.argv[1].startswith("-"):
        hint = suggestion(name, COMMANDS) or "tgan --help lists all commands"
        parser.error(f"there is no command {sys.argv[1]}; {hint}")
    parser.parse_args()
    parser.print_help(sys.stderr)
    sys.exit(2)
