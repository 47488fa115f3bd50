"""The scores as experiments take them: from networks and sources of videos to numbers."""

import copy
import time

import numpy as np
import tqdm

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.frechet_distance import Moments, frechet_distance
from tgan_chainer.evaluations.gam import Scores, gam
from tgan_chainer.evaluations.inception_score import inception_score
from tgan_chainer.evaluations.video_source import DatasetSource
from tgan_chainer.parallel import chunks

import chainer

# Of the paper (Section 6.5).
N_SAMPLES, N_REPEATS = 10_000, 4

BATCH = 32


def measure_inception(source, classifier, n_samples=None, n_repeats=None, splits=1, seed=0, batch_size=None):
    """Measure the inception score of a source of videos (Section 6.5, Table 4), with a progress bar.

    Args:
        source (VideoSource): Of the videos.
        classifier (VideoClassifier): Of their classes.
        n_samples (int): Videos of one repeat; by default 10,000, or all of a source that has fewer.
        n_repeats (int): How often; by default four times, or as often as the source has videos for.
        splits (int): Parts that each repeat is cut into and that are scored separately.
        seed (int): Of the choice of videos.
        batch_size (int): Videos at a time.

    Returns:
        dict: ``inception_score`` (mean over repeats and splits), ``standard_deviation`` (float, divided by
        their number; None of a single score), ``scores`` (list), ``samples``, ``repeats``, ``splits``,
        ``seed``, ``seconds`` and ``samples_per_second``.

    Raises:
        InputError: The source has not so many videos, or one of them cannot be scored.
    """
    if n_samples is None:
        n_samples = min(N_SAMPLES, source.n or N_SAMPLES)
    check_positive_int(n_samples=n_samples, splits=splits)
    if n_repeats is None:
        n_repeats = min(N_REPEATS, max((source.n or N_SAMPLES * N_REPEATS) // n_samples, 1))
    check_positive_int(n_repeats=n_repeats)
    if n_samples < splits:
        raise InputError(f"{n_samples} samples cannot be cut into {splits} splits; take more samples")
    _check_enough(source, n_samples * n_repeats)
    start, scores = time.monotonic(), []
    with _progress(n_samples * n_repeats) as bar:
        for repeat in range(n_repeats):
            probabilities = []
            for p, _ in classifier.predict(source.draw(n_samples, seed, repeat), batch_size):
                probabilities.append(p)
                bar.update(len(p))
            scores += inception_score(np.concatenate(probabilities), splits).tolist()
    seconds = time.monotonic() - start
    return {
        "inception_score": float(np.mean(scores)),
        "standard_deviation": float(np.std(scores)) if len(scores) > 1 else None,
        "scores": scores,
        "samples": n_samples,
        "repeats": n_repeats,
        "splits": splits,
        "seed": seed,
        "seconds": seconds,
        "samples_per_second": n_samples * n_repeats / seconds,
    }


def measure_frechet(source, reference, classifier, n_samples=None, seed=0, batch_size=None):
    """Measure the Fréchet distance of the features of two sources of videos, with a progress bar.

    Where the reference has enough, its videos are others than those a source of the same path gives: a data
    set of twice as many clips against itself shows the distance that the number of samples alone makes.

    Args:
        source, reference (VideoSource): Of the videos; of equally many from each.
        classifier (VideoClassifier): Its features are the output of fc6, after ReLU.
        n_samples (int): Videos from each; by default 10,000, or as many as there are in both.
        seed, batch_size: As for :func:`measure_inception`.

    Returns:
        dict: ``frechet_distance`` (float), ``samples``, ``dimensions``, ``seed``, ``seconds`` and
        ``samples_per_second``.

    Raises:
        InputError: A source has not so many videos, or one of them cannot be scored.
    """
    if n_samples is None:
        n_samples = min(N_SAMPLES, source.n or N_SAMPLES, reference.n or N_SAMPLES)
    check_positive_int(n_samples=n_samples)
    if n_samples < 2:
        raise InputError(f"a covariance needs two samples at least, not {n_samples}")
    for one in source, reference:
        _check_enough(one, n_samples)
    start, moments = time.monotonic(), (Moments(), Moments())
    with _progress(2 * n_samples) as bar:
        enough = reference.n is None or reference.n >= 2 * n_samples
        for one, sums, repeat in (source, moments[0], 0), (reference, moments[1], int(enough)):
            videos = one.draw(n_samples, seed, repeat)
            for _, features in classifier.predict(videos, batch_size, features=True):
                sums.add(features)
                bar.update(len(features))
    scored = time.monotonic() - start
    distance = frechet_distance(*moments)  # half a minute for 4,096 dimensions
    seconds = time.monotonic() - start
    return {
        "frechet_distance": distance,
        "samples": n_samples,
        "dimensions": len(moments[0].mean),
        "seed": seed,
        "seconds": seconds,
        "samples_per_second": 2 * n_samples / scored,
    }


def measure_gam(
    a,
    b,
    test_data,
    real_data=None,
    n_samples=N_SAMPLES,
    seed=0,
    n_bootstrap=1000,
    progress=True,
):
    """Let two GANs play against each other (Section 6.5, Table 3).

    The threshold of a discriminator trained as a critic (``loss: wgan``) is chosen by samples of its own
    generator and ``real_data``; that of a normal GAN's is 0, where its sigmoid is 1/2. Generators work as
    when sampling, discriminators without noise.

    Batch normalization in the discriminators goes by running statistics, as usual after training: each score
    depends on its video alone. In training it went by the batch, and batches were all real or all generated,
    which tells a discriminator more than a video by itself. Results of that kind, by batches of 32, are
    handed out as well: fixed thresholds, those of normal GANs, were learned under them.

    Args:
        a, b (tuple): Generator and discriminator each, as of :func:`tgan_chainer.snapshots.load_gan`.
        test_data (str): A video file, of what neither was trained on if there is such.
        real_data (str): The video file for the thresholds. None, or the same file, takes half of its clips
            for them, and the other half for the test.
        n_samples (int): Videos from each generator, from the test data, and for the thresholds.
        seed (int): Of A's latent variables (B's is the next one), choice of videos and bootstrap.
        n_bootstrap (int): As for :func:`~tgan_chainer.evaluations.gam.gam`.
        progress (bool): Whether to show a progress bar.

    Returns:
        dict: As of :func:`~tgan_chainer.evaluations.gam.gam`, and ``batch_statistics`` (a dict of the same
        kind), ``samples``, ``seed``, ``seed_b``, ``seconds``.

    Raises:
        InputError: The networks do not fit each other or the data, or are conditional.
    """
    check_positive_int(n_samples=n_samples)
    check_players(a[0], b[0])
    test, real = _real_videos(test_data, real_data or test_data, a[0].video_shape, seed)
    seed_b = (seed + 1) % 2**32
    start = time.monotonic()
    thresholds = tuple(None if generator.config.loss == "wgan" else 0.0 for generator, _ in (a, b))
    critics = [a[1], b[1], _as_in_training(a[1]), _as_in_training(b[1])]
    with _progress(4 * n_samples, not progress) as bar:
        of_test, of_real, of_a, of_b = (
            _score(critics, videos, n_samples, bar)
            for videos in (
                test.draw(n_samples, seed),
                real.draw(n_samples, seed),
                a[0].sample(n_samples, seed),
                b[0].sample(n_samples, seed_b),
            )
        )
    running, batch = (
        gam(
            Scores(of_test[i], of_a[i], of_b[i], of_real[i]),
            Scores(of_test[i + 1], of_b[i + 1], of_a[i + 1], of_real[i + 1]),
            thresholds,
            n_bootstrap,
            seed,
        )
        for i in (0, 2)
    )
    measured = {"samples": n_samples, "seed": seed, "seed_b": seed_b, "seconds": time.monotonic() - start}
    return {**running, "batch_statistics": batch, **measured}


def check_players(a, b):
    """Raise InputError unless two generators' GANs can play against each other."""
    if a.n_classes or b.n_classes:
        raise InputError("GAM is for unconditional models: one's discriminator scores the other's samples")
    if a.video_shape != b.video_shape:
        raise InputError(
            f"A makes videos {a.video_shape} and B {b.video_shape} (C, T, H, W); they must be the same"
        )


def _real_videos(test_data, real_data, shape, seed):
    """Return the sources of test videos and of those for the thresholds."""
    sources = [DatasetSource(path, shape[1], "random") for path in (test_data, real_data)]
    for source in sources:
        data = source.dataset
        found = data.channels, data.n_frames, data.height, data.width
        if found != shape:
            raise InputError(f"{data.path} has videos {found}; the models make {shape} (C, T, H, W)")
    data = sources[0].dataset
    if data.path == sources[1].dataset.path:
        n_clips = data.n_clips + data.n_short
        order = np.random.RandomState([seed, 3]).permutation(n_clips)
        if data.n_clips < 2:
            raise InputError(f"{data.path} has one clip; a test and its thresholds need different ones")
        halves = order[: n_clips // 2], order[n_clips // 2 :]
        sources = [DatasetSource(data.path, shape[1], "random", clips=half) for half in halves]
    return sources


def _as_in_training(discriminator):
    """Return a function that scores a batch by the statistics of the batch, without noise."""
    discriminator = copy.deepcopy(discriminator)  # its running statistics will change
    discriminator.noise = 0

    def score(x):
        with chainer.using_config("train", True):
            return discriminator(x)

    return score


def _score(critics, videos, n, bar):
    """Return what each critic says of n videos, a list of float64 (n,)."""
    scores = [[] for _ in critics]
    videos = iter(videos)
    device = critics[0].device
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        for batch in chunks(n, BATCH):  # of about equal sizes, since their statistics count
            x = device.send(np.stack([next(videos) for _ in range(batch.stop - batch.start)]))
            for one, critic in zip(scores, critics):
                one.append(chainer.get_device("@numpy").send(critic(x).array)[:, 0].astype(np.float64))
            bar.update(len(x))
    return [np.concatenate(one) for one in scores]


def _check_enough(source, n):
    if source.n is not None and source.n < n:
        raise InputError(
            f"{source.description['path']} holds {source.n} videos, but {n} are needed; "
            "take fewer samples or repeats"
        )


def _progress(total, disable=None):
    return tqdm.tqdm(desc="scoring", total=total, unit="video", disable=disable or None)
