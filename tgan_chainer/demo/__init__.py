"""A page that runs a generator in the browser."""

from tgan_chainer.demo.page import write_demo
from tgan_chainer.demo.runtime import load_runtime

__all__ = ["load_runtime", "write_demo"]
