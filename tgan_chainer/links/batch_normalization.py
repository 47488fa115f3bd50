from tgan_chainer.functions.batch_normalization import batch_normalization, fixed_batch_normalization

import chainer
import chainer.links as L


class BatchNormalization(L.BatchNormalization):
    """:class:`chainer.links.BatchNormalization` and the (leaky) ReLU after it, computed in one function.

    Parameters and persistent values, their names, shapes and initialization are the parent's. Of its other
    arguments only ``use_beta`` is there: γ always is, and decay (0.9) and eps (2e-5) are its defaults.

    Args:
        size (int): Number of channels or units.
        use_beta (bool): Whether there is a shift β.
    """

    def __init__(self, size, use_beta=True):
        super().__init__(size, use_beta=use_beta)

    def forward(self, x, slope=1.0):
        """Normalize, then apply leaky ReLU.

        Args:
            x: float32 (N, C, ...).
            slope (float): The leaky ReLU's: 0 is ReLU, 1 leaves it out.

        Returns:
            ~chainer.Variable: float32 (N, C, ...).
        """
        statistics = self.avg_mean, self.avg_var
        if chainer.config.train:
            return batch_normalization(x, self.gamma, self.beta, slope, self.eps, *statistics, self.decay)
        return fixed_batch_normalization(x, self.gamma, self.beta, *statistics, slope, self.eps)
