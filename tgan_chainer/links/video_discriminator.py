from tgan_chainer.checks import check_multiple, check_positive_int, check_shape
from tgan_chainer.functions import gaussian_noise, lay_out, leaky_relu
from tgan_chainer.kernels import gpu, native
from tgan_chainer.kernels.layout import joined
from tgan_chainer.links.batch_normalization import BatchNormalization, separately_normalized
from tgan_chainer.links.convolution_nd import ConvolutionND
from tgan_chainer.links.generator import one_hot

import chainer
import chainer.functions as F
import chainer.links as L


class VideoDiscriminator(chainer.Chain):
    """D: a video → one unbounded number, the larger the more real (the critic of Eq. 2).

    Section 3.4 and the right half of Fig. 1: four 4×4×4 convolutions of stride 2 with 64, 128, 256, 512
    channels, each followed by batch normalization (but for the first) and LeakyReLU with a = 0.2, then a
    fully-connected layer. With the paper's numbers:
    3×16×64×64 → 64×8×32×32 → 128×4×16×16 → 256×2×8×8 → 512×1×4×4 → 1.

    A convolution that batch normalization follows has no bias, since the normalization would take it out
    again.

    Args:
        channels (int): C, 1 (grey) or 3 (colour).
        n_frames (int): T, a multiple of 16.
        image_size (int): H = W in pixels, a multiple of 16.
        width (int): Channels after the first convolution; each further one doubles them.
        use_beta (bool): Whether batch normalization has a shift β.
        use_gamma (bool): Whether batch normalization has a scale γ. For the normal GAN it has none (Section
            6.3).
        noise (float): Standard deviation σ of the Gaussian noise that training adds after each convolution
            and its batch normalization, before LeakyReLU. For the normal GAN it is 0.2 (Section 6.3), in the
            authors' configuration for Moving MNIST 0.3.
        noise_input (bool): Whether the noise is added to the video as well. The paper's "to all layers" can
            be read either way; the authors' code adds none to the video.
        n_classes (int): V, for the conditional TGAN (Section 5.2): the one-hot label is joined to the video's
            channels as V constant ones. 0 for none.
        initialW (initializer): How the weights start; HeNormal if None (Section 6.2). Vondrick et al. drew
            them from N(0, 0.01), and the paper followed their settings for Video GAN (Section 6.3).

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        channels=3,
        n_frames=16,
        image_size=64,
        width=64,
        use_beta=True,
        use_gamma=True,
        noise=0.0,
        noise_input=True,
        n_classes=0,
        initialW=None,
    ):
        super().__init__()
        check_positive_int(channels=channels, width=width)
        check_multiple(16, "four convolutions halve it", n_frames=n_frames, image_size=image_size)
        self.video_shape = (channels, n_frames, image_size, image_size)
        self.noise, self.noise_input, self.n_classes = noise, noise_input, n_classes

        w = chainer.initializers.HeNormal() if initialW is None else initialW
        scaling = {"use_beta": use_beta, "use_gamma": use_gamma}
        n_units = width * 8 * (n_frames // 16) * (image_size // 16) ** 2
        with self.init_scope():
            self.conv1 = ConvolutionND(3, channels + n_classes, width, 4, 2, 1, initialW=w)
            self.conv2 = ConvolutionND(3, width, width * 2, 4, 2, 1, nobias=True, initialW=w)
            self.bn2 = BatchNormalization(width * 2, **scaling)
            self.conv3 = ConvolutionND(3, width * 2, width * 4, 4, 2, 1, nobias=True, initialW=w)
            self.bn3 = BatchNormalization(width * 4, **scaling)
            self.conv4 = ConvolutionND(3, width * 4, width * 8, 4, 2, 1, nobias=True, initialW=w)
            self.bn4 = BatchNormalization(width * 8, **scaling)
            self.linear5 = L.Linear(n_units, 1, initialW=w)

    def forward(self, x, labels=None):
        """Score videos.

        Args:
            x: float32 (N, C, T, H, W) in [-1, 1].
            labels: int (N,) in 0 ... V - 1, for a conditional discriminator only.

        Returns:
            ~chainer.Variable: Scores, float32 (N, 1).
        """
        return self.linear5(self._features(x, labels))

    def _features(self, x, labels):
        """Return the activations of the last convolution."""
        check_shape("x", x, ("N", *self.video_shape))
        label = one_hot(labels, len(x), self)
        if label is not None:
            voxel = label[:, :, None, None, None]
            x = F.concat([x, self.xp.broadcast_to(voxel, (*voxel.shape[:2], *x.shape[2:]))])
        x = lay_out(x)
        if self.noise and self.noise_input and chainer.config.train:
            x = self._add_noise(x)
        h = self._activate(self.conv1(x))
        h = self._activate(self.conv2(h), self.bn2)
        h = self._activate(self.conv3(h), self.bn3)
        return self._activate(self.conv4(h), self.bn4)

    def score_both(self, real, fake, labels=None):
        """Score real and generated videos as two calls would, each with batch statistics of its own.

        The compiled kernels and a GPU take both at once: products are then twice as wide, and weights are
        transformed, and their gradients added up, only once. Noise would be drawn in another order.

        Args:
            real, fake: Arrays, float32 (N, C, T, H, W) in [-1, 1].
            labels: int (N,) in 0 ... V - 1, of both, for a conditional discriminator only.

        Returns:
            tuple of two ~chainer.Variable: Their scores, float32 (N, 1) each.

        Raises:
            InputError: The videos do not fit the network, or there are not equally many of both.
        """
        check_shape("fake", fake, real.shape)
        if self.noise or not (native.computes(real) or gpu.computes(real)):
            return self(real, labels), self(fake, labels)
        with separately_normalized(2):
            labels = None if labels is None else self.xp.concatenate([labels, labels])
            features = self._features(joined(real, fake), labels)
        # The WGAN's gradient of the last bias is 1 - 1, and exactly zero only if each 1 is a sum of its own:
        # RMSprop would make whole steps of what rounding leaves.
        real, fake = F.split_axis(features, 2, axis=0)
        return self.linear5(real), self.linear5(fake)

    def _activate(self, h, normalize=None):
        """Batch normalization, noise where there is any, and LeakyReLU."""
        if not (self.noise and chainer.config.train):
            return normalize(h, leaky_relu) if normalize else leaky_relu(h)
        return leaky_relu(self._add_noise(normalize(h) if normalize else h))

    def _add_noise(self, h):
        return gaussian_noise(h, self.noise)
