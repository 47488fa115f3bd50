"""Batches that several processes share: each reads its own part, and nothing else."""

import tracemalloc

import h5py
import numpy as np
import pytest
from helpers import in_threads, write_noise

from tgan_chainer.datasets import PartsOfBatches, RandomWindows, VideoDataset, write_videos
from tgan_chainer.spread_batch import part_of_batch

from chainer.iterators import SerialIterator

N_BATCHES, BATCH_SIZE = 5, 8


class Recorded(VideoDataset):
    """A data set that knows which windows were read."""

    def get_example(self, index):
        self.__dict__.setdefault("read", []).append(index)
        return super().get_example(index)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_each_process_reads_its_own_share_of_what_one_would_read(tmp_path, size):
    path = write_noise(tmp_path / "videos.h5")
    whole = VideoDataset(path, 16)
    iterator = SerialIterator(whole, BATCH_SIZE, order_sampler=RandomWindows(whole, 0))
    expected = [np.stack(next(iterator)) for _ in range(N_BATCHES)]

    def read(processes):
        dataset, part = Recorded(path, 16), part_of_batch(processes, BATCH_SIZE)
        iterator = PartsOfBatches(dataset, BATCH_SIZE, part, RandomWindows(dataset, 0))
        found = [np.stack(next(iterator)) for _ in range(N_BATCHES)]
        iterator.finalize()
        return found, dataset.read, iterator.epoch_detail

    results = in_threads(size, read)
    for i, batch in enumerate(expected):
        np.testing.assert_array_equal(np.concatenate([found[i] for found, _, _ in results]), batch)
    # One batch is read ahead.
    assert sum(len(read) for _, read, _ in results) <= (N_BATCHES + 1) * BATCH_SIZE
    assert {position for *_, position in results} == {iterator.epoch_detail}


def test_memory_holds_the_windows_that_are_read_and_not_the_data(tmp_path):
    path = str(tmp_path / "videos.h5")
    with write_videos(path, "nothing", chunk_frames=20) as writer:
        for _ in range(200):
            writer.append(np.zeros((20, 64, 64, 3), np.uint8))
    with h5py.File(path) as file:
        assert sum(file[name].nbytes for name in file if isinstance(file[name], h5py.Dataset)) > 45e6
    tracemalloc.start()
    try:
        dataset = VideoDataset(path, 16)
        iterator = PartsOfBatches(dataset, BATCH_SIZE, slice(2, 5), RandomWindows(dataset, 0))
        for _ in range(20):
            next(iterator)
        iterator.finalize()
        assert tracemalloc.get_traced_memory()[1] < 15e6  # three windows of float32, twice, are 4.7 MB
    finally:
        tracemalloc.stop()
