"""GAM against scores counted by hand, thresholds found by brute force, and intervals by formulas."""

import itertools
import json
import os
from fractions import Fraction

import numpy as np
import pytest
from helpers import EXPERIMENTS
from hypothesis import given, settings
from hypothesis import strategies as st

from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import Scores, best_threshold, gam
from tgan_chainer.evaluations.gam import is_fair, ratios_of

INF = float("inf")


def balanced_accuracy(real, fake, threshold):
    """Twice the mean of both shares that are told right, exactly."""
    return Fraction(sum(x > threshold for x in real), len(real)) + Fraction(
        sum(x <= threshold for x in fake), len(fake)
    )


# The threshold


scores = st.lists(st.integers(-5, 5), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(real=scores, fake=scores)
def test_no_other_threshold_separates_better_and_the_middle_one_is_taken(real, fake):
    places = sorted({*real, *fake})
    candidates = [-INF, *((a + b) / 2 for a, b in itertools.pairwise(places)), INF]
    accuracies = [balanced_accuracy(real, fake, candidate) for candidate in candidates]
    best = [c for c, accuracy in zip(candidates, accuracies) if accuracy == max(accuracies)]
    found = best_threshold(real, fake)
    assert isinstance(found, float)
    assert abs(sum(c < found for c in best) - sum(c > found for c in best)) <= 1
    assert found in best


@settings(max_examples=100, deadline=None)
@given(
    real=st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20),
    fake=st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20),
)
def test_no_other_threshold_separates_floats_better(real, fake):
    best = max(balanced_accuracy(real, fake, place) for place in (-INF, *real, *fake))
    assert balanced_accuracy(real, fake, best_threshold(real, fake)) == best


@pytest.mark.parametrize("dtype", [int, np.float32, np.float64])
def test_between_separable_sets_it_is_half_way_whatever_their_order(dtype):
    real, fake = np.array([9, 4, 7], dtype), np.array([-3, 1, -8, 0], dtype)
    assert best_threshold(real, fake) == 2.5
    assert real.tolist() == [9, 4, 7]


def test_thresholds_between_overlapping_sets_counted_by_hand():
    # 3/4 + 3/3 beats 4/4 + 2/3.
    assert best_threshold([1, 5, 6, 7], [0, 0.5, 2]) == 3.5
    # 4/4 + 2/4, 3/4 + 3/4 and 2/4 + 4/4 are the same: of 0.75, 2.5 and 5 the middle one.
    assert best_threshold([1, 3, 6, 7], [0, 0.5, 2, 4]) == 2.5


def test_where_nothing_can_be_separated_the_threshold_is_beyond_all_scores():
    assert np.isinf(best_threshold([1.0, 1.0], [1.0, 1.0, 1.0]))
    assert np.isinf(best_threshold([-3.0, -2.0], [4.0, 5.0]))


def test_sizes_of_the_sets_do_not_count():
    real, fake = [1, 2, 3, 4, 6, 7, 8, 9], [0, 3.5, 5]
    assert best_threshold(real * 30, fake) == best_threshold(real, fake * 30) == best_threshold(real, fake)


# The battle


# Of four test videos D_A gets one wrong and D_B two; two of three samples of A's fool D_B, and one of five of
# B's fools D_A.
A = Scores(test=[1, 2, -1, 3], own=[-2, -3, -1], other=[-1, 1, -1, -1, -0.5])
B = Scores(test=[1, -1, -2, 3], own=[-2, -3, -1, -4, -5], other=[1, 0.5, -1])


def test_scores_are_those_counted_by_hand():
    result = gam(A, B, thresholds=(0, 0), n_bootstrap=0)
    assert result["errors"] == {"test_a": 1 / 4, "test_b": 2 / 4, "sample_a": 2 / 3, "sample_b": 1 / 5}
    assert result["r_test"] == pytest.approx((1 / 4) / (2 / 4), rel=1e-15)
    assert result["r_sample"] == pytest.approx((2 / 3) / (1 / 5), rel=1e-15)
    # As ratios of accuracies, those of Im et al.'s battle.py.
    assert result["r_test_accuracies"] == pytest.approx((3 / 4) / (2 / 4), rel=1e-15)
    assert result["r_sample_accuracies"] == pytest.approx((4 / 5) / (1 / 3), rel=1e-15)
    assert result["winner"] == "A" and not result["fair"]
    assert result["thresholds"] == (0, 0)
    assert result["decided"] is result["r_test_interval"] is result["r_sample_interval"] is None


def test_the_other_way_round_the_scores_are_inverse_and_the_winner_is_the_same():
    result = gam(B, A, thresholds=(0, 0), n_bootstrap=0)
    assert result["errors"] == {"test_a": 2 / 4, "test_b": 1 / 4, "sample_a": 1 / 5, "sample_b": 2 / 3}
    assert result["r_test"] == pytest.approx(2, rel=1e-15)
    assert result["r_sample"] == pytest.approx(3 / 10, rel=1e-15)
    assert result["winner"] == "B"


def test_thresholds_are_each_discriminators_own():
    result = gam(A, B, thresholds=(-0.75, 2), n_bootstrap=0)
    assert result["errors"] == {"test_a": 1 / 4, "test_b": 3 / 4, "sample_a": 0, "sample_b": 2 / 5}
    assert result["thresholds"] == (-0.75, 2)


def test_a_real_video_at_the_threshold_is_wrong_and_a_sample_there_is_right():
    level = Scores(test=[0.0], own=[0.0], other=[0.0])
    errors = gam(level, level, thresholds=(0, 0), n_bootstrap=0)["errors"]
    assert errors == {"test_a": 1, "test_b": 1, "sample_a": 0, "sample_b": 0}


def test_a_critics_threshold_is_chosen_by_its_own_samples_and_other_real_videos():
    a = Scores(test=[10, 20], own=[1, 2], other=[3.5, 100], real=[4, 5, 6])
    b = Scores(test=[-10, 20], own=[-7, -9], other=[-6, -4])
    result = gam(a, b, n_bootstrap=0)
    # Of D_A half-way between 2 and 4; of D_B, which has no other videos, half-way between -7 and 20.
    assert result["thresholds"] == (3, 6.5)
    assert result["errors"] == {"test_a": 0, "test_b": 1 / 2, "sample_a": 0, "sample_b": 1}
    one_critic = gam(a, b, thresholds=(None, 0), n_bootstrap=0)
    assert one_critic["thresholds"] == (3, 0)


def two(test_a, test_b, sample_a, sample_b):
    """Scores with so many of ten that are wrong, for thresholds 0."""
    test = [[-1] * n + [1] * (10 - n) for n in (test_a, test_b)]
    samples = [[1] * n + [-1] * (10 - n) for n in (sample_a, sample_b)]
    return Scores(test[0], [-1] * 10, samples[1]), Scores(test[1], [-1] * 10, samples[0])


@pytest.mark.parametrize(
    ("sample_a", "sample_b", "r_sample", "winner"),
    [(3, 3, 1, "tie"), (0, 0, None, "tie"), (3, 0, INF, "A"), (0, 3, 0, "B"), (4, 3, 4 / 3, "A")],
)
def test_ties_and_divisions_by_zero(sample_a, sample_b, r_sample, winner):
    result = gam(*two(1, 1, sample_a, sample_b), thresholds=(0, 0), n_bootstrap=0)
    if r_sample is None:
        assert np.isnan(result["r_sample"])
    else:
        assert result["r_sample"] == pytest.approx(r_sample, rel=1e-15)
    assert result["winner"] == winner


@pytest.mark.parametrize(
    ("test_a", "test_b", "ratio", "fair"),
    [
        (2, 0, 0.8, True),
        (0, 2, 1.25, True),
        (3, 0, 0.7, False),
        (0, 3, 10 / 7, False),
        (10, 0, 0, False),
        (0, 10, INF, False),
        (10, 10, None, False),  # who is right about nothing has no part in a game
        (0, 0, 1, True),
    ],
)
def test_a_comparison_is_fair_if_both_are_about_equally_often_right_about_test_data(
    test_a, test_b, ratio, fair
):
    result = gam(*two(test_a, test_b, 1, 1), thresholds=(0, 0), n_bootstrap=0)
    assert result["fair"] is fair
    if ratio is None:
        assert np.isnan(result["r_test_accuracies"])
    else:
        assert result["r_test_accuracies"] == pytest.approx(ratio, rel=1e-15)


def test_the_games_in_the_gallery_are_fair_by_accuracies():
    """Their errors were measured before ratios of accuracies were taken."""
    with open(os.path.join(EXPERIMENTS, "gallery", "table3_cpu.json"), encoding="utf-8") as file:
        games = [row["game"] for row in json.load(file)["cpu"]["rows"].values()]
    ratios = [ratios_of(game["errors"]) for game in games]
    assert [round(one["r_test_accuracies"], 2) for one in ratios] == [1.04, 0.98, 1.07]
    assert all(is_fair(game["errors"]) for game in games)
    for one, game in zip(ratios, games):
        assert one["r_test"] == pytest.approx(game["r_test"]) and one["r_sample"] == game["r_sample"]


# The intervals


def random_scores(n, seed=0, shares=(0.3, 0.2, 0.25, 0.4)):
    """Independent scores that thresholds of 0 get wrong with the given probabilities."""
    rng = np.random.RandomState(seed)
    test_a, test_b, sample_a, sample_b = (rng.rand(n) - share for share in shares)
    return Scores(test_a, -rng.rand(n), -sample_b), Scores(test_b, -rng.rand(n), -sample_a)


def log_width(interval):
    return np.log(interval[1] / interval[0])


def test_a_seed_means_the_same_intervals():
    a, b = random_scores(50)
    first, again, other = (gam(a, b, n_bootstrap=50, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first["r_sample_interval"] != other["r_sample_interval"]
    assert first["r_sample"] == other["r_sample"]


def test_intervals_contain_the_estimate_and_narrow_as_the_root_of_the_number_of_videos():
    small, large = (gam(*random_scores(n), thresholds=(0, 0), n_bootstrap=600) for n in (200, 3200))
    for name in "r_test", "r_sample":
        for result in small, large:
            low, high = result[f"{name}_interval"]
            assert low < result[name] < high
        widths = [log_width(result[f"{name}_interval"]) for result in (small, large)]
        assert widths[0] / widths[1] == pytest.approx(4, rel=0.2)


def test_the_interval_of_r_sample_is_that_of_a_ratio_of_two_binomial_shares():
    """Katz et al. (1978): the logarithm's variance is (1 - p) / (n p) + (1 - q) / (m q)."""
    n = 4000
    result = gam(*random_scores(n), thresholds=(0, 0), n_bootstrap=2000)
    p, q = result["errors"]["sample_a"], result["errors"]["sample_b"]
    deviation = np.sqrt((1 - p) / (n * p) + (1 - q) / (n * q))
    expected = np.log(p / q) + np.array([-1.96, 1.96]) * deviation
    np.testing.assert_allclose(np.log(result["r_sample_interval"]), expected, rtol=0, atol=0.15 * deviation)
    assert result["decided"] is True  # 0.25 / 0.4, and thousands of samples


def test_the_interval_of_r_test_knows_that_both_discriminators_judge_the_same_videos():
    """The logarithm's variance is 1 / (n p) + 1 / (n q) - 2 r / (n p q), r the share both get wrong."""
    n, rng = 4000, np.random.RandomState(0)
    x = rng.randn(n)
    a = Scores(x + 0.7, [-1], [1])
    b = Scores(x + 0.3 * rng.randn(n) + 0.5, [-1], [1])
    p, q, both = (a.test <= 0).mean(), (b.test <= 0).mean(), ((a.test <= 0) & (b.test <= 0)).mean()
    deviation = np.sqrt(1 / (n * p) + 1 / (n * q) - 2 * both / (n * p * q))
    expected = np.log(p / q) + np.array([-1.96, 1.96]) * deviation
    result = gam(a, b, thresholds=(0, 0), n_bootstrap=2000)
    np.testing.assert_allclose(np.log(result["r_test_interval"]), expected, rtol=0, atol=0.15 * deviation)

    same = gam(a, a, thresholds=(0, 0), n_bootstrap=100)
    assert same["r_test_interval"] == (1, 1)


def test_replicates_choose_their_thresholds_anew():
    """Against another bootstrap, with a brute-force threshold, of other random numbers."""
    n, n_replicates, rng = 60, 1000, np.random.RandomState(1)
    test, own_a, own_b = rng.randn(n) + 0.8, rng.randn(n), rng.randn(n)
    a, b = Scores(test, own_a, own_b), Scores(test, own_b, own_a)

    def threshold(real, fake):
        places = np.sort(np.concatenate([real, fake]))
        gains = (real > places[:, None]).mean(axis=1) + (fake <= places[:, None]).mean(axis=1)
        best = np.flatnonzero(gains >= gains.max() - 1e-9)
        return places[best[len(best) // 2]]

    ratios = []
    for _ in range(n_replicates):
        t, of_a, of_b = (x[rng.randint(n, size=n)] for x in (test, own_a, own_b))
        ratios.append((t <= threshold(t, of_a)).mean() / (t <= threshold(t, of_b)).mean())
    expected = np.log(np.percentile(ratios, [2.5, 97.5]))
    found = np.log(gam(a, b, n_bootstrap=n_replicates)["r_test_interval"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.25)

    fixed = gam(a, b, gam(a, b, n_bootstrap=0)["thresholds"], n_bootstrap=200)["r_test_interval"]
    assert log_width(fixed) < 0.6 * np.ptp(expected)  # what the test would see if they were not


def test_replicates_without_any_error_are_left_out_and_infinite_ones_are_not():
    never = gam(*two(0, 0, 0, 0), thresholds=(0, 0), n_bootstrap=20)
    assert never["r_sample_interval"] is None and never["decided"] is False
    always = gam(*two(0, 0, 10, 0), thresholds=(0, 0), n_bootstrap=20)
    assert always["r_sample_interval"] == (INF, INF) and always["decided"] is True
    # One of ten samples fools D_A: it is missing from a replicate with the probability 0.9^10 = 0.35.
    rarely = gam(*two(5, 5, 10, 1), thresholds=(0, 0), n_bootstrap=400)
    assert rarely["r_sample_interval"][1] == INF and rarely["r_sample_interval"][0] < 10


def test_one_sample_that_fools_decides_nothing():
    # Of its replicates 36 % are 0/0 and all others infinite.
    found = gam(*two(0, 0, 1, 0), thresholds=(0, 0), n_bootstrap=400)
    assert found["r_sample"] == INF and found["r_sample_interval"] == (INF, INF)
    assert found["decided"] is False


def test_what_may_be_chance_is_not_decided():
    assert gam(*two(5, 5, 4, 3), thresholds=(0, 0), n_bootstrap=200)["decided"] is False
    assert gam(*random_scores(2000, shares=(0.3, 0.3, 0.6, 0.2)), (0, 0), 100)["decided"] is True


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": [1, np.nan, 1, 1]}, r"^a\.test holds NaN or infinite"),
        ({"own": [1, INF, 1]}, r"^a\.own holds NaN or infinite"),
        ({"real": [-INF]}, r"^a\.real holds NaN or infinite"),
        ({"other": []}, r"^a\.other holds no scores"),
        ({"real": []}, r"^a\.real holds no scores"),
        ({"test": [1, 2, 3]}, "other test data: 3 and 4"),
        ({"own": [1, 2]}, "other samples of A: 2 and 3"),
        ({"other": [1] * 6}, "other samples of B: 5 and 6"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        gam(A._replace(**changes), B, thresholds=(0, 0), n_bootstrap=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("n_bootstrap", [-1, 2.5])
def test_a_number_of_replicates_that_is_none_is_refused(n_bootstrap):
    with pytest.raises(InputError, match="n_bootstrap"):
        gam(A, B, thresholds=(0, 0), n_bootstrap=n_bootstrap)
