"""The settings of a training run: one dataclass for the YAML files, the command line and the snapshots."""

import dataclasses
import math
import os
import types
import typing

import yaml

from tgan_chainer.checks import suggestion
from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path
from tgan_chainer.losses import LOSSES
from tgan_chainer.models import INITIALIZERS, MODELS, ignored_settings
from tgan_chainer.reading import read_yaml, short
from tgan_chainer.texts import value_text

_HERE = os.path.dirname(os.path.abspath(__file__))
# An installed package has the configurations beside this file; a clone has them where people look for them.
CONFIGS = os.path.join(_HERE, "configs")
if not os.path.isdir(CONFIGS):
    CONFIGS = os.path.join(os.path.dirname(_HERE), "experiments", "configs")

# Settings that are only printed, and no options of train.py.
NO_OPTIONS = ("description", "expect")

# Larger networks than these fit into no memory; larger numbers of anything else are slips of the finger.
_WIDEST, _LONGEST, _MOST = 2**14, 2**12, 10**9


def _setting(default, help, minimum=None, maximum=None, **more):
    """Make a field of :class:`Config`; everything that is known about a setting stands here.

    Args:
        default: Its value in the paper, if that has one.
        help (str): What it means, for ``--help`` and the README.
        minimum, maximum (number): The range of its values, both ends included.
        exclusive (bool): Whether the minimum itself is excluded.
        multiple_of (int): What its values are multiples of.
        choices (tuple of str): Its values, if these are few.
        resumable (bool): Whether it may change when a run is resumed, because the numbers so far would have
            been the same. (The data may have moved; that they are the same is checked by themselves.)
        neutral (bool): Whether another value makes no other experiment.
    """
    known = {"exclusive": False, "multiple_of": 1, "choices": None, "resumable": False, "neutral": False}
    assert more.keys() <= known.keys()
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, **known, **more}
    return dataclasses.field(default=default, metadata=metadata)


class Departure(typing.NamedTuple):
    """In what a run, its data or a measurement differ from those that they are compared with.

    Attributes:
        what (str): What differs: the name of a setting, a fact of the data, or a number of a protocol.
        here, there: Its value here, None if that is not known, and there; values of JSON's own types.
    """

    what: str
    here: typing.Any
    there: typing.Any

    @property
    def text(self):
        here = "unknown" if self.here is None else value_text(self.here)
        return f"{self.what} {here} instead of {value_text(self.there)}"


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that a run depends on, with the paper's values for Moving MNIST as defaults.

    Raises:
        InputError: A value is of the wrong type or out of range.
    """

    description: str = _setting("", "what this run reproduces; printed first", resumable=True)
    expect: str = _setting("", "when its videos begin to look like something; printed, too", resumable=True)
    data: str = _setting(
        "data/moving_mnist.h5",
        "the data set, as moving_mnist, ucf101, golf and video_folder make it",
        resumable=True,
    )

    model: str = _setting(
        "tgan",
        "tgan; conditional_tgan (5.2); 3d, the 3D model (6.3 (i)); video_gan, Vondrick's (6.3 (ii))",
        choices=tuple(MODELS),
    )
    k0: int = _setting(100, "K0, the size of z0", 1, _WIDEST)
    k1: int = _setting(100, "K1, the size of each z1", 1, _WIDEST)
    n_frames: int = _setting(
        16, "T, frames of a video: 16, 32, 64, ...; of 3d and video_gan any multiple of 16", None, _LONGEST
    )
    channels: int | None = _setting(None, "1 or 3; left out, as in the data set", 1, 3)
    image_size: int | None = _setting(None, "pixels; left out, as in the data set", 16, _LONGEST)
    n_classes: int | None = _setting(
        None, "labels of conditional_tgan; left out, as in the data set", 1, _WIDEST
    )
    temporal_width: int = _setting(
        512, "channels after G0's first layer (Table 1)", 4, _WIDEST, multiple_of=4
    )
    image_width: int = _setting(256, "maps of G1's linear layers (Table 1)", 8, _WIDEST, multiple_of=8)
    discriminator_width: int = _setting(64, "channels after D's first convolution (Fig. 1)", 1, _WIDEST)
    video_width: int = _setting(
        512, "maps after the first layer of 3d and video_gan", 8, _WIDEST, multiple_of=8
    )
    use_z0: bool = _setting(True, "whether G1 sees z0 (false: the row TGAN (G1(z1)) of Table 3)")
    use_beta: bool = _setting(True, "whether batch normalization has a shift")
    use_beta_g1: bool | None = _setting(
        None,
        "the same for G1 alone; left out, as use_beta (the authors' runs without a shift kept that of G1)",
    )
    use_gamma: bool = _setting(
        True, "whether batch normalization in D has a scale (with loss: gan it had none)"
    )
    temporal_weights: str = _setting(
        "he_normal",
        "how G0's weights start: he_normal (6.2); uniform, from U(-0.01, 0.01), as in the authors' run on "
        "Moving MNIST, and as G1's always do; or normal, from N(0, 0.01)",
        choices=tuple(INITIALIZERS),
    )
    discriminator_weights: str = _setting(
        "he_normal",
        "the same for D: he_normal (6.2); uniform (the authors' run); normal, as Vondrick et al. drew them",
        choices=tuple(INITIALIZERS),
    )
    noise: float = _setting(0.0, "deviation of the Gaussian noise in D (6.3: 0.2 with loss: gan)", 0)
    noise_input: bool = _setting(
        True, "whether the noise is added to D's input too (the authors' runs: to its convolutions only)"
    )
    mask_penalty: float = _setting(0.1, "weight of the L1 penalty on video_gan's mask", 0)

    loss: str = _setting("wgan", "wgan (Eq. 2), or gan, the normal one (Eq. 1)", choices=tuple(LOSSES))
    clipping: str = _setting("svc", "how D is kept Lipschitz", choices=("svc", "weight", "none"))
    c: float = _setting(0.01, "with clipping: weight, the largest weight of D", 0, exclusive=True)
    n_clip: int = _setting(5, "with clipping: svc, its interval in iterations", 1, _MOST)
    n_dis: int = _setting(1, "n_D, updates of D per iteration", 1, _MOST)
    simultaneous: bool = _setting(False, "one forward pass for both updates, as in the authors' own runs")

    optimizer: str = _setting("rmsprop", "or adam, with beta1 0.5, as Video GAN", choices=("rmsprop", "adam"))
    learning_rate: float = _setting(5e-5, "learning rate of the optimizer", 0, exclusive=True)
    discriminator_learning_rate: float = _setting(0.0, "D's own learning rate; 0 for the same as G's", 0)
    learning_rate_drop: int = _setting(
        0, "every so many iterations learning rates fall to 0.3 of what they are; 0 for never", 0
    )
    generator_ema: float = _setting(
        0.0,
        "decay of an exponential moving average of G's weights, such as 0.999, from which is sampled then; "
        "0 for none, as in the paper",
        0,
        0.999999,
    )
    tf32: bool = _setting(False, "whether a GPU may round factors to TF32: faster, less exact")
    pytorch_kernels: str = _setting(
        "auto",
        "whose convolutions to use: auto, PyTorch's (cuDNN) on a GPU where it is installed; on, on a CPU as "
        "well; off, our own",
        choices=("auto", "on", "off"),
        neutral=True,
    )
    deterministic: bool = _setting(
        False,
        "whether a GPU's library convolves in ways that give the same bits each time, so that a resumed run "
        "is bit for bit the uninterrupted one; slower. Our own kernels are written so",
        neutral=True,
    )
    sync_bn: bool = _setting(
        True,
        "with several processes: batch normalization by the whole batch, as one process does it; false: by "
        "each one's part, which sends less and is another training",
    )
    # Batch normalization needs two videos.
    batch_size: int = _setting(32, "videos per batch", 2, 2**16)
    iterations: int = _setting(100_000, "when to stop", 1, _MOST, resumable=True)
    seed: int = _setting(
        0, "seed of initial weights, latent variables and data order", 0, 2**32 - 1, neutral=True
    )

    log_interval: int = _setting(100, "iterations per line of losses", 1, _MOST, neutral=True)
    preview_interval: int = _setting(1000, "iterations per preview", 1, _MOST, resumable=True)
    snapshot_interval: int = _setting(5000, "iterations per snapshot", 1, _MOST, resumable=True)
    keep: int = _setting(3, "how many of the newest snapshots to keep; 0 for all", 0, _MOST, resumable=True)

    score_interval: int = _setting(
        5000, "iterations per score, with classifier or opponent", 1, _MOST, resumable=True
    )
    score_samples: int = _setting(1000, "samples of such a score", 2, _MOST, resumable=True)
    classifier: str = _setting(
        "",
        "reports an inception score by it on the way: a file of train_classifier.py; c3d, the published one",
        resumable=True,
    )
    opponent: str = _setting(
        "",
        "reports GAM scores against it on the way: a run or snapshot; self, this run's last snapshot",
        resumable=True,
    )
    lipschitz: bool = _setting(
        False, "whether the true operator norms of D's layers are reported (dis/lipschitz)", resumable=True
    )
    tensorboard: bool = _setting(
        False, "whether TensorBoard's files are written, too (needs tensorboardX)", resumable=True
    )

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))
        n, doubles = self.n_frames, self.model in ("tgan", "conditional_tgan")  # G0's layers double it
        if n < 16 or (n & (n - 1) if doubles else n % 16):
            wanted = "16, 32, 64, ..." if doubles else "16, 32, 48, ..."
            raise InputError(f"n_frames must be {wanted} for model {self.model}, not {n}")

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
                hint = suggestion(key, known) or f"known are {', '.join(known)}"
                raise InputError(f"{source}: unknown key {short(key)}; {hint}")
        try:
            return cls(**settings)
        except InputError as error:
            raise InputError(f"{source}: {error}") from error

    @classmethod
    def load(cls, path):
        """Read a YAML file. Raises InputError if it is missing, not YAML, or does not fit."""
        settings = read_yaml(path, "a YAML file")
        return cls.from_dict({} if settings is None else settings, path)

    def save(self, path):
        """Write all settings to a YAML file that :meth:`load` reads."""
        with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            yaml.safe_dump(dataclasses.asdict(self), file, sort_keys=False, allow_unicode=True)

    def compare(self, other):
        """Return in which settings this is another experiment than ``other``.

        Left out are settings that make no other experiment, those that may change on resuming (iterations
        among them), those that the model ignores, and those that ``other`` leaves to its data set.

        Args:
            other (Config): What to compare with, such as the configuration of a row of the paper's tables.

        Returns:
            list of Departure: In the order of the fields.
        """
        left_out = ignored_settings(other.model)
        for field in dataclasses.fields(self):
            if field.metadata["resumable"] or field.metadata["neutral"]:
                left_out.add(field.name)
        ours, theirs = ({**vars(one), "use_beta_g1": one._use_beta_g1()} for one in (self, other))
        return [
            Departure(key, ours[key], value)
            for key, value in theirs.items()
            if key not in left_out and value not in (None, ours[key])
        ]

    def check_can_resume(self, saved, path):
        """Raise InputError if a run with the settings ``saved`` (Config), from ``path``, is another one."""
        for field in dataclasses.fields(self):
            before = getattr(saved, field.name)
            if not field.metadata["resumable"] and before != getattr(self, field.name):
                raise InputError(
                    f"{field.name} cannot change when a run is resumed: it is {before!r} in {path}"
                )

    def replace(self, **changes):
        """Return a copy with some settings changed."""
        return dataclasses.replace(self, **changes)

    def _use_beta_g1(self):
        return self.use_beta if self.use_beta_g1 is None else self.use_beta_g1


def type_of(field):
    """Return the type of a setting, a field of :class:`Config`; without None where it may be None."""
    if isinstance(field.type, types.UnionType):
        return typing.get_args(field.type)[0]
    return field.type


def yaml_text(value):
    """Write a value of a setting as a YAML file and an option of the command line have it."""
    return str(value).lower() if isinstance(value, bool) else str(value).replace("e-0", "e-")


def as_options(settings):
    """Return settings, a dict, as options of train.py, a list of str."""
    options = []
    for key, value in settings.items():
        name = key.replace("_", "-")
        if isinstance(value, bool):
            options.append(f"--{name}" if value else f"--no-{name}")
        else:
            options += [f"--{name}", str(value)]
    return options


def _checked(field, value):
    expected, wanted = type_of(field), field.metadata
    if value is None and field.default is None:
        return None
    if value is None:
        raise InputError(f"{field.name} has no value; leave the line out for the default, {field.default!r}")
    if expected is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            value = float(value)  # YAML reads 5e-5 as a string: it wants 5.0e-5
        except (ValueError, OverflowError):
            pass
    if type(value) is not expected:
        raise InputError(f"{field.name} must be of type {expected.__name__}, not {short(value)}")
    if wanted["choices"] and value not in wanted["choices"]:
        hint = suggestion(value, wanted["choices"])
        known = ", ".join(wanted["choices"])
        raise InputError(f"{field.name} must be one of {known}, not {short(value)}{hint and '; '}{hint}")
    if expected is float and not math.isfinite(value):
        raise InputError(f"{field.name} must be a finite number, not {value}")
    if wanted["minimum"] is not None:
        if value < wanted["minimum"] or (wanted["exclusive"] and value == wanted["minimum"]):
            bound = "more than" if wanted["exclusive"] else "at least"
            raise InputError(f"{field.name} must be {bound} {wanted['minimum']}, not {short(value)}")
    if wanted["maximum"] is not None and value > wanted["maximum"]:
        raise InputError(f"{field.name} must be at most {wanted['maximum']}, not {short(value)}")
    if expected is int and value % wanted["multiple_of"]:
        multiples = ", ".join(str(wanted["multiple_of"] * i) for i in (1, 2, 3))
        raise InputError(
            f"{field.name} must be a multiple of {wanted['multiple_of']} ({multiples}, ...), not {value}"
        )
    return value


def find_config(name):
    """Return the path of a configuration: of a file, or of one in ``CONFIGS`` by its name alone.

    Raises:
        InputError: There is neither (with the nearest name that there is).
    """
    if os.path.exists(name):
        return name
    known = sorted(os.path.splitext(entry)[0] for entry in os.listdir(CONFIGS) if entry.endswith(".yaml"))
    if config_name(name) in known and os.path.basename(name) == name:
        return os.path.join(CONFIGS, config_name(name) + ".yaml")
    hint = suggestion(config_name(name), known) or f"known by name are {', '.join(known)}"
    raise InputError(f"there is no configuration {name}; {hint}")


def config_name(path):
    """Return a configuration's name, which is also the default name of its results folder."""
    name = os.path.basename(path)
    return name.removesuffix(".yaml")
