"""What discriminator and generator minimize: the Wasserstein GAN's loss (Eq. 2) and the normal GAN's (Eq. 1).

A loss turns the discriminator's scores of N real and N generated videos, float (N, 1), into scalars of type
~chainer.Variable. Its ``statistics`` take the scores as arrays, and are reported beside the losses.
"""

import chainer.functions as F
from chainer import backend


class WassersteinLoss:
    """E[D(G(z))] - E[D(x)] for D, -E[D(G(z))] for G (Section 3.2, Eq. 2).

    Both means are one sum, of N differences divided by N: a GPU then starts six kernels fewer an iteration.
    """

    def discriminator(self, score_real, score_fake):
        """Compute E[D(G(z))] - E[D(x)]."""
        return F.sum((score_fake - score_real) / len(score_real))

    def generator(self, score_fake):
        """Compute -E[D(G(z))]."""
        return F.sum(score_fake / -len(score_fake))

    def statistics(self, score_real, score_fake):
        """Estimate the Wasserstein distance, ``wasserstein``, up to a factor: D's Lipschitz constant."""
        return {"wasserstein": (score_real - score_fake).mean()}


class CrossEntropyLoss:
    """Eq. 1, where D(x) is the sigmoid of the score.

    D minimizes -E[log D(x)] - E[log(1 - D(G(z)))]. G minimizes -E[log D(G(z))], which has the fixed point of
    Eq. 1 but gradients also where D wins (Goodfellow et al. 2014, Section 3), as in the authors' scripts.
    """

    def discriminator(self, score_real, score_fake):
        """Compute -E[log D(x)] - E[log(1 - D(G(z)))], with -log sigmoid(s) = softplus(-s)."""
        return F.average(F.softplus(-score_real)) + F.average(F.softplus(score_fake))

    def generator(self, score_fake):
        """Compute -E[log D(G(z))]."""
        return F.average(F.softplus(-score_fake))

    def statistics(self, score_real, score_fake):
        """Compute the share of videos that D tells right as ``accuracy``: 0.5 if it guesses, 1 if it wins."""
        xp = backend.get_array_module(score_real)
        return {"accuracy": xp.concatenate([score_real > 0, score_fake <= 0]).mean()}


# The losses by their names in configurations.
LOSSES = {"wgan": WassersteinLoss, "gan": CrossEntropyLoss}
LABELS = {"wgan": "WGAN", "gan": "normal GAN"}  # what people call them
