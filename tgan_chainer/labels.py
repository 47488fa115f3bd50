"""Labels as people write them."""

import numpy as np

from tgan_chainer.checks import suggestion
from tgan_chainer.errors import InputError


def parse_labels(texts, run):
    """Turn names or numbers of labels into numbers.

    Args:
        texts (list of str): Names as in ``run.label_names``, numbers from 0, or ``["all"]``.
        run (Run): That of a conditional generator.

    Returns:
        list of int: In 0 ... V - 1.

    Raises:
        InputError: The generator is not conditional, or knows no such label (with the nearest that it knows).
    """
    n_classes = run.generator.n_classes
    if not n_classes:
        raise InputError("this generator is not conditional: it was trained without labels")
    if texts == ["all"]:
        return list(range(n_classes))
    return [_parse_label(text, run.label_names or [], n_classes) for text in texts]


def repeat_labels(texts, n, run):
    """Return the labels of n videos for each that is named, int (N,), and N; None and n if none is named.

    Arguments and errors are those of :func:`parse_labels`, but that ``texts`` may be None.
    """
    if not texts:
        return None, n
    labels = np.repeat(parse_labels(texts, run), n)
    return labels, len(labels)


def label_name(label, run):
    """Return the name of a label of a run, or its number as text where it has none."""
    return run.label_names[label] if run.label_names else str(label)


def _parse_label(text, names, n_classes):
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < n_classes:
        return int(text)
    named = f", or names such as {', '.join(names[:3])}" if names else ""
    hint = suggestion(text, names) or f"labels are 0 ... {n_classes - 1}{named}"
    raise InputError(f"there is no label {text!r}; {hint}")
