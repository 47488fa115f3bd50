"""C3D is the network of Tran et al. (2015): its sizes, and the same layers in PyTorch and Chainer."""

import numpy as np
import pytest
from helpers import normalize_with_torch, output_shapes, to_torch

from tgan_chainer.errors import InputError
from tgan_chainer.links.c3d import C3D, LAYERS

import chainer
import chainer.functions as F

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


def pytorch_layers(network, p, x):
    """Yield names and outputs of the same layers, by PyTorch with its parameters p."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    h = torch.from_numpy(x)
    for name in (
        *("conv1a", "pool1", "conv2a", "pool2", "conv3a", "conv3b", "pool3", "conv4a", "conv4b", "pool4"),
        *("conv5a", "conv5b", "pool5", "fc6", "fc7", "fc8"),
    ):
        if name.startswith("conv"):
            h = f.conv3d(h, p[f"{name}/W"], p[f"{name}/b"], padding=1)
            if network.use_bn:
                h = normalize_with_torch(h, p, f"bn_{name}")
            h = f.relu(h)
        elif name == "pool1":
            h = f.max_pool3d(h, (1, 2, 2), (1, 2, 2), ceil_mode=True)
        elif name.startswith("pool"):
            h = f.max_pool3d(h, 2, 2, ceil_mode=True)
        else:
            h = f.linear(h.flatten(1), p[f"{name}/W"], p[f"{name}/b"])
            h = h if name == "fc8" else f.relu(h)
        yield name, h


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
    network = narrow()
    x = random_input(1, network)
    assert output_shapes(network, x) == [
        (4, 16, 112, 112), (8, 16, 56, 56), (16, 8, 28, 28), (32, 4, 14, 14), (32, 2, 7, 7), (8,), (5,)
    ]  # fmt: skip
    shapes = {name: h.shape[1:] for name, h in compute(network, x, LAYERS).items()}
    assert shapes == {
        "pool1": (4, 16, 56, 56),
        "pool2": (8, 8, 28, 28),
        "pool3": (16, 4, 14, 14),
        "pool4": (32, 2, 7, 7),
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
    expected = {name: h.numpy() for name, h in pytorch_layers(network, to_torch(network), x)}
    assert list(found) == list(LAYERS)
    for name, h in found.items():
        assert h.shape == expected[name].shape and h.dtype == np.float32
        atol = 2e-5 * abs(expected[name]).max()
        np.testing.assert_allclose(h, expected[name], rtol=0, atol=atol, err_msg=name)


def test_the_whole_network_agrees_with_pytorch(full):
    x = random_input(1, full, scale=50)
    found = compute(full, x, ["fc6", "fc8"])
    expected = dict(pytorch_layers(full, to_torch(full), x))
    for name in "fc6", "fc8":
        atol = 1e-4 * float(abs(expected[name]).max())
        np.testing.assert_allclose(found[name], expected[name].numpy(), rtol=0, atol=atol)


@pytest.mark.parametrize("use_bn", [False, True])
def test_training_agrees_with_pytorch(use_bn):
    torch = pytest.importorskip("torch")
    with chainer.using_config("dtype", np.float64):
        network = narrow(size=33, use_bn=use_bn, dropout=0.0)
    x, weights = np.random.randn(3, *network.video_shape), np.random.randn(3, 5)
    network.cleargrads()
    scores = network(x)["fc8"]
    F.sum(scores * weights).backward()

    p = {name: tensor.requires_grad_() for name, tensor in to_torch(network).items()}
    *_, (_, expected) = pytorch_layers(network, p, x)
    (expected * torch.from_numpy(weights)).sum().backward()
    np.testing.assert_allclose(scores.array, expected.detach().numpy(), rtol=1e-7)
    for name, parameter in network.namedparams():
        gradient = p[name[1:]].grad.numpy()
        if use_bn and "conv" in name and name.endswith("/b"):
            continue  # the normalization takes it out again
        assert abs(gradient).max() > 0
        atol = 1e-8 * abs(gradient).max()
        np.testing.assert_allclose(parameter.grad, gradient, rtol=0, atol=atol, err_msg=name)


def test_only_the_layers_that_were_asked_for_come_back():
    network = narrow(size=32)
    x = random_input(1, network)
    everything = compute(network, x, LAYERS)
    for layers in ["fc8"], ["fc6", "fc8"], ["pool5"]:
        found = compute(network, x, layers)
        assert list(found) == layers
        for name in layers:
            np.testing.assert_array_equal(found[name], everything[name])


def test_videos_are_scored_eight_at_a_time_and_learned_from_together(monkeypatch):
    network, sizes = narrow(size=16), []
    outputs = network._outputs
    monkeypatch.setattr(network, "_outputs", lambda h: sizes.append(len(h)) or outputs(h))
    x = random_input(19, network)
    for train, enable_backprop in ((False, False), (True, False), (False, True)):
        with chainer.using_config("train", train), chainer.using_config("enable_backprop", enable_backprop):
            assert len(network(x)["fc8"]) == 19
    assert sizes == [8, 8, 3, 19, 19]


def test_many_videos_are_scored_as_one_by_one():
    network = narrow(size=16)
    x = random_input(19, network)
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        together = network(x, layers=("pool2", "fc8"))
        apart = [network(x[i : i + 1], layers=("pool2", "fc8")) for i in range(len(x))]
    for name, found in together.items():
        expected = np.concatenate([of_one[name].array for of_one in apart])
        np.testing.assert_allclose(found.array, expected, rtol=0, atol=1e-5 * abs(expected).max())


def test_a_layer_that_is_not_offered_is_refused():
    network = narrow(size=32)
    with pytest.raises(InputError, match="^layers must be of pool1, .*, fc8, not conv1a$"):
        network(random_input(1, network), ["conv1a", "fc8"])


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
