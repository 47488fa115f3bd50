"""Checks of constructor arguments and input shapes, worded the same everywhere."""

import difflib

from tgan_chainer.errors import InputError


def check_positive_int(**arguments):
    """Raise InputError unless each keyword argument is an int of at least 1."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number of at least 1, not {value!r}")


def check_seed(seed):
    """Raise InputError unless a number is a seed of NumPy's random numbers, 0 to 2³² - 1."""
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be in 0 ... {2**32 - 1}, not {seed}")


def check_multiple(of, why, **arguments):
    """Raise InputError unless each keyword argument is a positive multiple of ``of``."""
    check_positive_int(**arguments)
    for name, value in arguments.items():
        if value % of:
            raise InputError(f"{name} must be a multiple of {of} ({why}), not {value}")


def suggestion(word, known):
    """Return which of the known words may have been meant, as a question, or an empty text."""
    nearest = difflib.get_close_matches(word[:60] if isinstance(word, str) else "", known, 1)
    return f"did you mean {nearest[0]}?" if nearest else ""


def check_shape(name, array, expected):
    """Raise InputError unless ``array.shape`` is ``expected``; a string there stands for any size.

    Args:
        name (str): The argument's name, for the message.
        array: Anything with a shape.
        expected (tuple): One int or one str (a free size's name, e.g. ``"N"``) for each axis.
    """
    shape = array.shape
    fits = len(shape) == len(expected) and all(
        isinstance(size, str) or size == actual for size, actual in zip(expected, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, expected))
        raise InputError(f"{name} must have the shape ({wanted}), not {tuple(shape)}")
