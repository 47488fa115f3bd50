import numpy as np

from tgan_chainer.checks import check_multiple, check_positive_int, check_shape
from tgan_chainer.errors import InputError
from tgan_chainer.functions import max_pooling, relu
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.links.convolution_nd import ConvolutionND

import chainer
import chainer.functions as F
import chainer.links as L

LAYERS = "pool1", "pool2", "pool3", "pool4", "pool5", "fc6", "fc7", "fc8"


class C3D(chainer.Chain):
    """The classifier behind the inception score of Section 6.5: a video → scores of its classes.

    Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015: eight 3×3×3
    convolutions with padding 1 and ReLU, five maximum poolings that halve the axes, rounding up as Caffe
    does (the first one leaves time alone), then three fully-connected layers with ReLU and dropout between
    them. Layers have the names of the published files. With the paper's numbers, 78,409,573 parameters:
    3×16×112×112 → 64×16×56×56 → 128×8×28×28 → 256×4×14×14 → 512×2×7×7 → 512×1×4×4 → 4096 → 4096 → 101.

    Args:
        n_classes (int): V.
        width (int): Channels of the first convolution.
        n_units (int): Units of fc6 and fc7.
        n_frames (int): T, a multiple of 16.
        size (int): H = W of what the network sees, after resizing and cropping.
        dropout (float): Share of units that training drops.
        use_bn (bool): Whether batch normalization stands between each convolution and its ReLU. C3D has none;
            narrow networks, and those without pre-training, do not learn without it.

    Raises:
        InputError: An argument is out of range.
    """

    # The maps of so many videos are small enough for freed memory to be kept (see parallel.py), by which a
    # batch of 32 takes a third less time.
    VIDEOS_ON_CPU = 8

    def __init__(
        self, n_classes=101, width=64, n_units=4096, n_frames=16, size=112, dropout=0.5, use_bn=False
    ):
        super().__init__()
        check_positive_int(n_classes=n_classes, width=width, n_units=n_units, size=size)
        check_multiple(16, "four poolings halve it", n_frames=n_frames)
        self.n_classes, self.dropout, self.use_bn = n_classes, dropout, use_bn
        self.video_shape = (3, n_frames, size, size)

        def normalization(size):
            return BatchNormalization(size) if use_bn else _without_normalization

        w = chainer.initializers.HeNormal()
        n_features = width * 8 * (n_frames // 16) * (-(-size // 32)) ** 2
        with self.init_scope():
            self.conv1a = ConvolutionND(3, 3, width, 3, pad=1, initialW=w)
            self.bn_conv1a = normalization(width)
            self.conv2a = ConvolutionND(3, width, width * 2, 3, pad=1, initialW=w)
            self.bn_conv2a = normalization(width * 2)
            self.conv3a = ConvolutionND(3, width * 2, width * 4, 3, pad=1, initialW=w)
            self.bn_conv3a = normalization(width * 4)
            self.conv3b = ConvolutionND(3, width * 4, width * 4, 3, pad=1, initialW=w)
            self.bn_conv3b = normalization(width * 4)
            self.conv4a = ConvolutionND(3, width * 4, width * 8, 3, pad=1, initialW=w)
            self.bn_conv4a = normalization(width * 8)
            self.conv4b = ConvolutionND(3, width * 8, width * 8, 3, pad=1, initialW=w)
            self.bn_conv4b = normalization(width * 8)
            self.conv5a = ConvolutionND(3, width * 8, width * 8, 3, pad=1, initialW=w)
            self.bn_conv5a = normalization(width * 8)
            self.conv5b = ConvolutionND(3, width * 8, width * 8, 3, pad=1, initialW=w)
            self.bn_conv5b = normalization(width * 8)
            self.fc6 = L.Linear(n_features, n_units, initialW=w)
            self.fc7 = L.Linear(n_units, n_units, initialW=w)
            self.fc8 = L.Linear(n_units, n_classes)

    def forward(self, x, layers=("fc8",)):
        """Compute the outputs of layers, after ReLU where there is one.

        Args:
            x: float32 (N, 3, T, H, W); of the published weights BGR in [0, 255] minus the mean, see
                :class:`tgan_chainer.evaluations.VideoClassifier`.
            layers (sequence of str): Names out of ``LAYERS``.

        Returns:
            dict: Name → ~chainer.Variable, float32; ``fc8`` (N, V) are the scores before softmax.

        Raises:
            InputError: ``x`` does not fit the network, or there is no such layer.
        """
        check_shape("x", x, ("N", *self.video_shape))
        if unknown := [name for name in layers if name not in LAYERS]:
            raise InputError(f"layers must be of {', '.join(LAYERS)}, not {', '.join(unknown)}")
        learns = chainer.config.train or chainer.config.enable_backprop
        if len(x) > self.VIDEOS_ON_CPU and self.xp is np and not learns:
            starts = range(0, len(x), self.VIDEOS_ON_CPU)
            parts = [self.forward(x[i : i + self.VIDEOS_ON_CPU], layers) for i in starts]
            return {name: F.concat([part[name] for part in parts], axis=0) for name in parts[0]}
        return {name: h for name, h in self._outputs(x) if name in layers}

    def _outputs(self, h):
        """Yield the names of ``LAYERS`` and their outputs."""
        # Pooling comes first: the maximum of ReLUs is the ReLU of the maximum, which has fewer elements.
        h = self.bn_conv1a(self.conv1a(h))
        yield "pool1", (h := relu(max_pooling(h, axes=(3, 4))))
        h = self.bn_conv2a(self.conv2a(h))
        yield "pool2", (h := relu(max_pooling(h, axes=(2, 3, 4))))
        h = self.bn_conv3a(self.conv3a(h), relu)
        h = self.bn_conv3b(self.conv3b(h))
        yield "pool3", (h := relu(max_pooling(h, axes=(2, 3, 4))))
        h = self.bn_conv4a(self.conv4a(h), relu)
        h = self.bn_conv4b(self.conv4b(h))
        yield "pool4", (h := relu(max_pooling(h, axes=(2, 3, 4))))
        h = self.bn_conv5a(self.conv5a(h), relu)
        h = self.bn_conv5b(self.conv5b(h))
        yield "pool5", (h := relu(max_pooling(h, axes=(2, 3, 4))))
        yield "fc6", (h := relu(self.fc6(h)))
        yield "fc7", (h := relu(self.fc7(F.dropout(h, self.dropout))))
        yield "fc8", self.fc8(F.dropout(h, self.dropout))


def _without_normalization(h, activation=None):
    return activation(h) if activation else h
