"""What keeps the discriminator Lipschitz continuous does what Table 2 and Section 3.2 say."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tgan_chainer import VideoDiscriminator
from tgan_chainer.clipping import SingularValueClipping, WeightClipping
from tgan_chainer.errors import InputError, NonFiniteError

import chainer


def discriminator(scale=3):
    network = VideoDiscriminator(image_size=16, width=4)
    for parameter in network.params():
        parameter.array *= scale
    return network


@pytest.mark.parametrize("limit", [1, 0.5])
def test_table_2_holds_for_every_layer_of_the_discriminator(limit):
    network = discriminator()
    deviations = np.linspace(0.01, 4, network.bn2.avg_var.size, dtype=np.float32)
    network.bn2.avg_var[...] = deviations**2
    network.bn2.gamma.array[:3] = [-1, 0, 1e-6]
    network.bn2.gamma.array[-1] = 1.9
    beta = network.bn2.beta.array.copy()

    SingularValueClipping(limit)(network)

    for layer in network.conv1, network.conv2, network.conv3, network.conv4, network.linear5:
        w = layer.W.array.astype(np.float64).reshape(len(layer.W.array), -1)
        assert np.linalg.svd(w, compute_uv=False)[0] == pytest.approx(limit, rel=1e-5)
    upper = limit * np.sqrt(deviations**2 + network.bn2.eps)
    gamma = network.bn2.gamma.array
    assert (gamma > 0).all() and (gamma <= upper * (1 + 1e-6)).all()
    assert_allclose(gamma[:3], 0.01 * upper[:3], rtol=1e-6)
    assert_allclose(gamma[3:-1], np.minimum(3, upper[3:-1]), rtol=1e-6)
    assert_allclose(gamma[-1], 1.9, rtol=1e-6)  # within the limit: left alone
    assert (network.bn2.beta.array == beta).all()


@pytest.mark.gpu
@pytest.mark.parametrize("limit", [1, 0.5])
def test_on_a_gpu_it_does_the_same(limit):
    networks = [discriminator() for _ in range(2)]
    networks[1].copyparams(networks[0])
    networks[1].to_device("@cupy:0")
    for network in networks:
        network.bn2.gamma.array[:3] = chainer.get_device(network.device).send(np.array([-1, 0, 0.5], "f"))
        SingularValueClipping(limit)(network)
    for on_cpu, on_gpu in zip(*(network.params() for network in networks), strict=True):
        assert_allclose(on_gpu.array.get(), on_cpu.array, rtol=0, atol=1e-6, err_msg=on_cpu.name)


def test_an_update_that_produced_nan_is_reported_with_the_parameters_name():
    network = discriminator()
    network.conv3.W.array[0, 0] = np.nan
    with pytest.raises(NonFiniteError, match="/conv3/W"):
        SingularValueClipping()(network)
    network = discriminator()
    network.bn4.gamma.array[0] = np.nan
    with pytest.raises(NonFiniteError, match="/bn4/gamma"):
        SingularValueClipping()(network)


def test_weight_clipping_clamps_every_parameter_after_each_update():
    network = discriminator()
    optimizer = chainer.optimizers.SGD(lr=1).setup(network)
    optimizer.add_hook(WeightClipping(0.02))
    expected = {}
    for name, parameter in network.namedparams():
        parameter.grad = np.random.randn(*parameter.shape).astype("f")
        expected[name] = np.clip(parameter.array - parameter.grad, np.float32(-0.02), np.float32(0.02))
    optimizer.update()
    for name, parameter in network.namedparams():
        assert (parameter.array == expected[name]).all()


@pytest.mark.parametrize("c", [0, -1, np.nan])
def test_a_clipping_parameter_that_is_not_positive_is_refused(c):
    with pytest.raises(InputError, match="^c must"):
        WeightClipping(c)
