import contextlib
import os

from tgan_chainer import snapshots

from chainer.training import extension


class Snapshot(extension.Extension):
    """Writes ``snapshot_iter_N.npz`` to resume from and ``generator_iter_N.npz`` to sample from.

    Both are complete from the moment they appear under these names, and older ones go only after that, so
    that there is a usable snapshot whenever the process is killed. Nothing is written, and nothing
    removed, when a loss or a parameter is not finite.

    Args:
        config (Config): Of the run.
    """

    # After all other extensions, whose states go into the snapshot.
    priority = -100

    def __init__(self, config):
        self._config = config

    def __call__(self, trainer):
        updater = trainer.updater
        updater.check_losses()
        for kind, save, target in (
            (snapshots.GENERATOR, snapshots.save_generator, (updater.generator, updater.iteration)),
            (snapshots.RESUMABLE, snapshots.save_snapshot, (trainer,)),
        ):
            save(snapshots.snapshot_path(trainer.out, kind, updater.iteration), *target, self._config)
        if self._config.keep:
            for kind in snapshots.RESUMABLE, snapshots.GENERATOR:
                for path in snapshots.find_snapshots(trainer.out, kind)[: -self._config.keep]:
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(path)
