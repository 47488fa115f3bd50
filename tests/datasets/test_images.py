"""Images of the kinds we know are read, and nothing else is opened."""

import tracemalloc
import warnings

import numpy as np
import PIL.Image
import pytest
from movies import moving_picture

from tgan_chainer.datasets.images import read_image
from tgan_chainer.errors import InputError


@pytest.mark.parametrize("kind", ["EPS", "PPM", "TIFF", "GIF", "DDS", "PCX", "TGA"])
def test_images_of_other_kinds_are_not_opened_whatever_they_are_called(tmp_path, kind):
    PIL.Image.fromarray(np.concatenate(moving_picture(16, 64, 64))).save(tmp_path / "a.jpg", kind)
    with pytest.raises(InputError, match="not an image, or none of PNG, JPEG, BMP, WEBP"):
        read_image(tmp_path / "a.jpg")


def test_a_bomb_of_an_image_is_refused_before_it_is_unpacked(tmp_path):
    PIL.Image.new("1", (9000, 9000)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 20_000
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InputError, match="9000x9000 pixels, too many"):
                read_image(tmp_path / "a.png")
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix, kind", [("png", "PNG"), ("jpg", "JPEG"), ("bmp", "BMP"), ("webp", "WEBP")])
def test_every_damaged_image_is_one_line(tmp_path, suffix, kind):
    path = tmp_path / f"a.{suffix}"
    PIL.Image.fromarray(np.concatenate(moving_picture(4, 16, 16))).save(path, kind)
    content, rng = path.read_bytes(), np.random.RandomState(0)
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.randint(len(content), size=rng.randint(1, 6)):
            changed[place] = rng.randint(256)
        path.write_bytes(changed[: rng.randint(1, len(changed) + 1)] if rng.randint(2) else changed)
        try:
            read_image(path)
        except InputError as error:
            assert "\n" not in str(error)
