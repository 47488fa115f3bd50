import numpy as np
import pytest

from tgan_chainer.evaluations import VideoClassifier, load_classifier, save_classifier
from tgan_chainer.links import C3D


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A small classifier from a file, whose hash tells it from others."""
    np.random.seed(0)
    network = C3D(4, width=2, n_units=8, size=32)
    network.fc8.W.array *= 20
    path = str(tmp_path_factory.mktemp("classifier") / "c.npz")
    save_classifier(path, VideoClassifier(network, np.float32([[[[90]]]]), 36, 1 / 64))
    return load_classifier(path)
