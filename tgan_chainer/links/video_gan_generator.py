import numpy as np

from tgan_chainer.checks import check_multiple, check_shape
from tgan_chainer.functions import relu, tanh
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.links.convolution_nd import DeconvolutionND
from tgan_chainer.links.generator import Generator

import chainer
import chainer.functions as F


class VideoGANGenerator(Generator):
    """The generator of Video GAN (Vondrick et al. 2016), the baseline of Section 6.3 (ii).

    G(z) = m ⊙ f + (1 - m) ⊙ b: a foreground f and a mask m that move, by 3D deconvolutions, before a
    background b that stands still, by 2D deconvolutions:

    ============  ================================================================================
    Foreground    z → 512×1×4×4 → 256×2×8×8 → 128×4×16×16 → 64×8×32×32 → f: C×16×64×64 (tanh)
    Mask          the same, up to its own last layer → m: 1×16×64×64 (sigmoid)
    Background    z → 512×4×4 → 256×8×8 → 128×16×16 → 64×32×32 → b: C×64×64 (tanh)
    ============  ================================================================================

    All deconvolutions but the first have kernel 4, stride 2 and padding 1; batch normalization and ReLU
    follow every layer but the last ones. Weights: N(0, 0.01), scales of the batch normalization N(1, 0.02).
    Training adds 0.1 mean ``|m|``, so that the foreground is used sparingly. Vondrick et al. drew the weights
    of their discriminator from N(0, 0.01) as well, see ``initialW`` of :class:`VideoDiscriminator`.

    Args:
        k0 (int): Size of z, drawn from N(0, 1).
        n_frames (int): T, a multiple of 16.
        channels (int): C, 1 (grey) or 3 (colour).
        image_size (int): H = W in pixels, a multiple of 16.
        width (int): Maps after the first layers; each further one halves them.
        mask_penalty (float): λ, the weight of the penalty.
        use_beta (bool): Whether batch normalization has a shift β.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self, k0=100, n_frames=16, channels=3, image_size=64, width=512, mask_penalty=0.1, use_beta=True
    ):
        super().__init__(k0, (channels, n_frames, image_size, image_size), latent="normal")
        check_multiple(8, "the deconvolutions narrow to an eighth of it", width=width)
        check_multiple(16, "four deconvolutions double it", n_frames=n_frames, image_size=image_size)
        self.mask_penalty = mask_penalty
        start = (n_frames // 16, image_size // 16, image_size // 16)

        w = chainer.initializers.Normal(0.01)

        def normalization(size):
            gamma = np.random.normal(1, 0.02, size)
            return BatchNormalization(size, use_beta=use_beta, initial_gamma=gamma)

        with self.init_scope():
            # 512×1×4×4, and 512×4×4 for the background
            self.foreground0 = DeconvolutionND(3, k0, width, start, nobias=True, initialW=w)
            self.foreground_bn0 = normalization(width)
            self.background0 = DeconvolutionND(2, k0, width, start[1:], nobias=True, initialW=w)
            self.background_bn0 = normalization(width)
            # 256×2×8×8
            self.foreground1 = DeconvolutionND(3, width, width // 2, 4, 2, 1, nobias=True, initialW=w)
            self.foreground_bn1 = normalization(width // 2)
            self.background1 = DeconvolutionND(2, width, width // 2, 4, 2, 1, nobias=True, initialW=w)
            self.background_bn1 = normalization(width // 2)
            # 128×4×16×16
            self.foreground2 = DeconvolutionND(3, width // 2, width // 4, 4, 2, 1, nobias=True, initialW=w)
            self.foreground_bn2 = normalization(width // 4)
            self.background2 = DeconvolutionND(2, width // 2, width // 4, 4, 2, 1, nobias=True, initialW=w)
            self.background_bn2 = normalization(width // 4)
            # 64×8×32×32
            self.foreground3 = DeconvolutionND(3, width // 4, width // 8, 4, 2, 1, nobias=True, initialW=w)
            self.foreground_bn3 = normalization(width // 8)
            self.background3 = DeconvolutionND(2, width // 4, width // 8, 4, 2, 1, nobias=True, initialW=w)
            self.background_bn3 = normalization(width // 8)
            # C×16×64×64
            self.foreground_last = DeconvolutionND(3, width // 8, channels, 4, 2, 1, initialW=w)
            self.mask_last = DeconvolutionND(3, width // 8, 1, 4, 2, 1, initialW=w)
            self.background_last = DeconvolutionND(2, width // 8, channels, 4, 2, 1, initialW=w)

    def streams(self, z0):
        """Generate the three parts of the videos.

        Args:
            z0: float32 (N, K0), normal.

        Returns:
            dict: ``"foreground"``, float32 (N, C, T, H, W) in [-1, 1]; ``"mask"``, (N, 1, T, H, W) in [0, 1];
            ``"background"``, (N, C, 1, H, W) in [-1, 1], of type ~chainer.Variable.
        """
        check_shape("z0", z0, ("N", self.k0))
        f = z0[:, :, None, None, None]
        f = self.foreground_bn0(self.foreground0(f), relu)
        f = self.foreground_bn1(self.foreground1(f), relu)
        f = self.foreground_bn2(self.foreground2(f), relu)
        f = self.foreground_bn3(self.foreground3(f), relu)
        b = z0[:, :, None, None]
        b = self.background_bn0(self.background0(b), relu)
        b = self.background_bn1(self.background1(b), relu)
        b = self.background_bn2(self.background2(b), relu)
        b = self.background_bn3(self.background3(b), relu)
        return {
            "foreground": tanh(self.foreground_last(f)),
            "mask": F.sigmoid(self.mask_last(f)),
            "background": F.expand_dims(tanh(self.background_last(b)), 2),
        }

    def forward(self, z0):
        """Generate videos.

        Args:
            z0: float32 (N, K0), normal.

        Returns:
            ~chainer.Variable: Videos, float32 (N, C, T, H, W) in [-1, 1].
        """
        return _compose(**self.streams(z0))

    def forward_with_penalty(self, z0):
        """Return videos and λ mean ``|m|``, see :class:`Generator`."""
        streams = self.streams(z0)
        penalty = self.mask_penalty * F.average(streams["mask"])  # m is positive
        return _compose(**streams), penalty


def _compose(foreground, mask, background):
    mask = F.broadcast_to(mask, foreground.shape)
    return mask * foreground + (1 - mask) * F.broadcast_to(background, foreground.shape)
