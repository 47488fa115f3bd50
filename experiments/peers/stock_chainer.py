"""The same TGAN from Chainer's own links and functions alone, and clipping by a full SVD.

Parameters have the names and shapes of those in tgan_chainer.links, so that ``copyparams`` works both ways.
"""

import numpy as np

import tgan_chainer  # noqa: F401  (makes Chainer importable)

import chainer
import chainer.functions as F
import chainer.links as L
from chainer import backend
from chainer.initializers import HeNormal, Uniform


class TemporalGenerator(chainer.Chain):
    def __init__(self, config):
        super().__init__()
        w, width = HeNormal(), config.temporal_width
        widths = [max(width >> i, width // 4) for i in range(config.n_frames.bit_length() - 1)]
        with self.init_scope():
            self.deconv0 = L.DeconvolutionND(1, config.k0, width, 1, nobias=True, initialW=w)
            self.bn0 = L.BatchNormalization(width)
            for i in range(1, len(widths)):
                layer = L.DeconvolutionND(1, widths[i - 1], widths[i], 4, 2, 1, nobias=True, initialW=w)
                setattr(self, f"deconv{i}", layer)
                setattr(self, f"bn{i}", L.BatchNormalization(widths[i]))
            self.deconv_last = L.DeconvolutionND(1, widths[-1], config.k1, 4, 2, 1, initialW=w)
        self._n_hidden = len(widths)

    def forward(self, z0):
        h = F.expand_dims(z0, 2)
        for i in range(self._n_hidden):
            h = F.relu(self[f"bn{i}"](self[f"deconv{i}"](h)))
        return F.transpose(F.tanh(self.deconv_last(h)), (0, 2, 1))


class ImageGenerator(chainer.Chain):
    def __init__(self, config):
        super().__init__()
        w, width, size = Uniform(0.01), config.image_width, config.image_size // 16
        flat = width * size**2
        self._map_shape = (width, size, size)
        with self.init_scope():
            self.linear_z0 = L.Linear(config.k0, flat, nobias=True, initialW=w)
            self.bn_z0 = L.BatchNormalization(flat)
            self.linear_z1 = L.Linear(config.k1, flat, nobias=True, initialW=w)
            self.bn_z1 = L.BatchNormalization(flat)
            self.deconv1 = L.Deconvolution2D(2 * width, width, 4, 2, 1, nobias=True, initialW=w)
            self.bn1 = L.BatchNormalization(width)
            self.deconv2 = L.Deconvolution2D(width, width // 2, 4, 2, 1, nobias=True, initialW=w)
            self.bn2 = L.BatchNormalization(width // 2)
            self.deconv3 = L.Deconvolution2D(width // 2, width // 4, 4, 2, 1, nobias=True, initialW=w)
            self.bn3 = L.BatchNormalization(width // 4)
            self.deconv4 = L.Deconvolution2D(width // 4, width // 8, 4, 2, 1, nobias=True, initialW=w)
            self.bn4 = L.BatchNormalization(width // 8)
            self.deconv5 = L.Deconvolution2D(width // 8, config.channels, 3, 1, 1, initialW=w)

    def forward(self, z1, z0):
        h0 = F.reshape(F.relu(self.bn_z0(self.linear_z0(z0))), (len(z0), *self._map_shape))
        h1 = F.reshape(F.relu(self.bn_z1(self.linear_z1(z1))), (len(z1), *self._map_shape))
        h = F.concat([h0, h1])
        h = F.relu(self.bn1(self.deconv1(h)))
        h = F.relu(self.bn2(self.deconv2(h)))
        h = F.relu(self.bn3(self.deconv3(h)))
        h = F.relu(self.bn4(self.deconv4(h)))
        return F.tanh(self.deconv5(h))


class VideoGenerator(chainer.Chain):
    """z0, float32 (N, K0) → videos, float32 (N, C, T, H, W) in [-1, 1]."""

    def __init__(self, config):
        super().__init__()
        self.k0 = config.k0
        with self.init_scope():
            self.temporal_generator = TemporalGenerator(config)
            self.image_generator = ImageGenerator(config)

    def draw_z0(self, n):
        return self.xp.random.uniform(-1, 1, (n, self.k0)).astype(np.float32)

    def forward(self, z0):
        z1 = self.temporal_generator(z0)
        n, n_frames, k1 = z1.shape
        z0 = F.broadcast_to(F.expand_dims(z0, 1), (n, n_frames, self.k0))
        z0, z1 = F.reshape(z0, (n * n_frames, self.k0)), F.reshape(z1, (n * n_frames, k1))
        frames = self.image_generator(z1, z0)
        return F.transpose(F.reshape(frames, (n, n_frames, *frames.shape[1:])), (0, 2, 1, 3, 4))

    def forward_with_penalty(self, z0):
        return self(z0), None


class VideoDiscriminator(chainer.Chain):
    """Videos, float32 (N, C, T, H, W) → scores, float32 (N, 1)."""

    def __init__(self, config):
        super().__init__()
        w, width = HeNormal(), config.discriminator_width
        n_units = width * 8 * (config.n_frames // 16) * (config.image_size // 16) ** 2
        with self.init_scope():
            self.conv1 = L.ConvolutionND(3, config.channels, width, 4, 2, 1, initialW=w)
            self.conv2 = L.ConvolutionND(3, width, width * 2, 4, 2, 1, nobias=True, initialW=w)
            self.bn2 = L.BatchNormalization(width * 2)
            self.conv3 = L.ConvolutionND(3, width * 2, width * 4, 4, 2, 1, nobias=True, initialW=w)
            self.bn3 = L.BatchNormalization(width * 4)
            self.conv4 = L.ConvolutionND(3, width * 4, width * 8, 4, 2, 1, nobias=True, initialW=w)
            self.bn4 = L.BatchNormalization(width * 8)
            self.linear5 = L.Linear(n_units, 1, initialW=w)

    def forward(self, x):
        h = F.leaky_relu(self.conv1(x), 0.2)
        h = F.leaky_relu(self.bn2(self.conv2(h)), 0.2)
        h = F.leaky_relu(self.bn3(self.conv3(h)), 0.2)
        h = F.leaky_relu(self.bn4(self.conv4(h)), 0.2)
        return self.linear5(h)


class SVDClipping:
    """Table 2 to the letter: decompose every weight, limit its singular values to one, multiply again."""

    def __call__(self, link):
        xp = backend.get_array_module(*(p.array for p in link.params()))
        for layer in link.children():
            if isinstance(layer, L.BatchNormalization):
                deviation = xp.sqrt(layer.avg_var + layer.eps)
                layer.gamma.array[...] = xp.clip(layer.gamma.array, 0.01 * deviation, deviation)
            else:
                W = layer.W.array
                u, s, vt = xp.linalg.svd(W.reshape(len(W), -1), full_matrices=False)
                W[...] = ((u * xp.minimum(s, 1)) @ vt).reshape(W.shape)
