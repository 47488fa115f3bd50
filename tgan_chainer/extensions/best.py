import math
import os

from tgan_chainer import snapshots
from tgan_chainer.errors import InputError

from chainer.training import extension


class Best(extension.Extension):
    """Keeps the generator with the best score so far as ``generator_best.npz``, which no newer one replaces.

    A resumed run goes on with the score that this file says, if it was measured in the same way.

    Args:
        name (str): The score, as it is reported; the higher the better.
        config (Config): Configuration of the run.
        **facts: As :func:`~tgan_chainer.snapshots.save_generator` takes them.
    """

    priority = extension.PRIORITY_READER

    def __init__(self, name, config, **facts):
        self._name, self._config, self._facts = name, config, facts
        self._measured_by = {key: getattr(config, key) for key in ("classifier", "opponent", "score_samples")}
        self._best = -math.inf

    def initialize(self, trainer):
        path = os.path.join(trainer.out, snapshots.BEST)
        if os.path.exists(path):
            try:
                score = snapshots.read_snapshot(path)[0]["score"]
                value = float(score.pop("value"))
                if score == {"name": self._name, **self._measured_by}:
                    self._best = value
            except (InputError, KeyError, TypeError, ValueError):  # damaged: the next score makes a new one
                pass

    def __call__(self, trainer):
        if self._name not in trainer.observation:
            return
        value = float(trainer.observation[self._name])
        if not value > self._best:  # what is not a number is no best one
            return
        updater = trainer.updater
        facts = {**self._facts, "wall_time": trainer.elapsed_time}
        facts["score"] = {"name": self._name, "value": value, **self._measured_by}
        snapshots.save_generator(
            os.path.join(trainer.out, snapshots.BEST),
            updater.sampled_generator,
            updater.iteration,
            self._config,
            **facts,
        )
        self._best = value
