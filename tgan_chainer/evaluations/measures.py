"""The scores as experiments take them: from networks and sources of videos to numbers."""

import copy
import os
import time

import numpy as np
import tqdm

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.frechet_distance import Moments, frechet_distance
from tgan_chainer.evaluations.gam import Scores, gam
from tgan_chainer.evaluations.inception_score import inception_score
from tgan_chainer.evaluations.predictions import predictions_of
from tgan_chainer.evaluations.protocols import TGAN
from tgan_chainer.evaluations.video_source import DatasetSource
from tgan_chainer.parallel import chunks
from tgan_chainer.processes import ONE
from tgan_chainer.runs import Run, load_run
from tgan_chainer.snapshots import RESUMABLE
from tgan_chainer.spread_batch import part_of_batch
from tgan_chainer.texts import count

import chainer

BATCH = 32


def measure_inception(
    source,
    classifier,
    n_samples=None,
    n_repeats=None,
    splits=1,
    seed=0,
    batch_size=None,
    protocol=TGAN,
    store=None,
    strict=True,
    processes=ONE,
):
    """Measure the inception score of a source of videos (Section 6.5, Table 4), with a progress bar.

    Args:
        source (VideoSource): Source of the videos.
        classifier (VideoClassifier): What tells their classes.
        n_samples (int): Videos of one repeat; by default the protocol's, or all of a source that has fewer.
        n_repeats (int): How often; by default the protocol's, or as often as the source has videos for.
        splits (int): Parts that each repeat is cut into and that are scored separately.
        seed (int): Seed of the choice of videos.
        batch_size (int): Videos at a time.
        protocol (Protocol): Whose numbers of samples and repeats are the defaults.
        store (PredictionStore): Where probabilities are kept for later runs; None keeps none.
        strict (bool): Whether a video that cannot be read is an error; otherwise it is left out and told.
        processes (Processes): They share out the work, and all return the same.

    Returns:
        dict: ``inception_score`` (mean over repeats and splits), ``standard_deviation`` (float, divided by
        their number; None of a single score), ``scores`` (list), ``protocol`` (its name), ``samples``,
        ``repeats``, ``splits``, ``seed``, ``unreadable`` (list of str, why videos were left out), ``kept``
        (number of videos whose probabilities an earlier run had kept), ``seconds`` and
        ``samples_per_second`` (None if all had been kept).

    Raises:
        InputError: The source has not so many videos, or one of them cannot be scored.
    """
    n_samples, n_repeats = _choose_numbers(source, n_samples, n_repeats, protocol.samples, protocol.repeats)
    check_positive_int(splits=splits)
    if n_samples < splits:
        raise InputError(f"{count(n_samples, 'sample')} cannot be cut into {splits} splits; take more")
    scores, counts, options = [], [], {"batch_size": batch_size, "store": store}
    n = n_samples * n_repeats
    with _Progress(n, strict, processes, first_spare=n) as progress:
        for repeat in range(n_repeats):
            rows = progress.predict(source, classifier, n_samples, seed, repeat, **options)
            probabilities = np.stack([p for p, _ in rows])
            scores += inception_score(probabilities, splits).tolist()
            counts.append(len(probabilities))
    common = _summary("inception_score", scores, counts, protocol, seed)
    return {**common, "scores": scores, "splits": splits, **progress.report()}


def measure_frechet(
    source,
    reference,
    classifier,
    n_samples=None,
    seed=0,
    batch_size=None,
    protocol=TGAN,
    n_repeats=None,
    n_reference=None,
    store=None,
    strict=True,
    processes=ONE,
):
    """Measure the Fréchet distance of the features of two sources of videos, with a progress bar.

    Where the reference has enough, its videos are others than those a source of the same path gives: a data
    set of twice as many clips against itself shows the distance that the number of samples alone makes.

    Args:
        source, reference (VideoSource): The sources of the videos.
        classifier (VideoClassifier): Its features are the outputs of the protocol's layer, after ReLU.
        n_samples, n_repeats (int): Videos of the source, and how often so many; by default the protocol's, or
            as many as there are.
        n_reference (int): Videos of the reference; by default so many windows of each clip of a data set as
            the protocol has, or else as many as there are samples.
        seed, batch_size, protocol, store, strict, processes: As for :func:`measure_inception`.

    Returns:
        dict: ``frechet_distance`` (float, mean over repeats), ``standard_deviation`` (None of a single one),
        ``distances`` (list), ``reference_samples``, ``features`` (the layer), ``dimensions``, and as of
        :func:`measure_inception` ``protocol``, ``samples``, ``repeats``, ``seed``, ``unreadable``, ``kept``,
        ``seconds`` and ``samples_per_second``.

    Raises:
        InputError: A source has not so many videos, or one of them cannot be scored.
    """
    clips = reference.dataset.n_clips if isinstance(reference, DatasetSource) else None
    windows = protocol.frechet_windows
    if n_reference is None and windows and (clips or reference.n):
        n_reference = windows * clips if clips else reference.n
    most = None if n_reference else reference.n  # of equally many from both
    n_samples, n_repeats = _choose_numbers(
        source, n_samples, n_repeats, protocol.frechet_samples, protocol.frechet_repeats, most
    )
    n_reference = n_reference or n_samples
    check_positive_int(n_reference=n_reference)
    if min(n_samples, n_reference) < 2:
        raise InputError(f"a covariance needs two samples at least, not {min(n_samples, n_reference)}")
    _check_enough(reference, n_reference)

    # Where it can, the reference begins behind what a source of the same path gives.
    behind = -(-n_samples * n_repeats // n_reference)
    if reference.n is not None and n_reference * (behind + 1) > reference.n:
        behind = 0
    options = {"batch_size": batch_size, "features": protocol.features, "store": store}
    distances, counts = [], []
    n = n_samples * n_repeats
    first_spare = max(n, n_reference * (behind + 1))
    with _Progress(n + n_reference, strict, processes, first_spare) as progress:
        of_reference = _moments(progress.predict(reference, classifier, n_reference, seed, behind, **options))
        for repeat in range(n_repeats):
            of_source = _moments(progress.predict(source, classifier, n_samples, seed, repeat, **options))
            distances.append(frechet_distance(of_source, of_reference))  # half a minute for 4,096 dimensions
            counts.append(of_source.n)
    return {
        **_summary("frechet_distance", distances, counts, protocol, seed),
        "distances": distances,
        "reference_samples": of_reference.n,
        "features": protocol.features,
        "dimensions": len(of_reference.mean),
        **progress.report(),
    }


def measure_gam(
    a,
    b,
    test_data,
    real_data=None,
    n_samples=TGAN.samples,
    seed=0,
    n_bootstrap=1000,
    progress=True,
    device=None,
    processes=ONE,
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
        a, b (str or Run): Results folders, whose newest snapshots are taken, snapshots, or what has been
            loaded from them or is being trained.
        test_data (str): A video file, of what neither was trained on if there is such.
        real_data (str): The video file for the thresholds. None, or the same file, takes half of its clips
            for them, and the other half for the test.
        n_samples (int): Videos from each generator, from the test data, and for the thresholds.
        seed (int): Seed of A's latent variables (B's is the next one), choice of videos and bootstrap.
        n_bootstrap (int): As for :func:`~tgan_chainer.evaluations.gam.gam`.
        progress (bool): Whether to show a progress bar.
        device (~chainer.backend.Device): Where to load runs from paths; None for the CPU.
        processes (Processes): They share out the work, and all return the same.

    Returns:
        dict: As of :func:`~tgan_chainer.evaluations.gam.gam`, and ``batch_statistics`` (a dict of the same
        kind), ``samples``, ``seed``, ``seed_b``, ``seconds``.

    Raises:
        InputError: The networks do not fit each other or the data, or are conditional.
    """
    check_positive_int(n_samples=n_samples)
    a, b = (run if isinstance(run, Run) else load_run(os.fspath(run), device) for run in (a, b))
    check_players(a, b)
    test, real = _real_videos(test_data, real_data or test_data, a.generator.video_shape, seed)
    seed_b = (seed + 1) % 2**32
    start = time.monotonic()
    thresholds = tuple(None if run.config.loss == "wgan" else 0.0 for run in (a, b))
    discriminators = a.discriminator, b.discriminator
    critics = [*discriminators, *map(_as_in_training, discriminators)]
    with _progress(4 * n_samples, not (progress and processes.is_first)) as bar:
        of_test, of_real, of_a, of_b = (
            _score(critics, draw, n_samples, bar, processes)
            for draw in (
                lambda wanted: test.draw(n_samples, seed, wanted=wanted),
                lambda wanted: real.draw(n_samples, seed, wanted=wanted),
                lambda wanted: a.generator.sample(n_samples, seed, wanted=wanted),
                lambda wanted: b.generator.sample(n_samples, seed_b, wanted=wanted),
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
    """Raise InputError unless two runs can play against each other."""
    for run in a, b:
        if run.discriminator is None:
            raise InputError(f"{run.path} holds a generator alone; take a {RESUMABLE}_iter_N.npz")
        if run.generator.n_classes:
            raise InputError(
                "GAM is for unconditional models: one's discriminator scores the other's samples"
            )
    shapes = [run.generator.video_shape for run in (a, b)]
    if shapes[0] != shapes[1]:
        raise InputError(f"A makes videos {shapes[0]} and B {shapes[1]} (C, T, H, W); they must be the same")


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


def _score(critics, draw, n, bar, processes):
    """Return what each critic says, float64 (n,) each; ``draw(wanted)`` yields the wanted of n videos."""
    scores = [[] for _ in critics]
    batches = chunks(n, BATCH)  # of about equal sizes, since their statistics count
    own = batches[part_of_batch(processes, len(batches))]
    wanted = np.zeros(n, bool)
    for batch in own:
        wanted[batch] = True
    videos = iter(draw(wanted))
    device = critics[0].device
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        for batch in own:
            x = device.send(np.stack([next(videos) for _ in range(batch.stop - batch.start)]))
            for one, critic in zip(scores, critics):
                one.append(chainer.get_device("@numpy").send(critic(x).array)[:, 0].astype(np.float64))
            bar.update(len(x) * processes.size)
    of_all = processes.gather(scores)
    return [np.concatenate(sum((own[i] for own in of_all), [])) for i in range(len(critics))]


def _choose_numbers(source, n_samples, n_repeats, samples, repeats, most=None):
    """Return the given numbers of samples and repeats, or those of a protocol as far as there are videos."""
    if n_samples is None:
        n_samples = min(n for n in (samples, source.n, most) if n is not None)
    check_positive_int(n_samples=n_samples)
    if n_repeats is None:
        n_repeats = repeats if source.n is None else min(repeats, max(source.n // n_samples, 1))
    check_positive_int(n_repeats=n_repeats)
    _check_enough(source, n_samples * n_repeats)
    return n_samples, n_repeats


def _check_enough(source, n):
    if source.n is not None and source.n < n:
        raise InputError(
            f"{source.description['path']} holds {count(source.n, 'video')}, but {n:,} are needed; "
            "take fewer samples or repeats"
        )


def _summary(name, values, counts, protocol, seed):
    """Return what all scores tell of their repeats; ``counts`` are the videos that were read in each."""
    return {
        name: float(np.mean(values)),
        "standard_deviation": float(np.std(values)) if len(values) > 1 else None,
        "protocol": protocol.name,
        "samples": min(counts),
        "repeats": len(counts),
        "seed": seed,
    }


def _moments(rows):
    """Return the moments of features, added up in blocks."""
    moments, block = Moments(), []
    for _, features in rows:
        block.append(features)
        if len(block) == BATCH:
            moments.add(np.stack(block))
            block.clear()
    if block:
        moments.add(np.stack(block))
    return moments


class _Progress:
    """A progress bar over predictions, which counts what was computed, what was kept, what is unreadable.

    For a video that cannot be read another one stands in, if a source has more than are asked for: those in
    its order from number ``first_spare`` on, each once.
    """

    def __init__(self, total, strict, processes, first_spare):
        self.bar, self.processes = _progress(total, not processes.is_first), processes
        self.unreadable = None if strict else []
        self.computed, self.kept, self.seconds = 0, 0, 0.0
        self.spare = first_spare
        self.start = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def predict(self, source, classifier, n, seed, repeat, **options):
        """Yield the probabilities and features of each video that can be read."""
        n_readable, start = 0, time.monotonic()
        options |= {"unreadable": self.unreadable, "processes": self.processes}
        rows = predictions_of(source, classifier, n, seed, repeat, **options)
        for row in rows:
            while row is None and self.spare < (source.n or 0):
                (row,) = predictions_of(source, classifier, 1, seed, self.spare, **options)
                self.spare += 1
            self.bar.update()
            if row is not None:
                p, features, was_kept = row
                self.kept += was_kept
                self.computed += not was_kept
                n_readable += 1
                yield p, features
        self.seconds += time.monotonic() - start
        if not n_readable:
            raise InputError(f"no video can be read; the first: {self.unreadable[0]}")

    def report(self):
        return {
            "unreadable": list(dict.fromkeys(self.unreadable or [])),  # drawn twice, it is told once
            "kept": self.kept,
            "seconds": time.monotonic() - self.start,
            "samples_per_second": self.computed / self.seconds if self.computed else None,
        }


def _progress(total, disable=None):
    return tqdm.tqdm(desc="scoring", total=total, unit="video", disable=disable or None)
