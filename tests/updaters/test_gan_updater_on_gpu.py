"""What an iteration costs a GPU at the paper's size, counted on the stand-in for CuPy."""

import numpy as np
import pytest

from tgan_chainer.clipping import SingularValueClipping
from tgan_chainer.config import Config
from tgan_chainer.kernels import aten
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.optimizers import build_optimizer
from tgan_chainer.updaters import GANUpdater

import chainer
from chainer.backends import cuda

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not hasattr(cuda.cupy, "_counts"), reason="counts are the stand-in's"),
]


def test_launches_bytes_and_synchronizations_of_five_iterations(updater, counts):
    updater.update()  # the first one clips, as does the sixth
    counts.reset()
    updater.update()
    has_library = aten.computes(cuda.cupy.empty(1, "f"))
    assert sum(counts.launches.values()) <= (206 if has_library else 286), counts.launches.most_common()
    assert counts.bytes <= (15e9 if has_library else 45e9), counts.traffic.most_common()
    for _ in range(4):
        updater.update()
    assert sum(counts.launches.values()) / 5 <= (238 if has_library else 318), counts.launches.most_common()
    assert not counts.synchronizations


@pytest.fixture
def updater():
    """An updater of the paper's networks and batch size."""
    config = Config(channels=3, image_size=64)
    networks = {"gen": build_generator(config), "dis": build_discriminator(config)}
    optimizers = {name: build_optimizer(config).setup(network) for name, network in networks.items()}
    for network in networks.values():
        network.to_device("@cupy:0")
    videos = Videos(config.batch_size, 3, 16, 64, 64)
    return GANUpdater(videos, optimizers, SingularValueClipping(), device="@cupy:0")


@pytest.fixture
def counts():
    counts = cuda.cupy._counts
    counts.only = True
    yield counts
    counts.only = False


class Videos(chainer.dataset.Iterator):
    """The same batch again and again."""

    epoch, is_new_epoch = 0, False

    def __init__(self, *shape):
        self.batch = list(np.zeros(shape, "f"))

    def next(self):
        return self.batch

    __next__ = next
