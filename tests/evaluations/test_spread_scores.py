"""Scores that several processes compute together are those of one, bit for bit."""

import numpy as np
import pytest
from helpers import in_threads, lively

from tgan_chainer.config import Config
from tgan_chainer.datasets import write_videos
from tgan_chainer.evaluations import (
    PredictionStore,
    measure_frechet,
    measure_gam,
    measure_inception,
    open_source,
)
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.runs import Run
from tgan_chainer.snapshots import save_generator

TINY = Config(
    temporal_width=8, image_width=8, discriminator_width=2, channels=3, image_size=32, k0=5, k1=5, n_frames=32
)
VARYING = "seconds", "samples_per_second", "kept"


@pytest.fixture(params=["generator", "folder", "data set"])
def source(request, tmp_path):
    """A source of videos of which two in a folder cannot be read."""
    random_state = np.random.RandomState(0)
    if request.param == "generator":
        np.random.seed(0)
        path = str(tmp_path / "generator_iter_1.npz")
        generator = lively(build_generator(TINY))
        save_generator(path, generator, 1, TINY, data=None, label_names=None)
    elif request.param == "folder":
        path = tmp_path / "videos"
        path.mkdir()
        for i in range(41):
            np.save(path / f"{i}.npy", random_state.uniform(-1, 1, (3, 18, 32, 32)).astype("f"))
        for i in 3, 17:
            (path / f"{i}.npy").write_bytes(b"no array")
    else:
        path = tmp_path / "videos.h5"
        with write_videos(path, "noise") as writer:
            for _ in range(41):
                writer.append(random_state.randint(0, 256, (20, 32, 32, 3)).astype(np.uint8))
    return lambda: open_source(str(path), 16, size=32)


def facts(result):
    return {key: value for key, value in result.items() if key not in VARYING}


def test_inception_and_frechet(source, classifier, tmp_path):
    options = {"n_samples": 41, "batch_size": 3, "strict": False}

    def measure(processes=None, store=None):
        more = {} if processes is None else {"processes": processes}
        more |= {**options, "store": store}
        inception = measure_inception(source(), classifier, n_repeats=1, **more)
        return facts(inception), facts(measure_frechet(source(), source(), classifier, n_repeats=1, **more))

    alone = measure()
    for result in in_threads(3, measure):
        assert result == alone
    # What the first process keeps, all are given.
    store = PredictionStore(str(tmp_path / "p.sqlite"))
    measure_inception(source(), classifier, n_repeats=1, **{**options, "n_samples": 20}, store=store)
    path = store.path
    for result in in_threads(2, lambda processes: measure(processes, PredictionStore(path))):
        assert result[0]["scores"] == pytest.approx(alone[0]["scores"], rel=1e-6)


def test_gam(tmp_path):
    data = str(tmp_path / "videos.h5")
    with write_videos(data, "noise") as writer:
        for _ in range(6):
            writer.append(np.random.randint(0, 256, (33, 32, 32, 3)).astype(np.uint8))
    a, b = (
        Run(TINY, lively(build_generator(TINY)), lively(build_discriminator(TINY)), data=None) for _ in "ab"
    )
    options = {"n_samples": 70, "n_bootstrap": 20, "progress": False}
    alone = facts(measure_gam(a, b, data, **options))
    for size in 2, 4:  # of three batches, so that one of four has none
        for result in in_threads(size, lambda p: measure_gam(a, b, data, **options, processes=p)):
            assert repr(facts(result)) == repr(alone)  # with NaN, which equals nothing
