"""Labels as people write them."""

import pytest

from tgan_chainer.config import Config
from tgan_chainer.errors import InputError
from tgan_chainer.labels import parse_labels
from tgan_chainer.links import VideoGANGenerator, VideoGenerator
from tgan_chainer.runs import Run

SMALL = {"channels": 1, "image_size": 16}


def test_labels_are_names_or_numbers():
    conditional = VideoGenerator(**SMALL, temporal_width=16, image_width=8, n_classes=3)
    conditional = Run(Config(), conditional, label_names=["Archery", "IceDancing", "2"])
    assert parse_labels(["IceDancing", "0", "2"], conditional) == [1, 0, 2]
    assert parse_labels(["all"], conditional) == [0, 1, 2]
    for text, hint in ("IceDancin", "did you mean IceDancing"), ("3", "0 ... 2"), ("-1", "0 ... 2"):
        with pytest.raises(InputError, match=hint):
            parse_labels([text], conditional)
    with pytest.raises(InputError, match="not conditional"):
        parse_labels(["0"], Run(Config(), VideoGANGenerator(**SMALL, width=8)))
