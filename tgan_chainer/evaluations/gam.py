"""Generative adversarial metric: the battle of two GANs (Im et al. 2016, Section 4; Section 6.5, Table 3)."""

import typing

import numpy as np

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError

# "Near one" is nowhere quantified. Within these bounds of r_test, as a ratio of accuracies, we call a
# comparison fair. A ratio of errors would be one of small counts where both are right about nearly all data.
FAIR = 0.8, 1.25
RATIOS = "r_test", "r_sample", "r_test_accuracies", "r_sample_accuracies"


class Scores(typing.NamedTuple):
    """What one discriminator says, float (N,) each, the larger the more real.

    Attributes:
        test: About test data, the same ones, in the same order, for both discriminators.
        own: About samples of its own generator.
        other: About samples of the other generator; those that are that discriminator's ``own``.
        real: About real videos to choose a threshold by; None takes ``test``.
    """

    test: np.ndarray
    own: np.ndarray
    other: np.ndarray
    real: np.ndarray | None = None


def gam(a, b, thresholds=(None, None), n_bootstrap=1000, seed=0):
    """Compare two GANs by how often each discriminator is wrong.

    With ε the share that a discriminator gets wrong (real at or below its threshold, or a sample above it),

        r_test = ε(D_A(x_test)) / ε(D_B(x_test)),   r_sample = ε(D_B(G_A(z))) / ε(D_A(G_B(z))).

    r_sample, the GAM score, is above one if A's samples fool B's discriminator more often than B's fool A's
    (as the paper prints it; Im et al. have its inverse). Im et al.'s code
    (https://github.com/jiwoongim/GRAN, battle.py) takes ratios of accuracies where their paper has ratios of
    errors, which are ratios of small counts if discriminators are good:

        r_test = (1 - ε(D_A(x_test))) / (1 - ε(D_B(x_test))),
        r_sample = (1 - ε(D_A(G_B(z)))) / (1 - ε(D_B(G_A(z)))).

    Both r_sample are above one for the same winner. The comparison is fair if r_test, of accuracies, is near
    one. 0/0 is NaN, anything else over 0 is infinite.

    The intervals hold the middle 95 % of bootstrap replicates: all sets of scores are drawn anew with
    replacement, and thresholds chosen anew. Replicates with 0/0 are left out of the intervals, not of what
    decides.

    Args:
        a, b (Scores): What D_A and what D_B say.
        thresholds (tuple): Thresholds of D_A and D_B, floats; 0 is that of a normal GAN. None, for a WGAN,
            which has none, chooses the one that separates samples of the own generator best from real videos
            (Section 6.5), see :func:`best_threshold`.
        n_bootstrap (int): Replicates; 0 for no intervals.
        seed (int): Seed of the bootstrap.

    Returns:
        dict: ``r_test``, ``r_sample`` and, as ratios of accuracies, ``r_test_accuracies`` and
        ``r_sample_accuracies`` (float); of each an ``..._interval`` (tuple of two floats, or None);
        ``winner`` ("A", "B", or "tie" where r_sample is one or 0/0), ``decided`` (whether 95 % of replicates
        agree on it; None without a bootstrap), ``fair`` (whether ``r_test_accuracies`` lies in ``FAIR``),
        ``thresholds`` (of D_A and D_B) and ``errors`` (the four shares, by ``test_a``, ``test_b``,
        ``sample_a`` = ε(D_B(G_A(z))), ``sample_b``).

    Raises:
        InputError: Scores are missing, not finite or of sizes that do not fit.
    """
    a, b = _check("a", a), _check("b", b)
    for name, one, other in (
        ("test data", a.test, b.test),
        ("samples of A", a.own, b.other),
        ("samples of B", b.own, a.other),
    ):
        if len(one) != len(other):
            raise InputError(f"D_A and D_B score other {name}: {len(one)} and {len(other)} of them")
    if n_bootstrap:
        check_positive_int(n_bootstrap=n_bootstrap)
    chosen = _thresholds(a, b, thresholds)
    errors = dict(zip(("test_a", "test_b", "sample_a", "sample_b"), _errors(a, b, chosen)))
    ratios = ratios_of(errors)

    intervals, decided = dict.fromkeys(RATIOS), None
    if n_bootstrap:
        rng = np.random.RandomState(seed)
        replicates = []
        for _ in range(n_bootstrap):
            drawn = _draw(a, b, rng)
            replicates.append(dict(zip(errors, _errors(*drawn, _thresholds(*drawn, thresholds)))))
        drawn_ratios = [ratios_of(replicate) for replicate in replicates]
        intervals = {key: _interval(np.array([ratios[key] for ratios in drawn_ratios])) for key in RATIOS}
        low, high = _interval(np.array([one["sample_a"] - one["sample_b"] for one in replicates]))
        decided = not low <= 0 <= high
    return {
        **ratios,
        **{f"{key}_interval": interval for key, interval in intervals.items()},
        "winner": "A" if ratios["r_sample"] > 1 else "B" if ratios["r_sample"] < 1 else "tie",
        "decided": decided,
        "fair": is_fair(errors),
        "thresholds": chosen,
        "errors": errors,
    }


def ratios_of(errors):
    """Return the four ratios of ``RATIOS``, a dict of floats, from the four shares of errors, a dict."""
    test_a, test_b, sample_a, sample_b = (
        np.float64(errors[key]) for key in ("test_a", "test_b", "sample_a", "sample_b")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (
            test_a / test_b,
            sample_a / sample_b,
            (1 - test_a) / (1 - test_b),
            (1 - sample_b) / (1 - sample_a),
        )
    return dict(zip(RATIOS, map(float, ratios)))


def is_fair(errors):
    """Return whether r_test, as a ratio of accuracies, lies in ``FAIR``."""
    return FAIR[0] <= ratios_of(errors)["r_test_accuracies"] <= FAIR[1]


def best_threshold(real, fake):
    """Find the score that separates real videos (above it) from generated ones best.

    Best is where the mean of both shares that are told right, the balanced accuracy, is largest. Of several
    equally good places the middle one is taken, between two scores half-way; beyond all scores ±infinity.

    Args:
        real, fake: float (N,), (M,).

    Returns:
        float
    """
    real, fake = np.sort(real), np.sort(fake)
    scores = np.unique(np.concatenate([real, fake]))
    # Between scores i - 1 and i, for i from 0 (below all) to the last (above all).
    below_real = np.append(np.searchsorted(real, scores, side="left"), len(real)) / len(real)
    below_fake = np.append(np.searchsorted(fake, scores, side="left"), len(fake)) / len(fake)
    gain = below_fake - below_real
    best = np.flatnonzero(gain >= gain.max() - 1e-12)  # equal but for rounding
    i = best[len(best) // 2]
    if i == 0:
        return -np.inf
    return np.inf if i == len(scores) else float(scores[i - 1] + (scores[i] - scores[i - 1]) / 2)


def score_text(value, form=".2f"):
    """Format a score, a float or the str that JSON files have for NaN and infinity; NaN as what it means."""
    value = float(value)
    return "undefined (0/0)" if np.isnan(value) else format(value, form)


def _check(name, scores):
    arrays = {}
    for field, array in scores._asdict().items():
        if field == "real" and array is None:
            arrays[field] = arrays["test"]
            continue
        array = np.asarray(array, np.float64).reshape(-1)
        if not len(array):
            raise InputError(f"{name}.{field} holds no scores; at least one is needed")
        if not np.isfinite(array).all():
            raise InputError(f"{name}.{field} holds NaN or infinite scores: the discriminator has diverged")
        arrays[field] = array
    return Scores(**arrays)


def _thresholds(a, b, given):
    return tuple(best_threshold(s.real, s.own) if t is None else float(t) for s, t in zip((a, b), given))


def _errors(a, b, thresholds):
    threshold_a, threshold_b = thresholds
    shares = a.test <= threshold_a, b.test <= threshold_b, b.other > threshold_b, a.other > threshold_a
    return tuple(float(share.mean()) for share in shares)


def _draw(a, b, rng):
    """Draw everything with replacement, keeping together what two discriminators say of the same video."""
    test, of_a, of_b = (rng.randint(n, size=n) for n in (len(a.test), len(a.own), len(b.own)))
    # Where the threshold was chosen by the test data, it is again.
    real_a, real_b = (
        test if s.real is s.test else rng.randint(len(s.real), size=len(s.real)) for s in (a, b)
    )
    return (
        Scores(a.test[test], a.own[of_a], a.other[of_b], a.real[real_a]),
        Scores(b.test[test], b.own[of_b], b.other[of_a], b.real[real_b]),
    )


def _interval(replicates):
    """Return the 2.5 % and 97.5 % quantiles as members of the set: between infinities there is no mean."""
    replicates = np.sort(replicates[~np.isnan(replicates)])
    if not len(replicates):
        return None
    ends = np.rint(np.array([0.025, 0.975]) * (len(replicates) - 1)).astype(int)
    return tuple(replicates[ends].tolist())
