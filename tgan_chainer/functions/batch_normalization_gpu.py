"""Batch normalization and (leaky) ReLU on a GPU, in two launches forward and two back."""

from tgan_chainer.functions.once_differentiable import OnceDifferentiable
from tgan_chainer.kernels import gpu


class BatchNormalizationOnGPU(OnceDifferentiable):
    """See :func:`tgan_chainer.functions.batch_normalization`.

    Args:
        slope, eps, running_mean, running_var, decay: As there.
        is_fixed (bool): Whether to normalize by the running statistics, and to leave them as they are.
    """

    def __init__(self, slope, eps, running_mean, running_var, decay=None, is_fixed=False):
        self.slope, self.eps, self.is_fixed = slope, eps, is_fixed
        self.running_mean, self.running_var, self.decay = running_mean, running_var, decay

    def forward(self, inputs):
        self.retain_inputs(range(len(inputs)))
        x, gamma, *beta = inputs
        x, shaped = gpu.planes(x)
        running = self.running_mean, self.running_var
        self.moments = gpu.as_moments(*running) if self.is_fixed else gpu.moments(x)
        arguments = x, self.moments, gamma, *(beta or [None]), self.eps, self.slope
        if self.is_fixed or self.running_mean is None:
            y = gpu.normalize(*arguments)
        else:
            y = gpu.normalize_and_remember(*arguments, *running, self.decay)
        return (shaped(y),)

    def gradients(self, indexes, gy):
        x, gamma, *beta = (v.array for v in self.get_retained_inputs())
        planes, shaped = gpu.planes(x)
        gy = gpu.planes_like(x, gy)
        arguments = self.moments, gamma, *(beta or [None]), self.eps, self.slope, self.is_fixed
        gx, *of_parameters = gpu.normalize_backward(planes, gy, *arguments)
        gradients = shaped(gx), *of_parameters
        return [gradients[i] for i in indexes]
