"""C3D is the network of Tran et al. (2015): its sizes, and the same layers in PyTorch and Chainer."""

import numpy as np
import pytest

from tgan_chainer.errors import InputError
from tgan_chainer.functions import max_pooling
from tgan_chainer.links.c3d import C3D, LAYERS

import chainer
import chainer.functions as F
import chainer.gradient_check
from chainer.backends import cuda

# Layer -> channels in and out, or numbers in and out.
CONVOLUTIONS = {
    "conv1a": (3, 64),
    "conv2a": (64, 128),
    "conv3a": (128, 256),
    "conv3b": (256, 256),
    "conv4a": (256, 512),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}
LINEAR = {"fc6": (512 * 1 * 4 * 4, 4096), "fc7": (4096, 4096), "fc8": (4096, 101)}


@pytest.fixture(scope="module")
def full():
    """The network of the paper's inception score, with 78 million parameters."""
    np.random.seed(0)
    return C3D()


def narrow(n_classes=5, size=112, **more):
    network = C3D(n_classes, width=4, n_units=8, size=size, **more)
    for name, parameter in network.namedparams():
        if name.endswith("/b"):
            parameter.array[...] = np.random.randn(*parameter.shape) / 10
    return network


def random_input(n, network, scale=1.0):
    return (scale * np.random.randn(n, *network.video_shape)).astype(np.float32)


def compute(network, x, layers):
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        return {name: v.array for name, v in network(x, layers).items()}


def pytorch_layers(network, x):
    """Yield names and outputs of the same layers, by PyTorch; of each, the input is PyTorch's as well."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    p = {name[1:]: torch.from_numpy(v.array) for name, v in network.namedparams()}
    h = torch.from_numpy(x)
    for name in (
        *("conv1a", "pool1", "conv2a", "pool2", "conv3a", "conv3b", "pool3", "conv4a", "conv4b", "pool4"),
        *("conv5a", "conv5b", "pool5", "fc6", "fc7", "fc8"),
    ):
        if name.startswith("conv"):
            h = f.relu(f.conv3d(h, p[f"{name}/W"], p[f"{name}/b"], padding=1))
        elif name == "pool1":
            h = f.max_pool3d(h, (1, 2, 2), (1, 2, 2), ceil_mode=True)
        elif name.startswith("pool"):
            h = f.max_pool3d(h, 2, 2, ceil_mode=True)
        else:
            h = f.linear(h.flatten(1), p[f"{name}/W"], p[f"{name}/b"])
            h = h if name == "fc8" else f.relu(h)
        yield name, h.numpy()


def test_it_has_as_many_parameters_as_the_published_file(full):
    n_expected = sum(out * into * 3**3 + out for into, out in CONVOLUTIONS.values())
    n_expected += sum(out * into + out for into, out in LINEAR.values())
    assert n_expected == 78_409_573
    assert sum(p.size for p in full.params()) == n_expected


def test_its_arrays_have_the_names_and_shapes_of_the_published_file(full):
    expected = {f"/{name}/W": (out, into, 3, 3, 3) for name, (into, out) in CONVOLUTIONS.items()}
    expected |= {f"/{name}/W": (out, into) for name, (into, out) in LINEAR.items()}
    expected |= {f"/{name}/b": (out,) for name, (_, out) in (CONVOLUTIONS | LINEAR).items()}
    assert {name: p.shape for name, p in full.namedparams()} == expected


def test_maps_shrink_as_in_the_paper():
    shapes = {name: h.shape[1:] for name, h in compute(narrow(), random_input(1, narrow()), LAYERS).items()}
    assert shapes == {
        "conv1a": (4, 16, 112, 112),
        "pool1": (4, 16, 56, 56),
        "conv2a": (8, 16, 56, 56),
        "pool2": (8, 8, 28, 28),
        "conv3a": (16, 8, 28, 28),
        "conv3b": (16, 8, 28, 28),
        "pool3": (16, 4, 14, 14),
        "conv4a": (32, 4, 14, 14),
        "conv4b": (32, 4, 14, 14),
        "pool4": (32, 2, 7, 7),
        "conv5a": (32, 2, 7, 7),
        "conv5b": (32, 2, 7, 7),
        "pool5": (32, 1, 4, 4),
        "fc6": (8,),
        "fc7": (8,),
        "fc8": (5,),
    }


@pytest.mark.parametrize(("size", "n_frames", "n"), [(112, 16, 1), (56, 16, 3), (45, 16, 2), (33, 32, 2)])
def test_each_layer_agrees_with_pytorch(size, n_frames, n):
    network = narrow(size=size, n_frames=n_frames)
    x = random_input(n, network)
    found = compute(network, x, LAYERS)
    names = []
    for name, expected in pytorch_layers(network, x):
        assert found[name].shape == expected.shape and found[name].dtype == np.float32
        np.testing.assert_allclose(
            found[name], expected, rtol=0, atol=2e-5 * abs(expected).max(), err_msg=name
        )
        names.append(name)
    assert names == list(found) == list(LAYERS)


def test_the_whole_network_agrees_with_pytorch(full):
    x = random_input(1, full, scale=50)
    found = compute(full, x, ["fc6", "fc8"])
    expected = dict(pytorch_layers(full, x))
    for name in "fc6", "fc8":
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-4 * abs(expected[name]).max())


def test_gradients_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    network = narrow(size=33)
    x = random_input(2, network)
    weights = np.random.randn(2, 5).astype(np.float32)
    with chainer.using_config("train", False):
        network.cleargrads()
        F.sum(network(x)["fc8"] * weights).backward()

    f = torch.nn.functional
    p = {name[1:]: torch.from_numpy(v.array).requires_grad_() for name, v in network.namedparams()}
    h = torch.from_numpy(x)
    for name in LAYERS:
        if name.startswith("pool"):
            kernel = (1, 2, 2) if name == "pool1" else 2
            h = f.max_pool3d(h, kernel, kernel, ceil_mode=True)
        elif name.startswith("conv"):
            h = f.relu(f.conv3d(h, p[f"{name}/W"], p[f"{name}/b"], padding=1))
        else:
            h = f.linear(h.flatten(1), p[f"{name}/W"], p[f"{name}/b"])
            h = h if name == "fc8" else f.relu(h)
    (h * torch.from_numpy(weights)).sum().backward()
    for name, parameter in network.namedparams():
        expected = p[name[1:]].grad.numpy()
        assert abs(expected).max() > 0
        np.testing.assert_allclose(
            parameter.grad, expected, rtol=0, atol=1e-4 * abs(expected).max(), err_msg=name
        )


def test_only_the_layers_that_were_asked_for_come_back():
    network = narrow(size=32)
    x = random_input(1, network)
    everything = compute(network, x, LAYERS)
    for layers in ["fc8"], ["fc6", "fc8"], ["pool5"]:
        found = compute(network, x, layers)
        assert list(found) == layers
        for name in layers:
            np.testing.assert_array_equal(found[name], everything[name])


def test_training_drops_units_and_nothing_else_does():
    # What reaches fc8 goes out unchanged: of fc7's units, each is dropped or divided by 1 - 0.75.
    network = C3D(400, width=2, n_units=400, size=16, dropout=0.75)
    network.fc7.b.array[...] = 1
    network.fc7.W.array[...] = 0
    network.fc8.W.array[...] = np.eye(400)
    x = random_input(1, network)
    with chainer.using_config("train", True):
        outputs = network(x, ["fc7", "fc8"])
        assert set(outputs["fc7"].array.ravel()) == {1}
        scores = outputs["fc8"].array
        assert set(scores.ravel()) == {0, 4}
        assert 0.15 < (scores > 0).mean() < 0.35  # 400 draws, deviation 0.02
        assert (network(x)["fc8"].array != scores).any()
    np.testing.assert_array_equal(compute(network, x, ["fc8"])["fc8"], 1)


def test_training_drops_units_of_fc6_too():
    network = C3D(400, width=2, n_units=400, size=16, dropout=0.75)
    for link in network.fc6, network.fc7:
        link.b.array[...] = 0
    network.fc6.W.array[...] = 0
    network.fc6.b.array[...] = 1
    network.fc7.W.array[...] = np.eye(400)
    with chainer.using_config("train", True):
        outputs = network(random_input(1, network), ["fc6", "fc7"])
    assert set(outputs["fc6"].array.ravel()) == {1}
    assert set(outputs["fc7"].array.ravel()) == {0, 4}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 16, 112, 100), r"not \(1, 3, 16, 112, 100\)"),
        ((1, 1, 16, 32, 32), r"not \(1, 1, 16, 32, 32\)"),
        ((1, 3, 15, 32, 32), r"not \(1, 3, 15, 32, 32\)"),
        ((3, 16, 32, 32), r"not \(3, 16, 32, 32\)"),
    ],
)
def test_an_input_of_another_shape_is_refused(shape, message):
    with pytest.raises(InputError, match=r"^x must have the shape \(N, 3, 16, 32, 32\), " + message):
        C3D(2, width=1, n_units=2, size=32)(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"n_classes": 0}, "n_classes"), ({"width": 0}, "width"), ({"n_units": 1.5}, "n_units")]
    + [({"size": 0}, "size"), ({"n_frames": 24}, "n_frames"), ({"n_frames": 0}, "n_frames")],
)
def test_impossible_sizes_are_refused_by_name(arguments, name):
    with pytest.raises(InputError, match=rf"^{name} must"):
        C3D(**{"width": 1, "n_units": 2, **arguments})


# Maximum pooling


POOLED = [((2, 3, 16, 8, 8), (3, 4)), ((2, 3, 6, 8, 4), (2, 3, 4)), ((1, 2, 5, 7, 3), (2, 3, 4))]
POOLED += [((2, 1, 1, 1, 1), (2, 3, 4)), ((2, 3, 5, 2, 9), (3, 4)), ((2, 2, 9), (2,)), ((1, 2, 3, 4), (2, 3))]


def window_of(shape, axes):
    """Kernel and stride for other libraries: 2 on these axes, 1 on others but N and C."""
    return tuple(2 if axis in axes else 1 for axis in range(2, len(shape)))


@pytest.mark.parametrize(("shape", "axes"), POOLED)
def test_max_pooling_is_chainers_that_covers_all(xp, shape, axes):
    x = xp.asarray(np.random.randn(*shape).astype(np.float32))
    window = window_of(shape, axes)
    expected = F.max_pooling_nd(x, window, window, cover_all=True)
    found = max_pooling(x, axes)
    np.testing.assert_array_equal(cuda.to_cpu(found.array), cuda.to_cpu(expected.array))
    gy = xp.asarray(np.random.randn(*expected.shape).astype(np.float32))
    gradients = []
    for function in (
        lambda v: max_pooling(v, axes),
        lambda v: F.max_pooling_nd(v, window, window, cover_all=True),
    ):
        variable = chainer.Variable(x)
        (gradient,) = chainer.grad([function(variable)], [variable], [chainer.Variable(gy)])
        gradients.append(cuda.to_cpu(gradient.array))
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize(("shape", "axes"), [case for case in POOLED if len(case[0]) == 5])
def test_max_pooling_is_pytorchs_in_ceil_mode(shape, axes):
    torch = pytest.importorskip("torch")
    x, window = np.random.randn(*shape), window_of(shape, axes)
    theirs = torch.from_numpy(x).requires_grad_()
    expected = torch.nn.functional.max_pool3d(theirs, window, window, ceil_mode=True)
    ours = chainer.Variable(x)
    found = max_pooling(ours, axes)
    np.testing.assert_array_equal(found.array, expected.detach().numpy())
    gy = np.random.randn(*found.shape)
    expected.backward(torch.from_numpy(gy))
    (gradient,) = chainer.grad([found], [ours], [chainer.Variable(gy)])
    np.testing.assert_array_equal(gradient.array, theirs.grad.numpy())


def test_gradients_of_max_pooling_are_those_of_finite_differences(xp):
    # All values are at least 1 apart, so that small steps change no maximum.
    x = xp.asarray(np.random.permutation(2 * 3 * 5 * 4).reshape(1, 2, 3, 5, 4).astype(np.float64))
    gy = xp.asarray(np.random.randn(1, 2, 2, 3, 2))
    chainer.gradient_check.check_backward(lambda v: max_pooling(v, (2, 3, 4)), x, gy, dtype=np.float64)


def test_of_equal_neighbours_the_first_has_the_gradient(xp):
    x = chainer.Variable(xp.asarray([[3.0, 3.0, 1.0, 1.0, 5.0]]))
    (gradient,) = chainer.grad([max_pooling(x, (1,))], [x], [chainer.Variable(xp.asarray([[1.0, 2.0, 4.0]]))])
    np.testing.assert_array_equal(cuda.to_cpu(gradient.array), [[1, 0, 2, 0, 4]])


@pytest.mark.parametrize("axes", [(3, 4), (2, 3, 4)])
def test_the_input_of_max_pooling_stays_as_it_was_whatever_its_order_in_memory(axes):
    values = np.random.randn(2, 3, 5, 6, 7)
    for x in values, np.asfortranarray(values), np.moveaxis(np.moveaxis(values, 0, -1).copy(), -1, 0):
        before = x.copy()
        found = max_pooling(x, axes).array
        np.testing.assert_array_equal(x, before)
        window = window_of(x.shape, axes)
        np.testing.assert_array_equal(found, F.max_pooling_nd(before, window, window).array)
