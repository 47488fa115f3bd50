from tgan_chainer.checks import check_multiple, check_positive_int, check_shape
from tgan_chainer.errors import InputError
from tgan_chainer.functions import lay_out, relu, tanh
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.links.convolution_nd import DeconvolutionND

import chainer
import chainer.functions as F
import chainer.links as L


class ImageGenerator(chainer.Chain):
    """G1: z0 and the latent variable z1^t of a frame → that frame.

    Table 1, right column, and Section 3.4. Each latent variable goes through a linear layer of its own to
    256 maps of 4×4; the maps are joined and deconvolved to 64×64. Batch normalization and ReLU follow
    every layer but the last, which ends in tanh. The padding of the deconvolutions is Table 1's 1: the 2
    in the text of Section 3.4 would not double the size.

    A layer that batch normalization follows has no bias, since the normalization would take it out again.
    Weights: uniform in [-0.01, 0.01] (Section 6.2).

    Args:
        k0 (int): K0, the size of z0.
        k1 (int): K1, the size of z1.
        channels (int): Channels of a frame, 1 (grey) or 3 (colour).
        image_size (int): Height and width of a frame in pixels, a multiple of 16.
        width (int): Maps of each linear layer; the deconvolutions have ``width``, ``width / 2``, ... maps.
        use_z0 (bool): False leaves z0 out: the row "TGAN (G1(z1))" of Table 3.
        n_classes (int): V, for the conditional TGAN (Section 5.2): one-hot labels go through a linear layer
            of their own. 0 for none.
        use_beta (bool): Whether batch normalization has a shift β.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self, k0=100, k1=100, channels=3, image_size=64, width=256, use_z0=True, use_beta=True, n_classes=0
    ):
        super().__init__()
        check_positive_int(k0=k0, k1=k1, channels=channels)
        check_multiple(8, "the deconvolutions narrow to an eighth of it", width=width)
        check_multiple(16, "four deconvolutions double the size", image_size=image_size)
        self.k0, self.k1, self.use_z0, self.n_classes = k0, k1, use_z0, n_classes
        self.width, self.start_size = width, image_size // 16

        w = chainer.initializers.Uniform(0.01)
        flat = width * self.start_size**2
        n_joined = (1 + bool(use_z0) + bool(n_classes)) * width
        with self.init_scope():
            # linear (256 · 4²) of z0, linear (256 · 4²) of z1
            if use_z0:
                self.linear_z0 = L.Linear(k0, flat, nobias=True, initialW=w)
                self.bn_z0 = BatchNormalization(flat, use_beta=use_beta)
            self.linear_z1 = L.Linear(k1, flat, nobias=True, initialW=w)
            self.bn_z1 = BatchNormalization(flat, use_beta=use_beta)
            if n_classes:
                self.linear_label = L.Linear(n_classes, flat, nobias=True, initialW=w)
                self.bn_label = BatchNormalization(flat, use_beta=use_beta)
            # concat + deconv (4, 256, 1, 2)
            self.deconv1 = DeconvolutionND(2, n_joined, width, 4, 2, 1, nobias=True, initialW=w)
            self.bn1 = BatchNormalization(width, use_beta=use_beta)
            # deconv (4, 128, 1, 2)
            self.deconv2 = DeconvolutionND(2, width, width // 2, 4, 2, 1, nobias=True, initialW=w)
            self.bn2 = BatchNormalization(width // 2, use_beta=use_beta)
            # deconv (4, 64, 1, 2)
            self.deconv3 = DeconvolutionND(2, width // 2, width // 4, 4, 2, 1, nobias=True, initialW=w)
            self.bn3 = BatchNormalization(width // 4, use_beta=use_beta)
            # deconv (4, 32, 1, 2)
            self.deconv4 = DeconvolutionND(2, width // 4, width // 8, 4, 2, 1, nobias=True, initialW=w)
            self.bn4 = BatchNormalization(width // 8, use_beta=use_beta)
            # deconv (3, 3, 1, 1) + tanh
            self.deconv5 = DeconvolutionND(2, width // 8, channels, 3, 1, 1, initialW=w)

    def forward(self, z1, z0=None, label=None):
        """Generate frames.

        Args:
            z1: float32 (N, K1).
            z0: float32 (N, K0), or None where the generator was built with ``use_z0=False``.
            label: One-hot, float32 (N, V), or None where it was built with ``n_classes=0``.

        Returns:
            ~chainer.Variable: Frames, float32 (N, C, H, W) in [-1, 1].
        """
        check_shape("z1", z1, ("N", self.k1))
        if self.use_z0 != (z0 is not None):
            raise InputError(
                f"z0 must {'not be None' if self.use_z0 else 'be None'}: use_z0 is {self.use_z0}"
            )
        maps = [self._to_maps(self.bn_z1(self.linear_z1(z1), relu))]
        if self.use_z0:
            check_shape("z0", z0, (len(z1), self.k0))
            maps.insert(0, self._to_maps(self.bn_z0(self.linear_z0(z0), relu)))
        if self.n_classes:
            check_shape("label", label, (len(z1), self.n_classes))
            maps.append(self._to_maps(self.bn_label(self.linear_label(label), relu)))
        h = F.concat(maps) if len(maps) > 1 else maps[0]
        h = self.bn1(self.deconv1(lay_out(h)), relu)
        h = self.bn2(self.deconv2(h), relu)
        h = self.bn3(self.deconv3(h), relu)
        h = self.bn4(self.deconv4(h), relu)
        return tanh(self.deconv5(h))

    def _to_maps(self, h):
        return F.reshape(h, (len(h), self.width, self.start_size, self.start_size))
