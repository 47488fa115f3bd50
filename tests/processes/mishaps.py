"""Run by mpiexec: train.py, with a mishap in one of its processes.

usage: mishaps.py RANK WHERE WHAT MARK TRAIN.PY OPTION ...

MARK is a file that appears right before the mishap. WHERE it happens:

  start      before the processes know of each other
  connected  when they do, but cannot send arrays yet
  allreduce  in the third iteration; the others wait for this process's part of a sum
  writing    while the first process writes the snapshot of the fourth, and the others are ahead of it

WHAT happens:

  kill       SIGKILL
  raise      an exception
  full       files can take no more than 20 kB
  change     a weight becomes another by the last of its bits
"""

import os
import resource
import runpy
import signal
import sys
import time

import numpy as np

from tgan_chainer import processes
from tgan_chainer.extensions import Snapshot
from tgan_chainer.updaters import GANUpdater

RANK, WHERE, WHAT, MARK, TRAIN, *OPTIONS = sys.argv[1:]
IS_HERE = processes.launched_rank() == int(RANK)


def happen(updater=None):
    with open(MARK, "w"):
        pass
    if WHAT == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif WHAT == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    elif WHAT == "change":
        weight = updater.discriminator.conv1.W.array
        weight[0, 0, 0, 0, 0] = np.nextafter(weight[0, 0, 0, 0, 0], np.float32(9))
    else:
        raise RuntimeError("a mishap")


def before(owner, name, is_due=lambda *arguments: True):
    """Let it happen before a function is called, if that is due."""
    function = getattr(owner, name)

    def changed(*arguments, **options):
        if is_due(*arguments):
            happen()
        return function(*arguments, **options)

    setattr(owner, name, changed)


def meddle_with_an_iteration():
    update = GANUpdater.update

    def changed(self):
        if self.iteration == 2:
            before(processes._Several, "add_up")
        update(self)

    GANUpdater.update = changed


def meddle_with_writing():
    call, is_first = Snapshot.__call__, processes.launched_rank() == 0

    def changed(self, trainer):
        if trainer.updater.iteration < 4:
            call(self, trainer)
        elif is_first and IS_HERE and WHAT in ("kill", "raise"):
            before(os, "fsync")  # the file is there, whole, under another name
            call(self, trainer)
        elif IS_HERE and WHAT in ("full", "change"):
            happen(trainer.updater)
            call(self, trainer)
        elif is_first and WHAT in ("kill", "raise"):
            os.fsync = lambda descriptor: time.sleep(3600)  # a disk that takes for ever
            call(self, trainer)
        else:
            call(self, trainer)
            if IS_HERE:
                time.sleep(1)  # the first process is writing by now
                happen()

    Snapshot.__call__ = changed


if WHERE == "start" and IS_HERE:
    before(processes, "_mpi_world")
elif WHERE == "connected" and IS_HERE:
    before(processes, "_create")
elif WHERE == "allreduce" and IS_HERE:
    meddle_with_an_iteration()
elif WHERE == "writing":
    meddle_with_writing()
sys.argv = [TRAIN, *OPTIONS]
runpy.run_path(TRAIN, run_name="__main__")
