from tgan_chainer.functions import convolution_nd, deconvolution_nd

import chainer.links as L


class ConvolutionND(L.ConvolutionND):
    """:class:`chainer.links.ConvolutionND`, computed by :func:`tgan_chainer.functions.convolution_nd`.

    Parameters, their names, shapes and initialization are the parent's. Its arguments ``initial_bias``,
    ``cover_all``, ``dilate`` and ``groups`` are not there.
    """

    def __init__(self, ndim, in_channels, out_channels, ksize, stride=1, pad=0, nobias=False, initialW=None):
        super().__init__(ndim, in_channels, out_channels, ksize, stride, pad, nobias, initialW)

    def forward(self, x):
        return convolution_nd(x, self.W, self.b, self.stride, self.pad)


class DeconvolutionND(L.DeconvolutionND):
    """:class:`chainer.links.DeconvolutionND`, computed by :func:`tgan_chainer.functions.deconvolution_nd`.

    Parameters, their names, shapes and initialization are the parent's (and, with ``ndim=2``, those of
    :class:`chainer.links.Deconvolution2D`). Its arguments ``outsize``, ``initial_bias``, ``dilate`` and
    ``groups`` are not there.
    """

    def __init__(self, ndim, in_channels, out_channels, ksize, stride=1, pad=0, nobias=False, initialW=None):
        super().__init__(ndim, in_channels, out_channels, ksize, stride, pad, nobias, initialW=initialW)

    def forward(self, x):
        return deconvolution_nd(x, self.W, self.b, self.stride, self.pad)
