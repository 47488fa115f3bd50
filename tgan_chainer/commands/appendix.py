"""What a score depends on as text, a paragraph for a paper's appendix."""

from tgan_chainer.evaluations.gam import score_text
from tgan_chainer.reproduction import departures
from tgan_chainer.texts import count

INTERPOLATIONS = {
    "bicubic": "bicubic, a = -0.75, no antialiasing",
    "bilinear": "bilinear, corners on corners, no antialiasing",
}


def verdict(result, protocol=None):
    """Return the line that says whether a score can be compared with published ones, and the classifier's."""
    papers = "the paper's scores" if protocol is None else f"the scores of {protocol.papers}"
    found = result["departures"]
    if found is None:
        lines = [f"No such distances were published under the protocol {result['protocol']}."]
    elif found:
        text = "; ".join(departure.text for departure in departures.from_json(found))
        lines = [f"NOT COMPARABLE with {papers}: {text}."]
    else:
        lines = [f"Comparable with {papers}, as far as the files tell."]
    doubt = result.get("classifier", {}).get("doubt")
    if doubt == "not tested":
        lines.append("CAUTION: how good this classifier is was never tested, or not written down.")
    elif doubt is not None:
        lines.append(f"CAUTION: this classifier does no better than guessing (accuracy {doubt:.1%}).")
    return lines


def describe_source(source):
    """Return what a source is, in words; for what else its networks are, their SHA-256 stands."""
    left_out = "kind", "path", "facts", "training"
    details = [f"{_words(key)} {value}" for key, value in source.items() if key not in left_out and value]
    return f"{_words(source['kind'])} {source['path']} ({', '.join(details)})"


def describe_score(result, protocol, score, samples, method):
    """Return the lines of an inception score or a Fréchet distance.

    Args:
        result (dict): What was measured, and how.
        protocol (Protocol): By which protocol.
        score (str): The score, and in parentheses, still open, of how many samples.
        samples (str): Where they come from.
        method (str): How the score was computed from what the classifier says.
    """
    window = f"{result['window']} {result['n_frames']} frames"
    return [
        f"{score}; protocol {result['protocol']}).",
        *verdict(result, protocol),
        "",
        f"Samples: {samples}; {window}; seed {result['seed']}.",
        f"{_describe_classifier(result['classifier'], protocol)} {method}",
        describe_making(result),
    ]


def _words(key):
    return key.replace("_", " ")


def _describe_classifier(classifier, protocol):
    taken = classifier["input"]
    scale = "" if taken["scale"] == 1 else f", times {taken['scale']:g}"
    rows, columns = (f"{first} to {last}" for first, last in (protocol.mean_rows, protocol.mean_columns))
    of_mean = f" (its rows {rows}, columns {columns})" if "mean" in classifier else ""
    training = ""
    if "training" in classifier:
        how = classifier["training"]
        data = how.get("data")
        data = data.get("source") if isinstance(data, dict) else None
        details = [
            f"{_words(key)} {how[key]}"
            for key in ("iteration", "accuracy", "guessing", "validation_clips")
            if key in how
        ]
        training = f" Trained by train_classifier.py on {data or 'unknown data'}; {', '.join(details)}."
    files = "; ".join(
        f"{kind} {file['file']}, SHA-256 {file['sha256']}"
        for kind, file in classifier.items()
        if kind in ("weights", "mean")
    )
    return (
        f"Classifier: C3D, {count(classifier['classes'], 'class')} ({files}). "
        f"Input: 128 x + 128, each frame to {taken['size']}x{taken['size']} "
        f"({INTERPOLATIONS[taken['interpolation']]}), RGB to BGR, less the mean{of_mean}{scale}, "
        f"the middle {taken['crop']}x{taken['crop']} pixels.{training}"
    )


def describe_making(result):
    made_by = result["made_by"]
    speed = result.get("samples_per_second")
    speed = f", {speed:.2f} videos/s" if speed else ""
    kept = f", {count(result['kept'], 'video')} scored before" if result.get("kept") else ""
    return (
        f"tgan_chainer {made_by['version']}, commit {made_by['commit'] or 'unknown'}, {made_by['hardware']}, "
        f"{result['seconds']:.0f} s{speed}{kept}, {made_by['date']}."
    )


def with_spread(value, spread):
    return f"{value:.2f}" + ("" if spread is None else f" ± {spread:.2f}")


def single(values):
    if len(values) < 2:
        return ""
    values = ", ".join(f"{value:.4f}" for value in values)
    return f"; mean ± standard deviation (divided by n) of the single ones {values}"


def with_interval(result, key):
    interval = result[f"{key}_interval"]
    interval = "" if interval is None else f" [{', '.join(score_text(end, '.3f') for end in interval)}]"
    return score_text(result[key], ".3f") + interval
