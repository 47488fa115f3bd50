"""The protocols of published scores on C3D: two, by the same weights, whose numbers cannot be compared."""

import dataclasses

from tgan_chainer.datasets.published import UCF101_CLIPS


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How a published score came about, from a video to a number.

    Attributes:
        name (str): What ``--protocol`` calls it.
        papers (str): Whose scores came about in this way.
        source (str): The authors' code that says so.
        video_size (int or None): H = W of the videos; None takes any size.
        size (int): H = W that each frame is resized to.
        interpolation (str): How: "bicubic" as OpenCV's INTER_CUBIC, "bilinear" as Chainer's resize_images.
        mean_rows, mean_columns (tuples of ints): First and last of the 128×171 pixels of the mean that is
            subtracted from the resized frame.
        crop (tuple of ints): First and last row, and column, of the resized frame that the network sees.
        features (str): The layer of C3D for the Fréchet distance, after its ReLU.
        samples, repeats (int): Videos of an inception score, and how often it is taken.
        frechet_samples, frechet_repeats (int): The same for a Fréchet distance.
        frechet_windows (int or None): Windows of each clip of real data that make its reference; None takes
            as many windows as there are samples.
        split (str): The part of UCF-101 that stands for real data.
    """

    name: str
    papers: str
    source: str
    video_size: int | None
    size: int
    interpolation: str
    mean_rows: tuple
    mean_columns: tuple
    crop: tuple
    features: str
    samples: int
    repeats: int
    frechet_samples: int
    frechet_repeats: int
    frechet_windows: int | None
    split: str = "train1"

    @property
    def clips(self):
        """How many clips real data have."""
        return UCF101_CLIPS[self.split]


# The authors' script adds 1e-7 within the logarithms, takes 9,984 samples (208 batches of 48) and leaves the
# dropout behind fc6 and fc7 on: `with a and b:` enters b alone, here no_backprop_mode, and not the test mode.
# Here nothing is added, samples are those of the paper's text, and dropout is off. The authors took no
# Fréchet distance: layer and numbers are ours, the layer that of TGANv2.
TGAN = Protocol(
    name="tgan",
    papers="TGAN (this paper, Section 6.5 and Table 4) and papers that follow it",
    source="https://github.com/pfnet-research/tgan, evaluation/calc_inception.py",
    video_size=64,
    size=128,
    interpolation="bicubic",
    mean_rows=(0, 127),
    mean_columns=(21, 148),
    crop=(8, 119),
    features="fc7",
    samples=10_000,
    repeats=4,
    frechet_samples=10_000,
    frechet_repeats=1,
    frechet_windows=None,
)

# Its reference are ten random windows of each clip, 95,370 in all. Its script adds 1e-20 to probabilities,
# which changes no digit.
TGAN2 = Protocol(
    name="tgan2",
    papers="TGANv2 (Saito et al. 2020) and StyleGAN-V, whose detector follows it",
    source="https://github.com/pfnet-research/tgan2, tgan2/models/c3d/c3d_ucf101.py and scripts/compute_*.py",
    video_size=None,
    size=112,
    interpolation="bilinear",
    mean_rows=(8, 119),
    mean_columns=(8, 119),
    crop=(0, 111),
    features="fc7",
    samples=2048,
    repeats=10,
    frechet_samples=2048,
    frechet_repeats=10,
    frechet_windows=10,
)

PROTOCOLS = {protocol.name: protocol for protocol in (TGAN, TGAN2)}
