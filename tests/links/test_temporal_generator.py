"""G0 is the left column of Table 1."""

import numpy as np
import pytest
from helpers import normalize_with_torch, output_shapes, parameter_names, to_torch, uniform, weight_shapes

from tgan_chainer import TemporalGenerator
from tgan_chainer.errors import InputError

import chainer


def test_its_layers_are_those_of_table_1():
    network = TemporalGenerator()
    assert network(uniform(2, 100)).shape == (2, 16, 100)
    assert output_shapes(network, uniform(2, 100)) == [
        (512, 1), (256, 2), (128, 4), (128, 8), (100, 16)
    ]  # fmt: skip
    # Chainer keeps deconvolution weights as (in, out, kernel).
    assert weight_shapes(network) == {
        "/deconv0/W": (100, 512, 1),
        "/deconv1/W": (512, 256, 4),
        "/deconv2/W": (256, 128, 4),
        "/deconv3/W": (128, 128, 4),
        "/deconv_last/W": (128, 100, 4),
    }
    assert parameter_names(network, "b") == {"/deconv_last/b"}  # batch normalization follows the others


def test_weights_start_as_section_6_2_says():
    for name, parameter in TemporalGenerator().namedparams():
        if name.endswith("/W"):
            # HeNormal: variance 2 / fan-in, which Chainer takes from the axes after the first.
            expected = np.sqrt(2 / parameter.array[0].size)
            assert parameter.array.std() == pytest.approx(expected, rel=0.05), name


@pytest.mark.parametrize("use_beta", [False, True])
def test_beta_is_there_if_asked_for(use_beta):
    assert len(parameter_names(TemporalGenerator(use_beta=use_beta), "beta")) == 4 * use_beta


def test_it_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    with chainer.using_config("dtype", np.float64):
        network = TemporalGenerator(k0=7, k1=6, width=16)
    z0, p = uniform(4, 7, float), to_torch(network)
    h = torch.from_numpy(z0)[:, :, None]
    h = f.relu(normalize_with_torch(f.conv_transpose1d(h, p["deconv0/W"]), p, "bn0"))
    for i in 1, 2, 3:
        h = f.conv_transpose1d(h, p[f"deconv{i}/W"], stride=2, padding=1)
        h = f.relu(normalize_with_torch(h, p, f"bn{i}"))
    h = f.conv_transpose1d(h, p["deconv_last/W"], p["deconv_last/b"], stride=2, padding=1).tanh()
    np.testing.assert_allclose(network(z0).array, h.transpose(1, 2).numpy(), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: TemporalGenerator(n_frames=12), "n_frames"),
        (lambda: TemporalGenerator(n_frames=1), "n_frames"),
        (lambda: TemporalGenerator(k0=0), "k0"),
        (lambda: TemporalGenerator(width=6), "width"),
        (lambda: TemporalGenerator(width=8)(uniform(2, 99)), "z0"),
    ],
)
def test_what_is_impossible_is_refused_by_the_arguments_name(make, named):
    with pytest.raises(InputError, match=rf"^{named} must"):
        make()
