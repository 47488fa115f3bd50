"""Learning rates fall at the right iteration, also in a run that is resumed."""

import pytest

from tgan_chainer.extensions import LearningRateDrop

import chainer


class Trainer:
    """What the extension sees of one."""

    def __init__(self, iteration=0):
        link = chainer.links.Linear(2, 2)
        optimizers = {
            "gen": chainer.optimizers.RMSprop(1.0).setup(link),
            "dis": chainer.optimizers.Adam(2.0).setup(link),
        }
        self.updater = self
        self.iteration, self.get_all_optimizers = iteration, lambda: optimizers

    def rates(self):
        gen, dis = self.get_all_optimizers().values()
        return [gen.hyperparam.lr, dis.hyperparam.alpha]


@pytest.mark.parametrize("resumed_at", [0, 1, 3, 4, 7])
def test_rates_fall_after_every_interval(resumed_at):
    trainer, drop = Trainer(resumed_at), LearningRateDrop(3)
    drop.initialize(trainer)
    for iteration in range(resumed_at, 9):
        # After 3 iterations the fourth has the lower rate.
        assert trainer.rates() == pytest.approx([0.3 ** (iteration // 3), 2 * 0.3 ** (iteration // 3)])
        trainer.iteration += 1
        drop(trainer)
