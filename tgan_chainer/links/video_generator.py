from tgan_chainer.checks import check_positive_int, check_shape
from tgan_chainer.functions import frames_to_videos
from tgan_chainer.links.generator import Generator, one_hot
from tgan_chainer.links.image_generator import ImageGenerator
from tgan_chainer.links.temporal_generator import TemporalGenerator

import chainer
import chainer.functions as F


class VideoGenerator(Generator):
    """G: z0 → the video [G1(z0, z1^1), ..., G1(z0, z1^T)] with [z1^1, ..., z1^T] = G0(z0).

    Section 3.3 and the left half of Fig. 1. With ``n_classes`` it is that of the conditional TGAN (Section
    5.2): [G1(z0, z1^1, v), ...] with G0(z0, v), where v is the label as a one-hot vector.

    Args:
        k0 (int): K0, the size of z0.
        k1 (int): K1, the size of each z1.
        n_frames (int): T, a power of two.
        channels (int): C, 1 (grey) or 3 (colour).
        image_size (int): H = W in pixels, a multiple of 16.
        temporal_width (int): Width of G0, see :class:`TemporalGenerator`.
        image_width (int): Width of G1, see :class:`ImageGenerator`.
        start_length (int): See :class:`TemporalGenerator`.
        use_z0 (bool): False: G1 sees z1 alone, the row "TGAN (G1(z1))" of Table 3.
        use_beta (bool): Whether batch normalization has a shift β.
        n_classes (int): V, the number of labels; 0 for none.
        use_beta_g1 (bool): Whether that of G1 has one; as ``use_beta`` if None. In the authors' own runs with
            ``use_beta: false``, G1 kept its β.
        temporal_weights (initializer): How the weights of G0 start, see :class:`TemporalGenerator`.

    Attributes:
        temporal_generator (TemporalGenerator): G0.
        image_generator (ImageGenerator): G1.
    """

    def __init__(
        self,
        k0=100,
        k1=100,
        n_frames=16,
        channels=3,
        image_size=64,
        temporal_width=512,
        image_width=256,
        start_length=1,
        use_z0=True,
        use_beta=True,
        n_classes=0,
        use_beta_g1=None,
        temporal_weights=None,
    ):
        super().__init__(k0, (channels, n_frames, image_size, image_size), n_classes)
        use_beta_g1 = use_beta if use_beta_g1 is None else use_beta_g1
        with self.init_scope():
            self.temporal_generator = TemporalGenerator(
                k0 + n_classes, k1, n_frames, temporal_width, start_length, use_beta, temporal_weights
            )
            self.image_generator = ImageGenerator(
                k0, k1, channels, image_size, image_width, use_z0, use_beta_g1, n_classes
            )
        self.k1, self.n_frames = k1, n_frames

    def forward(self, z0, labels=None):
        """Generate videos.

        Args:
            z0: float32 (N, K0), uniform in [-1, 1].
            labels: int (N,) in 0 ... V - 1, for a conditional generator only.

        Returns:
            ~chainer.Variable: Videos, float32 (N, C, T, H, W) in [-1, 1].
        """
        return self.generate_frames(z0, self.generate_trajectory(z0, labels), labels)

    def generate_trajectory(self, z0, labels=None):
        """Apply G0.

        Args:
            z0, labels: As for :meth:`forward`.

        Returns:
            ~chainer.Variable: z1, float32 (N, T, K1) in [-1, 1].
        """
        check_shape("z0", z0, ("N", self.k0))
        label = one_hot(labels, len(z0), self)
        return self.temporal_generator(z0 if label is None else F.concat([z0, label]))

    def generate_frames(self, z0, z1, labels=None):
        """Apply G1 to every frame of a trajectory, with the same z0 (and label) for all frames of a video.

        Args:
            z0: float32 (N, K0).
            z1: float32 (N, T, K1), for any number of frames T.
            labels: int (N,), for a conditional generator only.

        Returns:
            ~chainer.Variable: Videos, float32 (N, C, T, H, W) in [-1, 1].
        """
        check_shape("z1", z1, (len(z0), "T", self.k1))
        n, n_frames, _ = z1.shape

        def for_each_frame(x):
            x = F.broadcast_to(F.expand_dims(x, 1), (n, n_frames, x.shape[1]))
            return F.reshape(x, (n * n_frames, x.shape[2]))

        label = one_hot(labels, n, self)
        frames = self.image_generator(
            F.reshape(z1, (n * n_frames, self.k1)),
            for_each_frame(z0) if self.image_generator.use_z0 else None,
            None if label is None else for_each_frame(label),
        )
        return frames_to_videos(frames, n_frames)

    def interpolate(self, z0, factor, labels=None):
        """Generate intermediate frames (Section 5.1): G1 along the line between the z1 of neighbours.

        Args:
            z0: float32 (N, K0).
            factor (int): Steps from one generated frame to the next; 1 adds none.
            labels: int (N,), for a conditional generator only.

        Returns:
            ~chainer.Variable: Videos, float32 (N, C, (T - 1) factor + 1, H, W) in [-1, 1]. The first frame
            and each ``factor``-th after it are those of :meth:`forward`.
        """
        check_positive_int(factor=factor)
        z1 = self.generate_trajectory(z0, labels)
        return self.generate_frames(z0, lengthen(z1, factor), labels)

    def generate_between(self, z0_start, z0_end, n, labels=None):
        """Generate n videos whose z0 lie on the line between two, both included.

        Args:
            z0_start, z0_end: float32 (K0,).
            n (int): Number of videos.
            labels: int (n,), for a conditional generator only.

        Returns:
            ~chainer.Variable: Videos, float32 (n, C, T, H, W) in [-1, 1].
        """
        check_positive_int(n=n)
        share = self.xp.linspace(0, 1, n, dtype=z0_start.dtype)[:, None]
        return self((1 - share) * z0_start + share * z0_end, labels)


def lengthen(z1, factor):
    """The bilinear filter after G0's last layer (Section 5.1).

    Args:
        z1: float (N, T, K1).
        factor (int): At least 1.

    Returns:
        ~chainer.Variable: float (N, (T - 1) factor + 1, K1): z1 in steps of ``factor``, and linear between.
    """
    n, n_frames, k1 = z1.shape
    xp = chainer.backend.get_array_module(z1)
    share = xp.arange(factor, dtype=z1.dtype)[:, None] / factor
    left, right = (F.expand_dims(z, 2) for z in (z1[:, :-1], z1[:, 1:]))
    shape = (n, n_frames - 1, factor, k1)
    steps = F.broadcast_to(left, shape) * (1 - share) + F.broadcast_to(right, shape) * share
    return F.concat([F.reshape(steps, (n, (n_frames - 1) * factor, k1)), z1[:, -1:]], axis=1)
