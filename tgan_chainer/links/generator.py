import numpy as np

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError

import chainer


class Generator(chainer.Chain):
    """What all generators share: they know how to draw their latent variables and how to sample.

    A subclass calls the constructor and defines ``forward(z0)``, or, if it is conditional, ``forward(z0,
    labels)``, which returns videos, float32 (N, C, T, H, W) in [-1, 1]. One whose training has a penalty also
    overrides :meth:`forward_with_penalty`.

    Args:
        k0 (int): Size of z0.
        video_shape (tuple of ints): (C, T, H, W).
        n_classes (int): Number V of labels of a conditional generator; 0 for none.
        latent (str): What z0 is drawn from: "uniform", U(-1, 1) (Section 3.4), or "normal", N(0, 1).

    Attributes:
        label_prior (float64 array (V,)): How often a conditional generator draws each label (persistent;
            uniform at first).
    """

    def __init__(self, k0, video_shape, n_classes=0, latent="uniform"):
        super().__init__()
        check_positive_int(k0=k0)
        self.k0, self.video_shape, self.n_classes, self.latent = k0, video_shape, n_classes, latent
        if n_classes:
            self.add_persistent("label_prior", np.full(n_classes, 1 / n_classes))

    def forward_with_penalty(self, *inputs):
        """Generate videos for training.

        Args:
            inputs: Those of ``forward``.

        Returns:
            tuple: What ``forward`` returns, and what the generator's step adds to its loss, which is reported
            as ``penalty``: a scalar ~chainer.Variable, or None, as here, of a generator without a penalty.
        """
        return self(*inputs), None

    def draw_z0(self, n, random_state=None):
        """Draw latent variables.

        The numbers always come from NumPy, also for a generator on a GPU: a seed then means the same
        videos on every device, and a snapshot can hold the state of the random numbers (CuPy has no way
        to read its own).

        Args:
            n (int): Number of videos.
            random_state (numpy.random.RandomState): Source of the numbers; NumPy's global one if None.

        Returns:
            array: float32 (n, K0) on the generator's device.
        """
        check_positive_int(n=n)
        random_state = random_state or np.random
        if self.latent == "uniform":
            z0 = random_state.uniform(-1, 1, (n, self.k0))
        else:
            z0 = random_state.standard_normal((n, self.k0))
        return self.device.send(z0.astype(chainer.get_dtype()))

    def draw_labels(self, n, random_state=None):
        """Draw labels from the prior, that is as often as in the training data (Section 6.5).

        Args:
            n, random_state: As for :meth:`draw_z0`.

        Returns:
            array: int32 (n,) on the generator's device.
        """
        prior = chainer.get_device("@numpy").send(self.label_prior)
        labels = (random_state or np.random).choice(self.n_classes, n, p=prior)
        return self.device.send(labels.astype(np.int32))

    def sample(self, n, seed=None, batch_size=16, labels=None, wanted=None):
        """Generate ``n`` videos in batches, without gradients, normalized by the running statistics.

        Args:
            n (int): Number of videos.
            seed (int): Seed of the latent variables; None goes on with NumPy's global random numbers.
            batch_size (int): Videos in memory at a time on the generator's device.
            labels (sequence of n ints): Labels for a conditional generator; None draws them from the prior.
            wanted (bool array (n,)): Which of the n videos to yield; batches without any are not computed.
                None wants all.

        Yields:
            numpy.ndarray: One video after another, float32 (C, T, H, W) in [-1, 1].

        Raises:
            InputError: Labels are given that the generator does not know, or not n of them.
        """
        check_positive_int(batch_size=batch_size)
        random_state, label_state = (None, None) if seed is None else random_states(seed)
        if labels is not None:
            if not self.n_classes:
                raise InputError("labels were given, but this generator is not conditional")
            labels = np.asarray(labels)
            check_labels(labels, n, self.n_classes)
        for start in range(0, n, batch_size):
            size = min(batch_size, n - start)
            inputs = [self.draw_z0(size, random_state)]
            if labels is not None:
                inputs.append(self.device.send(labels[start : start + size].astype(np.int32)))
            elif self.n_classes:
                inputs.append(self.draw_labels(size, label_state))
            of_batch = slice(None) if wanted is None else np.flatnonzero(wanted[start : start + size])
            if wanted is not None and not len(of_batch):
                continue
            with chainer.using_config("train", False), chainer.no_backprop_mode():
                videos = self(*inputs)
            yield from chainer.get_device("@numpy").send(videos.array)[of_batch]


def random_states(seed):
    """Return what z0 and what labels are drawn from: two, so that the batch size does not matter."""
    return np.random.RandomState(seed), np.random.RandomState([seed, 1])


def check_labels(labels, n, n_classes):
    """Raise InputError unless ``labels`` are n whole numbers in 0 ... V - 1.

    Their range is not looked at on a GPU, which it would make wait.
    """
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise InputError(f"labels must be {n} whole numbers, not {labels.dtype} {labels.shape}")
    if isinstance(labels, np.ndarray) and n and not 0 <= labels.min() <= labels.max() < n_classes:
        raise InputError(f"labels must be in 0 ... {n_classes - 1}, not {labels.min()} ... {labels.max()}")


def one_hot(labels, n, link):
    """Turn labels into one-hot vectors.

    Args:
        labels: int (N,) in 0 ... V - 1; None if the network is not conditional.
        n (int): N.
        link: The network, with the attribute ``n_classes``, V.

    Returns:
        array: float32 (N, V) on the network's device; None if V is 0.

    Raises:
        InputError: There are no labels though there should be, or the other way round; or they do not fit.
    """
    if bool(link.n_classes) != (labels is not None):
        raise InputError(
            f"labels must {'not be None' if link.n_classes else 'be None'}: n_classes is {link.n_classes}"
        )
    if labels is None:
        return None
    labels = link.device.send(labels)
    check_labels(labels, n, link.n_classes)
    return (labels[:, None] == link.xp.arange(link.n_classes)).astype(chainer.get_dtype())
