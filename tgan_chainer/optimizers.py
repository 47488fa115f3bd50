"""The optimizers: RMSprop in one pass over memory, and Chainer's Adam."""

import numpy as np

from tgan_chainer.kernels import gpu, native
from tgan_chainer.parallel import chunks, for_each, scratch

import chainer
from chainer.backends import cuda
from chainer.optimizers.rmsprop import RMSpropRule

# Elements that stay in the cache from the first operation to the last.
_TILE = 1 << 16
# So many tiles are worth several threads.
_MIN_TILES = 16


def build_optimizer(config, network="gen"):
    """Return the optimizer of a configuration, to be set up with its network "gen" or "dis"."""
    rate = (network == "dis" and config.discriminator_learning_rate) or config.learning_rate
    if config.optimizer == "adam":
        return chainer.optimizers.Adam(rate, beta1=0.5)
    return RMSprop(rate)


class RMSprop(chainer.optimizers.RMSprop):
    """:class:`chainer.optimizers.RMSprop`, with the same results, faster.

    Args:
        lr (float): Learning rate; the paper's is 5e-5 (Section 6.2).
        alpha (float): Decay of the mean square of the gradients.
        eps (float): Added to its root.
    """

    def __init__(self, lr=5e-5, alpha=0.99, eps=1e-8):
        super().__init__(lr, alpha, eps)

    def create_update_rule(self):
        return _RMSpropRule(self.hyperparam)

    def call_hooks(self, timing="pre"):
        if timing == "post":  # they see parameters that have been updated
            self._update_what_is_left()
        super().call_hooks(timing)

    def _update_what_is_left(self):
        """Update all parameters in one call of the compiled kernels, or by one launch on a GPU."""
        rules = [p.update_rule for p in self.target.params() if p.update_rule and p.update_rule.left]
        if rules:
            arrays = zip(*(rule.left for rule in rules))
            h = self.hyperparam
            kernels = gpu if gpu.computes(rules[0].left[0]) else native
            kernels.update_by_rmsprop(*arrays, h.lr, h.alpha, h.eps)
        for rule in rules:
            rule.left = None


class _RMSpropRule(RMSpropRule):
    left = None  # parameter, mean square and gradient that are left to the optimizer

    def update_core_gpu(self, param):
        if param.grad is None:
            return
        if self._hookable._post_update_hooks or not param.array.flags.c_contiguous:
            return super().update_core_gpu(param)
        self.left = param.array, self.state["ms"], cuda.cupy.ascontiguousarray(param.grad)

    def update_core_cpu(self, param):
        if param.grad is None:
            return
        if not (param.array.flags.carray and self.state["ms"].flags.carray):
            return super().update_core_cpu(param)
        if native.computes(param) and not self._hookable._post_update_hooks:
            self.left = param.array, self.state["ms"], np.ascontiguousarray(param.grad)
            return
        lr, alpha, eps = self.hyperparam.lr, self.hyperparam.alpha, self.hyperparam.eps
        # Views, but for a gradient that does not lie in memory in one piece.
        theta, ms = (array.reshape(-1) for array in (param.array, self.state["ms"]))
        grad = param.grad.reshape(-1)

        def run(tile):
            g, step = grad[tile], scratch("step", theta[tile].shape, theta.dtype)
            root = scratch("root", step.shape, step.dtype)
            np.multiply(g, 1 - alpha, out=step)
            step *= g
            ms[tile] *= alpha
            ms[tile] += step
            np.sqrt(ms[tile], out=root)
            root += eps
            np.multiply(g, lr, out=step)
            step /= root
            theta[tile] -= step

        tiles = chunks(len(theta), _TILE)
        for_each(run, tiles, in_threads=len(tiles) >= _MIN_TILES)
