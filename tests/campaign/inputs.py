"""Small inputs of every kind, made by other libraries and by the commands themselves."""

import functools
import os
import shutil

import av
import numpy as np
from campaign.harness import ROOT, require_success
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


class Sound:
    """Paths of inputs, each made when it is asked for first, by the commands that are tried.

    Args:
        folder (str): Where they lie.
        commands (ForkServer): Runs the commands.
    """

    def __init__(self, folder, commands):
        self._folder, self._commands = folder, commands

    def _path(self, name):
        return os.path.join(self._folder, name)

    def _call(self, name, *arguments):
        require_success(self._commands.run(name, *arguments, folder=self._folder))

    @functools.cached_property
    def videos(self):
        """str: A folder of two class folders of lossless videos."""
        make_videos(self._path("videos"))
        return self._path("videos")

    @functools.cached_property
    def ucf101(self):
        """str: A folder as UCF-101's, with the lists of a split beside it."""
        os.makedirs(self._path("ucf"))
        make_ucf101(self._path("ucf/UCF-101"))
        return self._path("ucf/UCF-101")

    @functools.cached_property
    def golf(self):
        """str: A folder of JPEGs of the golf scenes' kind, with list.txt."""
        make_golf(self._path("golf"))
        return self._path("golf")

    @functools.cached_property
    def images(self):
        """str: A folder with one folder of images, a video."""
        make_image_folder(self._path("images/video"))
        return self._path("images")

    @functools.cached_property
    def data(self):
        """str: A data set of two classes."""
        self._call("video_folder", self.videos, self._path("data.h5"), "--size", 16)
        return self._path("data.h5")

    @functools.cached_property
    def run(self):
        """str: A results folder of six iterations."""
        self._call("train", *TINY, "--data", self.data, "--out", self._path("run"), "--iterations", 6)
        return self._path("run")

    @property
    def generator(self):
        """str: The run's newest generator."""
        return os.path.join(self.run, "generator_iter_6.npz")

    @property
    def snapshot(self):
        """str: The run's newest snapshot."""
        return os.path.join(self.run, "snapshot_iter_6.npz")

    @functools.cached_property
    def classifier(self):
        """str: A classifier of the data's classes."""
        self._call("train_classifier", self.data, "--out", self._path("classifier.npz"), *CLASSIFIER)
        return self._path("classifier.npz")

    @functools.cached_property
    def array(self):
        """str: An .npy file of four videos."""
        self._call("generate", self.generator, "--gpu", -1, "--num", 4, "--out", self._path("array.npy"))
        # A hardly trained network may by chance have no value below zero, which evaluate asks about.
        videos = np.load(self._path("array.npy"))
        np.save(self._path("array.npy"), videos - videos.mean())
        return self._path("array.npy")

    @functools.cached_property
    def folder(self):
        """str: A folder of the same videos, one .npy file each."""
        os.makedirs(self._path("folder"))
        for i, video in enumerate(np.load(self.array)):
            np.save(self._path(f"folder/{i}.npy"), video)
        return self._path("folder")

    @functools.cached_property
    def tables(self):
        """str: A folder with table3.json."""
        os.makedirs(self._path("tables"))
        gallery = os.path.join(ROOT, "experiments", "gallery", "table3_cpu.json")
        shutil.copy(gallery, self._path("tables/table3.json"))
        return self._path("tables")
