"""ElementwiseKernel and ReductionKernel that run: their CUDA C++ is compiled for the CPU by g++."""

import ctypes
import functools
import hashlib
import math
import os
import subprocess
import tempfile

import numpy as np

from cupy._array import SCALARS, host, wrap
from cupy._counts import counts, empty

_CACHE = os.path.join(tempfile.gettempdir(), f"cupy_stand_in_{os.getuid()}")
_C = {
    "?": "bool", "b": "signed char", "B": "unsigned char", "h": "short", "i": "int", "I": "unsigned",
    "l": "long long", "q": "long long", "L": "unsigned long long", "Q": "unsigned long long",
    "e": "_Float16", "f": "float", "d": "double", "F": "complex<float>", "D": "complex<double>",
}  # fmt: skip
_PREAMBLE = """
#include <cmath>
#include <complex>
#include <cstddef>
#define __device__
#define __forceinline__ inline
#define CUPY_FOR(i, n) for (ptrdiff_t i = 0; i < (n); ++i)
using namespace std;
static inline double max(double a, float b) { return a < b ? b : a; }
static inline double min(double a, float b) { return b < a ? b : a; }
template<class T> static inline T rsqrt(T x) { return 1 / sqrt(x); }
template<class T> struct CArray {
  T* data; ptrdiff_t size_, ndim_; const ptrdiff_t *shape_, *strides_; bool flat_;
  explicit CArray(const void* p) {
    const ptrdiff_t* q = (const ptrdiff_t*)p;
    data = (T*)q[0]; size_ = q[1]; ndim_ = q[2]; flat_ = q[3]; shape_ = q + 4; strides_ = shape_ + ndim_;
  }
  ptrdiff_t size() const { return size_; }
  const ptrdiff_t* shape() const { return shape_; }
  const ptrdiff_t* strides() const { return strides_; }
  T& operator[](ptrdiff_t i) const {
    if (flat_) return data[i];
    char* p = (char*)data;
    for (ptrdiff_t d = ndim_; --d >= 0; i /= shape_[d]) p += strides_[d] * (i % shape_[d]);
    return *(T*)p;
  }
};
"""


class _Parameter:
    def __init__(self, text):
        *words, self.type, self.name = text.split()
        if set(words) - {"raw"} or self.name == "i":
            raise ValueError(f"wrong parameter {text!r}")
        self.is_raw = "raw" in words
        self.dtype = None if len(self.type) == 1 else np.dtype(self.type)
        self.c = self.type if self.dtype is None else _C[self.dtype.char]

    def is_element(self, value):
        """Whether the kernel sees an element of the argument at a time."""
        return isinstance(value, np.ndarray) and not self.is_raw


class _Kernel:
    def _set(self, in_params, out_params, name, preamble):
        self.in_params, self.out_params = (
            [_Parameter(part) for part in text.split(",") if part.strip()] for text in (in_params, out_params)
        )
        self.nin, self.nout = len(self.in_params), len(self.out_params)
        self.params = self.in_params + self.out_params
        self.name, self.preamble = name, preamble

    def _arguments(self, args):
        """Return what the kernel gets, and the dtypes that letters stand for, which the arrays say."""
        if len(args) not in (self.nin, self.nin + self.nout):
            raise TypeError(f"Wrong number of arguments for {self.name}: {len(args)}")
        values, types = [host(a) for a in args], {}
        for p, value in zip(self.params, values):
            dtype = None if isinstance(value, SCALARS) else value.dtype
            if dtype is not None and (p.dtype or types.setdefault(p.type, dtype)) != dtype:
                raise TypeError(f"Type is mismatched. {p.name} {dtype} {p.dtype or types[p.type]}")
        return values, types

    def _launch(self, values):
        return counts.launch(self.name, *(v for v in values if isinstance(v, np.ndarray)))

    def _compute(self, types, values, before, body, n):
        """Run C++ in which values[k] is the array or number of parameter k."""
        declarations, blocks = [], []
        for k, (p, value) in enumerate(zip(self.params, values)):
            dtype = p.dtype or types[p.type]
            c = "const " * (k < self.nin) + _C[dtype.char]
            if isinstance(value, np.ndarray):
                flags = value.ctypes.data, value.size, value.ndim, value.flags.c_contiguous
                blocks.append(np.array([*flags, *value.shape, *value.strides], np.int64))
                declarations.append(f"CArray<{c}> {'' if p.is_raw else '_raw_'}{p.name}(_args[{k}]);")
            else:
                blocks.append(np.array([value]).astype(dtype))
                declarations.append(f"{c} {p.name} = *({c}*)_args[{k}];")
        letters = "".join(f"typedef {_C[t.char]} {letter}; " for letter, t in sorted(types.items()))
        head = 'extern "C" void kernel(void** _args, ptrdiff_t _n, ptrdiff_t _m) {'
        source = "\n".join([letters, self.preamble, head, *declarations, before, body, "}"])
        args = (ctypes.c_void_p * len(blocks))(*(block.ctypes.data for block in blocks))
        _compiled(source).kernel(args, *map(ctypes.c_ssize_t, n))

    def _references(self, values, params, index):
        return " ".join(
            f"{'const ' * (p in self.in_params)}{p.c} &{p.name} = _raw_{p.name}[{index}];"
            for p, value in zip(params, values)
            if p.is_element(value)
        )


class ElementwiseKernel(_Kernel):
    def __init__(
        self, in_params, out_params, operation, name="kernel", reduce_dims=True, preamble="", no_return=False,
        return_tuple=False, loop_prep="", after_loop="", options=(),
    ):  # fmt: skip
        self._set(in_params, out_params, name, preamble)
        self.operation, self.loop_prep, self.after_loop = operation, loop_prep, after_loop
        self.no_return, self.return_tuple = no_return, return_tuple

    def __call__(self, *args, size=-1, stream=None, block_size=128):
        values, types = self._arguments(args)
        shapes = [v.shape for p, v in zip(self.params, values) if p.is_element(v)]
        if (size == -1) != bool(shapes):
            raise ValueError(f"{self.name}: the loop's size is either that of arrays or told")
        shape = np.broadcast_shapes(*shapes) if shapes else (size,)
        results = args[self.nin :] or [wrap(empty(shape, p.dtype or types[p.type])) for p in self.out_params]
        if any(r.shape != shape for p, r in zip(self.out_params, results) if not p.is_raw):
            raise ValueError("Out shape is mismatched")
        values[self.nin :] = map(host, results)
        if self._launch(values):
            pairs = zip(self.params, values)
            values = [np.broadcast_to(v, shape) if p.is_element(v) else v for p, v in pairs]
            loop = f"for (ptrdiff_t i = 0; i < _n; ++i) {{ {self._references(values, self.params, 'i')}"
            body = f"{self.loop_prep}; {loop}\n{self.operation};\n}} {self.after_loop};"
            self._compute(types, values, "", body, (math.prod(shape), 0))
        if self.no_return:
            return None
        return results[0] if self.nout == 1 and not self.return_tuple else tuple(results)


class ReductionKernel(_Kernel):
    def __init__(
        self, in_params, out_params, map_expr, reduce_expr, post_map_expr, identity, name="reduce_kernel",
        reduce_type=None, reduce_dims=True, preamble="", options=(),
    ):  # fmt: skip
        self._set(in_params, out_params, name, preamble)
        self.map, self.reduce, self.post, self.identity = map_expr, reduce_expr, post_map_expr, identity
        self.reduce_type = reduce_type or self.out_params[0].c

    def __call__(self, *args, out=None, axis=None, keepdims=False, stream=None):
        values, types = self._arguments(args if out is None else (*args[: self.nin], out))
        ins, (p,) = values[: self.nin], self.out_params
        shape = np.broadcast_shapes(*(v.shape for q, v in zip(self.in_params, ins) if q.is_element(v)))
        axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = [a % len(shape) for a in axes]
        kept = [a for a in range(len(shape)) if a not in axes]
        if len(values) > self.nin:
            result = values[-1]
        else:
            lengths = [1 if a in axes else n for a, n in enumerate(shape) if keepdims or a not in axes]
            result = empty(lengths, p.dtype or types[p.type])
        if self._launch([*ins, result]):
            pairs = zip(self.in_params, ins)
            ins = [
                np.broadcast_to(v, shape).transpose(*kept, *axes) if q.is_element(v) else v for q, v in pairs
            ]
            n = math.prod(shape[a] for a in kept), math.prod(shape[a] for a in axes)
            body = f"""for (ptrdiff_t _o = 0; _o < _n; ++_o) {{
                _type_reduce _s = _type_reduce({self.identity});
                for (ptrdiff_t _j = 0; _j < _m; ++_j) {{
                    {self._references(ins, self.in_params, "_o * _m + _j")}
                    _type_reduce a = _s, b = static_cast<_type_reduce>({self.map}); _s = ({self.reduce});
                }}
                {p.c} &{p.name} = _raw_{p.name}[_o]; _type_reduce a = _s; {self.post};
            }}"""
            before = f"typedef {self.reduce_type} _type_reduce;"
            self._compute(types, [*ins, result.reshape(n[0])], before, body, n)
        return args[-1] if len(args) > self.nin else wrap(result) if out is None else out


def _made(source, *options):
    """Return the path of what g++ makes of a text, which is kept for later."""
    path = os.path.join(_CACHE, hashlib.sha1((source + _PREAMBLE).encode()).hexdigest() + ".gch")
    if os.path.exists(_CACHE) and os.stat(_CACHE).st_uid != os.getuid():
        raise PermissionError(f"{_CACHE} belongs to somebody else")
    if not os.path.exists(path):
        os.makedirs(_CACHE, mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
            text, result = os.path.join(folder, "text"), os.path.join(folder, "result")
            with open(text, "w") as file:
                file.write(source)
            options = "-w", "-O1", "-std=c++17", "-ffp-contract=off", "-fPIC", *options
            done = subprocess.run(["g++", *options, text, "-o", result], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"g++ refuses a kernel:\n{source}\n{done.stderr}")
            os.replace(result, path)
    return path


@functools.cache
def _compiled(source):
    # What all kernels begin with takes most of a kernel's time, and is compiled once.
    header = _made(_PREAMBLE, "-x", "c++-header").removesuffix(".gch")
    return ctypes.CDLL(_made(source, "-x", "c++", "-shared", "-include", header))
