from tgan_chainer.checks import check_multiple, check_shape
from tgan_chainer.functions import relu, tanh
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.links.convolution_nd import DeconvolutionND
from tgan_chainer.links.generator import Generator

import chainer
import chainer.functions as F
import chainer.links as L


class VideoGenerator3D(Generator):
    """The generator of the "3D model" (Section 6.3 (i)): a linear layer and four 3D deconvolutions.

    z0 → 512 maps of 1×4×4 → 256×2×8×8 → 128×4×16×16 → 64×8×32×32 → C×16×64×64. Every deconvolution has a
    4×4×4 kernel, stride 2 and padding 1; batch normalization and ReLU follow every layer but the last, which
    ends in tanh. Weights: HeNormal (the paper says nothing of this model's).

    Args:
        k0 (int): Size of z0, drawn from U(-1, 1).
        n_frames (int): T, a multiple of 16.
        channels (int): C, 1 (grey) or 3 (colour).
        image_size (int): H = W in pixels, a multiple of 16.
        width (int): Maps after the linear layer; each deconvolution halves them.
        use_beta (bool): Whether batch normalization has a shift β.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(self, k0=100, n_frames=16, channels=3, image_size=64, width=512, use_beta=True):
        super().__init__(k0, (channels, n_frames, image_size, image_size))
        check_multiple(8, "the deconvolutions narrow to an eighth of it", width=width)
        check_multiple(16, "four deconvolutions double it", n_frames=n_frames, image_size=image_size)
        self.start_shape = (width, n_frames // 16, image_size // 16, image_size // 16)

        w = chainer.initializers.HeNormal()
        flat = width * self.start_shape[1] * self.start_shape[2] ** 2
        with self.init_scope():
            self.linear0 = L.Linear(k0, flat, nobias=True, initialW=w)
            self.bn0 = BatchNormalization(flat, use_beta=use_beta)
            self.deconv1 = DeconvolutionND(3, width, width // 2, 4, 2, 1, nobias=True, initialW=w)
            self.bn1 = BatchNormalization(width // 2, use_beta=use_beta)
            self.deconv2 = DeconvolutionND(3, width // 2, width // 4, 4, 2, 1, nobias=True, initialW=w)
            self.bn2 = BatchNormalization(width // 4, use_beta=use_beta)
            self.deconv3 = DeconvolutionND(3, width // 4, width // 8, 4, 2, 1, nobias=True, initialW=w)
            self.bn3 = BatchNormalization(width // 8, use_beta=use_beta)
            self.deconv4 = DeconvolutionND(3, width // 8, channels, 4, 2, 1, initialW=w)

    def forward(self, z0):
        """Generate videos.

        Args:
            z0: float32 (N, K0), uniform in [-1, 1].

        Returns:
            ~chainer.Variable: Videos, float32 (N, C, T, H, W) in [-1, 1].
        """
        check_shape("z0", z0, ("N", self.k0))
        h = self.bn0(self.linear0(z0), relu)
        h = F.reshape(h, (len(z0), *self.start_shape))
        h = self.bn1(self.deconv1(h), relu)
        h = self.bn2(self.deconv2(h), relu)
        h = self.bn3(self.deconv3(h), relu)
        return tanh(self.deconv4(h))
