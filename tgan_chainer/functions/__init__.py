from tgan_chainer.functions.batch_normalization import batch_normalization, fixed_batch_normalization
from tgan_chainer.functions.clip_by_products import clip_by_products
from tgan_chainer.functions.clip_singular_values import clip_singular_values, clip_singular_values_by_svd
from tgan_chainer.functions.convolution_nd import convolution_nd, deconvolution_nd
from tgan_chainer.functions.frames_to_videos import frames_to_videos
from tgan_chainer.functions.gaussian_noise import gaussian_noise
from tgan_chainer.functions.lay_out import lay_out
from tgan_chainer.functions.leaky_relu import leaky_relu, relu
from tgan_chainer.functions.max_pooling import max_pooling
from tgan_chainer.functions.operator_norm import operator_norm
from tgan_chainer.functions.resize_bicubic import resize_bicubic
from tgan_chainer.functions.tanh import tanh

__all__ = [
    "batch_normalization",
    "clip_by_products",
    "clip_singular_values",
    "clip_singular_values_by_svd",
    "convolution_nd",
    "deconvolution_nd",
    "fixed_batch_normalization",
    "frames_to_videos",
    "gaussian_noise",
    "lay_out",
    "leaky_relu",
    "max_pooling",
    "operator_norm",
    "relu",
    "resize_bicubic",
    "tanh",
]
