"""Labels as people write them."""

import difflib

import numpy as np

from tgan_chainer.errors import InputError


def parse_labels(texts, generator):
    """Turn names or numbers of labels into numbers.

    Args:
        texts (list of str): Names as in ``generator.label_names``, numbers from 0, or ``["all"]``.
        generator (Generator): A conditional one.

    Returns:
        list of int: In 0 ... V - 1.

    Raises:
        InputError: The generator is not conditional, or knows no such label (with the nearest that it knows).
    """
    if not generator.n_classes:
        raise InputError("this generator is not conditional: it was trained without labels")
    if texts == ["all"]:
        return list(range(generator.n_classes))
    return [_parse_label(text, generator) for text in texts]


def repeat_labels(texts, n, generator):
    """Return the labels of n videos for each that is named, int (N,), and N; None and n if none is named.

    Arguments and errors are those of :func:`parse_labels`, but that ``texts`` may be None.
    """
    if not texts:
        return None, n
    labels = np.repeat(parse_labels(texts, generator), n)
    return labels, len(labels)


def label_name(label, generator):
    """Return the name of a label, or its number as text where it has none."""
    return generator.label_names[label] if generator.label_names else str(label)


def _parse_label(text, generator):
    names = generator.label_names or []
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < generator.n_classes:
        return int(text)
    nearest = difflib.get_close_matches(text, names, 1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"labels are 0 ... {generator.n_classes - 1}"
    if names and not nearest:
        hint += f", or names such as {', '.join(names[:3])}"
    raise InputError(f"there is no label {text!r}; {hint}")
