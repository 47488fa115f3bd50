"""A batch over several processes is one batch: statistics, gradients, noise and losses."""

import numpy as np
import pytest
from helpers import in_threads

from tgan_chainer.clipping import SingularValueClipping
from tgan_chainer.config import Config
from tgan_chainer.functions import batch_normalization, gaussian_noise
from tgan_chainer.kernels import native
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.optimizers import RMSprop
from tgan_chainer.processes import ONE
from tgan_chainer.spread_batch import SpreadBatch, part_of_batch, spread
from tgan_chainer.updaters import GANUpdater

import chainer
import chainer.links as L
from chainer import testing


def test_parts_are_as_equal_as_they_can_be():
    for size, sizes in (1, [8]), (3, [2, 3, 3]), (8, [1] * 8):
        parts = in_threads(size, lambda processes: part_of_batch(processes, 8))
        assert [len(range(8)[part]) for part in parts] == sizes
        assert sum((list(range(8)[part]) for part in parts), []) == list(range(8))
    assert part_of_batch(ONE, 8) == slice(0, 8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("use_beta", [True, False])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
# The second is of frames, of which a batch has several times as many as videos.
@pytest.mark.parametrize(("shape", "n"), [((5, 3, 4, 2, 2), 5), ((10, 3, 4, 4), 5), ((5, 3), 5)])
def test_normalization_of_parts_is_that_of_the_whole(shape, n, slope, use_beta, dtype, xp):
    x, gy = (xp.asarray(3 + 2 * np.random.randn(*shape), dtype) for _ in range(2))
    parameters = [xp.asarray(1 + np.random.rand(3), dtype) for _ in range(1 + use_beta)]

    def normalize(x, gy, batch=None):
        inputs = [chainer.Variable(a) for a in (x, *parameters)]
        running = [xp.zeros(3, dtype), xp.ones(3, dtype)]
        y = batch_normalization(*inputs, *[None] * (not use_beta), slope, 1e-5, *running, batch=batch)
        return y.array, [g.array for g in chainer.grad([y], inputs, [chainer.Variable(gy)])], running

    def of_part(processes):
        batch, rows = SpreadBatch(processes, n), len(x) // n
        part = slice(batch.part.start * rows, batch.part.stop * rows)
        result = normalize(x[part], gy[part], batch)
        assert processes.n_sums == 2  # one forward, one backward
        return result

    y, (gx, *gradients), running = normalize(x, gy)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}
    results = in_threads(3, of_part)
    testing.assert_allclose(xp.concatenate([y for y, *_ in results]), y, **tolerance)
    testing.assert_allclose(xp.concatenate([g[0] for _, g, _ in results]), gx, **tolerance)
    for i, gradient in enumerate(gradients):
        testing.assert_allclose(sum(g[i + 1] for _, g, _ in results), gradient, **tolerance)
    for _, _, others in results:
        for one, other in zip(running, others):
            testing.assert_allclose(other, one, **tolerance)


def test_without_sync_bn_a_part_is_normalized_by_itself_and_running_statistics_agree():
    x = np.random.randn(6, 3, 4, 4).astype("f")

    def normalize(processes):
        link = BatchNormalization(3)
        batch = SpreadBatch(processes, 6, sync_bn=False)
        with spread(batch):
            y = link(x[batch.part])
        batch.average_statistics(chainer.Sequential(link))
        return y.array, link.avg_mean

    whole = BatchNormalization(3)
    for i, (y, mean) in enumerate(in_threads(2, normalize)):
        part = x[3 * i : 3 * i + 3]
        np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-6)
        np.testing.assert_allclose(y, BatchNormalization(3)(part).array, rtol=1e-6)
        whole(x)
        np.testing.assert_allclose(mean, 0.1 * x.mean(axis=(0, 2, 3)), rtol=1e-4, atol=1e-7)


def test_noise_of_parts_is_that_of_the_whole():
    x = np.random.randn(5, 2, 3).astype("f")

    def add_noise(processes):
        batch = SpreadBatch(processes, 5)
        with spread(batch):  # threads would draw from one state
            for rank in range(processes.size):
                if rank == processes.rank:
                    np.random.seed(1)
                    result = gaussian_noise(x[batch.part], 0.3)
                processes.gather(None)
        return result

    np.random.seed(1)
    whole = gaussian_noise(x, 0.3)
    np.testing.assert_array_equal(np.concatenate(in_threads(3, add_noise)), whole)


def test_gradients_and_losses_go_in_one_message():
    x = np.random.randn(5, 4).astype("f")

    def differentiate(rows, share):
        link = L.Linear(4, 1, initialW=np.arange(4, dtype="f"))
        loss = chainer.functions.average(link(rows) ** 2)
        chainer.grad([loss * share], list(link.params()), set_grad=True)
        return link, loss

    def of_part(processes):
        batch = SpreadBatch(processes, 5)
        link, loss = differentiate(x[batch.part], batch.share)
        values = batch.add_up_gradients(link, {"loss": loss.array, "mean": x[batch.part, 0].mean()})
        assert processes.n_sums == 1
        return link, values

    whole, loss = differentiate(x, 1)
    for link, values in in_threads(2, of_part):
        np.testing.assert_allclose(link.W.grad, whole.W.grad, rtol=1e-5)
        np.testing.assert_allclose(link.b.grad, whole.b.grad, rtol=1e-5)
        np.testing.assert_allclose(values["loss"], loss.array, rtol=1e-5)
        np.testing.assert_allclose(values["mean"], x[:, 0].mean(), rtol=1e-4)


def test_an_iteration_sends_what_the_docstring_of_processes_counts():
    config = Config(channels=1, image_size=32, temporal_width=8, image_width=8, discriminator_width=2)

    def of_part(processes):
        sums, weights, add_up, send_round = [], [], processes.add_up, processes.send_round
        processes.add_up = lambda array: sums.append(array) or add_up(array)
        processes.send_round = lambda array, rank: weights.append(array) or send_round(array, rank)
        networks = {"gen": build_generator(config), "dis": build_discriminator(config)}
        for _, W in networks["dis"].namedparams():
            W.array *= 100  # so that all are clipped
        videos = np.random.uniform(-1, 1, (2, 1, 16, 32, 32)).astype("f")
        updater = GANUpdater(
            chainer.iterators.SerialIterator(videos, len(videos)),
            {name: RMSprop().setup(network) for name, network in networks.items()},
            clipping=SingularValueClipping(processes=processes),
            batch=SpreadBatch(processes, 4),
        )
        updater.update()
        gradients, statistics = ([a for a in sums if a.dtype == dtype] for dtype in (np.float32, np.float64))
        sizes = [networks[name].count_params() for name in ("dis", "gen")]
        assert all(0 <= a.size - n <= 3 for a, n in zip(gradients, sizes))  # with the losses
        # D's three normalizations, forward and backward, of real and generated videos: together if compiled.
        n_statistics = 42 if native.computes(videos) else 48
        assert (len(gradients), len(statistics), len(weights)) == (2, n_statistics, 5)

    in_threads(2, of_part)
