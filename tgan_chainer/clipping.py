"""What keeps the discriminator Lipschitz continuous: the last line of Algorithm 1, and its alternative."""

import numpy as np

from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.functions import clip_by_products, clip_singular_values
from tgan_chainer.kernels import gpu
from tgan_chainer.processes import ONE

import chainer.links as L
from chainer import backend


def describe_clipping(config):
    """Return what a configuration clips, in the paper's words: ``SVC``, ``weight clipping, c = 0.01``."""
    named = {"svc": "SVC", "weight": f"weight clipping, c = {config.c:g}", "none": "no clipping"}
    return named[config.clipping]


class SingularValueClipping:
    """Table 2: limit the spectral norm of every weight matrix of the discriminator to one.

    ================== ============================ =========================================
    Layer              Condition                    Method
    ================== ============================ =========================================
    Linear             ||W|| ≤ 1                    :func:`clip_singular_values`
    Convolution        ||Ŵ|| ≤ 1                    :func:`clip_singular_values`
    Batch norm.        0 < γ ≤ sqrt(σ² + ε)         clip γ to [0.01 sqrt(σ² + ε), sqrt(σ² + ε)]
    LeakyReLU          a ≤ 1                        nothing
    ================== ============================ =========================================

    σ² is the running variance. The table prints the ε outside the root; inside it, the normalization
    γ / sqrt(σ² + ε) is at most one exactly. The lower bound, open in the paper, is that of the authors' own
    runs: it keeps a channel from being switched off for good.

    A linear layer, a normalization by the running statistics and a LeakyReLU are then 1-Lipschitz. A
    convolution is not, though the paper takes it for that, since its windows overlap. Its output at place j
    is y_j = Ŵ x_j, where x_j is the window there, so that ||y||² ≤ ||Ŵ||² Σ_j ||x_j||². A kernel of k and a
    stride of s put every element of x into at most k/s windows along each axis, so that
    Σ_j ||x_j||² ≤ (k/s)³ ||x||². With the discriminator's k = 4 and s = 2, ||Ŵ|| ≤ 1 bounds the norm of a
    convolution by sqrt(8) ≈ 2.83. Right after a clipping in a run of the CPU preset the four norms were
    1.94, 2.33, 2.13 and 1.61. :func:`~tgan_chainer.functions.operator_norm` computes them, and
    :class:`~tgan_chainer.extensions.Lipschitz` reports them.

    Args:
        limit (float): K_n, the largest singular value of a weight matrix.
        processes (Processes): They share out the weights, whose cost is very different: with four processes
            D's widest convolution takes as long as two thirds of all of them in one.
    """

    def __init__(self, limit=1.0, processes=ONE):
        self.limit, self._processes = limit, processes

    def __call__(self, link):
        """Clip all parameters of a link in place.

        Args:
            link (~chainer.Link): The discriminator.

        Raises:
            NonFiniteError: A parameter on a CPU holds NaN or infinity; the message names it.
        """
        self._clip_weights(
            {
                path: layer.W.array
                for path, layer in link.namedlinks()
                if isinstance(layer, (L.Linear, L.ConvolutionND, L.Convolution2D))
            }
        )
        for path, layer in link.namedlinks():
            if isinstance(layer, L.BatchNormalization) and layer.gamma is not None:
                self._clip_gamma(path, layer)

    def _clip_weights(self, weights):
        owners, problem = self._owners(weights), None
        own = {path: W for path, W in weights.items() if owners[path] == self._processes.rank}
        changed = set()
        if own and all(map(gpu.computes, own.values())):
            for W, clipped in zip(own.values(), clip_by_products(list(own.values()), self.limit)):
                W[...] = clipped
            changed, own = set(own), {}
        for path, W in own.items():
            try:
                clipped = clip_singular_values(W, self.limit)
            except NonFiniteError as error:
                problem = f"{path}/{error}"
                break
            if clipped is not W:
                W[...] = clipped
                changed.add(path)
        found = self._processes.gather((changed, problem))
        for _, problem in found:
            if problem is not None:
                raise NonFiniteError(problem)
        for path, W in weights.items():
            if path in found[owners[path]][0]:
                self._processes.send_round(W, owners[path])

    def _owners(self, weights):
        """Return which process clips each weight: the most work first, to whoever has the least so far."""
        work, owners = [0] * self._processes.size, {}
        costs = {path: W.size * min(len(W), W[0].size) for path, W in weights.items()}
        for path in sorted(weights, key=lambda path: (-costs[path], path)):
            owners[path] = work.index(min(work))
            work[owners[path]] += costs[path]
        return owners

    def _clip_gamma(self, path, layer):
        gamma = layer.gamma.array
        if gpu.computes(gamma):  # which would have to finish all its work to say whether they are finite
            gpu.clip_scale(gamma, layer.avg_var, layer.eps, self.limit, 0.01)
            return
        deviation = self.limit * np.sqrt(layer.avg_var + layer.eps)
        if not (np.isfinite(gamma).all() and np.isfinite(deviation).all()):
            raise NonFiniteError(f"{path}/gamma or its running variance holds NaN or infinity")
        gamma[...] = np.clip(gamma, 0.01 * deviation, deviation)


class WeightClipping:
    """Clamp every parameter to [-c, c], as in the original WGAN (Section 3.2; c = 0.01 in Section 6.2).

    This is a hook of the discriminator's optimizer, which calls it after every update:
    ``optimizer.add_hook(WeightClipping(c))``.

    Args:
        c (float): The clipping parameter, > 0.

    Raises:
        InputError: ``c`` is not positive.
    """

    name = "WeightClipping"
    timing = "post"
    call_for_each_param = True

    def __init__(self, c=0.01):
        if not c > 0:
            raise InputError(f"c must be positive, not {c!r}")
        self.c = c

    def __call__(self, rule, parameter):
        xp = backend.get_array_module(parameter.array)
        xp.clip(parameter.array, -self.c, self.c, out=parameter.array)
