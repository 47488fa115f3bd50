"""Previews: the same latent variables each time, real videos beside them, and no file of megabytes."""

import os
import types

import imageio.v3 as iio
import numpy as np
import pytest

from tgan_chainer.datasets import VideoDataset, write_videos
from tgan_chainer.extensions import Preview
from tgan_chainer.extensions.preview import MAX_BYTES
from tgan_chainer.links.generator import Generator

import chainer


class Painter(Generator):
    """Makes videos of the brightness of z0, or of the labels, or of noise."""

    def __init__(self, channels=1, size=16, n_classes=0, noise=False):
        super().__init__(1, (channels, 16, size, size), n_classes)
        self.noise = noise

    def forward(self, z0, labels=None):
        shape = (len(z0), *self.video_shape)
        if self.noise:
            return chainer.Variable(np.random.uniform(-1, 1, shape).astype(np.float32))
        brightness = z0 if labels is None else labels[:, None] / np.float32(self.n_classes)
        return chainer.Variable(np.broadcast_to(brightness[:, :, None, None, None], shape))


def make_data(path, size=16, n_classes=2, random=False):
    """Write clips whose brightness is 60 times their label."""
    with write_videos(path, "test", [str(i) for i in range(n_classes)]) as writer:
        for i in range(30):
            clip = np.full((20, size, size, 3), 60 * (i % n_classes))
            clip = np.random.randint(0, 256, clip.shape) if random else clip
            writer.append(clip.astype(np.uint8), labels=i % n_classes)
    return VideoDataset(path, with_labels=n_classes > 1)


def at(out, iteration):
    return types.SimpleNamespace(out=str(out), updater=types.SimpleNamespace(iteration=iteration))


def test_labels_go_one_after_another_in_made_and_in_real_videos(tmp_path):
    preview = Preview(Painter(n_classes=3), make_data(tmp_path / "d.h5", n_classes=3))
    preview.initialize(at(tmp_path, 0))
    preview(at(tmp_path, 5))
    real = iio.imread(tmp_path / "preview" / "real.png")
    made = iio.imread(tmp_path / "preview" / "iter_5.png")
    assert real.shape[:2] == made.shape[:2] == (4 * 18 - 2, 16 * 18 - 2)
    assert real[::18, 0, 0].tolist() == [0, 60, 120, 0]
    assert np.argsort(made[:54:18, 0]).tolist() == [0, 1, 2] and made[0, 0] == made[54, 0]


def test_the_same_latent_variables_and_real_videos_each_time(tmp_path):
    data, contents = make_data(tmp_path / "d.h5", random=True), []
    for name in "one", "other":
        np.random.seed(len(name))
        state = np.random.get_state()[1].copy()
        preview = Preview(Painter(), data)
        preview.initialize(at(tmp_path / name, 0))
        preview(at(tmp_path / name, 1))
        assert (np.random.get_state()[1] == state).all()  # training draws what it would have drawn
        folder = tmp_path / name / "preview"
        contents.append({path: (folder / path).read_bytes() for path in sorted(os.listdir(folder))})
    assert contents[0] == contents[1] and len(contents[0]) == 4


@pytest.mark.parametrize(("channels", "size"), [(1, 64), (3, 48)])
def test_even_noise_takes_no_more_than_a_megabyte(tmp_path, channels, size):
    data = make_data(tmp_path / "d.h5", size, n_classes=1, random=True)
    preview = Preview(Painter(channels, size, noise=True), data)
    preview.initialize(at(tmp_path, 0))
    preview(at(tmp_path, 5))
    for name in os.listdir(tmp_path / "preview"):
        assert 0 < os.path.getsize(tmp_path / "preview" / name) <= MAX_BYTES


def test_progress_shows_previews_at_even_intervals_in_the_order_of_iterations(tmp_path):
    generator = Painter()
    preview = Preview(generator, make_data(tmp_path / "d.h5"))
    preview.initialize(at(tmp_path, 0))
    iterations = [50 * (i + 1) for i in range(15)]  # names do not sort as these do
    for i, iteration in enumerate(iterations):
        videos = np.full((25, *generator.video_shape), i / 16, np.float32)
        generator.forward = lambda *_, videos=videos: chainer.Variable(videos)
        preview(at(tmp_path, iteration))
    preview.finalize()
    progress = iio.imread(tmp_path / "preview" / "progress.png")
    brightness = list(dict.fromkeys(value for value in progress[:, -1, 0].tolist() if value < 255))
    assert brightness == [128 + 128 * i // 16 for i in range(0, 15, 2)]


def test_a_training_without_previews_has_no_progress(tmp_path):
    preview = Preview(Painter(), make_data(tmp_path / "d.h5"))
    preview.finalize()
    preview.initialize(at(tmp_path, 0))
    preview.finalize()
    assert not (tmp_path / "preview" / "progress.png").exists()
