import sys

from tgan_chainer.errors import NonFiniteError
from tgan_chainer.reading import message_line

from chainer.training import extension


class Optional(extension.Extension):
    """Calls an extension that training can do without, such as one that draws a picture.

    If it fails, a warning says so, once. If a signal comes, it is abandoned: the
    snapshot must not wait for it.

    Args:
        extension (~chainer.training.Extension): What to call; its priority and trigger are kept.
        stop (IterationsOrSignal): Knows of signals.
    """

    def __init__(self, extension, stop):
        self._extension, self._stop = extension, stop
        self._has_failed = False
        self.trigger, self.priority = extension.trigger, extension.priority

    def initialize(self, trainer):
        self._attempt(self._extension.initialize, trainer)

    def __call__(self, trainer):
        self._attempt(self._extension, trainer)

    def finalize(self):
        self._guard(self._extension.finalize)  # after a signal, too: it closes files, or draws a picture

    def _attempt(self, function, trainer):
        self._guard(self._stop.attempt, function, trainer)

    def _guard(self, function, *arguments):
        try:
            function(*arguments)
        except NonFiniteError:
            raise
        except Exception as error:
            if not self._has_failed:
                what = f"{type(self._extension).__name__} failed: {type(error).__name__}: {error}"
                print(f"warning: {message_line(what)}; training can do without", file=sys.stderr)
            self._has_failed = True
