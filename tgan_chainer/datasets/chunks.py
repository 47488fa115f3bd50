"""Reading frames past HDF5, which lets only one thread at a time decompress.

The bytes of a chunk are read as they are in the file; that its checksum is right and what they decompress to
is found out here, in as many threads as call, since zlib and NumPy let go of Python's lock.
"""

import functools
import math
import zlib

import h5py
import numpy as np

# Bytes of a chunk up to which its checksum is exact here.
_LARGEST = 1 << 20
# What we write. Older files have no checksum of HDF5's, and HDF5 itself finds what is damaged there.
_PIPELINE = [h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]


def read_frames(frames, start, stop):
    """Return ``frames[start:stop]``.

    Args:
        frames (h5py.Dataset): uint8 (F, H, W, C).
        start, stop (int): 0 ≤ start < stop ≤ F.

    Returns:
        numpy.ndarray: uint8 (stop - start, H, W, C).

    Raises:
        OSError: A checksum is wrong, or HDF5 cannot read.
        zlib.error: What is stored cannot be decompressed.
    """
    is_large = frames.chunks is not None and math.prod(frames.chunks) > _LARGEST
    if _filters(frames) != _PIPELINE or frames.chunks[1:] != frames.shape[1:] or is_large:
        return frames[start:stop]
    result = np.empty((stop - start, *frames.shape[1:]), np.uint8)
    length, size = frames.chunks[0], math.prod(frames.shape[1:])
    for first in range(start - start % length, stop, length):
        left_out, stored = frames.id.read_direct_chunk((first, 0, 0, 0))
        if left_out:
            return frames[start:stop]
        # Of the last chunk no more than is wanted.
        n = min(stop - first, length)
        found = zlib.decompressobj().decompress(_checked(stored), n * size)
        if len(found) != n * size:
            raise OSError(f"a chunk of {n} frames has {len(found)} bytes")
        found = np.frombuffer(found, np.uint8).reshape(n, *frames.shape[1:])
        skipped = max(start - first, 0)
        result[first + skipped - start : first + n - start] = found[skipped:]
    return result


def _filters(frames):
    plist = frames.id.get_create_plist()
    return [plist.get_filter(i)[0] for i in range(plist.get_nfilters())] if frames.chunks else None


def _checked(stored):
    """Take off the checksum of Fletcher that HDF5 puts behind a chunk, and raise OSError if it is wrong."""
    data, checksum = stored[:-4], np.frombuffer(stored[-4:], "<u2")  # the second sum stands behind the first
    words = np.frombuffer(data + b"\0" * (len(data) % 2), "<u2").astype(np.float64)
    # HDF5 adds up words of the other order of bytes, which modulo 65535 are these times 256.
    sums = [256 * int(total) % 65535 for total in (words.sum(), words @ _weights(len(words)))]
    if sums != [int(stated) % 65535 for stated in checksum]:
        raise OSError("the checksum of a chunk is wrong")
    return data


@functools.lru_cache(64)
def _weights(n):
    return np.arange(n, 0, -1, np.float64)
