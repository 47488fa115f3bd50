"""Writing videos as something to look at (GIF, MP4, PNG) or to compute with (npy)."""

import io
import itertools
import math
import os
import re

import imageio.v3 as iio
import numpy as np
import PIL.Image
import PIL.PngImagePlugin

from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path

SUFFIXES = (".gif", ".mp4", ".png", ".npy")

GAP = 2  # pixels between frames of a strip and videos of a grid
SCALE = 2  # of a pixel, unless another one is asked for
MAX_SCALE = 16
STRIP_KEY = "tgan_chainer strip"  # text in a PNG: rows and columns, and the size of a pixel

# A grid has to be in memory as a whole, and no screen shows more.
MAX_GRID = 1024


def to_uint8(videos):
    """Turn float values in [-1, 1] into bytes: round(128 x + 128), the inverse of how data is scaled.

    Args:
        videos (numpy.ndarray): float, any shape.

    Returns:
        numpy.ndarray: uint8, the same shape.
    """
    return np.clip(np.rint(videos * 128.0 + 128.0), 0, 255).astype(np.uint8)


def tile(videos, columns=None, gap=GAP):
    """Arrange videos in a grid that moves.

    Args:
        videos (numpy.ndarray): uint8 (N, C, T, H, W).
        columns (int): Videos in a row; None for a square grid.
        gap (int): Pixels between them.

    Returns:
        numpy.ndarray: uint8 (T, H', W', C).
    """
    n, c, t, h, w = videos.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    canvas = np.full((t, rows * (h + gap) - gap, columns * (w + gap) - gap, c), 128, dtype=np.uint8)
    for i, video in enumerate(videos):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        canvas[:, top : top + h, left : left + w] = video.transpose(1, 2, 3, 0)
    return canvas


def strip(videos, gap=GAP):
    """Put the frames of each video side by side, one row for each video.

    Args:
        videos (numpy.ndarray): uint8 (N, C, T, H, W).
        gap (int): Pixels between frames.

    Returns:
        numpy.ndarray: uint8 (H', W', C).
    """
    n, c, t, h, w = videos.shape
    frames = videos.transpose(0, 2, 1, 3, 4).reshape(n * t, c, 1, h, w)
    return tile(frames, columns=t, gap=gap)[0]


def cut_strip(image):
    """Cut an image that :func:`save_videos` wrote back into its videos.

    Args:
        image (PIL.Image.Image): RGB. Strips say in a text how many rows and frames they have. Those of older
            versions do not; of them the ones of one video are known by the grey gaps.

    Returns:
        numpy.ndarray or None: uint8 (N, T, H, W, 3); None if it is no such image.

    Raises:
        InputError: It says that it is a strip, but is of another size.
    """
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    if STRIP_KEY in image.info:
        layout = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6}) scale ([0-9]{1,2})", str(image.info[STRIP_KEY]))
        rows, columns, scale = map(int, layout.groups()) if layout else (0, 0, 0)
        layouts = [(rows, columns, scale)] if rows * columns * scale else []
    else:
        # Frames are square; a gap is two pixels of theirs.
        sides = {scale: height // scale for scale in range(1, MAX_SCALE + 1) if height % scale == 0}
        layouts = [(1, (width // scale + GAP) // (side + GAP), scale) for scale, side in sides.items()]
        layouts = [layout for layout in layouts if layout[1] >= 4]
    for rows, columns, scale in layouts:
        h, w = (height // scale + GAP) // rows - GAP, (width // scale + GAP) // columns - GAP
        if (
            h < 1
            or w < 1
            or (height, width)
            != tuple(scale * (n * (side + GAP) - GAP) for n, side in ((rows, h), (columns, w)))
        ):
            continue
        small = np.pad(pixels[::scale, ::scale], ((0, GAP), (0, GAP), (0, 0)), constant_values=128)
        cells = small.reshape(rows, h + GAP, columns, w + GAP, 3).transpose(0, 2, 1, 3, 4)
        if STRIP_KEY in image.info or (cells[:, :, h:] == 128).all() and (cells[..., w:, :] == 128).all():
            return cells[:, :, :h, :w]
    if STRIP_KEY in image.info:
        raise InputError("it was a strip of frames, but has been changed since")
    return None


def save_videos(path, videos, count=None, columns=None, fps=8, scale=SCALE):
    """Write videos to one file, whose suffix chooses the form.

    ``.gif`` and ``.mp4``: a moving grid; ``.png``: a strip, one row of frames for each video; ``.npy``:
    the numbers as they came, float32 (N, C, T, H, W), written one by one, so that any number fits.

    In a GIF a frame that equals the one before is no frame of its own: that one is shown for longer.

    Args:
        path (str): The file to create or replace.
        videos (iterable): N float arrays (C, T, H, W) in [-1, 1].
        count (int): N; needed for ``.npy`` where ``videos`` has no length.
        columns (int): Videos in a row of the grid; None for a square grid.
        fps (float): Frames per second of a GIF or MP4.
        scale (int): Size of a pixel in a GIF, MP4 or PNG; as large as the commands make it by default.

    Raises:
        InputError: The suffix is unknown, there are no videos, or too many for a grid.
    """
    suffix = check_suffix(path)
    if suffix == ".npy":
        _save_npy(path, videos, len(videos) if count is None else count)
        return
    collected = []
    for video in videos:
        if max(len(collected) + 1, count or 0) > MAX_GRID:
            raise InputError(
                f"more than {MAX_GRID} videos do not fit into one {suffix}; write an .npy or one file each"
            )
        collected.append(to_uint8(video))
    if not collected:
        raise InputError("there are no videos to write")
    # Encoded in memory, so that a full disk is met by our own write and not somewhere inside an encoder.
    encoded = encode_videos(suffix, np.stack(collected), columns, fps, scale)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(encoded)


def encode_videos(suffix, videos, columns=None, fps=8, scale=SCALE):
    """Return what :func:`save_videos` writes to a ``.gif``, ``.mp4`` or ``.png``.

    Args:
        suffix (str): One of these three.
        videos (numpy.ndarray): uint8 (N, C, T, H, W).
        columns, fps, scale: As for :func:`save_videos`.

    Returns:
        bytes
    """
    frames = strip(videos)[None] if suffix == ".png" else tile(videos, columns)
    frames = frames.repeat(scale, axis=1).repeat(scale, axis=2)
    if suffix == ".png":
        return _encode_png(frames[0], f"{videos.shape[0]}x{videos.shape[2]} scale {scale}")
    return _encode(suffix, frames, fps)


def check_suffix(path):
    """Return the suffix of ``path`` in lower case; raise InputError unless a video can be written to it."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} must end in one of {', '.join(SUFFIXES)}")
    return suffix


def _encode(suffix, frames, fps):
    if suffix == ".mp4":
        _, h, w, c = frames.shape
        # H.264 stores colour at half the resolution and so wants even sizes.
        frames = np.pad(frames, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)), mode="edge")
        frames = frames.repeat(3 // c, axis=3)
        return iio.imwrite("<bytes>", frames, extension=".mp4", plugin="pyav", codec="libx264", fps=fps)
    is_grey = frames.shape[-1] == 1
    images = [_grey_image(frame[..., 0]) if is_grey else PIL.Image.fromarray(frame) for frame in frames]
    file = io.BytesIO()
    options = {"duration": 1000 / fps, "loop": 0, "optimize": False}
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], **options)
    return file.getvalue()


def _grey_image(frame):
    # From white to black, since Pillow takes a palette from black to white for none, and then cannot read a
    # GIF of which some frames have one and others have none.
    image = PIL.Image.fromarray(255 - frame)
    image.putpalette(np.arange(255, -1, -1, dtype=np.uint8).repeat(3).tobytes())
    return image


def _encode_png(image, layout):
    text = PIL.PngImagePlugin.PngInfo()
    text.add_text(STRIP_KEY, layout)
    file = io.BytesIO()
    PIL.Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG", pnginfo=text)
    return file.getvalue()


def _save_npy(path, videos, n):
    videos = iter(videos)
    first = next(videos, None)
    if first is None:
        raise InputError("there are no videos to write")
    # Not a memory map: on a full disk that would kill the process instead of raising an error.
    header = {"descr": "<f4", "fortran_order": False, "shape": (n, *first.shape)}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for video in itertools.chain([first], videos):
            file.write(np.asarray(video, "<f4").tobytes())
