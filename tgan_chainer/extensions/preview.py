import os
import re

import imageio.v3 as iio
import numpy as np

from tgan_chainer.figures import draw_rows, save_picture, spread_frames, to_rgb
from tgan_chainer.files import atomic_path
from tgan_chainer.videos import encode_videos, to_uint8

import chainer
from chainer.training import extension

MAX_BYTES = 1_000_000
# How many videos, and how large a pixel: the first with which a file is small enough is taken. Noise, which
# the first iterations may well make, takes 1.3 bytes a pixel of a GIF, pictures a half of that and less.
_GRIDS = (25, 2), (25, 1), (16, 1), (9, 1), (4, 1), (1, 1)
_STRIPS = (4, 1), (3, 1), (2, 1), (1, 1)
PROGRESS = 8  # strips in progress.png


class Preview(extension.Extension):
    """Shows what the generator makes of the same latent variables as training goes on, and real videos.

    Writes into the folder ``preview/`` of the results: ``iter_N.gif``, a moving grid, and ``iter_N.png``,
    the frames of the first videos side by side; ``real.gif`` and ``real.png`` are the same of the data. None
    of these has more than 1 MB: if need be, pixels are smaller, or videos fewer. At the end ``progress.png``
    shows up to eight of the ``iter_N.png``, at even intervals, below one another.

    Args:
        generator (Generator): The network.
        dataset (VideoDataset): What it is trained on.
        seed (int): Seed of the latent variables, and of which real videos are shown.
    """

    def __init__(self, generator, dataset, seed=0):
        self._generator = generator
        n = max(n for n, _ in _GRIDS)
        self._folder = None
        self._inputs = [generator.draw_z0(n, np.random.RandomState(seed))]
        labels_there = None
        if generator.n_classes:  # one class after another
            labels = np.arange(n, dtype=np.int32) % generator.n_classes
            self._inputs.append(generator.device.send(labels))
            there = np.unique(dataset.labels)
            labels_there = there[np.arange(n) % len(there)]
        # Now rather than in `initialize`: an error in the data ends a training before it begins.
        self._real = np.stack(list(dataset.sample(n, seed, labels_there)))

    def initialize(self, trainer):
        self._folder = os.path.join(trainer.out, "preview")
        path = os.path.join(self._folder, "real")
        if not (os.path.exists(path + ".gif") and os.path.exists(path + ".png")):
            _save(path, self._real)
        self._real = None

    def __call__(self, trainer):
        with chainer.using_config("train", False), chainer.no_backprop_mode():
            videos = self._generator(*self._inputs).array
        videos = chainer.get_device("@numpy").send(videos)
        _save(os.path.join(self._folder, f"iter_{trainer.updater.iteration}"), videos)

    def finalize(self):
        folder = self._folder
        names = os.listdir(folder) if folder and os.path.isdir(folder) else []
        found = (re.fullmatch(r"iter_([1-9]\d*)\.png", name) for name in names)
        iterations = sorted(int(match[1]) for match in found if match)
        if iterations:
            shown = [iterations[i] for i in spread_frames(len(iterations), PROGRESS)]
            strips = [iio.imread(os.path.join(folder, f"iter_{i}.png")) for i in shown]
            strips = [to_rgb(np.atleast_3d(strip))[None] for strip in strips]
            picture = draw_rows([f"{i:,}" for i in shown], strips, size=16)
            save_picture(os.path.join(folder, "progress.png"), picture)


def _save(path, videos):
    videos = to_uint8(videos)
    for suffix, layouts in (".gif", _GRIDS), (".png", _STRIPS):
        with atomic_path(path + suffix) as temporary, open(temporary, "wb") as file:
            file.write(_encode_small(suffix, videos, layouts))


def _encode_small(suffix, videos, layouts):
    for n, scale in layouts:
        # One channel takes hardly more bytes than all, and no choice of colours, which takes seconds if the
        # videos are noise.
        grey = encode_videos(suffix, videos[:n, :1], scale=scale)
        if len(grey) <= MAX_BYTES or (n, scale) == layouts[-1]:
            encoded = encode_videos(suffix, videos[:n], scale=scale)
            if len(encoded) <= MAX_BYTES:
                break
    return encoded
