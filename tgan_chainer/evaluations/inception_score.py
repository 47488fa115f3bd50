import numpy as np

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError
from tgan_chainer.texts import count


def inception_score(probabilities, splits=1):
    """Compute exp(mean KL(p(y|x) ‖ p(y))) (Salimans et al. 2016; Section 6.5), in float64.

    It lies between 1 (all predictions are the same) and V (all are certain, and all classes equally
    frequent). The fewer samples, the lower its expectation: compare only scores of equally many.

    Args:
        probabilities: float (N, V), p(y|x) of one sample a row. Zeros are fine.
        splits (int): Parts of (almost) equal size, in order, that are scored each by itself.

    Returns:
        numpy.ndarray: float64 (splits,).

    Raises:
        InputError: There are fewer samples than splits, or rows that are no probabilities.
    """
    check_positive_int(splits=splits)
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2:
        raise InputError(f"probabilities must have the shape (N, V), not {p.shape}")
    if len(p) < splits:
        raise InputError(
            f"{count(len(p), 'sample')} cannot be cut into {splits} splits: there must be as many at least"
        )
    if not np.isfinite(p).all():
        raise InputError(f"probabilities hold NaN or infinity (row {np.argmin(np.isfinite(p).all(axis=1))})")
    if (p < 0).any() or (abs(p.sum(axis=1) - 1) > 1e-3).any():
        raise InputError("probabilities must not be negative, and each row must have the sum one")
    return np.array([np.exp(_mutual_information(part)) for part in np.array_split(p, splits)])


def _mutual_information(p):
    """The mean KL divergence, as the entropy of p(y) less the mean entropy of p(y|x)."""
    return _entropy(p.mean(axis=0)) - _entropy(p).mean()


def _entropy(p):
    # The limit of p log p at zero is zero.
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
