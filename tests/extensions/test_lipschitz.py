"""The reported Lipschitz constants are those of the discriminator's layers; their product bounds its own."""

from types import SimpleNamespace

import numpy as np
import pytest

from tgan_chainer import VideoDiscriminator
from tgan_chainer.clipping import SingularValueClipping
from tgan_chainer.extensions import Lipschitz
from tgan_chainer.extensions.lipschitz import lipschitz_constants

import chainer
import chainer.functions as F


@pytest.fixture(params=[True, False])
def discriminator(request):
    network = VideoDiscriminator(channels=1, image_size=16, width=2, use_gamma=request.param)
    for parameter in network.params():
        parameter.array[...] = np.random.randn(*parameter.shape)
    for bn in network.bn2, network.bn3, network.bn4:
        bn.avg_mean[...] = np.random.randn(*bn.avg_mean.shape)
        bn.avg_var[...] = np.random.uniform(0.5, 4, bn.avg_var.shape)
    return network


def input_shapes(network, *inputs):
    """Return the shape of what each layer is called with, by the layer's name."""
    shapes = {}

    class Recorder(chainer.LinkHook):
        def forward_preprocess(self, args):
            if args.link is not network:
                shapes[args.link.name] = args.args[0].shape

    with Recorder():
        network(*inputs)
    return shapes


def test_each_constant_is_the_largest_factor_by_which_its_layer_stretches_a_difference(discriminator):
    constants = lipschitz_constants(discriminator)
    with chainer.using_config("train", False):
        shapes = input_shapes(discriminator, np.zeros((1, 1, 16, 16, 16), "f"))
        assert set(constants) == set(shapes)
        for name, shape in shapes.items():
            layer = discriminator[name]
            offset = layer(np.zeros(shape, "f")).array
            x = np.random.randn(*shape).astype("f")
            for _ in range(100):  # gradient ascent on the stretching of x
                v = chainer.Variable(x / np.linalg.norm(x))
                stretched = layer(v) - offset
                (gradient,) = chainer.grad([F.sum(stretched**2)], [v])
                x = gradient.array
            assert np.linalg.norm(stretched.array) == pytest.approx(constants[name], rel=0.03), name


def test_they_are_reported_with_their_product(discriminator):
    SingularValueClipping()(discriminator)
    reporter = chainer.Reporter()  # with observers as those of a Trainer
    reporter.add_observer("dis", discriminator)
    reporter.add_observers("dis", discriminator.namedlinks(skipself=True))
    with reporter.scope(observation := {}):
        Lipschitz()(SimpleNamespace(updater=SimpleNamespace(discriminator=discriminator)))
    bound = observation.pop("dis/lipschitz")
    assert set(observation) == {f"dis/{name}/lipschitz" for name in lipschitz_constants(discriminator)}
    assert bound == pytest.approx(np.prod(list(observation.values())), rel=1e-6)
    # What Table 2 leaves of a convolution is sqrt(8), see the class SingularValueClipping.
    for name, constant in observation.items():
        limit = np.sqrt(8) if "conv" in name else np.inf if "bn" in name else 1
        assert constant <= limit * (1 + 1e-5)
    x = np.random.randn(2, 1, 16, 16, 16).astype("f")
    with chainer.using_config("train", False):
        first, second = discriminator(x).array.ravel()
    assert 0 < abs(first - second) <= bound * np.linalg.norm(x[0] - x[1])
