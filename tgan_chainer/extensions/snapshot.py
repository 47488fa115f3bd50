import contextlib
import os

from tgan_chainer import snapshots
from tgan_chainer.processes import ONE

from chainer.training import extension


class Snapshot(extension.Extension):
    """Writes ``snapshot_iter_N.npz`` to resume from and ``generator_iter_N.npz`` to sample from.

    Both are complete from the moment they appear under these names, and older ones go only after that, so
    that there is a usable snapshot whenever the process is killed. Nothing is written, and nothing
    removed, when a loss or a parameter is not finite.

    Of several processes the first one writes, and none goes on if they no longer hold the same numbers.

    Args:
        config (Config): Configuration of the run.
        processes (Processes): Those of the run.
        **facts: As :func:`~tgan_chainer.snapshots.save_snapshot` takes them.
    """

    # After all other extensions, whose states go into the snapshot.
    priority = -100

    def __init__(self, config, processes=ONE, **facts):
        self._config, self._processes, self._facts = config, processes, facts

    def __call__(self, trainer):
        updater = trainer.updater
        updater.check_losses()
        if self._processes.size > 1:
            self._processes.check_same(snapshots.state_of(updater), f"after iteration {updater.iteration}")
        snapshots.seed_cupy(updater.device, self._config.seed, updater.iteration)
        if self._processes.is_first:
            self._write(trainer)

    def _write(self, trainer):
        updater, config = trainer.updater, self._config
        path = snapshots.snapshot_path(trainer.out, snapshots.GENERATOR, updater.iteration)
        facts = {**self._facts, "wall_time": trainer.elapsed_time}
        snapshots.save_generator(path, updater.sampled_generator, updater.iteration, config, **facts)
        path = snapshots.snapshot_path(trainer.out, snapshots.RESUMABLE, updater.iteration)
        snapshots.save_snapshot(path, trainer, config, **self._facts)
        if config.keep:
            for kind in snapshots.RESUMABLE, snapshots.GENERATOR:
                for path in snapshots.find_snapshots(trainer.out, kind)[: -config.keep]:
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(path)
