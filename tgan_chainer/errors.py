"""The exceptions that do not mean "this code is wrong"."""


class InputError(ValueError):
    """Something that the caller handed over cannot be used.

    The message is one line, names what was wrong (the argument, file or key), what was found there and
    what would have been accepted. The commands print it without a traceback and exit with status 2.
    """


class ProcessesError(RuntimeError):
    """The processes of one run no longer agree. The commands print the message and exit with status 1."""


class NonFiniteError(ArithmeticError):
    """A loss or parameter became NaN or infinite; going on would only spread it.

    The commands print the message without a traceback and exit with status 1.
    """
