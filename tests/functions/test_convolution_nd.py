"""Our convolutions compute what Chainer's do, and their gradients are right."""

import numpy as np
import pytest

from tgan_chainer.functions import convolution_nd, deconvolution_nd
from tgan_chainer.kernels import columns, compiled, native
from tgan_chainer.links.convolution_nd import ConvolutionND, DeconvolutionND

import chainer
import chainer.functions as F
import chainer.links as L
from chainer import gradient_check
from chainer.utils import conv, type_check

# kernel, stride, pad; the last lines are those of Table 1
GEOMETRIES = [
    (1, 1, 0),
    (2, 1, 1),
    (3, 1, 0),
    (3, 2, 2),
    (2, 3, 1),
    (4, 3, 0),
    (5, 2, 1),
    ((3, 4, 2), (2, 1, 3), (0, 2, 1)),
    (3, 1, 1),
    (4, 2, 1),
]
SIZES = {1: (9,), 2: (5, 8), 3: (6, 5, 7)}
TOLERANCE = {"float32": {"rtol": 1e-4, "atol": 1e-4}, "float64": {"rtol": 1e-9, "atol": 1e-9}}


def _draw(shape, dtype="float32"):
    return np.random.uniform(-1, 1, shape).astype(dtype)


def _inputs(kind, n_axes, geometry, n, dtype):
    kernel, stride, pad = (v[:n_axes] if isinstance(v, tuple) else (v,) * n_axes for v in geometry)
    weight = (4, 3, *kernel) if kind == "conv" else (3, 4, *kernel)
    return [_draw((n, 3, *SIZES[n_axes]), dtype), _draw(weight, dtype), _draw(4, dtype)], stride, pad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize(
    "kind, ours, theirs",
    [("conv", convolution_nd, F.convolution_nd), ("deconv", deconvolution_nd, F.deconvolution_nd)],
)
def test_outputs_and_gradients_are_those_of_chainer(kind, ours, theirs, n_axes, geometry, n, dtype):
    arrays, stride, pad = _inputs(kind, n_axes, geometry, n, dtype)
    expected, gradients = [], []
    for function, results in ((theirs, expected), (ours, gradients)):
        inputs = [chainer.Variable(a) for a in arrays]
        y = function(*inputs, stride, pad)
        results += [y, *chainer.grad([y], inputs, [chainer.Variable(np.cos(y.array))])]
    for ours_, theirs_ in zip(gradients, expected, strict=True):
        assert ours_.dtype == dtype
        chainer.testing.assert_allclose(ours_.array, theirs_.array, **TOLERANCE[dtype])


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("kind, function", [("conv", convolution_nd), ("deconv", deconvolution_nd)])
def test_first_and_second_derivatives_are_those_of_the_function(kind, function, n_axes):
    arrays, stride, pad = _inputs(kind, n_axes, (4, 2, 1), 2, "float64")
    gy = _draw(function(*arrays, stride, pad).shape, "float64")
    options = {"atol": 1e-6, "rtol": 1e-6}
    gradient_check.check_backward(lambda *v: function(*v, stride, pad), arrays, gy, **options)
    ggs = [_draw(a.shape, "float64") for a in arrays]
    gradient_check.check_double_backward(lambda *v: function(*v, stride, pad), arrays, gy, ggs, **options)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad"),
    [(1, 1, 3, 1), (2, 4, 2, 1), (1, 3, 1, 1), (2, 5, 1, 3), (1, 4, 3, 2)],
)
def test_taps_that_see_nothing_but_padding(size, kernel, stride, pad):
    inputs = [chainer.Variable(_draw(shape)) for shape in ((2, 3, size, 4), (5, 3, kernel, 2))]
    geometry = (stride, 1), (pad, 0)
    y, expected = (f(*inputs, None, *geometry) for f in (convolution_nd, F.convolution_nd))
    chainer.testing.assert_allclose(y.array, expected.array)
    for ours, theirs in zip(chainer.grad([F.sum(y**2)], inputs), chainer.grad([F.sum(expected**2)], inputs)):
        chainer.testing.assert_allclose(ours.array, theirs.array)


@pytest.mark.parametrize("outsize", [9, 10])
def test_deconvolution_takes_each_output_size_that_the_convolution_maps_to_the_input(outsize):
    x, W = _draw((2, 3, 5)), _draw((3, 4, 3))
    assert conv.get_conv_outsize(outsize, 3, 2, 1) == 5
    y = deconvolution_nd(x, W, stride=2, pad=1, outsize=(outsize,))
    chainer.testing.assert_allclose(y.array, F.deconvolution_nd(x, W, None, 2, 1, (outsize,)).array)


def test_memory_order_of_the_arrays_does_not_matter():
    x, W = _draw((2, 3, 6, 5, 7)), _draw((4, 3, 4, 4, 4))
    y = convolution_nd(x, W, stride=2, pad=1).array
    strided = np.repeat(x.transpose(2, 4, 0, 3, 1), 2, axis=0)[::2].transpose(2, 4, 0, 3, 1)
    assert not strided.flags.c_contiguous
    np.testing.assert_array_equal(convolution_nd(strided, W, stride=2, pad=1).array, y)
    np.testing.assert_array_equal(convolution_nd(x, np.asfortranarray(W), stride=2, pad=1).array, y)


def test_blocks_cover_every_output_once(monkeypatch):
    x, W, gy = _draw((2, 3, 6, 9, 8)), _draw((4, 3, 4, 4, 4)), _draw((2, 4, 3, 4, 4))
    whole = [convolution_nd(x, W, None, 2, 1).array, deconvolution_nd(gy, W, None, 2, 1).array]
    monkeypatch.setattr(columns, "_SMALL_PRODUCT", 1)
    for min_columns in (1, 2 * 3, 2 * 4 * 2):  # single outputs; parts of a row; parts of a plane
        monkeypatch.setattr(columns, "_MIN_COLUMNS", min_columns)
        chainer.testing.assert_allclose(convolution_nd(x, W, None, 2, 1).array, whole[0])
        chainer.testing.assert_allclose(deconvolution_nd(gy, W, None, 2, 1).array, whole[1])


def test_large_products_are_shared_by_threads(monkeypatch, workers):
    monkeypatch.setattr(compiled, "load", lambda: (None, ""))  # whose threads are not Python's
    x, W, gy = _draw((2, 8, 6, 9, 8)), _draw((6, 8, 4, 4, 4)), _draw((2, 6, 3, 4, 4))

    def compute():
        inputs = [chainer.Variable(a) for a in (x, W)]
        y = convolution_nd(*inputs, None, 2, 1)
        return [y, *chainer.grad([y], inputs, [chainer.Variable(gy)])]

    small = compute()
    assert not workers
    monkeypatch.setattr(columns, "_LARGE", 1)
    for large, expected in zip(compute(), small):
        chainer.testing.assert_allclose(large.array, expected.array)
    assert len(workers) > 1


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("kind, function", [("conv", convolution_nd), ("deconv", deconvolution_nd)])
def test_only_the_gradient_asked_for_is_computed(kind, function, index, monkeypatch):
    arrays, stride, pad = _inputs(kind, 2, (4, 2, 1), 2, "float32")
    inputs = [chainer.Variable(a) for a in arrays]
    y = function(*inputs, stride, pad)
    computed, way = [], native if native.computes(y) else columns
    for name in ("convolve", "deconvolve", "kernel_gradient"):
        kernel = getattr(way, name)

        def spy(*args, kernel=kernel, name=name):
            computed.append(name)
            return kernel(*args)

        monkeypatch.setattr(way, name, spy)
    chainer.grad([y], [inputs[index]], [chainer.Variable(np.ones_like(y.array))])
    adjoint = "deconvolve" if kind == "conv" else "convolve"
    assert computed[:1] == [[adjoint], ["kernel_gradient"], []][index]
    assert index == 1 or "kernel_gradient" not in computed


@pytest.mark.parametrize("shape", [(4, 2, 3, 3), (4, 3, 3), (4, 3, 3, 3, 3)])
def test_a_weight_that_does_not_fit_is_refused(shape):
    with pytest.raises(type_check.InvalidType):
        convolution_nd(_draw((2, 3, 8, 8)), _draw(shape))


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize(
    "ours, theirs", [(ConvolutionND, L.ConvolutionND), (DeconvolutionND, L.DeconvolutionND)]
)
def test_links_have_the_parameters_of_chainers(ours, theirs, n_axes):
    links = []
    for cls in (theirs, ours):
        np.random.seed(0)
        links.append(cls(n_axes, 3, 4, 4, 2, 1, initialW=chainer.initializers.HeNormal()))
    for (name, a), (name_, b) in zip(links[0].namedparams(), links[1].namedparams(), strict=True):
        assert name == name_
        np.testing.assert_array_equal(a.array, b.array)
    x = _draw((2, 3, *SIZES[n_axes]))
    chainer.testing.assert_allclose(links[1](x).array, links[0](x).array, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("use_cudnn", ["never", "auto"])
@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("kind, function", [("conv", convolution_nd), ("deconv", deconvolution_nd)])
def test_gpu_computes_what_the_cpu_does(kind, function, n_axes, use_cudnn):
    arrays, stride, pad = _inputs(kind, n_axes, (4, 2, 1), 3, "float32")
    results = []
    with chainer.using_config("use_cudnn", use_cudnn):
        for device in ("@numpy", "@cupy:0"):
            inputs = [chainer.Variable(chainer.get_device(device).send(a)) for a in arrays]
            y = function(*inputs, stride, pad)
            results.append([y, *chainer.grad([y], inputs, [chainer.Variable(y.array)])])
    for on_cpu, on_gpu in zip(*results, strict=True):
        on_gpu.to_cpu()
        chainer.testing.assert_allclose(on_gpu.array, on_cpu.array, rtol=1e-3, atol=1e-3)
