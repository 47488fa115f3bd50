"""Our RMSprop is Chainer's, bit for bit."""

import numpy as np
import pytest

from tgan_chainer.clipping import WeightClipping
from tgan_chainer.kernels import compiled
from tgan_chainer.optimizers import RMSprop

import chainer
import chainer.links as L


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [3, 1500])  # the latter in tiles, by several threads
def test_five_steps_are_those_of_chainer(size, dtype, workers, monkeypatch):
    monkeypatch.setattr(compiled, "load", lambda: (None, ""))  # NumPy's, bit for bit
    random_state = np.random.RandomState(0)
    with chainer.using_config("dtype", np.dtype(dtype)):
        ours = L.Linear(size, size)
    theirs = ours.copy("copy")
    optimizers = [
        RMSprop(1e-3, 0.9, 1e-6).setup(ours),
        chainer.optimizers.RMSprop(1e-3, 0.9, 1e-6).setup(theirs),
    ]
    for _ in range(5):
        g = random_state.randn(size, size).astype(dtype).T
        for link, optimizer in zip((ours, theirs), optimizers):
            link.W.grad = g  # not contiguous
            link.b.grad = None
            optimizer.update()
    assert (len(workers) > 1) == (size == 1500)
    np.testing.assert_array_equal(ours.W.array, theirs.W.array)
    np.testing.assert_array_equal(ours.b.array, theirs.b.array)


def test_a_parameter_in_another_memory_order_is_updated_too():
    links = L.Linear(5, 4), L.Linear(5, 4)
    links[0].W.array = np.asfortranarray(links[0].W.array)
    links[1].copyparams(links[0])
    for link in links:
        link.cleargrads()
        link.W.grad = np.arange(20, dtype="f").reshape(4, 5)
        RMSprop(1e-2).setup(link).update()
    np.testing.assert_allclose(links[0].W.array, links[1].W.array, atol=1e-7)


def test_the_defaults_are_the_papers():
    optimizer = RMSprop()
    assert (optimizer.lr, optimizer.alpha, optimizer.eps) == (5e-5, 0.99, 1e-8)


def test_hooks_after_an_update_see_the_updated_parameters():
    link = chainer.links.Linear(3, 2)
    optimizer = RMSprop(lr=0.1).setup(link)
    optimizer.add_hook(WeightClipping(0.01))
    seen = []

    def look(rule, parameter):
        seen.append(parameter.array.copy())

    link.W.update_rule.add_hook(look, "look", timing="post")
    for _ in range(2):
        before = link.W.array.copy()
        for parameter in link.params():
            parameter.grad = np.ones_like(parameter.array)
        optimizer.update()
        assert (seen[-1] != before).all()
        assert all(abs(parameter.array).max() <= np.float32(0.01) for parameter in link.params())
