"""What a source of videos is, and what all kinds share."""

import contextlib

import numpy as np

from tgan_chainer.errors import InputError

WINDOWS = "random", "first", "middle"
RESIZING = "by bicubic interpolation with antialiasing"  # Pillow's for arrays and images, libav's for videos
AHEAD = 64  # videos decoded while others are scored: two batches of a GPU, 50 MB


class VideoSource:
    """Videos to draw samples from.

    Attributes:
        n (int or None): How many there are; None if any number can be drawn.
        description (dict): What a result should say about them.
    """

    n = None

    def draw(self, n, seed=0, repeat=0):
        """Draw n videos, of different repeats different ones.

        Of a finite source the repeats share no video: they are successive parts of one random order.

        Args:
            n (int): How many.
            seed (int): Together with ``repeat`` it fixes which.
            repeat (int): 0, 1, ...

        Yields:
            numpy.ndarray: float32 (C, T, H, W) in [-1, 1].

        Raises:
            InputError: There are not so many, or one cannot be used.
        """
        raise NotImplementedError

    def _choose(self, n, seed, repeat):
        """Return the indices of a finite source's videos."""
        start = n * repeat
        if start + n > self.n:
            raise InputError(
                f"{self.description['path']} holds {self.n} videos; {start + n} were asked for "
                f"({n} samples, {repeat + 1} times)"
            )
        return np.random.RandomState(seed).permutation(self.n)[start : start + n]


def seed_of(seed, repeat):
    """Return the seed of a repeat: of the first one ``seed``; of others one that no repeat of others has."""
    return int(np.random.RandomState([seed, repeat]).randint(2**32, dtype=np.uint64)) if repeat else seed


@contextlib.contextmanager
def naming(name):
    """Put a name before the messages of errors."""
    try:
        yield
    except (InputError, OSError) as error:
        raise InputError(f"{name}: {error}") from error


def cut(video, n_frames, window, rng):
    """Take a window of frames of (C, T, ...)."""
    check_length(video.shape[1], n_frames)
    n_places = video.shape[1] - n_frames + 1
    start = {"first": 0, "middle": (n_places - 1) // 2, "random": None}[window]
    if start is None:
        start = rng.randint(n_places)
    return video[:, start : start + n_frames]


def check_length(length, n_frames):
    if length < n_frames:
        raise InputError(f"{length} frames; at least {n_frames} are needed")


def size_text(width, height=None):
    return f"{width}×{height or width}"
