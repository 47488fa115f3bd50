"""Batch normalization and (leaky) ReLU on a GPU, in two launches forward and two back."""

from tgan_chainer.functions.once_differentiable import OnceDifferentiable
from tgan_chainer.kernels import gpu


class BatchNormalizationOnGPU(OnceDifferentiable):
    """See :func:`tgan_chainer.functions.batch_normalization`.

    Args:
        slope, eps, running_mean, running_var, decay, batch, n_batches: As there.
        is_fixed (bool): Whether to normalize by the running statistics, and to leave them as they are.
    """

    def __init__(
        self, slope, eps, running_mean, running_var, decay=None, is_fixed=False, batch=None, n_batches=1
    ):
        self.slope, self.eps, self.is_fixed, self.batch = slope, eps, is_fixed, batch
        self.n_batches = n_batches
        self.running_mean, self.running_var, self.decay = running_mean, running_var, decay

    def forward(self, inputs):
        self.retain_inputs(range(len(inputs)))
        x, gamma, *beta = inputs
        x, shaped = gpu.batches(x, self.n_batches)
        running = self.running_mean, self.running_var
        self.count = x.size // x.shape[2] // self.n_batches  # elements that a mean is taken over
        self.moments = gpu.as_moments(*running) if self.is_fixed else gpu.moments(x, self.count)
        if self.batch is not None:
            self.count = self.batch.whole(self.count)
            self.moments = gpu.as_moments(*self.batch.pool(*gpu.as_pair(self.moments)))
        arguments = x, self.moments, gamma, *(beta or [None]), self.eps, self.slope
        if self.is_fixed or self.running_mean is None:
            y = gpu.normalize(*arguments)
        else:
            y = gpu.normalize_and_remember(*arguments, *running, self.decay, self.count)
        return (shaped(y),)

    def gradients(self, indexes, gy):
        x, gamma, *beta = (v.array for v in self.get_retained_inputs())
        batches, shaped = gpu.batches(x, self.n_batches)
        gy = gpu.planes_like(x, gy).reshape(batches.shape)
        arguments = self.moments, gamma, *(beta or [None]), self.eps, self.slope
        of_part = total = gpu.sums_of_gradients(batches, gy, *arguments)
        if self.batch is not None:
            total = gpu.as_moments(*self.batch.add_up(*gpu.as_pair(of_part)))
        share = 0.0 if self.is_fixed else 1 / self.count
        gx, *of_parameters = gpu.normalize_backward(batches, gy, *arguments, of_part, total, share)
        gradients = shaped(gx), *of_parameters
        return [gradients[i] for i in indexes]
