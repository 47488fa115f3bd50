"""Every command that writes, what it writes, and how to give it again."""

import dataclasses
import os
from collections.abc import Callable

from campaign.inputs import CLASSIFIER, TINY


@dataclasses.dataclass(frozen=True)
class Writer:
    """A command that writes into the folder that it runs in.

    Attributes:
        name (str): Of the command.
        arguments (callable): Takes the sound inputs, returns a list.
        out (str): What it makes, in that folder.
        again (callable): As ``arguments``, of the command that goes on after an interruption.
        exact (bool): Whether the same command makes the same bytes.
        prepare (callable): Takes the sound inputs and the folder, before the command is given.
    """

    name: str
    arguments: Callable
    out: str
    again: Callable = None
    exact: bool = True
    prepare: Callable = None

    def __str__(self):
        return f"{self.name} {os.path.splitext(self.out)[1]}".strip()


def _train(sound, *more):
    arguments = [*TINY, "--data", sound.data, "--out", "run", "--iterations", 10, "--snapshot-interval", 2]
    return [*arguments, "--preview-interval", 3, *more]


def _evaluate(sound, *more):
    arguments = ["--gpu", -1, "--samples", 8, "--repeats", 2, "--classifier", sound.classifier]
    return ["inception", sound.run, *arguments, "--out", "x.json", *more]


def _gam(sound):
    return ["gam", sound.run, sound.run, "--gpu", -1, "--samples", 16, "--bootstrap", 50, "--out", "x.json"]


WRITERS = (
    Writer("train", _train, "run", lambda sound: _train(sound, "--resume"), exact=False),
    Writer("generate", lambda s: [s.run, "--gpu", -1, "--num", 100, "--out", "x.npy"], "x.npy"),
    Writer("generate", lambda s: [s.run, "--gpu", -1, "--num", 16, "--out", "x.gif"], "x.gif"),
    Writer("generate", lambda s: [s.run, "--gpu", -1, "--num", 16, "--out", "x.mp4"], "x.mp4"),
    Writer("generate", lambda s: [s.run, "--gpu", -1, "--num", 12, "--each", "--out", "each/x.png"], "each"),
    Writer("interpolate", lambda s: [s.run, "--gpu", -1, "--num", 4, "--out", "x.png"], "x.png"),
    Writer("interpolate", lambda s: [s.run, "--gpu", -1, "--num", 40, "--out", "x.npy"], "x.npy"),
    Writer("figures", lambda s: [2, s.run, "--out", "x.png"], "x.png"),
    Writer("figures", lambda s: [3, s.run, "--gpu", -1, "--out", "x.gif"], "x.gif"),
    Writer("evaluate", _evaluate, "x.json", exact=False),
    Writer("evaluate", _gam, "x.json", exact=False),
    Writer("report", lambda s: [s.tables, "--gpu", -1, "--out", "x.html"], "x.html", exact=False),
    Writer(
        "train_classifier",
        lambda s: [s.data, "--out", "x.npz", *CLASSIFIER, "--validation-interval", 1],
        "x.npz",
        lambda s: [s.data, "--out", "x.npz", *CLASSIFIER, "--validation-interval", 1, "--force"],
        exact=False,
    ),
    Writer("moving_mnist", lambda s: ["--clips", 60, "--out", "x.h5"], "x.h5"),
    Writer("ucf101", lambda s: [s.ucf101, "x.h5", "--width", 20, "--height", 16, "--crop", 16], "x.h5"),
    Writer("golf", lambda s: [s.golf, os.path.join(s.golf, "list.txt"), "x.h5"], "x.h5"),
    Writer("video_folder", lambda s: [s.videos, "x.h5", "--size", 16], "x.h5"),
)
