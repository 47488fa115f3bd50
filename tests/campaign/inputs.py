"""Small inputs of every kind, made by other libraries and by the commands themselves."""

import os

import av
import numpy as np
from PIL import Image

# Networks so small that an iteration takes some ten milliseconds.
TINY = (
    "--gpu -1 --temporal-width 8 --image-width 8 --discriminator-width 2 --batch-size 3 --learning-rate 1e-3 "
    "--log-interval 2 --preview-interval 4 --snapshot-interval 3"
).split()
CLASSIFIER = "--gpu -1 --iterations 2 --batch-size 2 --validation 0.25 --validation-interval 2".split()
CLASSES = "Hop", "Run"
N_CLIPS = 4  # of each class
N_FRAMES = 20


def frames(number, n_frames=N_FRAMES, width=32, height=24):
    """Frames that tell by their colours which clip and which frame they are, uint8 (T, H, W, 3)."""
    video = np.zeros((n_frames, height, width, 3), np.uint8)
    video[..., 0] = 12 * np.arange(n_frames)[:, None, None] % 256
    video[..., 1] = 25 * number % 256
    video[..., 2] = np.linspace(0, 255, width).astype(np.uint8)
    return video


def encode(path, video, codec="ffv1", pixels="bgr0", rate=25, form=None, **options):
    """Write a video file by libav; of which kind, the suffix tells."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with av.open(path, "w", format=form) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt, stream.options = pixels, {key: str(value) for key, value in options.items()}
        stream.thread_count = 1
        for frame in video:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format=pixels)))
        file.mux(stream.encode(None))


def make_videos(folder):
    """A folder of two class folders of lossless videos."""
    for label, name in enumerate(CLASSES):
        for i in range(N_CLIPS):
            encode(os.path.join(folder, name, f"{i}.avi"), frames(N_CLIPS * label + i))


def make_ucf101(folder):
    """A folder as UCF-101's, and the lists of its splits beside it."""
    lists = os.path.join(os.path.dirname(folder), "ucfTrainTestlist")
    os.makedirs(lists)
    paths = []
    for label, name in enumerate(CLASSES):
        for i in range(N_CLIPS):
            path = f"{name}/v_{name}_g01_c{i + 1:02}.avi"
            encode(os.path.join(folder, path), frames(N_CLIPS * label + i))
            paths.append((path, label + 1))
    with open(os.path.join(lists, "classInd.txt"), "w") as file:
        file.writelines(f"{i + 1} {name}\r\n" for i, name in enumerate(CLASSES))
    with open(os.path.join(lists, "trainlist01.txt"), "w") as file:
        file.writelines(f"{path} {label}\r\n" for path, label in paths[::2])
    with open(os.path.join(lists, "testlist01.txt"), "w") as file:
        file.writelines(f"{path}\r\n" for path, _ in paths[1::2])


def make_golf(folder):
    """A folder of JPEGs as the golf scenes are, and their list."""
    os.makedirs(os.path.join(folder, "a"))
    names = [f"a/{i}.jpg" for i in range(4)]
    for i, name in enumerate(names):
        Image.fromarray(frames(i, 16, 24, 24).reshape(-1, 24, 3)).save(os.path.join(folder, name))
    with open(os.path.join(folder, "list.txt"), "w") as file:
        file.writelines(f"{name}\n" for name in names)


def make_image_folder(folder, n_frames=16, suffix=".png"):
    """One video as a folder of images."""
    os.makedirs(folder)
    for i, frame in enumerate(frames(1, n_frames, 24, 24)):
        Image.fromarray(frame).save(os.path.join(folder, f"{i:03}{suffix}"))
