"""In what an inception score departs from the published ones, so that nobody takes it for one of them."""

from tgan_chainer.evaluations.measures import N_REPEATS, N_SAMPLES

ITERATIONS = 100_000  # after which the paper's scores were taken
SIZE = "64×64"


def departures(measured, classifier, source, window="random"):
    """Compare how a score came about with how those of Table 4 did.

    Args:
        measured (dict): What :func:`~tgan_chainer.evaluations.measure_inception` returned.
        classifier (dict), source (dict): Descriptions of the :class:`VideoClassifier` and the
            :class:`VideoSource`.
        window (str): Which frames of longer videos were taken.

    Returns:
        list of str: The differences; empty if none is known.
    """
    found = []
    for key, papers in ("samples", N_SAMPLES), ("repeats", N_REPEATS), ("splits", 1):
        if measured[key] != papers:
            found.append(f"{measured[key]:,} {key} instead of {papers:,}")
    if not classifier.get("published"):
        found.append(f"classifier {classifier['weights']['file']}, not the published one")
    if window != "random":
        found.append(f"the {window} frames of longer videos instead of random ones")
    if not source["frames"].startswith(SIZE):
        found.append(f"frames {source['frames']} instead of {SIZE}")
    if source.get("frame rate", "as they are") != "as they are":
        found.append(f"resampled to {source['frame rate']}")
    if source.get("iteration", ITERATIONS) < ITERATIONS:
        found.append(f"iteration {source['iteration']:,} instead of {ITERATIONS:,}")
    if source["kind"] == "data set" and not source["source"].startswith("UCF-101 (all)"):
        found.append(f"data: {source['source']}, not all of UCF-101")
    return found
