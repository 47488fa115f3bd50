from tgan_chainer.checks import check_multiple, check_positive_int, check_shape
from tgan_chainer.functions import max_pooling, relu
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.links.convolution_nd import ConvolutionND

import chainer
import chainer.functions as F
import chainer.links as L

CONVOLUTIONS = ("conv1a", "conv2a", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")
LAYERS = (
    *("conv1a", "pool1", "conv2a", "pool2", "conv3a", "conv3b", "pool3", "conv4a", "conv4b", "pool4"),
    *("conv5a", "conv5b", "pool5", "fc6", "fc7", "fc8"),
)
POOLED = tuple(name for name, after in zip(LAYERS, LAYERS[1:]) if after.startswith("pool"))


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

    def __init__(
        self, n_classes=101, width=64, n_units=4096, n_frames=16, size=112, dropout=0.5, use_bn=False
    ):
        super().__init__()
        check_positive_int(n_classes=n_classes, width=width, n_units=n_units, size=size)
        check_multiple(16, "four poolings halve it", n_frames=n_frames)
        self.n_classes, self.dropout, self.use_bn = n_classes, dropout, use_bn
        self.video_shape = (3, n_frames, size, size)

        w = chainer.initializers.HeNormal()
        n_features = width * 8 * (n_frames // 16) * (-(-size // 32)) ** 2
        with self.init_scope():
            self.conv1a = ConvolutionND(3, 3, width, 3, pad=1, initialW=w)
            self.conv2a = ConvolutionND(3, width, width * 2, 3, pad=1, initialW=w)
            self.conv3a = ConvolutionND(3, width * 2, width * 4, 3, pad=1, initialW=w)
            self.conv3b = ConvolutionND(3, width * 4, width * 4, 3, pad=1, initialW=w)
            self.conv4a = ConvolutionND(3, width * 4, width * 8, 3, pad=1, initialW=w)
            self.conv4b = ConvolutionND(3, width * 8, width * 8, 3, pad=1, initialW=w)
            self.conv5a = ConvolutionND(3, width * 8, width * 8, 3, pad=1, initialW=w)
            self.conv5b = ConvolutionND(3, width * 8, width * 8, 3, pad=1, initialW=w)
            self.fc6 = L.Linear(n_features, n_units, initialW=w)
            self.fc7 = L.Linear(n_units, n_units, initialW=w)
            self.fc8 = L.Linear(n_units, n_classes)
            if use_bn:
                for name in CONVOLUTIONS:
                    setattr(self, f"bn_{name}", BatchNormalization(self[name].W.shape[0]))

    def forward(self, x, layers=("fc8",)):
        """Compute the outputs of layers, after ReLU where there is one.

        Args:
            x: float32 (N, 3, T, H, W); of the published weights BGR in [0, 255] minus the mean, see
                :class:`tgan_chainer.evaluations.VideoClassifier`.
            layers (sequence of str): Which ones, of ``LAYERS``.

        Returns:
            dict: Name → ~chainer.Variable, float32; ``fc8`` (N, V) are the scores before softmax.
        """
        check_shape("x", x, ("N", *self.video_shape))
        outputs, h = {}, x
        for name in LAYERS:
            if name in CONVOLUTIONS:
                h = self[name](h)
                if self.use_bn:
                    h = self[f"bn_{name}"](h, relu)
                elif name not in POOLED or name in layers:
                    h = relu(h)
            elif name.startswith("pool"):
                h = max_pooling(h, axes=(3, 4) if name == "pool1" else (2, 3, 4))
                if not self.use_bn:  # the maximum of ReLUs is the ReLU of the maximum, with less to do
                    h = relu(h)
            elif name == "fc8":
                h = self.fc8(h)
            else:
                h = relu(self[name](h))
                if name in layers:
                    outputs[name] = h
                h = F.dropout(h, self.dropout)
            if name in layers:
                outputs.setdefault(name, h)
            if len(outputs) == len(layers):
                break
        return outputs
