import numpy as np

from tgan_chainer.checks import check_positive_int, check_shape
from tgan_chainer.links.image_generator import ImageGenerator
from tgan_chainer.links.temporal_generator import TemporalGenerator

import chainer
import chainer.functions as F


class VideoGenerator(chainer.Chain):
    """G: z0 → the video [G1(z0, z1^1), ..., G1(z0, z1^T)] with [z1^1, ..., z1^T] = G0(z0).

    Section 3.3 and the left half of Fig. 1.

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
    ):
        super().__init__()
        with self.init_scope():
            self.temporal_generator = TemporalGenerator(
                k0, k1, n_frames, temporal_width, start_length, use_beta
            )
            self.image_generator = ImageGenerator(k0, k1, channels, image_size, image_width, use_z0, use_beta)
        self.k0, self.k1, self.n_frames = k0, k1, n_frames
        self.video_shape = (channels, n_frames, image_size, image_size)

    def draw_z0(self, n, random_state=None):
        """Draw z0 ~ U(-1, 1) (Section 3.4).

        The numbers always come from NumPy, also for a generator on a GPU: a seed then means the same
        videos on every device, and a snapshot can hold the state of the random numbers (CuPy has no way
        to read its own).

        Args:
            n (int): How many.
            random_state (numpy.random.RandomState): Where from; NumPy's global one if None.

        Returns:
            array: float32 (n, K0) on the generator's device.
        """
        check_positive_int(n=n)
        random_state = random_state or np.random
        return self.device.send(random_state.uniform(-1, 1, (n, self.k0)).astype(np.float32))

    def forward(self, z0):
        """Generate videos.

        Args:
            z0: float32 (N, K0), uniform in [-1, 1].

        Returns:
            ~chainer.Variable: Videos, float32 (N, C, T, H, W) in [-1, 1].
        """
        check_shape("z0", z0, ("N", self.k0))
        return self.generate_frames(z0, self.temporal_generator(z0))

    def generate_frames(self, z0, z1):
        """Apply G1 to every frame of a trajectory, with the same z0 for all frames of a video.

        Args:
            z0: float32 (N, K0).
            z1: float32 (N, T, K1), for any number of frames T.

        Returns:
            ~chainer.Variable: Videos, float32 (N, C, T, H, W) in [-1, 1].
        """
        check_shape("z1", z1, (len(z0), "T", self.k1))
        n, n_frames, _ = z1.shape
        if self.image_generator.use_z0:
            z0 = F.broadcast_to(F.expand_dims(z0, 1), (n, n_frames, self.k0))
            z0 = F.reshape(z0, (n * n_frames, self.k0))
        else:
            z0 = None
        frames = self.image_generator(F.reshape(z1, (n * n_frames, self.k1)), z0)
        videos = F.reshape(frames, (n, n_frames, *frames.shape[1:]))
        return F.transpose(videos, (0, 2, 1, 3, 4))

    def sample(self, n, seed=None, batch_size=16):
        """Generate ``n`` videos in batches, without gradients, normalized by the running statistics.

        Args:
            n (int): How many videos.
            seed (int): Seed of the latent variables; None goes on with NumPy's global random numbers.
            batch_size (int): Videos in memory at a time on the generator's device.

        Yields:
            numpy.ndarray: One video after another, float32 (C, T, H, W) in [-1, 1].
        """
        random_state = None if seed is None else np.random.RandomState(seed)
        for start in range(0, n, batch_size):
            z0 = self.draw_z0(min(batch_size, n - start), random_state)
            with chainer.using_config("train", False), chainer.no_backprop_mode():
                videos = self(z0)
            yield from chainer.get_device("@numpy").send(videos.array)
