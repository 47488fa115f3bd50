import math

from tgan_chainer.functions import operator_norm

import chainer
from chainer.training import extension


class Lipschitz(extension.Extension):
    """Reports what singular value clipping leaves of "1-Lipschitz" (Section 4).

    ``dis/conv1/lipschitz``, ``dis/bn2/lipschitz``, ... are the Lipschitz constants of the discriminator's
    layers, see :func:`lipschitz_constants`. ``dis/lipschitz`` is their product: as LeakyReLU is 1-Lipschitz,
    it is an upper bound of the discriminator's own constant. Noise and labels do not change it.
    """

    priority = extension.PRIORITY_WRITER

    def __call__(self, trainer):
        discriminator = trainer.updater.discriminator
        constants = lipschitz_constants(discriminator)
        chainer.report({"lipschitz": math.prod(constants.values())}, discriminator)
        for name, constant in constants.items():
            chainer.report({"lipschitz": constant}, discriminator[name])


def lipschitz_constants(discriminator):
    """Compute the Lipschitz constants of the layers, where batch normalization takes the running statistics.

    Args:
        discriminator (VideoDiscriminator): The network, on any device.

    Returns:
        dict: Layer's name → float. A convolution's is :func:`~tgan_chainer.functions.operator_norm`, for the
        network's size of videos.
    """
    d, constants = discriminator, {}
    size = d.video_shape[1:]
    for conv in d.conv1, d.conv2, d.conv3, d.conv4:
        constants[conv.name] = operator_norm(conv.W.array, size, conv.stride, conv.pad)
        size = tuple(length // 2 for length in size)
    for bn in d.bn2, d.bn3, d.bn4:
        gamma = 1 if bn.gamma is None else bn.gamma.array
        constants[bn.name] = float(abs(gamma / d.xp.sqrt(bn.avg_var + bn.eps)).max())
    constants["linear5"] = float(d.xp.linalg.norm(d.linear5.W.array))  # one row, one singular value
    return constants
