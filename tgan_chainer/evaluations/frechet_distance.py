import numpy as np

from tgan_chainer.errors import InputError
from tgan_chainer.texts import count


class Moments:
    """Mean and covariance of features, added up in float64 batch by batch.

    Attributes:
        n (int): Samples so far.
        mean (numpy.ndarray): float64 (D,).
        covariance (numpy.ndarray): float64 (D, D), divided by n - 1.
    """

    def __init__(self):
        self.n, self._shift = 0, None

    def add(self, features):
        """Take features, float (N, D), into account.

        Raises:
            InputError: They are none, not finite, or of another size than those before.
        """
        features = np.asarray(features, np.float64)
        if features.ndim != 2 or not features.size:
            raise InputError(f"features must have the shape (N, D), not {features.shape}")
        if not np.isfinite(features).all():
            raise InputError("features must be finite numbers; they hold NaN or infinity")
        if self._shift is None:
            # Sums of squares lose digits when the mean is large beside the deviation; any point among the
            # features is near enough to the mean to prevent that.
            self._shift = features.mean(axis=0)
            self._sum = np.zeros(features.shape[1])
            self._products = np.zeros((features.shape[1],) * 2)
        if features.shape[1] != len(self._shift):
            raise InputError(f"features have {features.shape[1]} dimensions; those before {len(self._shift)}")
        features = features - self._shift
        self.n += len(features)
        self._sum += features.sum(axis=0)
        self._products += features.T @ features

    @property
    def mean(self):
        return self._shift + self._sum / self.n

    @property
    def covariance(self):
        if self.n < 2:
            raise InputError(f"there is no covariance of {count(self.n, 'sample')}; at least two are needed")
        return (self._products - np.outer(self._sum, self._sum) / self.n) / (self.n - 1)


def frechet_distance(a, b):
    """Compute the squared Fréchet distance of two normal distributions (Heusel et al. 2017), in float64.

    ``|μ_a - μ_b|² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½)``. The trace of the root is the sum of the roots of the
    eigenvalues of Σ_a^½ Σ_b Σ_a^½, which is symmetric, so that no complex numbers come up, and singular
    covariances (fewer samples than dimensions) are no special case.

    The estimate from samples is biased: with few of them it is too large, also between two samples of the
    same distribution. Compare only distances from equally many.

    Args:
        a, b (Moments): The moments of the two sets of features.

    Returns:
        float: At least 0.

    Raises:
        InputError: The features are of different sizes, or there are fewer than two.
    """
    covariance_a, covariance_b = a.covariance, b.covariance  # there are none of fewer than two
    if len(a.mean) != len(b.mean):
        raise InputError(f"features of {len(a.mean)} and of {len(b.mean)} dimensions have no distance")
    values, vectors = np.linalg.eigh(covariance_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    product = root @ covariance_b @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    trace = np.trace(covariance_a) + np.trace(covariance_b) - 2 * np.sqrt(eigenvalues.clip(0)).sum()
    return max(float(((a.mean - b.mean) ** 2).sum() + trace), 0.0)
