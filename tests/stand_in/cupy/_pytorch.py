"""PyTorch that sees the stand-in's GPU. It is handed the memory that the arrays have in truth, the host's."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cupy._counts import counts


def show_gpu():
    torch.cuda.is_available = lambda: True
    _Counting().__enter__()


class _Counting(TorchDispatchMode):
    """Counts each function as one launch, which is what it takes at least."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if "convolution" not in func.name():  # handing over and other things that launch nothing
            return func(*args, **(kwargs or {}))
        results = self._call(func, args) if counts.only else func(*args)
        results = results if isinstance(results, tuple) else (results,)
        tensors = [a for a in (*args, *results) if isinstance(a, torch.Tensor)]
        counts.launch(func.name(), *(t.numpy() for t in tensors))
        cudnn = torch.backends.cudnn
        mode = "tf32" if cudnn.allow_tf32 else "float32"
        counts.modes.add((func.name(), mode + " deterministic" * cudnn.deterministic))
        return results if len(results) > 1 else results[0]

    @staticmethod
    def _call(func, args):
        """Only find out the results' shapes."""
        results = func(*(a.to("meta") if isinstance(a, torch.Tensor) else a for a in args))
        results = results if isinstance(results, tuple) else (results,)
        return tuple(None if r is None else torch.empty(r.shape, dtype=r.dtype) for r in results)
