from tgan_chainer import logs

from chainer.reporter import DictSummary
from chainer.training import extension


class Log(extension.Extension):
    """Appends the means of what was reported since the last entry to the log, see :mod:`tgan_chainer.logs`.

    A snapshot keeps the sums since the last entry, which a resumed run adds to.

    Args:
        is_due (callable): Takes the trainer; whether an entry is due in this iteration.
        in_file (bool): Whether to write the log to the results folder, too.

    Attributes:
        entries (list of dict): The whole log.
    """

    name = "LogReport"  # of Chainer's own extension, which wrote the snapshots of earlier versions

    def __init__(self, is_due, in_file=True):
        self._is_due, self._in_file = is_due, in_file
        self._summary = DictSummary()
        self.entries = []

    def initialize(self, trainer):
        self.entries = logs.read_log(trainer.out) if self._in_file else []

    def __call__(self, trainer):
        self._summary.add(trainer.observation)
        if not self._is_due(trainer):
            return
        entry = {name: float(value) for name, value in self._summary.compute_mean().items()}
        entry["epoch"], entry["iteration"] = trainer.updater.epoch, trainer.updater.iteration
        entry["elapsed_time"] = trainer.elapsed_time
        self.entries.append(entry)
        if self._in_file:
            logs.append(trainer.out, entry)
        self._summary = DictSummary()

    def serialize(self, serializer):
        self._summary.serialize(serializer["_summary"])
