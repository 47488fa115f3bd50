from tgan_chainer.functions import batch_normalization, fixed_batch_normalization
from tgan_chainer.functions.leaky_relu import SLOPE, leaky_relu, relu
from tgan_chainer.spread_batch import spread_batch

import chainer
import chainer.links as L

_SLOPES = {None: 1.0, relu: 0.0, leaky_relu: SLOPE}


class BatchNormalization(L.BatchNormalization):
    """:class:`chainer.links.BatchNormalization` and the (leaky) ReLU after it, computed in one function.

    Parameters and persistent values, their names, shapes and initialization are the parent's; decay (0.9)
    and eps (2e-5) are its defaults. Within :func:`separately_normalized` inputs are several batches.

    Args:
        size (int): Number of channels or units.
        use_beta (bool): Whether there is a shift β.
        use_gamma (bool): Whether there is a scale γ.
        initial_gamma: Its initial value; 1 if None.
    """

    def __init__(self, size, use_beta=True, use_gamma=True, initial_gamma=None):
        super().__init__(size, use_beta=use_beta, use_gamma=use_gamma, initial_gamma=initial_gamma)

    def forward(self, x, activation=None):
        """Normalize, then apply the activation function.

        Args:
            x: float32 (N, C, ...).
            activation: :func:`~tgan_chainer.functions.relu`, :func:`~tgan_chainer.functions.leaky_relu` (with
                its default slope), or None.

        Returns:
            ~chainer.Variable: float32 (N, C, ...).
        """
        gamma = self.xp.ones_like(self.avg_var) if self.gamma is None else self.gamma
        statistics, slope = (self.avg_mean, self.avg_var), _SLOPES[activation]
        if chainer.config.train:
            batch = spread_batch()
            batch = batch if batch and batch.sync_bn else None
            n_batches = getattr(chainer.config, "normalized_batches", 1)
            how = slope, self.eps, *statistics, self.decay, batch, n_batches
            return batch_normalization(x, gamma, self.beta, *how)
        return fixed_batch_normalization(x, gamma, self.beta, *statistics, slope, self.eps)


def separately_normalized(n_batches):
    """Return a context where inputs are so many batches one after the other, with statistics of their own."""
    return chainer.using_config("normalized_batches", n_batches)
