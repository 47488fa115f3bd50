"""G1 is the right column of Table 1."""

import numpy as np
import pytest
from helpers import normalize_with_torch, output_shapes, parameter_names, to_torch, uniform, weight_shapes

from tgan_chainer import ImageGenerator
from tgan_chainer.errors import InputError

import chainer


def test_its_layers_are_those_of_table_1():
    network = ImageGenerator()
    z0, z1 = uniform(2, 100), uniform(2, 100)
    assert network(z1, z0).shape == (2, 3, 64, 64)
    assert weight_shapes(network) == {
        "/linear_z0/W": (256 * 4**2, 100),
        "/linear_z1/W": (256 * 4**2, 100),
        "/deconv1/W": (512, 256, 4, 4),
        "/deconv2/W": (256, 128, 4, 4),
        "/deconv3/W": (128, 64, 4, 4),
        "/deconv4/W": (64, 32, 4, 4),
        "/deconv5/W": (32, 3, 3, 3),
    }
    maps = [shape for shape in output_shapes(network, z1, z0) if len(shape) == 3]
    assert maps == [(256, 8, 8), (128, 16, 16), (64, 32, 32), (32, 64, 64), (3, 64, 64)]
    assert parameter_names(network, "b") == {"/deconv5/b"}  # batch normalization follows the others


def test_without_z0_it_is_the_last_row_of_table_3():
    network = ImageGenerator(use_z0=False)
    assert weight_shapes(network)["/deconv1/W"] == (256, 256, 4, 4)
    assert "/linear_z0/W" not in weight_shapes(network)
    assert network(uniform(2, 100)).shape == (2, 3, 64, 64)


def test_weights_start_as_section_6_2_says():
    for name, parameter in ImageGenerator().namedparams():
        if name.endswith("/W"):
            assert 0.0095 < abs(parameter.array).max() <= 0.01, name
            assert parameter.array.std() == pytest.approx(0.01 / np.sqrt(3), rel=0.1), name


@pytest.mark.parametrize("use_beta", [False, True])
def test_beta_is_there_if_asked_for(use_beta):
    network = ImageGenerator(use_beta=use_beta, n_classes=2, width=8)
    assert len(parameter_names(network, "beta")) == 7 * use_beta


@pytest.mark.parametrize(("use_z0", "n_classes"), [(True, 0), (False, 0), (True, 3)])
def test_it_agrees_with_pytorch(use_z0, n_classes):
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    with chainer.using_config("dtype", np.float64):
        network = ImageGenerator(7, 6, image_size=32, width=16, use_z0=use_z0, n_classes=n_classes)
    z0 = uniform(4, 7, float) if use_z0 else None
    z1 = uniform(4, 6, float)
    label = np.eye(3)[[2, 0, 0, 1]] if n_classes else None
    p = to_torch(network)
    branches = []
    for name, x in ("z0", z0), ("z1", z1), ("label", label):
        if x is not None:
            h = torch.from_numpy(x) @ p[f"linear_{name}/W"].T
            branches.append(f.relu(normalize_with_torch(h, p, f"bn_{name}")).reshape(4, 16, 2, 2))
    h = torch.cat(branches, dim=1)
    for i in 1, 2, 3, 4:
        h = f.conv_transpose2d(h, p[f"deconv{i}/W"], stride=2, padding=1)
        h = f.relu(normalize_with_torch(h, p, f"bn{i}"))
    h = f.conv_transpose2d(h, p["deconv5/W"], p["deconv5/b"], padding=1).tanh()
    np.testing.assert_allclose(network(z1, z0, label).array, h.numpy(), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ImageGenerator(image_size=60), "image_size"),
        (lambda: ImageGenerator(width=12), "width"),
        (lambda: ImageGenerator(channels="3"), "channels"),
        (lambda: ImageGenerator(width=8)(uniform(2, 100)), "z0"),
        (lambda: ImageGenerator(width=8)(uniform(2, 100), uniform(3, 100)), "z0"),
        (lambda: ImageGenerator(width=8, use_z0=False)(uniform(2, 100), uniform(2, 100)), "z0"),
        (lambda: ImageGenerator(width=8)(uniform(2, 7), uniform(2, 100)), "z1"),
    ],
)
def test_what_is_impossible_is_refused_by_the_arguments_name(make, named):
    with pytest.raises(InputError, match=rf"^{named} must"):
        make()
