import chainer


class OnceDifferentiable(chainer.FunctionNode):
    """A function whose ``gradients(indexes, gy)`` computes with arrays, and so has no second derivative.

    ``gy`` is the gradient of the only output; returned is a sequence of arrays, one for each index.
    """

    def backward(self, indexes, grad_outputs):
        if chainer.config.enable_backprop:
            raise NotImplementedError(f"{self.label} has no second derivative (enable_double_backprop=True)")
        return tuple(map(chainer.as_variable, self.gradients(indexes, grad_outputs[0].array)))
