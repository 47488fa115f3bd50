from tgan_chainer.checks import check_positive_int, check_shape
from tgan_chainer.errors import InputError
from tgan_chainer.functions import relu, tanh
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.links.convolution_nd import DeconvolutionND

import chainer
import chainer.functions as F


class TemporalGenerator(chainer.Chain):
    r"""G0: one latent variable z0 → the latent variables [z1^1, ..., z1^T] of the frames.

    Table 1, left column, and Section 3.4. One-dimensional deconvolutions in time, each followed by batch
    normalization and ReLU, the last one by tanh. With the paper's numbers time goes
    1 → 1 → 2 → 4 → 8 → 16 and the channels go 100 → 512 → 256 → 128 → 128 → 100.

    A deconvolution that batch normalization follows has no bias, since the normalization would take it
    out again.

    Args:
        k0 (int): K0, the size of z0.
        k1 (int): K1, the size of each z1.
        n_frames (int): T, ``start_length`` times a power of two.
        width (int): Channels after the first layer; each following layer halves them, down to a quarter.
        start_length (int): Length of time after the first layer.
        use_beta (bool): Whether batch normalization has a shift β (several of the authors' own runs
            had none).
        initialW (initializer): How the weights start. None: HeNormal (Section 6.2), with Chainer's notion of
            a deconvolution's fan-in, output channels times kernel.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(self, k0=100, k1=100, n_frames=16, width=512, start_length=1, use_beta=True, initialW=None):
        super().__init__()
        check_positive_int(k0=k0, k1=k1, n_frames=n_frames, width=width, start_length=start_length)
        n_doublings = (n_frames // start_length).bit_length() - 1
        if n_frames != start_length << n_doublings or n_doublings < 1:
            raise InputError(
                f"n_frames must be start_length ({start_length}) times 2, 4, 8, ..., not {n_frames}"
            )
        if width % 4:
            raise InputError(f"width must be a multiple of 4 (layers narrow to a quarter of it), not {width}")
        self.k0, self.k1, self.n_frames = k0, k1, n_frames

        w = chainer.initializers.HeNormal() if initialW is None else initialW
        widths = [max(width >> i, width // 4) for i in range(n_doublings)]  # 512, 256, 128, 128
        with self.init_scope():
            # Table 1 prints (kernel, output channels, padding, stride); so does each comment here.
            # (1, 512, 0, 1)
            self.deconv0 = DeconvolutionND(1, k0, width, start_length, 1, 0, nobias=True, initialW=w)
            self.bn0 = BatchNormalization(width, use_beta=use_beta)
            # (4, 256, 1, 2), (4, 128, 1, 2), (4, 128, 1, 2)
            for i in range(1, n_doublings):
                deconv = DeconvolutionND(1, widths[i - 1], widths[i], 4, 2, 1, nobias=True, initialW=w)
                self.add_link(f"deconv{i}", deconv)
                self.add_link(f"bn{i}", BatchNormalization(widths[i], use_beta=use_beta))
            # (4, 100, 1, 2)
            self.deconv_last = DeconvolutionND(1, widths[-1], k1, 4, 2, 1, initialW=w)
        self.n_hidden = n_doublings

    def forward(self, z0):
        """Generate the frames' latent variables.

        Args:
            z0: float32 (N, K0), uniform in [-1, 1].

        Returns:
            ~chainer.Variable: z1, float32 (N, T, K1) in [-1, 1].
        """
        check_shape("z0", z0, ("N", self.k0))
        h = F.expand_dims(z0, 2)
        for i in range(self.n_hidden):
            h = self[f"bn{i}"](self[f"deconv{i}"](h), relu)
        z1 = tanh(self.deconv_last(h))
        return F.transpose(z1, (0, 2, 1))
