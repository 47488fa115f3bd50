#!/usr/bin/env python
"""Run tgan_chainer/commands/moving_mnist.py in a clone of the repository."""

from tgan_chainer.commands import run

if __name__ == "__main__":
    run("moving_mnist")
