from chainer.training import extension

FACTOR = 0.3


class LearningRateDrop(extension.Extension):
    """Lets the learning rates fall to 0.3 of what they are, every so many iterations.

    They depend on the number of iterations alone, so that a resumed run has the right ones.

    Args:
        interval (int): Iterations from one fall to the next.
    """

    trigger = 1, "iteration"

    def __init__(self, interval):
        self._interval, self._first = interval, {}

    def initialize(self, trainer):
        for name, optimizer in trainer.updater.get_all_optimizers().items():
            self._first[name] = getattr(optimizer.hyperparam, _rate(optimizer))
        self(trainer)

    def __call__(self, trainer):
        factor = FACTOR ** (trainer.updater.iteration // self._interval)
        for name, optimizer in trainer.updater.get_all_optimizers().items():
            setattr(optimizer.hyperparam, _rate(optimizer), factor * self._first[name])


def _rate(optimizer):
    """Return the name that the optimizer has for its learning rate; Adam calls it alpha."""
    return "lr" if hasattr(optimizer.hyperparam, "lr") else "alpha"
