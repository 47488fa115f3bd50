"""What reads each kind of input: commands that use it, and what comes of it, to compare."""

import json
import os
import shutil

import numpy as np
from campaign.inputs import CLASSIFIER, TINY

# Each function takes the function that runs a command, the path of the input and a folder that is empty;
# it returns the outcome and, as something that can be compared by ==, the result, or None if there is none.


def _arrays(path):
    with np.load(path) as file:
        return {
            key: (file[key].dtype.str, file[key].shape, file[key].tobytes())
            for key in file
            if key != "metadata"
        }


def _score(path):
    with open(path) as file:
        return json.load(file)["scores"]


def _result(outcome, read, path):
    return outcome, read(path) if outcome.status == 0 and os.path.exists(path) else None


def _bytes(path):
    with open(path, "rb") as file:
        return file.read()


def generate(run, sound, path, folder):
    out = os.path.join(folder, "x.npy")
    return _result(run("generate", path, "--gpu", -1, "--num", 2, "--out", out, folder=folder), _bytes, out)


def interpolate(run, sound, path, folder):
    out = os.path.join(folder, "x.npy")
    arguments = "--gpu", -1, "--num", 1, "--factor", 2, "--out", out
    return _result(run("interpolate", path, *arguments, folder=folder), _bytes, out)


def figure3(run, sound, path, folder):
    out = os.path.join(folder, "x.png")
    arguments = "--gpu", -1, "--num", 1, "--out", out
    return _result(run("figures", 3, path, *arguments, folder=folder), os.path.exists, out)


def resume(run, sound, path, folder):
    shutil.copy(path, os.path.join(folder, "snapshot_iter_6.npz"))
    outcome = run("train", "--gpu", -1, "--out", folder, "--resume", "--iterations", 7, folder=folder)
    return _result(outcome, _arrays, os.path.join(folder, "generator_iter_7.npz"))


def gam(run, sound, path, folder):
    out = os.path.join(folder, "x.json")
    arguments = "--gpu", -1, "--samples", 4, "--bootstrap", 0, "--data", sound.data, "--out", out

    def scores(path):
        with open(path) as file:
            return json.load(file)["r_sample"]

    return _result(run("evaluate", "gam", sound.snapshot, path, *arguments, folder=folder), scores, out)


def inception(run, sound, path, folder, classifier=None, samples=2):
    out = os.path.join(folder, "x.json")
    arguments = (
        "--gpu",
        -1,
        "--samples",
        samples,
        "--repeats",
        1,
        "--classifier",
        classifier or sound.classifier,
    )
    return _result(run("evaluate", "inception", path, *arguments, "--out", out, folder=folder), _score, out)


def inception_of_data(run, sound, path, folder):
    return inception(run, sound, path, folder, samples=6)


def classify(run, sound, path, folder):
    return inception(run, sound, sound.array, folder, classifier=path)


def fine_tune(run, sound, path, folder):
    out = os.path.join(folder, "c.npz")
    arguments = sound.data, "--init", path, "--out", out, *CLASSIFIER, "--iterations", 1
    return _result(run("train_classifier", *arguments, folder=folder), _arrays, out)


def train(run, sound, path, folder):
    out = os.path.join(folder, "run")
    outcome = run("train", *TINY, "--data", path, "--out", out, "--iterations", 1, folder=folder)
    return _result(outcome, _arrays, os.path.join(out, "generator_iter_1.npz"))


def train_classifier(run, sound, path, folder):
    out = os.path.join(folder, "c.npz")
    outcome = run("train_classifier", path, "--out", out, *CLASSIFIER, folder=folder)
    return _result(outcome, _arrays, out)


def train_config(run, sound, path, folder):
    out = os.path.join(folder, "run")
    arguments = "--config", path, "--gpu", -1, "--data", sound.data, "--out", out, "--iterations", 1
    arguments += "--batch-size", 2, "--temporal-width", 8, "--image-width", 8, "--discriminator-width", 2
    return _result(run("train", *arguments, folder=folder), os.path.exists, out)


def figure2(run, sound, path, folder):
    """``path`` is a results folder."""
    out = os.path.join(folder, "x.png")
    return _result(run("figures", 2, path, "--out", out, folder=folder), os.path.exists, out)


def resume_run(run, sound, path, folder):
    """``path`` is a results folder."""
    outcome = run("train", "--gpu", -1, "--out", path, "--resume", "--iterations", 7, folder=folder)
    return _result(outcome, _arrays, os.path.join(path, "generator_iter_7.npz"))


def report(run, sound, path, folder):
    """``path`` is a folder with tables."""
    out = os.path.join(folder, "x.html")
    return _result(run("report", path, "--gpu", -1, "--out", out, folder=folder), os.path.exists, out)
