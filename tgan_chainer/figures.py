"""The paper's figures 2 to 7: drawing them (arrays in, uint8 pictures out), and the videos of Fig. 6.

A picture is uint8 (T, H, W, 3), T being 1 unless it moves.
"""

import os

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError
from tgan_chainer.links import VideoGenerator
from tgan_chainer.links.generator import Generator
from tgan_chainer.videos import save_videos

import chainer.functions as F

RED = (255, 0, 0)
GAP = 4  # pixels between frames
BORDER = 2  # pixels of a red frame; it fits between two frames

# The only font that is on every machine that can run this.
_FONT = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")

# Fig. 6 has to fit on a page.
_MAX_COLUMNS = 13


class InterpolatingGenerator(Generator):
    """A generator of videos with intermediate frames (Section 5.1).

    From the same seed it samples the videos of the generator that it is made from, slowed down.

    Args:
        generator (VideoGenerator): Others have no trajectory z1 to interpolate.
        factor (int): Steps from one generated frame to the next; 1 adds none.
        window (tuple of ints): First and last generated frame to show, counted from 1; None for all.

    Attributes:
        video_shape (tuple of ints): (C, (last - first) factor + 1, H, W); of these frames the first, and
            every ``factor``-th after it, is a generated one.

    Raises:
        InputError: The generator is of another kind, or factor or window are out of range.
    """

    def __init__(self, generator, factor, window=None):
        check_has_trajectory(generator)
        check_positive_int(factor=factor)
        c, t, h, w = generator.video_shape
        first, last = window or (1, t)
        check_window(first, last, t)
        video_shape = (c, (last - first) * factor + 1, h, w)
        super().__init__(generator.k0, video_shape, generator.n_classes, generator.latent)
        with self.init_scope():
            self.generator = generator
        if self.n_classes:
            self.label_prior = generator.label_prior
        self.to_device(generator.device)
        self._factor = factor
        self._shown = slice((first - 1) * factor, (last - 1) * factor + 1)

    def forward(self, z0, labels=None):
        """Generate videos; arguments as for :meth:`VideoGenerator.forward`, shapes as ``video_shape``."""
        videos = []
        for i in range(len(z0)):  # one by one: a batch of such long videos would take gigabytes
            label = None if labels is None else labels[i : i + 1]
            video = self.generator.interpolate(z0[i : i + 1], self._factor, label)
            videos.append(video[:, :, self._shown])
        return F.concat(videos, axis=0)


def check_has_trajectory(generator):
    """Raise InputError unless the generator first makes a trajectory z1, which Section 5.1 interpolates."""
    if not isinstance(generator, VideoGenerator):
        raise InputError(
            f"a {type(generator).__name__} has no trajectory z1 to interpolate; "
            "take a run with model: tgan or conditional_tgan"
        )


def check_window(first, last, n_frames):
    """Raise InputError unless 1 <= first < last <= n_frames."""
    if not 1 <= first < last <= n_frames:
        raise InputError(
            f"frames must be two numbers in 1 ... {n_frames}, the smaller one first, not {first} {last}"
        )


def page_window(n_frames, factor):
    """Return the first and last of those generated frames, from 1, with which Fig. 6 fits on a page."""
    return 1, min(n_frames, 1 + max(1, (_MAX_COLUMNS - 1) // factor))


def spread_frames(n_frames, n):
    """Return the indices of ``n`` frames at even intervals, first and last included (Fig. 3 has six)."""
    return np.rint(np.linspace(0, n_frames - 1, min(n, n_frames))).astype(int)


def draw_strips(videos, framed=None):
    """Put the frames of each video side by side on white, one row for each video, some framed in red.

    Frame t of video i lies ``BORDER + i (H + GAP)`` from the top and ``BORDER + t (W + GAP)`` from the left.

    Args:
        videos (numpy.ndarray): uint8 (N, C, T, H, W).
        framed (numpy.ndarray): bool, of a shape that broadcasts to (N, T); None for no frame at all.

    Returns:
        numpy.ndarray: uint8 (1, N (H + GAP) - GAP + 2 BORDER, T (W + GAP) - GAP + 2 BORDER, 3).
    """
    n, _, t, h, w = videos.shape
    framed = np.broadcast_to(False if framed is None else framed, (n, t))
    size = (n * (h + GAP) - GAP + 2 * BORDER, t * (w + GAP) - GAP + 2 * BORDER)
    canvas = np.full((*size, 3), 255, np.uint8)
    for i in range(n):
        for j in range(t):
            top, left = i * (h + GAP), j * (w + GAP)  # of the red frame
            if framed[i, j]:
                canvas[top : top + h + 2 * BORDER, left : left + w + 2 * BORDER] = RED
            top, left = top + BORDER, left + BORDER
            canvas[top : top + h, left : left + w] = videos[i, :, j].transpose(1, 2, 0)
    return canvas[None]


def draw_interpolation(videos, factor):
    """Draw Fig. 6: generated frames framed in red, and the intermediate ones between them.

    Args:
        videos (numpy.ndarray): uint8 (N, C, T, H, W), of an :class:`InterpolatingGenerator`.
        factor (int): Steps from one generated frame to the next.

    Returns:
        numpy.ndarray: What :func:`draw_strips` returns.
    """
    return draw_strips(videos, np.arange(videos.shape[2]) % factor == 0)


def draw_between(videos):
    """Draw videos whose z0 lie on a line, one a row; the two at its ends, first and last, are framed in red.

    Args:
        videos (numpy.ndarray): As for :func:`draw_strips`.

    Returns:
        numpy.ndarray: What :func:`draw_strips` returns.
    """
    framed = np.zeros((len(videos), 1), bool)
    framed[[0, -1]] = True
    return draw_strips(videos, framed)


def draw_text(text, size):
    """Write black text, of one line or several, on white.

    Args:
        text (str): What to write.
        size (int): Size of the font, in pixels.

    Returns:
        numpy.ndarray: uint8 (1, H, W, 3), just large enough.
    """
    font = ImageFont.truetype(_FONT, size)
    lines = text.split("\n")
    height = sum(font.getmetrics())  # the same for all texts, with or without descenders
    width = max(int(np.ceil(font.getlength(line))) for line in lines)
    image = Image.new("L", (max(1, width), height * len(lines)), 255)
    for i, line in enumerate(lines):
        ImageDraw.Draw(image).text((0, i * height), line, font=font, fill=0)
    return np.asarray(image)[None, :, :, None].repeat(3, axis=3)


def draw_rows(names, pictures, size):
    """Draw Fig. 7: a column of names, and what belongs to each beside it.

    Args:
        names (list of str): One for each row.
        pictures (list of numpy.ndarray): uint8 (T, H, W, 3).
        size (int): Size of the font, in pixels.

    Returns:
        numpy.ndarray: uint8 (T, H', W', 3).
    """
    texts = [draw_text(name, size) for name in names]
    width = max(text.shape[2] for text in texts)
    rows = []
    for text, picture in zip(texts, pictures, strict=True):
        missing = np.array([picture.shape[1] - text.shape[1], width - text.shape[2]]).clip(0)
        top = missing[0] // 2  # the name stands in the middle of its row
        text = _pad(text, top, missing[0] - top, missing[1])
        rows.append(join([text, picture], axis=2, gap=size // 2))
    return join(rows, axis=1, gap=GAP)


def join(pictures, axis, gap):
    """Put pictures below one another or side by side, on white.

    Args:
        pictures (list of numpy.ndarray): uint8 (T, H, W, 3); those with T = 1 stand still beside the others.
        axis (int): 1: below one another, 2: side by side.
        gap (int): Pixels between them.

    Returns:
        numpy.ndarray: uint8 (T, H', W', 3).

    Raises:
        InputError: Two pictures move, but not equally long.
    """
    lengths = {len(picture) for picture in pictures} - {1}
    if len(lengths) > 1:
        raise InputError(f"videos of {' and '.join(map(str, sorted(lengths)))} frames cannot move together")
    t = lengths.pop() if lengths else 1
    size = max(picture.shape[3 - axis] for picture in pictures)
    padded = []
    for i, picture in enumerate(pictures):
        after, missing = gap if i + 1 < len(pictures) else 0, size - picture.shape[3 - axis]
        picture = _pad(picture, 0, *((after, missing) if axis == 1 else (missing, after)))
        padded.append(np.broadcast_to(picture, (t, *picture.shape[1:])))
    return np.concatenate(padded, axis=axis)


def draw_curves(curves, ylabel, size=(8, 4)):
    """Draw Fig. 2: how a loss changes in several runs, in one diagram.

    Args:
        curves (dict): Name of a run → (iterations, losses), two sequences of equal length.
        ylabel (str): What the loss is.
        size (pair of float): Width and height in inches, of 150 pixels.

    Returns:
        numpy.ndarray: uint8 (1, H, W, 3).
    """
    # Not pyplot: that would look for a display and keep every figure alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, (iterations, losses) in curves.items():
        marker = "." if len(iterations) == 1 else None  # one entry makes no line
        axes.plot(iterations, losses, linewidth=1, marker=marker, label=name)
    axes.set_xlabel("iteration")
    axes.set_ylabel(ylabel)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend()
    canvas.draw()
    return np.array(canvas.buffer_rgba())[None, :, :, :3]


def to_rgb(picture):
    """Turn grey, (..., 1), into colour, (..., 3); leave colour as it is."""
    return np.broadcast_to(picture, (*picture.shape[:-1], 3))


def enlarge(picture, scale):
    """Turn each pixel of (T, H, W, 3) into a square of ``scale`` by ``scale``."""
    return picture.repeat(scale, axis=1).repeat(scale, axis=2)


def save_picture(path, picture, fps=8):
    """Write a picture to a .png, or a moving one to a .gif or .mp4.

    Args:
        path (str): The file to create or replace.
        picture (numpy.ndarray): uint8 (T, H, W, 3).
        fps (float): Frames per second.
    """
    video = picture.transpose(3, 0, 1, 2)
    as_floats = (video.astype(np.float32) - 128) / 128  # from which it makes the same bytes
    save_videos(path, [as_floats], fps=fps, scale=1)


def _pad(picture, top, bottom, right):
    return np.pad(picture, ((0, 0), (top, bottom), (0, right), (0, 0)), constant_values=255)
