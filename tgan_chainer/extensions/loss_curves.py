import os

from tgan_chainer import logs
from tgan_chainer.files import atomic_path

from chainer.training import extension


class LossCurves(extension.Extension):
    """Draws what the log has over the iterations into a PNG, as Fig. 2 does, and writes it to ``log.csv``.

    Args:
        log (Log): The log; it must have a higher priority.
        filename (str): Name of the picture in the results folder.
    """

    priority = extension.PRIORITY_READER - 10

    def __init__(self, log, filename="losses.png"):
        self._log, self._filename = log, filename

    def __call__(self, trainer):
        # Not pyplot: that would look for a display and keep every figure alive.
        from matplotlib.figure import Figure

        logs.save_table(trainer.out, self._log.entries)
        keys = logs.shown_names(self._log.entries)
        if not keys:
            return
        figure = Figure(figsize=(8, 2.4 * len(keys)), layout="constrained")
        for axes, key in zip(figure.subplots(len(keys), sharex=True, squeeze=False)[:, 0], keys, strict=True):
            entries = [entry for entry in self._log.entries if key in entry]
            factor = 100 if logs.is_share(key) else 1
            values = [factor * e[key] for e in entries]
            marker = "." if len(entries) == 1 else None  # one entry makes no line
            axes.plot([e["iteration"] for e in entries], values, linewidth=1, marker=marker)
            axes.set_ylabel(f"{key} (%)" if factor == 100 else key)
            axes.grid(alpha=0.3)
        axes.set_xlabel("iteration")
        axes.xaxis.get_major_locator().set_params(integer=True)
        with atomic_path(os.path.join(trainer.out, self._filename)) as temporary:
            figure.savefig(temporary)
