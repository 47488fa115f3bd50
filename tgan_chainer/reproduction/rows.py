"""What the paper's tables hold: their rows, the configurations behind these, and the data."""

import dataclasses
import functools
import os

from tgan_chainer.config import CONFIGS, Config
from tgan_chainer.datasets.published import MOVING_MNIST_CLIPS, UCF101_CLASSES
from tgan_chainer.evaluations.protocols import TGAN


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name (str): As the paper prints it.
        config (str or None): The name of its configuration in configs/; None for the data set itself.
        paper (float): The paper's value.
        paper_spread (float or None): Its standard deviation, if it has one.
    """

    name: str
    config: str | None
    paper: float
    paper_spread: float | None = None


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        number (int): Its number there.
        title (str): What it shows.
        rows (tuple of Row): In the order of the paper.
        data (dict): The data that it is on, in those of ``VideoDataset.facts`` that matter.
        data_file (str): Where the data are looked for.
        data_command (str): The command that makes them.
    """

    number: int
    title: str
    rows: tuple
    data: dict
    data_file: str
    data_command: str


# What is published: 10,000 clips of 20 frames. (Which digits they show is not known.)
MOVING_MNIST = {
    "dataset": "moving_mnist",
    "official": True,
    "clips": MOVING_MNIST_CLIPS,
    "size": [64, 64],
    "channels": 1,
}

# The paper names UCF-101 and sizes. That it was split 1's training videos, and that frames were resized
# without a filter, say the authors' configurations and make_ucf101.py (Pillow's default in 2017).
UCF101 = {
    "dataset": "ucf101",
    "split": TGAN.split,
    "clips": TGAN.clips,
    "classes": UCF101_CLASSES,
    "size": [64, 64],
    "resized": [85, 64],
    "crop": 64,
    "filter": "nearest",
    "frame_rate": None,
    "channels": 3,
}

# The published videos whatever the size of their frames, for a protocol that takes any size.
UCF101_VIDEOS = {key: UCF101[key] for key in ("dataset", "split", "clips", "classes")}

PLAYER_A = "tgan_moving_mnist"  # "Model A" of all rows of Table 3

TABLES = {
    3: PaperTable(
        number=3,
        title="Table 3: GAM scores on Moving MNIST",
        rows=(
            Row("TGAN vs. 3D model (GAN)", "model3d_gan_moving_mnist", 1.70),
            Row("TGAN vs. 3D model (SVC)", "model3d_svc_moving_mnist", 1.27),
            Row("TGAN vs. TGAN (G1(z1))", "tgan_z1_moving_mnist", 1.03),
        ),
        data=MOVING_MNIST,
        data_file="data/moving_mnist.h5",
        data_command="moving_mnist",
    ),
    4: PaperTable(
        number=4,
        title="Table 4: inception scores on UCF-101",
        rows=(
            Row("3D model (Weight clipping)", "model3d_weight_clipping_ucf101", 4.32, 0.01),
            Row("3D model (SVC)", "model3d_svc_ucf101", 4.78, 0.02),
            Row("Video GAN (Normal GAN)", "video_gan_gan_ucf101", 8.18, 0.05),
            Row("Video GAN (SVC)", "video_gan_svc_ucf101", 8.31, 0.09),
            Row("TGAN (Normal GAN)", "tgan_gan_ucf101", 9.18, 0.11),
            Row("TGAN (Weight clipping)", "tgan_weight_clipping_ucf101", 11.77, 0.11),
            Row("TGAN (SVC)", "tgan_svc_ucf101", 11.85, 0.07),
            Row("Conditional TGAN (SVC)", "conditional_tgan_svc_ucf101", 15.83, 0.18),
            Row("UCF-101 dataset", None, 34.49, 0.03),
        ),
        data=UCF101,
        data_file="data/ucf101.h5",
        data_command="ucf101 FOLDER data/ucf101.h5 --split train1 --resize nearest",
    ),
}


@functools.cache
def configuration(name):
    """Return the :class:`Config` of a row, by its name in configs/."""
    return Config.load(os.path.join(CONFIGS, f"{name}.yaml"))


def configurations(number):
    """Return the names of the configurations whose runs a table compares."""
    names = [row.config for row in TABLES[number].rows if row.config]
    return [PLAYER_A, *names] if number == 3 else names


# The names in configs/ of what the paper trained, by data set: rows of its tables, and what Fig. 4 and Fig. 5
# show beside them.
TRAINED = {
    "moving_mnist": configurations(3),
    "ucf101": [*configurations(4), "model3d_gan_ucf101"],
    "golf": ["tgan_svc_golf"],
}


def nearest(config, names):
    """Return the name of the configuration that differs from ``config`` in the fewest settings.

    It is one of the same model if there is one. What a run calls itself does not count.

    Args:
        config (Config): The settings of a run.
        names (sequence of str): Names in configs/ to choose from, as of :func:`configurations`.
    """

    def distance(name):
        row = configuration(name)
        return row.model != config.model, len(config.compare(row))

    return min(names, key=distance)


def row_facts(config, dataset):
    """Return which configuration of the paper settings come nearest to, and where they differ from it.

    Args:
        config (Config): The settings of a run.
        dataset (str or None): What its data call themselves, such as "ucf101".

    Returns:
        dict: ``row`` (a name in configs/) and ``changes``, a list of ``{"setting": ..., "here": ..., "row":
        ...}``.
    """
    row = nearest(config, TRAINED.get(dataset) or [name for names in TRAINED.values() for name in names])
    changes = config.compare(configuration(row))
    return {"row": row, "changes": [{"setting": c.what, "here": c.here, "row": c.there} for c in changes]}
