"""Small videos that tests write, and what should become of them."""

import functools
import os
from fractions import Fraction

import av
import h5py
import numpy as np
import PIL.Image

# Mean difference in brightness levels between libav's frames and the originals as Pillow resizes them: what
# the codec loses, the halved resolution of its colours, and two bicubic kernels that are not quite the same.
TOLERANCE = 3.0


@functools.cache
def moving_picture(n_frames, width, height, seed=0):
    """uint8 (T, H, W, 3): smooth colours that move, with a bright square that tells left from right."""
    rng = np.random.RandomState(seed)
    phase, speed = rng.uniform(0, 6, 3), rng.uniform(0.05, 0.3, 3)
    y, x = np.mgrid[:height, :width] / max(width, height)
    t = np.arange(n_frames)[:, None, None, None]
    waves = np.sin(7 * x[..., None] + 5 * y[..., None] * [1, -1, 0.5] + phase + speed * t)
    video = (127.5 + 80 * waves).astype(np.uint8)
    side = max(min(width, height) // 4, 1)
    for frame, left in zip(video, np.linspace(width // 4, width // 2, n_frames).astype(int)):
        frame[side : 2 * side, left : left + side] = 240
    return video


def write_avi(path, frames, fps=25, codec="mpeg4", pix_fmt="yuv420p", times=None, title=None, **options):
    """Encode as UCF-101 is: MPEG-4 part 2 in an AVI, tagged as Xvid's.

    ``times`` are those of the frames, in ticks of 1 / fps; ``options`` are the encoder's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=Fraction(fps).limit_denominator(100000))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        if codec == "mpeg4":
            stream.codec_context.codec_tag = "xvid"
            stream.codec_context.bit_rate = 8_000_000
            stream.codec_context.qmax = 3
        stream.codec_context.options = {name: str(value) for name, value in options.items()}
        if title is not None:
            file.metadata["title"] = title
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[i], 1 / Fraction(fps)
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return frames


def resized(frames, width, height, crop):
    """What the frames should become, by Pillow."""
    images = (
        PIL.Image.fromarray(frame).resize((width, height), PIL.Image.Resampling.BICUBIC) for frame in frames
    )
    left, top = (width - crop) // 2, (height - crop) // 2
    return np.stack([np.asarray(image)[top : top + crop, left : left + crop] for image in images])


def assert_close(found, expected):
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    difference = abs(found.astype(int) - expected).mean(axis=(1, 2, 3))
    assert difference.max() < TOLERANCE, difference


def clip_frames(path, i):
    with h5py.File(path) as file:
        return file["frames"][slice(*file["offsets"][i : i + 2])]


def names_in(path):
    with h5py.File(path) as file:
        return file["names"].asstr()[:].tolist()


def write_broken(folder):
    """Files that no clip can be made of; returns the reasons to be told, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "empty.avi").write_bytes(b"")
    (folder / "text.avi").write_text("This is no video.\n" * 100)
    write_avi(folder / "cut.avi", moving_picture(60, 160, 120))
    os.truncate(folder / "cut.avi", (folder / "cut.avi").stat().st_size // 2)
    (folder / "stub.avi").write_bytes((folder / "cut.avi").read_bytes()[:3000])
    return {
        "empty.avi": "an empty file",
        "text.avi": "not a video",
        "cut.avi": "cut short|damaged",
        "stub.avi": "no frames|cut short|damaged|not a video",
    }
