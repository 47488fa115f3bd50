import sys

from tqdm import tqdm

from chainer.training import extension


class Console(extension.Extension):
    """A progress bar with the time left, and a line of losses whenever the log has a new entry.

    Where the output is not a terminal there is no bar, and each line tells the time left instead.

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

    def __call__(self, trainer):
        self._bar.update()
        for entry in self._log.entries[self._n_printed :]:
            seconds = (trainer.elapsed_time - self._first_time) / (
                trainer.updater.iteration - self._first_iteration
            )
            left = tqdm.format_interval(seconds * (self._iterations - trainer.updater.iteration))
            losses = "  ".join(f"{key} {entry[key]:+.4f}" for key in sorted(entry) if "/" in key)
            line = f"{entry['iteration']:>7}/{self._iterations}  {losses}  {seconds:.2f} s/it  {left} left"
            self._bar.write(line, file=sys.stdout)
            sys.stdout.flush()
        self._n_printed = len(self._log.entries)

    def finalize(self):
        if self._bar is not None:
            self._bar.close()
