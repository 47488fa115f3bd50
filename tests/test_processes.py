"""What the processes of a run choose by what they are told of each other; the rest is in tests/processes/."""

import types

import pytest
from helpers import refused

from tgan_chainer import processes

from chainer.backends import cuda

FOUR = [("a", [0, 1], None), ("a", [2, 3], None), ("b", [0, 1], None), ("b", [0, 1], None)]


@pytest.fixture
def connect(monkeypatch):
    """A function that makes a process, of those with the given hosts, cores and CUDA_VISIBLE_DEVICES."""
    monkeypatch.setattr(processes, "_create", lambda communicator, world: None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def connect(rank, places=FOUR, communicator="auto", on_cpu=False):
        world = types.SimpleNamespace(size=len(places), rank=rank, allgather=lambda own: places)
        monkeypatch.setattr(processes, "_mpi_world", lambda: world)
        monkeypatch.setattr(processes.socket, "gethostname", lambda: places[rank][0])
        monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: places[rank][1])
        monkeypatch.setitem(processes.os.environ, "CUDA_VISIBLE_DEVICES", places[rank][2] or "")
        if places[rank][2] is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        return processes._Several(communicator, on_cpu)

    return connect


def have_gpus(monkeypatch, n):
    runtime = types.SimpleNamespace(getDeviceCount=lambda: n)
    cupy = types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime))
    monkeypatch.setattr(cuda, "available", True)
    monkeypatch.setattr(cuda, "cupy", cupy, raising=False)


def test_each_process_takes_the_gpu_of_its_number_on_its_host(connect, monkeypatch):
    have_gpus(monkeypatch, 2)
    assert [connect(rank).choose_gpu() for rank in range(4)] == [0, 1, 0, 1]
    assert connect(3).choose_gpu(-1) == -1 and connect(3).choose_gpu(0) == 0
    assert connect(2).hosts == ["a", "a", "b", "b"]
    # A batch system that gives each process a GPU of its own calls it 0 in each.
    own = [("a", [0], "0"), ("a", [1], "1")]
    assert [connect(rank, own).choose_gpu() for rank in range(2)] == [0, 0]


def test_more_processes_than_gpus_are_refused(connect, monkeypatch):
    have_gpus(monkeypatch, 1)
    refused(lambda: connect(3).choose_gpu(), "2 processes on b, which has 1 GPU: start as many", "--gpu N")


@pytest.mark.parametrize(("rank", "threads"), [(0, "2"), (3, "1")])
def test_processes_with_the_same_cores_share_them(connect, rank, threads):
    connect(rank)
    assert processes.os.environ["OMP_NUM_THREADS"] == threads


def test_a_communicator_that_cannot_be_is_refused_in_one_line(connect, monkeypatch):
    from chainermn import nccl

    for name in "flat", "pure_nccl":
        refused(lambda name=name: connect(0, communicator=name, on_cpu=True), f"{name} is for GPUs")
    assert connect(0, on_cpu=True).communicator == "naive"
    monkeypatch.setattr(nccl, "_available", False)
    assert connect(0).communicator == "naive"
    refused(lambda: connect(0, communicator="pure_nccl"), "this CuPy has no NCCL; naive does without")
    monkeypatch.setattr(nccl, "_available", True)
    assert connect(0).communicator == "pure_nccl"
    library = types.SimpleNamespace(MPIX_Query_cuda_support=lambda: 0)
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda name: library)
    refused(lambda: connect(0, communicator="flat"), "this MPI was built without CUDA")
    library.MPIX_Query_cuda_support = lambda: 1
    assert connect(0, communicator="flat").communicator == "flat"
