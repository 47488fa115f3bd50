"""The processes of one run, as ``mpiexec -n 4 python experiments/train.py`` starts them: ChainerMN on MPI.

Each process holds both networks and works on its part of every batch, see :mod:`tgan_chainer.spread_batch`. A
command that MPI did not start has one process, :data:`ONE`, whose methods do nothing, so that what computes
need not ask how many there are.

What sends arrays is a communicator of ChainerMN:

==============  =========================================================================================
``naive``       MPI, through the memory of the CPU: the only one for CPUs
``flat``        MPI, from GPU to GPU, if it was built with CUDA: Debian's and those of wheels were not
``pure_nccl``   NCCL, from GPU to GPU
``auto``        ``pure_nccl`` on GPUs where CuPy has NCCL, else ``naive``
==============  =========================================================================================

Nobody waits for a process that has gone. One that fails says so in one line and ends the job, see
:func:`end_job`; when one is killed, mpiexec names it and the signal, and ends the others.

An iteration of the paper's networks with n_D = 1 sends, as counted in a run of two processes,

- the gradients, 44 MB of D and 18 MB of G, in two messages, and
- the statistics of batch normalization, 0.55 MB, in 42 messages (48 with NumPy's kernels, or where D has
  noise: real and generated videos are then normalized one after the other), and
- after a clipping, every fifth iteration, up to 44 MB of weights in five broadcasts, and
- a few bytes, to agree on signals and on what was clipped.

On paper, of the 62 MB of gradients a ring sends and receives 2 (P - 1) / P times as much in each of P
processes: 108 MB with 8, 122 MB with 64. That takes about 0.09 and 0.10 s at 10 Gbit/s, 9 and 10 ms at
100 Gbit/s, and half a millisecond by NVLink (300 GB/s). The 42 short messages cost their latency: 0.8 ms
where one takes 20 µs, as between 8 GPUs of a machine, 4 ms at 100 µs, 13 ms at 300 µs, as over Ethernet.
So if one GPU takes T for a batch, more than T / 0.1 s of them gain nothing at 10 Gbit/s, and more than
about T / 0.013 s at 100 Gbit/s. The paper's batch of 32 ends at 32 processes: 64 GPUs need a batch of 64
or more. No time here was measured.
"""

import ctypes
import hashlib
import os
import socket
import sys
import time

import numpy as np

from tgan_chainer.errors import InputError, ProcessesError
from tgan_chainer.texts import count

from chainer.backends import cuda

COMMUNICATORS = "auto", "naive", "flat", "pure_nccl"

# How Open MPI, MPICH and Slurm tell a process that they started it, and the first two how many there are.
_PREFIXES = "OMPI_", "PMI_", "PMIX_", "PRTE_", "HYDI_"
_SIZES, _RANKS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "PMI_RANK")


class Processes:
    """A single process, and what it has in common with several.

    Attributes:
        size (int): How many there are.
        rank (int): The number of this one, 0 ... size - 1. The first one is the one that writes.
        communicator (str or None): What sends arrays, of several: one of ``COMMUNICATORS``.
        hosts (list of str): On which host each runs.
    """

    size, rank, communicator = 1, 0, None

    def __init__(self):
        self.hosts = [socket.gethostname()]

    @property
    def is_first(self):
        return self.rank == 0

    def choose_gpu(self, gpu=None):
        """Return the GPU of this process, for ``use_device``: the one asked for, or one of its own."""
        return gpu

    def add_up(self, array):
        """Return the sum of all processes' arrays, of one shape and dtype; it may be ``array`` itself."""
        return array

    def send_round(self, array, rank):
        """Overwrite an array by that of the process ``rank``."""

    def gather(self, value):
        """Return a list of the values of all processes, which pickle has to know, by their ranks."""
        return [value]

    def wait(self):
        """Return when all processes have come here."""
        self.gather(None)

    def check_same(self, arrays, when):
        """Raise ProcessesError, in every process, unless all hold the same bits.

        Args:
            arrays (dict): Name → array on any device, the same names everywhere.
            when (str): Words for the message, such as "after iteration 3".
        """

    def describe(self):
        """Return ``number``, ``communicator`` and ``hosts`` as a dict."""
        return {"number": self.size, "communicator": self.communicator, "hosts": self.hosts}


ONE = Processes()
_errors = None  # the standard error of a process whose printing is dropped


class _Several(Processes):
    def __init__(self, communicator, on_cpu):
        self._world = _mpi_world()
        self.size, self.rank = self._world.size, self._world.rank
        host, cores = socket.gethostname(), sorted(os.sched_getaffinity(0))
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
        places = self.gather((host, cores, gpus))
        self.hosts = [host for host, *_ in places]
        # A batch system gives each process its own cores and GPUs, or the same ones to all on a host.
        if "OMP_NUM_THREADS" not in os.environ:
            sharing = sum(place[:2] == (host, cores) for place in places)
            os.environ["OMP_NUM_THREADS"] = str(max(len(cores) // sharing, 1))
        self._sharing = [rank for rank, place in enumerate(places) if place[::2] == (host, gpus)]
        self.communicator = _choose(communicator, on_cpu)
        self._chainermn = _create(self.communicator, self._world)

    def choose_gpu(self, gpu=None):
        if gpu is not None or not cuda.available:
            return gpu
        n_gpus = cuda.cupy.cuda.runtime.getDeviceCount()
        if n_gpus < len(self._sharing):
            raise InputError(
                f"{len(self._sharing)} processes on {self.hosts[self.rank]}, which has "
                f"{count(n_gpus, 'GPU')}: start as many as there are GPUs, or name one for all by --gpu N"
            )
        return self._sharing.index(self.rank)

    def add_up(self, array):
        if isinstance(array, np.ndarray):
            total = np.empty_like(array, order="C")
            self._world.Allreduce(np.ascontiguousarray(array), total)
            return total
        array = cuda.cupy.ascontiguousarray(array)
        if self.communicator == "naive":
            return cuda.cupy.asarray(self.add_up(cuda.cupy.asnumpy(array)))
        total = cuda.cupy.empty_like(array)
        if self.communicator == "pure_nccl":
            self._nccl().allReduce(*self._pointers(array, total), cuda.cupy.cuda.nccl.NCCL_SUM, _stream().ptr)
        else:
            _stream().synchronize()
            self._world.Allreduce(array, total)
        return total

    def send_round(self, array, rank):
        if isinstance(array, np.ndarray):
            sent = np.ascontiguousarray(array)
            self._world.Bcast(sent, rank)
        elif self.communicator == "naive":
            sent = cuda.cupy.asnumpy(array)
            self._world.Bcast(sent, rank)
            sent = cuda.cupy.asarray(sent)
        elif self.communicator == "pure_nccl":
            sent = cuda.cupy.ascontiguousarray(array)
            _, pointer, size, kind = self._pointers(sent, sent)
            self._nccl().bcast(pointer, size, kind, rank, _stream().ptr)
        else:
            sent = cuda.cupy.ascontiguousarray(array)
            _stream().synchronize()
            self._world.Bcast(sent, rank)
        if sent is not array:
            array[...] = sent

    def gather(self, value):
        return self._world.allgather(value)

    def check_same(self, arrays, when):
        digests = {name: _digest(array) for name, array in arrays.items()}
        gathered = self.gather(digests)
        for name in digests:
            for rank, others in enumerate(gathered):
                if others.get(name) != gathered[0][name]:
                    raise ProcessesError(
                        f"{name} of process {rank} ({self.hosts[rank]}) differs from that of process 0 "
                        f"({self.hosts[0]}) {when}; start again from the newest snapshot"
                    )

    def _nccl(self):
        self._chainermn._init_comms()  # at the first use, when the GPU has been chosen
        return self._chainermn.nccl_comm

    @staticmethod
    def _pointers(array, total):
        nccl = cuda.cupy.cuda.nccl
        kind = {"f": nccl.NCCL_FLOAT32, "d": nccl.NCCL_FLOAT64}[array.dtype.char]
        return array.data.ptr, total.data.ptr, array.size, kind


def start(communicator="auto", gpu=None):
    """Find the other processes of this command, if mpiexec started several.

    Without OMP_NUM_THREADS, processes with the same cores share these.

    Args:
        communicator (str): One of ``COMMUNICATORS``.
        gpu (int): As asked for; -1 is the CPU.

    Returns:
        Processes

    Raises:
        InputError: mpi4py is not installed or of another MPI than mpiexec, or there is no such communicator.
    """
    return _Several(communicator, gpu == -1 or not cuda.available) if launched_size() > 1 else ONE


def launched_size():
    """Return how many processes of this command MPI started, as the environment says; 1 if it did not."""
    return next((int(os.environ[name]) for name in _SIZES if os.environ.get(name, "").isdecimal()), 1)


def launched_rank():
    """Return the number of this process among those; 0 if MPI did not start it."""
    if launched_size() == 1:
        return 0
    return next((int(os.environ[name]) for name in _RANKS if os.environ.get(name, "").isdecimal()), 0)


def leave_talking_to_the_first():
    """Drop what this process prints from now on, unless it is the first one; :func:`tell` it still can."""
    global _errors
    if launched_rank() > 0:
        _errors = sys.stderr
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # open until the end


def tell(message, traceback=""):
    """Print to the standard error why this process ends the job: a line, and a bug's traceback before it.

    Of several processes the line names this one. When all of them fail alike, the first one is to speak, and
    to have ended the others before it is their turn.
    """
    size, rank = launched_size(), launched_rank()
    if size > 1:
        message = f"process {rank} of {size} ({socket.gethostname()}): {message}"
        if rank > 0:
            time.sleep(min(1.5 + rank / 2, 12))
    print(f"{traceback}error: {message}", file=_errors or sys.stderr, flush=True)


def outside_environment():
    """Return the environment without what MPI put there, for a command that is no process of this job."""
    return {key: value for key, value in os.environ.items() if not key.startswith(_PREFIXES)}


def end_job(status):
    """End all processes of this job, which would otherwise wait for this one; nothing where there is one."""
    if launched_size() > 1 and "mpi4py.MPI" in sys.modules:
        sys.modules["mpi4py.MPI"].COMM_WORLD.Abort(status)


def _mpi_world():
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter where there is no MPI to load
        raise InputError(
            f"MPI started this, but mpi4py cannot be used ({error}): pip install 'tgan-chainer[mpi]'"
        ) from error
    if MPI.COMM_WORLD.size != launched_size():
        raise InputError(
            f"MPI started {launched_size()} processes, but mpi4py's library, {MPI.get_vendor()[0]}, sees "
            f"{MPI.COMM_WORLD.size}: start it by the mpiexec of that library"
        )
    return MPI.COMM_WORLD


def _choose(communicator, on_cpu):
    from chainermn import nccl

    if communicator == "auto":
        return "pure_nccl" if nccl._available and not on_cpu else "naive"
    if on_cpu and communicator != "naive":
        raise InputError(f"communicator {communicator} is for GPUs; a CPU takes naive")
    if communicator == "pure_nccl" and not nccl._available:
        raise InputError("communicator is pure_nccl, but this CuPy has no NCCL; naive does without")
    if communicator == "flat" and not _mpi_reads_gpus():
        raise InputError(
            "communicator is flat, but this MPI was built without CUDA and cannot read a GPU's memory; naive "
            "and pure_nccl do without"
        )
    return communicator


def _mpi_reads_gpus():
    """Return whether MPI takes the address of an array on a GPU; if it cannot say, it is taken to."""
    query = getattr(ctypes.CDLL(None), "MPIX_Query_cuda_support", None)  # Open MPI's and MPICH's
    return query is None or bool(query())


def _create(communicator, world):
    import chainermn

    return chainermn.create_communicator(communicator, world)


def _stream():
    return cuda.cupy.cuda.get_current_stream()


def _digest(array):
    if not isinstance(array, np.ndarray):
        array = cuda.to_cpu(array)
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest()
