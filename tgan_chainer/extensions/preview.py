import os

import numpy as np

from tgan_chainer.videos import save_videos

import chainer
from chainer.training import extension


class Preview(extension.Extension):
    """Shows what the generator makes of the same latent variables as training goes on.

    Writes into the folder ``preview/`` of the results: ``iter_N.gif``, a moving grid, and ``iter_N.png``,
    the frames of the first videos side by side.

    Args:
        generator (Generator): The network.
        n (int): Videos in the grid.
        n_strips (int): Rows of the picture.
        seed (int): Seed of the latent variables.
    """

    def __init__(self, generator, n=25, n_strips=4, seed=0):
        self._generator, self._n_strips = generator, n_strips
        self._inputs = [generator.draw_z0(n, np.random.RandomState(seed))]
        if generator.n_classes:  # one class after another
            labels = np.arange(n, dtype=np.int32) % generator.n_classes
            self._inputs.append(generator.device.send(labels))

    def __call__(self, trainer):
        with chainer.using_config("train", False), chainer.no_backprop_mode():
            videos = self._generator(*self._inputs).array
        videos = chainer.get_device("@numpy").send(videos)
        path = os.path.join(trainer.out, "preview", f"iter_{trainer.updater.iteration:07}")
        save_videos(path + ".gif", videos, scale=2)
        save_videos(path + ".png", videos[: self._n_strips])
