"""Reading one image file, and resizing frames."""

import warnings

import numpy as np
import PIL.Image

from tgan_chainer.datasets.searching import open_file
from tgan_chainer.errors import InputError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")

# Others of Pillow's start other programs (EPS) or leave the way to whoever made the file.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")

MAX_PIXELS = 1 << 26  # 200 MB in colours; an image may be a bomb of one colour

RESAMPLING = {"bicubic": PIL.Image.Resampling.BICUBIC, "nearest": PIL.Image.Resampling.NEAREST}


def read_image(path, mode="RGB"):
    """Read a PNG, JPEG, BMP or WebP file, whatever its name ends in.

    Args:
        path (str or os.PathLike): The file.
        mode (str): "RGB" or, for brightness, "L".

    Returns:
        PIL.Image.Image: With 8 bits a channel.

    Raises:
        InputError: It is not such an image, damaged, too large, or of more bits. The message is the reason,
            without the path.
        OSError: It cannot be opened.
    """
    with open_file(path) as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Pillow's about sizes, which are checked here
                image = PIL.Image.open(file, formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{image.width}x{image.height} pixels, too many to read")
            if image.mode.startswith(("I", "F")):  # Pillow would cut them off at 255
                raise InputError("more than 8 bits a channel; convert it to 8")
            return image.convert(mode)
        except InputError:
            raise
        except PIL.UnidentifiedImageError as error:
            raise InputError(f"not an image, or none of {', '.join(FORMATS)}") from error
        except Exception as error:  # Pillow's plugins have many for a damaged file
            raise InputError(f"a damaged image ({str(error) or type(error).__name__})") from error


def resize_frames(frames, size, filter="bicubic"):
    """Resize frames, each by itself, so that none bleeds into the next.

    Args:
        frames (array (N, h, w) or (N, h, w, 3)): uint8, or float without colours.
        size (int): Height and width that they get.
        filter (str): "bicubic", which smooths where it makes them smaller, or "nearest".

    Returns:
        array (N, size, size[, 3]): Of the same type; ``frames`` themselves if they have this size.
    """
    if frames.shape[1:3] == (size, size):
        return frames
    images = (PIL.Image.fromarray(frame).resize((size, size), RESAMPLING[filter]) for frame in frames)
    return np.stack([np.asarray(image) for image in images])
