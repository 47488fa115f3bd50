"""What a GPU is sent are the numbers of the plain way, whichever thread reads them."""

import h5py
import numpy as np
import pytest

from tgan_chainer.datasets import PartsOfBatches, RandomWindows, VideoDataset, send_and_scale, write_videos
from tgan_chainer.datasets.chunks import read_frames
from tgan_chainer.errors import InputError

import chainer
from chainer.backends import cuda


@pytest.fixture
def path(tmp_path):
    random_state = np.random.RandomState(0)
    with write_videos(tmp_path / "videos.h5", source="A test.") as videos:
        for i, n in enumerate((20, 37, 16, 33, 18)):
            clip = random_state.randint(0, 256, (n, 6, 5, 3)) // (1 + 9 * (i % 2))
            videos.append(clip.astype(np.uint8), labels=i % 3)
    return tmp_path / "videos.h5"


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip", "fletcher32": True},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True},
        {"fletcher32": True},
        {},
    ],
)
@pytest.mark.parametrize("chunks", [(4, 6, 5, 3), (1, 6, 5, 3), (4, 3, 5, 3), (7, 6, 5, 3)])
def test_frames_are_those_that_hdf5_reads(tmp_path, options, chunks):
    stored = np.random.RandomState(0).randint(0, 20, (23, 6, 5, 3)).astype(np.uint8)
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        frames = file.create_dataset("frames", data=stored, chunks=chunks if options else None, **options)
        for start, stop in (0, 4), (1, 3), (2, 19), (3, 23), (22, 23), (0, 23):
            np.testing.assert_array_equal(read_frames(frames, start, stop), stored[start:stop])


def test_a_changed_bit_is_an_error(path):
    with h5py.File(path) as file:
        chunk = file["frames"].id.get_chunk_info(2)
    stored = bytearray(path.read_bytes())
    for place in range(chunk.byte_offset, chunk.byte_offset + chunk.size, 97):
        changed = stored.copy()
        changed[place] ^= 1
        path.write_bytes(changed)
        dataset = VideoDataset(path)
        with pytest.raises(InputError, match="videos.h5"):
            for i in range(len(dataset)):
                dataset.frames_of(i)


@pytest.mark.gpu
@pytest.mark.parametrize("kernels", ["auto", "off"])
@pytest.mark.parametrize("with_labels", [False, True])
def test_batches_are_those_of_the_plain_way(path, kernels, with_labels):
    dataset, device, batches = VideoDataset(path, with_labels=with_labels), chainer.get_device("@cupy:0"), []
    for how in (), (3, dataset.frames_of):
        order = RandomWindows(dataset, seed=0)
        iterator = PartsOfBatches(dataset, 4, slice(1, 4), order, *how)
        batches.append([iterator.next() for _ in range(10)])
        iterator.finalize()
    with chainer.using_config("pytorch_kernels", kernels):
        for plain, frames in zip(*batches, strict=True):
            expected = chainer.dataset.concat_examples(plain)
            found = send_and_scale(frames, device)
            if with_labels:
                np.testing.assert_array_equal(found[1].get(), expected[1])
                expected, found = expected[0], found[0]
            assert found.dtype == np.float32 and isinstance(found, cuda.cupy.ndarray)
            np.testing.assert_array_equal(found.get(), expected)


@pytest.mark.gpu
def test_every_byte_is_scaled_as_on_a_cpu():
    frames = np.arange(256, dtype=np.uint8).reshape(1, 4, 8, 8, 1)
    found = send_and_scale(list(frames), chainer.get_device("@cupy:0")).get().reshape(-1)
    np.testing.assert_array_equal(found, (np.arange(256, dtype=np.float32) - 128) / 128)
