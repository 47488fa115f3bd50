#!/usr/bin/env python
"""Run tgan_chainer/commands/yardstick.py in a clone of the repository."""

from tgan_chainer.commands import run

if __name__ == "__main__":
    run("yardstick")
