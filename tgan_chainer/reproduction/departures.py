"""In what a run, data or a measurement depart from those behind a published number.

A score with departures is none of the paper's. Each departure is a fact with a name, found by comparing
values, never by reading a sentence: what a run or a file calls itself does not matter.
"""

from tgan_chainer.config import Departure
from tgan_chainer.evaluations.protocols import TGAN
from tgan_chainer.reproduction import rows

REDUCED = "REDUCED: not a reproduction of the paper's numbers."  # what departs says so wherever it is shown


def as_json(departures):
    """Return departures as a list of dicts, for a JSON file."""
    return [departure._asdict() for departure in departures]


def from_json(entries):
    """Return the departures in a JSON file, a list of dicts as of :func:`as_json`."""
    return [Departure(str(entry["what"]), entry["here"], entry["there"]) for entry in entries]


def of_run(run, row):
    """Compare a run's settings and iterations with those of a row of the paper.

    Args:
        run: What has ``config`` (Config) and ``iteration`` (int).
        row (str): The name of the row's configuration.

    Returns:
        list of Departure
    """
    paper = rows.configuration(row)
    found = []
    if run.iteration < paper.iterations:
        found.append(Departure("iterations", run.iteration, paper.iterations))
    return found + run.config.compare(paper)


def of_data(facts, published):
    """Compare data with the published ones.

    Args:
        facts (dict or None): The data's ``VideoDataset.facts``, or those that a run was trained on. Files of
            older versions do not say what they hold, which is a departure.
        published (dict): Such facts of the published data, as in :mod:`~tgan_chainer.reproduction.rows`.

    Returns:
        list of Departure: If it is another data set, just that.
    """
    facts = facts or {}
    if facts.get("dataset") != published["dataset"]:
        return [Departure("data", facts.get("dataset"), published["dataset"])]
    return [
        Departure(f"data's {key}", facts.get(key), there)
        for key, there in published.items()
        if facts.get(key) != there
    ]


def of_source(source, protocol):
    """Compare what is scored, a :class:`VideoSource`, with what the protocol's papers scored.

    Returns:
        list of Departure: Of a generator those of its data and, with TGAN's protocol, of its settings from
        those of the nearest row of Table 4; of a data set those of the data. Of files nothing can be told.
    """
    kind, facts = source.description["kind"], source.description.get("facts")
    if kind not in ("generator", "data_set"):
        return []
    if protocol is not TGAN:  # of others' models only the data can be told
        return of_data(facts, rows.UCF101_VIDEOS)
    found = of_data(facts, rows.UCF101)
    if kind == "generator":
        found = of_run(source.run, rows.nearest(source.run.config, rows.configurations(4))) + found
    return found


def of_measuring(measured, classifier, source, protocol, window="random"):
    """Compare how an inception score or a Fréchet distance was measured with its protocol.

    Args:
        measured (dict): What :func:`~tgan_chainer.evaluations.measure_inception` or
            :func:`~tgan_chainer.evaluations.measure_frechet` returned.
        classifier (VideoClassifier): The classifier.
        source (dict): The description of the :class:`VideoSource`.
        protocol (Protocol): The protocol.
        window (str): Which frames of longer videos were taken: "random", "first" or "middle".

    Returns:
        list of Departure
    """
    numbers = {"samples": protocol.samples, "repeats": protocol.repeats, "splits": 1}
    if "frechet_distance" in measured:
        numbers = {
            "samples": protocol.frechet_samples,
            "repeats": protocol.frechet_repeats,
            "reference_samples": (protocol.frechet_windows or 1) * protocol.clips,
        }
    found = [Departure(key, measured[key], there) for key, there in numbers.items() if measured[key] != there]
    if measured["unreadable"]:
        found.append(Departure("unreadable videos", len(measured["unreadable"]), 0))
    found += of_classifier(classifier)
    if window != "random":
        found.append(Departure("frames of longer videos", window, "random"))
    if protocol.video_size is not None and source["size"] != protocol.video_size:
        found.append(Departure("size", source["size"] or "as it is", protocol.video_size))
    if source.get("fps") is not None:
        found.append(Departure("frame rate", source["fps"], "the videos' own"))
    return found


def of_classifier(classifier):
    """Compare a :class:`VideoClassifier` with the published one, and its accuracy with what chance gives."""
    if classifier.description.get("published"):
        return []
    weights = classifier.description["weights"]
    file = weights["file"] if isinstance(weights, dict) else weights
    found = [Departure("classifier", file, "the published one")]
    if classifier.doubt is not None:
        found.append(Departure("classifier's accuracy", classifier.doubt, "better than guessing"))
    return found


def of_game(measured, players, n_samples):
    """Compare a game with one of Table 3, where A is TGAN.

    Args:
        measured (dict): What :func:`~tgan_chainer.evaluations.measure_gam` returned.
        players (sequence of two pairs): A's and B's run and row, both as :func:`of_run` takes them.
        n_samples (int): Samples of each model. (The paper says "a sufficient number".)

    Returns:
        list of Departure: What holds for both players is told once.
    """
    found = [departure for run, row in players for departure in of_run(run, row)]
    row_a = players[0][1]
    if row_a != rows.PLAYER_A:
        found.append(Departure("model A", row_a, rows.PLAYER_A))
    for run, _ in players:
        found += of_data(run.data, rows.MOVING_MNIST)
    iterations = [run.iteration for run, _ in players]
    if iterations[0] != iterations[1]:
        found.append(Departure("iterations of A and B", iterations, "equally many"))
    if measured["samples"] < n_samples:
        found.append(Departure("samples", measured["samples"], n_samples))
    return [departure for i, departure in enumerate(found) if departure not in found[:i]]
