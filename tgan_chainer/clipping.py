"""What keeps the discriminator Lipschitz continuous: the last line of Algorithm 1 and its alternatives.

A clipping is a callable that changes the parameters of a link in place. Its attribute ``after`` says when
:class:`~tgan_chainer.updaters.GANUpdater` calls it: ``"iteration"``, every n_clip-th iteration as in
Algorithm 1, or ``"update"``, after every update of the discriminator as in the original WGAN.
"""

from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.functions import clip_singular_values

import chainer.links as L
from chainer import backend


class SingularValueClipping:
    """Table 2: make every layer of the discriminator 1-Lipschitz.

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

    Args:
        limit (float): K_n, the largest singular value of a layer.
    """

    after = "iteration"

    def __init__(self, limit=1.0):
        self.limit = limit

    def __call__(self, link):
        """Clip in place.

        Raises:
            NonFiniteError: A parameter holds NaN or infinity; the message names it.
        """
        for path, layer in link.namedlinks():
            if isinstance(layer, (L.Linear, L.ConvolutionND, L.Convolution2D)):
                try:
                    clipped = clip_singular_values(layer.W.array, self.limit)
                except NonFiniteError as error:
                    raise NonFiniteError(f"{path}/{error}") from error
                if clipped is not layer.W.array:
                    layer.W.array[...] = clipped
            elif isinstance(layer, L.BatchNormalization) and layer.gamma is not None:
                self._clip_gamma(path, layer)

    def _clip_gamma(self, path, layer):
        xp = backend.get_array_module(layer.gamma.array)
        deviation = self.limit * xp.sqrt(layer.avg_var + layer.eps)
        gamma = layer.gamma.array
        if not (xp.isfinite(gamma).all() and xp.isfinite(deviation).all()):
            raise NonFiniteError(f"{path}/gamma or its running variance holds NaN or infinity")
        gamma[...] = xp.clip(gamma, 0.01 * deviation, deviation)


class WeightClipping:
    """Clamp every parameter to [-c, c], as in the original WGAN (Section 3.2; c = 0.01 in Section 6.2).

    Args:
        c (float): The clipping parameter.
    """

    after = "update"

    def __init__(self, c=0.01):
        if not c > 0:
            raise InputError(f"c must be positive, not {c!r}")
        self.c = c

    def __call__(self, link):
        for parameter in link.params():
            xp = backend.get_array_module(parameter.array)
            xp.clip(parameter.array, -self.c, self.c, out=parameter.array)
