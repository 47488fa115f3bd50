"""The networks that configurations describe have the sizes of the paper's."""

import numpy as np
import pytest

from tgan_chainer.config import Config
from tgan_chainer.errors import InputError
from tgan_chainer.models import build_discriminator, build_generator, ignored_settings
from tgan_chainer.optimizers import build_optimizer

PAPER = Config(channels=3, image_size=64, n_classes=101)
SMALL = {"channels": 1, "image_size": 16}


# By hand, with 3 channels: weights (and the biases of last layers), and γ and β of each normalization.
G0 = 100 * 512 + 4 * (512 * 256 + 256 * 128 + 128 * 128 + 128 * 100) + 100 + 2 * (512 + 256 + 128 + 128)
BRANCH = 100 * 4096 + 2 * 4096
DECONVOLUTIONS = 16 * (256 * 128 + 128 * 64 + 64 * 32) + 9 * 32 * 3 + 3 + 2 * (256 + 128 + 64 + 32)
G1 = 2 * BRANCH + 16 * 512 * 256 + DECONVOLUTIONS
D = 64 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 64 + 2 * (128 + 256 + 512) + 512 * 16 + 1
STREAM = [(100, 512), (512, 256), (256, 128), (128, 64)]
COUNTS = {
    "tgan": (G0 + G1, D),
    "conditional_tgan": (
        (G0 + 101 * 512) + (2 * BRANCH + 101 * 4096 + 2 * 4096 + 16 * 768 * 256 + DECONVOLUTIONS),
        D + 64 * 101 * 64,
    ),
    "3d": (
        100 * 512 * 16 + 2 * 512 * 16
        + 64 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 3 + 2 * (256 + 128 + 64),
        D,
    ),
    "video_gan": (
        # foreground (64 elements to a kernel, 16 in the first), f and m; background (16 everywhere), b
        16 * 100 * 512 + 64 * (512 * 256 + 256 * 128 + 128 * 64) + 64 * 64 * (3 + 1) + 3 + 1
        + 16 * sum(a * b for a, b in STREAM) + 16 * 64 * 3 + 3
        + 2 * 2 * (512 + 256 + 128 + 64),
        D,
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", COUNTS)
def test_numbers_of_parameters_are_those_counted_by_hand(model):
    config = PAPER.replace(model=model)
    assert (build_generator(config).count_params(), build_discriminator(config).count_params()) == COUNTS[
        model
    ]


def test_g1_of_z1_alone_and_the_normal_gans_discriminator():
    # Without z0 its branch is missing, and the first deconvolution sees half the maps.
    assert build_generator(PAPER.replace(use_z0=False)).count_params() == G0 + G1 - BRANCH - 16 * 256 * 256
    d = build_discriminator(PAPER.replace(loss="gan", use_gamma=False))
    assert d.count_params() == D - (128 + 256 + 512)


def test_a_conditional_model_needs_the_number_of_labels():
    with pytest.raises(InputError, match="n_classes must be set"):
        build_generator(Config(channels=1, image_size=16, model="conditional_tgan"))


def test_how_the_weights_of_the_discriminator_start_is_a_setting():
    for name, deviation in ("normal", 0.01), ("he_normal", np.sqrt(2 / (64 * 64))):  # 64 channels, 4×4×4
        discriminator = build_discriminator(PAPER.replace(discriminator_weights=name))
        assert discriminator.conv2.W.array.std() == pytest.approx(deviation, rel=0.02)


def test_what_a_network_does_not_take_is_known_from_its_signature():
    assert ignored_settings("tgan") == ignored_settings("conditional_tgan") == {"video_width", "mask_penalty"}
    assert {"k1", "use_z0", "use_beta_g1", "mask_penalty"} <= ignored_settings("3d")
    assert "video_width" not in ignored_settings("3d") | ignored_settings("video_gan")
    assert "mask_penalty" not in ignored_settings("video_gan")


def test_weights_start_as_configured():
    uniform = SMALL | {"temporal_weights": "uniform", "discriminator_weights": "uniform"}
    for config, widest in (Config(**SMALL, temporal_width=64), None), (Config(**uniform), 0.01):
        g, d = build_generator(config), build_discriminator(config)
        for weight in g.temporal_generator.deconv1.W, d.conv2.W:
            largest = abs(weight.array).max()
            assert largest == pytest.approx(widest, rel=1e-2) if widest else largest > 0.05
        assert abs(g.image_generator.deconv1.W.array).max() == pytest.approx(0.01, rel=1e-2)


def test_the_discriminator_may_have_a_learning_rate_of_its_own():
    config = Config(learning_rate=1e-3)
    rates = [build_optimizer(config, name).hyperparam.lr for name in ("gen", "dis")]
    assert rates == [1e-3, 1e-3]
    config = config.replace(discriminator_learning_rate=4e-3)
    assert [build_optimizer(config, name).hyperparam.lr for name in ("gen", "dis")] == [1e-3, 4e-3]
