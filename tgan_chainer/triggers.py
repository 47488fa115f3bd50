"""When a run stops: at its last iteration, or after the iteration in which a signal came."""

import os
import signal


class IterationsOrSignal:
    """A stop trigger that turns SIGINT (Ctrl-C) and SIGTERM into a stop between two iterations.

    A context manager: the signals' old handlers come back at its end. A second signal is not waited for:
    it ends the process as it would have without this.

    Args:
        iterations (int): Where the run ends.

    Attributes:
        signal (int): Number of the signal that came, or None.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, iterations):
        self.iterations = iterations
        self.signal = None
        self._answer = (-1, False)

    def __call__(self, trainer):
        # Whoever asks in the same iteration gets the same answer. Otherwise a signal that comes between the
        # extensions and the end of the iteration would stop the run without a snapshot.
        iteration = trainer.updater.iteration
        if self._answer[0] != iteration:
            self._answer = iteration, self.signal is not None or iteration >= self.iterations
        return self._answer[1]

    def every(self, interval):
        """Return a trigger that fires every ``interval`` iterations and in the last one."""
        return lambda trainer: trainer.updater.iteration % interval == 0 or self(trainer)

    def __enter__(self):
        self._old = {number: signal.signal(number, self._handle) for number in self._SIGNALS}
        return self

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _handle(self, number, _):
        if self.signal is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.signal = number
        # Not print(), which the signal may have interrupted.
        os.write(2, b"\nfinishing the iteration to write a snapshot; the same once more ends at once\n")
