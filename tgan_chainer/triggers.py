"""When a run stops: at its last iteration, or after the one in which a signal came or its time was over."""

import contextlib
import os
import select
import signal

from tgan_chainer.interruption import SIGNALS
from tgan_chainer.processes import ONE

_MESSAGE = b"\nfinishing the iteration to write a snapshot; the same once more ends at once\n"
_TIME_IS_OVER = b"\nthe time is over; finishing the iteration to write a snapshot\n"


class _AbandonedError(BaseException):
    """Ends what :meth:`IterationsOrSignal.attempt` called; no ``except Exception`` on the way takes it."""


class IterationsOrSignal:
    """A stop trigger that turns SIGINT (Ctrl-C), SIGTERM and SIGHUP into a stop between two iterations.

    A context manager: the signals' old handlers come back at its end. SIGINT or SIGTERM that come once more
    are not waited for: they end the process as they would have without this. (A closing terminal may well
    send SIGHUP twice.) Signals that were ignored before, as SIGHUP is by ``nohup``, stay so.

    A signal to one of several processes is one to all: they agree on it once an iteration, when each is asked
    for the first time.

    Args:
        iterations (int): Where the run ends.
        seconds (float): After how many it stops as by a signal, SIGALRM, counted from where the context
            manager is entered; None for no limit.
        processes (Processes): Those of the run.

    Attributes:
        signal (int): Number of the first signal that came, or None.
    """

    def __init__(self, iterations, seconds=None, processes=ONE):
        self.iterations, self.seconds = iterations, seconds
        self.signal = None
        self._processes = processes
        self._answer = (-1, False)
        self._may_abandon = False

    def __call__(self, trainer):
        # Whoever asks in the same iteration gets the same answer. Otherwise a signal that comes between the
        # extensions and the end of the iteration would stop the run without a snapshot.
        iteration = trainer.updater.iteration
        if self._answer[0] != iteration:
            self.agree()
            self._answer = iteration, self.signal is not None or iteration >= self.iterations
        return self._answer[1]

    def agree(self):
        """Take over a signal that came to another process. All have to call this."""
        self.signal = max(self._processes.gather(self.signal or 0)) or self.signal

    def every(self, interval):
        """Return a trigger that fires every ``interval`` iterations and in the last one."""
        return lambda trainer: self(trainer) or trainer.updater.iteration % interval == 0

    def every_without_haste(self, interval):
        """Return a trigger as :meth:`every` does, which no longer fires once a signal has come."""

        def is_due(trainer):
            iteration = trainer.updater.iteration
            return self.signal is None and (iteration % interval == 0 or iteration >= self.iterations)

        return is_due

    def attempt(self, function, *arguments):
        """Call a function; a signal that has come, or comes meanwhile, ends it at once."""
        try:
            self._may_abandon = True
            if self.signal is None:
                function(*arguments)
        except _AbandonedError:
            pass
        finally:
            self._may_abandon = False

    def __enter__(self):
        heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        if self.seconds is not None:
            heard.append(signal.SIGALRM)
        self._old = {number: signal.signal(number, self._handle) for number in heard}
        if self.seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        return self

    def __exit__(self, *_):
        if self.seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _handle(self, number, _):
        is_repeated = number in (signal.SIGHUP, signal.SIGALRM)
        signal.signal(number, signal.SIG_IGN if is_repeated else signal.SIG_DFL)
        if self.signal is None:
            self.signal = number
            with contextlib.suppress(OSError, ValueError):  # nobody may be left to read it
                if self._processes.is_first and select.select([], [2], [], 0)[1]:
                    # Not print(), which the signal may have interrupted.
                    os.write(2, _TIME_IS_OVER if number == signal.SIGALRM else _MESSAGE)
        if self._may_abandon:
            self._may_abandon = False
            raise _AbandonedError
