"""The settings of a training run: one dataclass for the YAML files, the command line and the snapshots."""

import argparse
import dataclasses
import difflib
import math
import os
import types
import typing

import yaml

from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path

_HERE = os.path.dirname(os.path.abspath(__file__))
# An installed package has the configurations beside this file; a clone has them where people look for them.
CONFIGS = next(
    (path for path in (os.path.join(_HERE, "configs"),) if os.path.isdir(path)),
    os.path.join(os.path.dirname(_HERE), "experiments", "configs"),
)


def _setting(default, help, minimum=None, maximum=None, multiple_of=1, choices=None, inclusive=False):
    limits = {"minimum": minimum, "maximum": maximum, "multiple_of": multiple_of, "choices": choices}
    limits["inclusive"] = inclusive
    return dataclasses.field(default=default, metadata={"help": help, **limits})


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that a run depends on, with the paper's values for Moving MNIST as defaults.

    Raises:
        InputError: A value is of the wrong type or out of range.
    """

    description: str = _setting("", "what this run reproduces; printed first")
    data: str = _setting("data/moving_mnist.h5", "the data set, an HDF5 video file made by datasets/*.py")

    model: str = _setting(
        "tgan",
        "tgan; conditional_tgan (5.2); 3d, the 3D model (6.3 (i)); video_gan, Vondrick's (6.3 (ii))",
        choices=("tgan", "conditional_tgan", "3d", "video_gan"),
    )
    k0: int = _setting(100, "K0, the size of z0", 1)
    k1: int = _setting(100, "K1, the size of each z1", 1)
    n_frames: int = _setting(16, "T, frames of a video, a multiple of 16, for tgan 16, 32, 64, ...", 16)
    channels: int | None = _setting(None, "1 or 3; left out, as in the data set", 1)
    image_size: int | None = _setting(None, "pixels; left out, as in the data set", 16)
    n_classes: int | None = _setting(None, "labels of conditional_tgan; left out, as in the data set", 1)
    temporal_width: int = _setting(512, "channels after G0's first layer (Table 1)", 4, multiple_of=4)
    image_width: int = _setting(256, "maps of G1's linear layers (Table 1)", 8, multiple_of=8)
    discriminator_width: int = _setting(64, "channels after D's first convolution (Fig. 1)", 1)
    video_width: int = _setting(512, "maps after the first layer of 3d and video_gan", 8, multiple_of=8)
    use_z0: bool = _setting(True, "whether G1 sees z0 (false: the row TGAN (G1(z1)) of Table 3)")
    use_beta: bool = _setting(True, "whether batch normalization has a shift")
    use_gamma: bool = _setting(
        True, "whether batch normalization in D has a scale (with loss: gan it had none)"
    )
    noise: float = _setting(0.0, "deviation of the noise in D (0.2 with loss: gan)", 0, inclusive=True)
    mask_penalty: float = _setting(0.1, "weight of the L1 penalty on video_gan's mask", 0, inclusive=True)

    loss: str = _setting("wgan", "wgan (Eq. 2), or gan, the normal one (Eq. 1)", choices=("wgan", "gan"))
    clipping: str = _setting("svc", "how D is kept Lipschitz", choices=("svc", "weight", "none"))
    c: float = _setting(0.01, "with clipping: weight, the largest weight of D", 0)
    n_clip: int = _setting(5, "with clipping: svc, its interval in iterations", 1)
    n_dis: int = _setting(1, "n_D, updates of D per iteration", 1)
    simultaneous: bool = _setting(False, "one forward pass for both updates, as in the authors' own runs")

    optimizer: str = _setting("rmsprop", "or adam, with beta1 0.5, as Video GAN", choices=("rmsprop", "adam"))
    learning_rate: float = _setting(5e-5, "of the optimizer", 0)
    tf32: bool = _setting(False, "whether a GPU may round factors to TF32: faster, less exact")
    pytorch_kernels: str = _setting(
        "auto",
        "whose convolutions to use: auto, PyTorch's (cuDNN) on a GPU where it is installed; on, on a CPU as "
        "well; off, our own",
        choices=("auto", "on", "off"),
    )
    batch_size: int = _setting(32, "videos per batch", 2)  # batch normalization needs two
    iterations: int = _setting(100_000, "when to stop", 1)
    seed: int = _setting(0, "of initial weights, latent variables and data order", 0, 2**32 - 1)

    log_interval: int = _setting(100, "iterations per line of losses", 1)
    preview_interval: int = _setting(1000, "iterations per preview", 1)
    snapshot_interval: int = _setting(5000, "iterations per snapshot", 1)
    keep: int = _setting(3, "how many of the newest snapshots to keep; 0 for all", 0)

    score_interval: int = _setting(5000, "iterations per score, with classifier or opponent", 1)
    score_samples: int = _setting(1000, "samples of such a score", 2)
    classifier: str = _setting(
        "",
        "reports an inception score by it on the way: a file of train_classifier.py; c3d, the published one",
    )
    opponent: str = _setting(
        "", "reports GAM scores against it on the way: a run or snapshot; self, this run's last snapshot"
    )

    # What can change when a run is resumed, because its numbers so far would have been the same. (The data
    # may have moved; load_snapshot checks that it is the same.)
    RESUMABLE = (
        *("description", "data", "iterations", "preview_interval", "snapshot_interval", "keep"),
        *("score_interval", "score_samples", "classifier", "opponent"),
    )

    # What makes no run another experiment, and what a model ignores.
    NEUTRAL = "seed", "log_interval", "pytorch_kernels"
    UNUSED = types.MappingProxyType(
        {
            "tgan": ("video_width", "mask_penalty"),
            "conditional_tgan": ("video_width", "mask_penalty"),
            "3d": ("k1", "temporal_width", "image_width", "use_z0", "mask_penalty"),
            "video_gan": ("k1", "temporal_width", "image_width", "use_z0"),
        }
    )

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))

    @classmethod
    def from_dict(cls, settings, source="the settings"):
        """Build a configuration from a mapping; what is not in it keeps the default.

        Args:
            settings (dict): Key → value.
            source (str): Where they come from, for messages.

        Raises:
            InputError: A key is unknown (with the nearest known one) or a value does not fit.
        """
        if not isinstance(settings, dict):
            raise InputError(f"{source} must hold `key: value` lines, not {type(settings).__name__}")
        known = [field.name for field in dataclasses.fields(cls)]
        for key in settings:
            if key not in known:
                nearest = difflib.get_close_matches(str(key), known, 1)
                hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
                raise InputError(f"{source}: unknown key {key!r}; {hint}")
        try:
            return cls(**settings)
        except InputError as error:
            raise InputError(f"{source}: {error}") from error

    @classmethod
    def load(cls, path):
        """Read a YAML file. Raises InputError if it is missing, not YAML, or does not fit."""
        try:
            with open(path, encoding="utf-8") as file:
                settings = yaml.safe_load(file)
        except FileNotFoundError as error:
            raise InputError(f"there is no configuration {path}") from error
        except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a date like 2020-13-45
            raise InputError(f"{path} is not a YAML file: {error}") from error
        return cls.from_dict({} if settings is None else settings, path)

    def save(self, path):
        """Write all settings to a YAML file that :meth:`load` reads."""
        with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            yaml.safe_dump(dataclasses.asdict(self), file, sort_keys=False, allow_unicode=True)

    def differences(self, other):
        """Return in which settings this is another experiment than ``other``, as a list of text.

        Iterations are left out, and what the data determine.
        """
        left_out = (*self.RESUMABLE, *self.NEUTRAL, *self.UNUSED[other.model])
        return [
            f"{key} {getattr(self, key)} instead of {value}"
            for key, value in vars(other).items()
            if key not in left_out and value not in (None, getattr(self, key))
        ]

    def replace(self, **changes):
        """Return a copy with some settings changed."""
        return dataclasses.replace(self, **changes)

    @classmethod
    def add_arguments(cls, parser):
        """Give an argparse parser one option for each setting; those not given stay out of its result."""
        group = parser.add_argument_group(
            "settings", "Each overrides the key of the same name in the config."
        )
        for field in dataclasses.fields(cls):
            if field.name == "description":
                continue
            default = "" if field.default in (None, "") else f" (default {field.default})"
            options = {"help": field.metadata["help"] + default, "default": argparse.SUPPRESS}
            if _type_of(field) is bool:
                options |= {"action": argparse.BooleanOptionalAction}
            else:
                options |= {"type": _type_of(field), "choices": field.metadata["choices"]}
                if not options["choices"]:
                    options["metavar"] = {int: "N", float: "X", str: "PATH"}[_type_of(field)]
            group.add_argument("--" + field.name.replace("_", "-"), **options)

    @classmethod
    def given_arguments(cls, arguments):
        """Return the settings among the parsed arguments, as a dict."""
        names = {field.name for field in dataclasses.fields(cls)}
        return {name: value for name, value in vars(arguments).items() if name in names}


def _type_of(field):
    """Return the type of a setting; the type without None where it may be None."""
    if isinstance(field.type, types.UnionType):
        return typing.get_args(field.type)[0]
    return field.type


def _checked(field, value):
    expected, wanted = _type_of(field), field.metadata
    if value is None and field.default is None:
        return None
    if expected is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            value = float(value)  # YAML reads 5e-5 as a string: it wants 5.0e-5
        except (ValueError, OverflowError):
            pass
    if type(value) is not expected:
        raise InputError(f"{field.name} must be of type {expected.__name__}, not {value!r}")
    if wanted["choices"] and value not in wanted["choices"]:
        nearest = difflib.get_close_matches(value, wanted["choices"], 1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise InputError(f"{field.name} must be one of {', '.join(wanted['choices'])}, not {value!r}{hint}")
    if expected is float and not math.isfinite(value):
        raise InputError(f"{field.name} must be a finite number, not {value}")
    if wanted["minimum"] is not None:
        exclusive = expected is float and not wanted["inclusive"]  # a rate or limit of zero makes no sense
        if value < wanted["minimum"] or (exclusive and value == wanted["minimum"]):
            bound = "more than" if exclusive else "at least"
            raise InputError(f"{field.name} must be {bound} {wanted['minimum']}, not {value}")
    if wanted["maximum"] is not None and value > wanted["maximum"]:
        raise InputError(f"{field.name} must be at most {wanted['maximum']}, not {value}")
    if expected is int and value % wanted["multiple_of"]:
        raise InputError(f"{field.name} must be a multiple of {wanted['multiple_of']}, not {value}")
    return value


def config_name(path):
    """Return a configuration's name, which is also the default name of its results folder."""
    return os.path.splitext(os.path.basename(path))[0]
