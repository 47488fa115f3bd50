"""In what an inception score departs from the published ones, so that nobody takes it for one of them."""

from tgan_chainer.config import Config
from tgan_chainer.evaluations.measures import N_REPEATS, N_SAMPLES

ITERATIONS = Config.iterations  # the paper's, after which its scores were taken
SIZE = 64
DATA = "UCF-101 (all)"  # how the source of the data set begins


def departures(measured, classifier, source, window="random"):
    """Compare how a score came about with how those of Table 4 did, what was scored included.

    Args:
        measured (dict): What :func:`~tgan_chainer.evaluations.measure_inception` returned.
        classifier (dict), source (dict): Descriptions of the :class:`VideoClassifier` and the
            :class:`VideoSource`.
        window (str): Which frames of longer videos were taken: "random", "first" or "middle".

    Returns:
        list of str: The differences; empty if none is known.
    """
    found = departures_of_measuring(measured, classifier, source, window)
    if source["kind"] == "generator":
        if source["iteration"] < ITERATIONS:
            found.append(f"iteration {source['iteration']:,} instead of {ITERATIONS:,}")
        # By how train.py and the reduced configurations describe themselves.
        found += [source["training"]] if {"CHANGED:", "REDUCED"} & set(source["training"].split()) else []
    data = source.get("trained on", source.get("source", DATA))
    if not data.startswith(DATA):
        found.append(f"data: {data}, not {DATA}")
    return found


def departures_of_measuring(measured, classifier, source, window="random"):
    """As :func:`departures`, but only of what happens to a video, whatever it is."""
    found = []
    for key, papers in ("samples", N_SAMPLES), ("repeats", N_REPEATS), ("splits", 1):
        if measured[key] != papers:
            found.append(f"{key}: {measured[key]:,} instead of {papers:,}")
    if not classifier.get("published"):
        found.append(f"classifier {classifier['weights']['file']}, not the published one")
    if window != "random":
        found.append(f"the {window} frames of longer videos instead of random ones")
    if source["size"] != SIZE:
        found.append(f"frames of {source['size'] or 'their own'} pixels instead of {SIZE}")
    if source.get("fps"):
        found.append(f"resampled to {source['fps']} frames a second")
    return found
