import sys

from tqdm import tqdm

from tgan_chainer import logs

from chainer.training import extension

# The time left is told after so many iterations. The first, which takes longer, does not count; of the others
# one in five is clipped by default.
_WARM_UP, _MEASURED = 1, 5


class Console(extension.Extension):
    """A progress bar with the time left, and a line of losses whenever the log has a new entry.

    Where the output is not a terminal there is no bar, and each line tells the time left instead. The first
    to do so comes after a few iterations.

    Args:
        log (Log): The log; it must have a higher priority.
        iterations (int): Where the run ends.
    """

    trigger = 1, "iteration"
    priority = extension.PRIORITY_READER - 10

    def __init__(self, log, iterations):
        self._log, self._iterations = log, iterations
        self._bar = None
        self._n_printed = 0

    def initialize(self, trainer):
        self._n_printed = len(self._log.entries)
        self._bar = tqdm(
            total=self._iterations,
            initial=trainer.updater.iteration,
            unit="it",
            dynamic_ncols=True,
            file=sys.stdout,
            disable=None,  # that is, where it is not a terminal
        )
        self._first_iteration, self._first_time = trainer.updater.iteration, trainer.elapsed_time
        self._tells_time_at = self._first_iteration + _WARM_UP + _MEASURED

    def __call__(self, trainer):
        self._bar.update()
        iteration = trainer.updater.iteration
        if iteration == self._tells_time_at - _MEASURED:
            self._warm_time = trainer.elapsed_time
        if iteration == self._tells_time_at and iteration < self._iterations:
            seconds = (trainer.elapsed_time - self._warm_time) / _MEASURED
            left = tqdm.format_interval(seconds * (self._iterations - iteration))
            self._print(f"{seconds:.2f} s an iteration, {left} to go")
        for entry in self._log.entries[self._n_printed :]:
            seconds = (trainer.elapsed_time - self._first_time) / (
                trainer.updater.iteration - self._first_iteration
            )
            left = tqdm.format_interval(seconds * (self._iterations - trainer.updater.iteration))
            names = logs.shown_names([entry])
            losses = "  ".join(f"{name} {logs.logged_text(name, entry[name])}" for name in names)
            self._print(
                f"{entry['iteration']:>7}/{self._iterations}  {losses}  {seconds:.2f} s/it  {left} left"
            )
        self._n_printed = len(self._log.entries)

    def _print(self, line):
        self._bar.write(line, file=sys.stdout)
        sys.stdout.flush()

    def finalize(self):
        if self._bar is not None:
            self._bar.close()
