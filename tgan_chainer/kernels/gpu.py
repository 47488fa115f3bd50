"""Kernels for CuPy's arrays, each of one pass over memory where CuPy's and Chainer's own take several.

They are written as CuPy's element-wise and reduction kernels, so that how threads share the work is CuPy's
business, not ours. Sums over a batch are of float64 in pairs, which a complex number holds.
"""

import numpy as np

from tgan_chainer.kernels.layout import batch_first, batch_last

from chainer import backend
from chainer.backends import cuda


def computes(x):
    """Say whether the array (or variable) x is CuPy's."""
    return backend.get_array_module(x) is not np


def planes(x):
    """View x (N, C, *axes) as (n, C, m) in the order in which it lies in memory.

    Returns:
        tuple: (N, C, the rest) or (1, C, the rest with N), and a function that gives an array of that shape
        the shape of x.
    """
    last = cuda.cupy.moveaxis(x, 0, -1)
    if x.ndim > 2 and last.flags.c_contiguous:
        return last.reshape(1, len(last), -1), lambda y: batch_first(y.reshape(last.shape))
    return x.reshape(len(x), x.shape[1], -1), lambda y: y.reshape(x.shape)


def planes_like(x, y):
    """View y, of the shape of x, as :func:`planes` views x, copying y if it lies in memory otherwise."""
    if planes(x)[0].shape == planes(y)[0].shape:
        return planes(y)[0]
    lies_last = len(planes(x)[0]) == 1
    return planes(batch_first(batch_last(y)) if lies_last else cuda.cupy.ascontiguousarray(y))[0]


def batches(x, n_batches):
    """View x (N, C, *axes), so many batches of N / n_batches, in the order in which it lies in memory.

    Returns:
        tuple: (a, n, C, m, b, k), where either a or b is ``n_batches`` and the other is 1, so that statistics
        are taken over n, m and k; and a function that gives an array of that shape the shape of x.
    """
    rows, shaped = planes(x)
    channels = rows.shape[1]
    if len(rows) == len(x):
        return rows.reshape(n_batches, -1, channels, rows.shape[2], 1, 1), shaped
    return rows.reshape(1, 1, channels, -1, n_batches, len(x) // n_batches), shaped


# Batch normalization and leaky ReLU, of arrays as :func:`batches` returns them. ``moments`` are mean and
# variance of each channel of each batch, complex128 (a, 1, C, 1, b, 1); so are pairs of sums.

_NORMALIZE = """
template<class T> struct Normalized { T x, inv_std, y, derivative; };
template<class T> __device__ Normalized<T> normalized(
    T x, const complex<double>& moments, T gamma, T beta, T eps, T slope) {
  Normalized<T> h;
  h.inv_std = rsqrt(T(moments.imag()) + eps);
  h.x = (x - T(moments.real())) * h.inv_std;
  h.y = gamma * h.x + beta;
  h.derivative = h.y > 0 ? T(1) : slope;
  h.y *= h.derivative;
  return h;
}
template<class T> __device__ complex<double> of_gradient(const Normalized<T>& h, T gy) {
  const double gh = gy * h.derivative;
  return complex<double>(gh, gh * h.x);
}
"""
_OF_ALL = "raw complex128 of_all, int32 n_channels, int32 n_batches"


def moments(x, count):
    """Compute mean and variance of each channel of batches, over so many elements of each."""
    kernel = cuda.reduce(
        "T x, float64 n",
        "complex128 y",
        "complex<double>(x, double(x) * double(x))",
        "a + b",
        "y = complex<double>(a.real() / n, max(a.imag() / n - a.real() / n * (a.real() / n), 0.0))",
        "0",
        "moments_of_channels",
    )
    return kernel(x, float(count), axis=(1, 3, 5), keepdims=True)


def as_moments(mean, var):
    """Join mean and variance, of shape (C,) or of that of moments."""
    joined = mean.astype(np.complex128) + 1j * var
    return joined[:, None, None, None] if joined.ndim == 1 else joined


def as_pair(moments):
    """Return their real and imaginary parts, two arrays of float64: the inverse of :func:`as_moments`."""
    pair = moments.view(np.float64)
    return pair[..., :1], pair[..., 1:]


def _by_channel(moments):
    """View moments as (C, n_batches), and return these lengths as well."""
    a, _, channels, _, b, _ = moments.shape
    view = moments.reshape(a, channels, b).transpose(1, 0, 2).reshape(channels, a * b)
    return view, *view.shape


def normalize(x, moments, gamma, beta, eps, slope):
    """Normalize batches by moments, scale, shift, and apply leaky ReLU, where beta may be None."""
    kernel = cuda.elementwise(
        "T x, complex128 moments, T gamma, T beta, T eps, T slope",
        "T y",
        "y = normalized<T>(x, moments, gamma, beta, eps, slope).y",
        "normalize_channels",
        preamble=_NORMALIZE,
    )
    return kernel(x, moments, *_columns(gamma, beta), eps, slope)


def normalize_and_remember(x, moments, gamma, beta, eps, slope, running_mean, running_var, decay, n):
    """Do the same, and move running mean and variance (C,) by 1 - decay towards moments of n elements.

    With several batches they are moved by each in turn.
    """
    kernel = cuda.elementwise(
        f"T x, complex128 moments, T gamma, T beta, T eps, T slope, T decay, T unbiased, {_OF_ALL}",
        "T y, raw T running_mean, raw T running_var",
        """y = normalized<T>(x, moments, gamma, beta, eps, slope).y;
        for (int k = 0; i < n_channels && k < n_batches; ++k) {
          const complex<double> of_batch = of_all[i * n_batches + k];
          running_mean[i] = decay * running_mean[i] + (1 - decay) * T(of_batch.real());
          running_var[i] = decay * running_var[i] + (1 - decay) * unbiased * T(of_batch.imag());
        }""",
        "normalize_channels_and_remember",
        preamble=_NORMALIZE,
    )
    scalars = eps, slope, decay, n / max(n - 1, 1)
    y = cuda.cupy.empty_like(x)
    inputs = x, moments, *_columns(gamma, beta), *scalars, *_by_channel(moments)
    return kernel(*inputs, y, running_mean, running_var)[0]


_BACKWARD_INPUTS = "T x, T gy, complex128 moments, T gamma, T beta, T eps, T slope"
_H = "normalized<T>(x, moments, gamma, beta, eps, slope)"


def sums_of_gradients(x, gy, moments, gamma, beta, eps, slope):
    """Compute the gradients of beta and of gamma by each batch, as pairs."""
    kernel = cuda.reduce(
        _BACKWARD_INPUTS,
        "complex128 y",
        f"of_gradient<T>({_H}, gy)",
        "a + b",
        "y = a",
        "0",
        "sums_of_gradients",
        preamble=_NORMALIZE,
    )
    return kernel(x, gy, moments, *_columns(gamma, beta), eps, slope, axis=(1, 3, 5), keepdims=True)


def normalize_backward(x, gy, moments, gamma, beta, eps, slope, of_part, sums, share):
    """Compute the gradient of x, and return those of gamma and beta as arrays (C,).

    Args:
        of_part: What :func:`sums_of_gradients` returns.
        sums: The same of all elements that the moments were taken over.
        share (float): One divided by their number; 0 for fixed moments, which have no gradient.
    """
    inputs = moments, *_columns(gamma, beta), eps, slope
    propagate = cuda.elementwise(
        f"{_BACKWARD_INPUTS}, complex128 sums, T share, {_OF_ALL}",
        "T gx, raw T ggamma, raw T gbeta",
        f"""const Normalized<T> h = {_H};
        gx = gamma * h.inv_std * (gy * h.derivative - share * (T(sums.real()) + h.x * T(sums.imag())));
        if (i < n_channels) {{
          complex<double> sum = 0;
          for (int k = 0; k < n_batches; ++k) sum += of_all[i * n_batches + k];
          ggamma[i] = T(sum.imag());
          gbeta[i] = T(sum.real());
        }}""",
        "normalize_channels_backward",
        preamble=_NORMALIZE,
    )
    results = (cuda.cupy.empty_like(array) for array in (x, gamma, gamma))
    return propagate(x, gy, *inputs, sums, share, *_by_channel(of_part), *results)


def _columns(gamma, beta):
    return (0.0 if array is None else array[:, None, None, None] for array in (gamma, beta))


def leaky_relu(x, gy, slope):
    """Multiply gy by the derivative of leaky ReLU at x or, which is the same, where x came out.

    With ``gy`` = x that is the leaky ReLU itself. The result lies in memory as x.
    """
    if gy is x:
        return _in_memory_order("y = x > 0 ? x : slope * x", "leaky_relu", x, slope=slope)
    return _in_memory_order("y = x > 0 ? gy : slope * gy", "leaky_relu_backward", x, gy, slope)


def tanh(x):
    """Compute the hyperbolic tangent, which lies in memory as x does."""
    return _in_memory_order("y = tanh(x)", "tanh_of", x)


def tanh_backward(y, gy):
    """Compute the gradient of what came out of :func:`tanh` as y, in memory as y."""
    return _in_memory_order("y = gy * (1 - x * x)", "tanh_backward", y, gy)


def sum_of_channels(x):
    """Sum x (N, C, *axes) up over everything but the channels: (C,)."""
    return planes(x)[0].sum(axis=(0, 2))


def _in_memory_order(operation, name, x, gy=None, slope=0.0):
    """Compute y from the elements of x and gy, read in the order in which x lies in memory."""
    inputs = "T x, T slope" if gy is None else "T x, T gy, T slope"
    kernel = cuda.elementwise(inputs, "T y", operation, name)
    if x.ndim < 2:
        return kernel(x, *([] if gy is None else [gy]), slope)
    rows, shaped = planes(x)
    return shaped(kernel(rows, *([] if gy is None else [planes_like(x, gy)]), slope))


def add_bias(y, b):
    """Add b (C,), unless it is None, to y (N, C, *axes) in place, in the order in which y lies in memory."""
    if b is not None:
        rows, _ = planes(y)
        rows += b[:, None]
    return y


def scale(pixels):
    """Compute (pixels - 128) / 128 of a uint8 array in float32, which is exact, into memory in C order."""
    kernel = cuda.elementwise("uint8 x", "float32 y", "y = (float(x) - 128) / 128", "scale_pixels")
    return kernel(pixels, cuda.cupy.empty(pixels.shape, np.float32))


# Columns of convolutions, for arrays that lie in memory as (C, *axes, N).


def gather_columns(x, grid):
    """Copy the windows of x (C, *large, N) into the columns of a matrix, (C, *kernel, *small, N)."""
    n_axes = len(grid.small)
    lengths = *grid.kernel, *grid.small, x.shape[-1]
    names = [*(f"k{a}" for a in range(n_axes)), *(f"o{a}" for a in range(n_axes)), "n"]
    inside, place = [], "c"
    for a, (stride, pad, large) in enumerate(zip(grid.stride, grid.pad, grid.large)):
        inside.append(f"(unsigned)(o{a} * {stride} + k{a} - {pad}) < {large}u")
        place = f"({place} * {large} + o{a} * {stride} + k{a} - {pad})"
    columns = cuda.cupy.empty((len(x), *lengths), x.dtype)
    split = _indices(names, columns)
    code = f"{split} y = {' && '.join(inside)} ? x[{place} * {x.shape[-1]}LL + n] : T(0);"
    return cuda.elementwise("raw T x", "T y", code, "gather_columns")(x, columns)


def add_columns(columns, grid, x):
    """Add up columns (C, *kernel, *small, N) where their windows lie, in x (C, *large, N): the adjoint."""
    n_axes, n = len(grid.small), columns.shape[-1]
    names = [*(f"p{a}" for a in range(n_axes)), "n"]
    loops, place_of_tap, place_of_window = "", "c", ""
    for a, (kernel, stride, pad, small) in enumerate(zip(grid.kernel, grid.stride, grid.pad, grid.small)):
        loops += f"""
        for (int k{a} = (p{a} + {pad}) % {stride}; k{a} < {kernel}; k{a} += {stride}) {{
          const int o{a} = (p{a} + {pad} - k{a}) / {stride};
          if (p{a} + {pad} < k{a} || o{a} >= {small}) continue;"""
        place_of_tap = f"({place_of_tap} * {kernel} + k{a})"
        place_of_window += f" * {small} + o{a})"
    place = f"{'(' * n_axes}(long long){place_of_tap}{place_of_window} * {n} + n"
    code = f"{_indices(names, x)} T s = 0; {loops} s += x[{place}]; {'}' * n_axes} y = s;"
    cuda.elementwise("raw T x", "T y", code, "add_columns")(columns, x)


def _indices(names, array):
    """Return code that splits the index i of an array (C, *lengths) into c and the names."""
    # Dividing numbers of 64 bits takes several times as long.
    code = f"{'int' if array.size < 2**31 else 'long long'} rest = i;"
    for name, length in zip(reversed(names), reversed(array.shape)):
        code += f" const int {name} = rest % {length}; rest /= {length};"
    return code + " const int c = rest;"


def clip_scale(gamma, var, eps, limit, lowest):
    """Clip gamma (C,) in place to [lowest, 1] · limit · sqrt(var + eps)."""
    kernel = cuda.elementwise(
        "T var, T eps, T limit, T lowest",
        "T gamma",
        """const T deviation = limit * sqrt(var + eps);
        if (gamma < lowest * deviation) gamma = lowest * deviation;
        if (gamma > deviation) gamma = deviation;""",
        "clip_scale",
    )
    kernel(var, eps, limit, lowest, gamma)


def update_by_rmsprop(parameters, mean_squares, gradients, lr, alpha, eps):
    """Update all parameters in place, contiguous arrays of one dtype, by one launch."""
    parameters = list(parameters)
    ends = np.cumsum([p.size for p in parameters])
    addresses = [[array.data.ptr for array in arrays] for arrays in (parameters, mean_squares, gradients)]
    table = cuda.cupy.asarray(np.array([ends, *addresses], np.uint64))
    kernel = cuda.elementwise(
        "raw uint64 table, int32 n_arrays, T lr, T alpha, T eps",
        "raw T any_parameter",
        """int k = 0, last = n_arrays - 1;
        while (k < last) {
          const int middle = (k + last) / 2;
          if ((unsigned long long)i < table[middle]) last = middle; else k = middle + 1;
        }
        const long long j = i - (k ? table[k - 1] : 0);
        T& parameter = ((T*)table[n_arrays + k])[j];
        T& mean_square = ((T*)table[2 * n_arrays + k])[j];
        const T gradient = ((const T*)table[3 * n_arrays + k])[j];
        mean_square = alpha * mean_square + (1 - alpha) * gradient * gradient;
        parameter -= lr * gradient / (sqrt(mean_square) + eps);""",
        "update_by_rmsprop",
    )
    kernel(table, len(ends), lr, alpha, eps, parameters[0], size=int(ends[-1]))
