"""The classifier of the inception score: C3D, what its input goes through before, and its files."""

import json
import os
import zipfile

import numpy as np

from tgan_chainer import pretrained
from tgan_chainer.checks import check_positive_int
from tgan_chainer.devices import get_device
from tgan_chainer.download import cache_folder, download_once, sha256_of
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.protocols import TGAN
from tgan_chainer.files import atomic_path
from tgan_chainer.functions.resize_bicubic import resize_bicubic
from tgan_chainer.links import C3D
from tgan_chainer.reading import read_npz, reading, short
from tgan_chainer.runs import same_random_numbers
from tgan_chainer.snapshots import load_arrays
from tgan_chainer.texts import count
from tgan_chainer.version import __version__

import chainer
import chainer.functions as F
from chainer.serializers import DictionarySerializer

URL = "https://github.com/rezoo/tgan2/releases/download/v1.0/"
WEIGHTS, MEAN = "conv3d_deepnetA_ucf.npz", "mean2.npz"
# C3D of single moving digits in 32×32 pixels, which comes with the package; see weights/README.md.
DIGIT_CLIPS = os.path.join(pretrained.FOLDER, "digit_clips.npz")
MEAN_SHAPE = 3, 1, 16, 128, 171  # BGR, a singleton, frames, height, width
_FORMAT = "tgan_chainer classifier 1"
_LARGEST = 4096  # pixels of a resized frame


class VideoClassifier(chainer.Chain):
    """C3D together with its preprocessing: videos in [-1, 1] → class probabilities and features.

    A video x is scaled to 128 x + 128; each frame is resized; RGB becomes BGR; the mean is subtracted; the
    middle pixels go into C3D, and softmax over fc8 gives the probabilities. Sizes and interpolation of the
    published scores are those of a :class:`~tgan_chainer.evaluations.protocols.Protocol`.

    Args:
        c3d (C3D): The network.
        mean (numpy.ndarray): float32, of a shape that broadcasts to (3, T, size, size): BGR in [0, 255].
        size (int): H = W that frames are resized to.
        scale (float): What the difference is multiplied by.
        label_names (list of str or None): Names of the classes.
        interpolation (str): "bicubic", :func:`~tgan_chainer.functions.resize_bicubic.resize_bicubic`, or
            "bilinear", Chainer's ``resize_images``, where the corners' pixels stay in the corners.

    Attributes:
        description (dict): What a result should say about it: ``weights`` and ``mean``, names and SHA-256 of
            the files; ``published``, whether they have the published form; ``training``, what
            train_classifier.py wrote down about its own.
    """

    def __init__(self, c3d, mean, size=128, scale=1.0, label_names=None, interpolation="bicubic"):
        super().__init__()
        crop = c3d.video_shape[-1]
        check_positive_int(size=size)
        if size < crop:
            raise InputError(f"size must be at least {crop}, what the network sees, not {size}")
        self.size, self.scale, self.label_names = size, scale, label_names
        self.interpolation = interpolation
        self.description = {"weights": "untrained"}
        with self.init_scope():
            self.c3d = c3d
        self.add_persistent("mean", mean.astype(np.float32))

    @property
    def n_classes(self):
        return self.c3d.n_classes

    @property
    def n_frames(self):
        return self.c3d.video_shape[1]

    @property
    def batch_size(self):
        """Videos at a time: those that C3D takes on a CPU, 32 on a GPU."""
        return self.c3d.VIDEOS_ON_CPU if self.xp is np else 32

    @property
    def input(self):
        """What becomes of a frame, a dict: ``size``, ``interpolation``, ``crop`` (pixels) and ``scale``."""
        return {
            "size": self.size,
            "interpolation": self.interpolation,
            "crop": self.c3d.video_shape[-1],
            "scale": self.scale,
        }

    @property
    def doubt(self):
        """Why a score by this classifier means little: "not tested", or an accuracy like that of guessing.

        An accuracy (float) stands for the latter: it lies less than two standard deviations of chance above
        the share of the most frequent class among the tested clips, or 1 / V where that was not written down.
        None if there is no doubt, as about the published one.
        """
        if self.description.get("published"):
            return None
        training = {"guessing": 1 / self.n_classes, **self.description.get("training", {})}
        numbers = [training.get(key) for key in ("accuracy", "guessing", "validation_clips")]
        if not all(isinstance(number, int | float) and 0 <= number < np.inf for number in numbers):
            return "not tested"
        accuracy, guessing, clips = numbers
        if not (clips and guessing <= 1):
            return "not tested"
        chance = 2 * (guessing * (1 - guessing) / clips) ** 0.5
        return accuracy if accuracy <= guessing + chance else None

    def preprocess(self, videos, corner=None):
        """Turn videos into the network's input.

        Args:
            videos: float32 (N, C, T, H, W) in [-1, 1], RGB or grey, of square frames of any size.
            corner (tuple of ints): Top and left of the pixels to keep; None keeps the middle.

        Returns:
            array: float32 (N, 3, T, crop, crop) on the network's device.

        Raises:
            InputError: Frames are not square, or there are not T of them.
        """
        check_videos(videos.shape, self.n_frames)
        crop = self.c3d.video_shape[-1]
        top, left = corner or ((self.size - crop) // 2,) * 2
        window = slice(top, top + crop), slice(left, left + crop)
        x = self.device.send(videos) * 128 + 128
        if self.interpolation == "bilinear":
            x = _resize_bilinear(x, self.size)[(..., *window)]
        else:
            x = resize_bicubic(x, self.size, window)
        x = self.xp.broadcast_to(x[:, ::-1], (len(x), 3, *x.shape[2:]))
        mean = self.xp.broadcast_to(self.mean, (3, self.n_frames, self.size, self.size))
        return (x - mean[(..., *window)]) * np.float32(self.scale)

    def forward(self, videos, layers=("fc8",)):
        """Compute layers of C3D; arguments as for :meth:`preprocess` and :meth:`C3D.forward`."""
        return self.c3d(self.preprocess(videos), layers=layers)

    def predict(self, videos, batch_size=None, features=None):
        """Classify videos batch by batch, without gradients and in memory that does not grow with them.

        Args:
            videos (iterable): float32 arrays (C, T, H, W) in [-1, 1].
            batch_size (int): Videos at a time; by default :attr:`batch_size`.
            features (str): A layer of C3D whose outputs to return as well.

        Yields:
            tuple: One for each batch: its probabilities, float64 (n, V), and features, float32 (n, D), or
            None; both NumPy arrays.

        Raises:
            InputError: A video does not fit, or holds NaN.
        """
        batch_size = batch_size or self.batch_size
        check_positive_int(batch_size=batch_size)
        layers = ("fc8", features) if features else ("fc8",)
        for batch in _batches(videos, batch_size):
            if not np.isfinite(batch).all():
                raise InputError("a video holds NaN or infinite values; it cannot be scored")
            with chainer.using_config("train", False), chainer.no_backprop_mode():
                outputs = self(batch, layers=layers)
            outputs = {k: chainer.get_device("@numpy").send(v.array) for k, v in outputs.items()}
            yield softmax(outputs["fc8"]), outputs.get(features)


def softmax(scores):
    """Turn scores, float (N, V), into probabilities, float64 (N, V)."""
    scores = scores.astype(np.float64)
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def check_videos(shape, n_frames):
    """Raise InputError unless (..., C, T, H, W) are square videos of n_frames frames, grey or RGB."""
    *_, c, t, h, w = shape
    if t != n_frames:
        raise InputError(f"a video has {count(t, 'frame')}; the classifier takes {n_frames}")
    if h != w:
        raise InputError(f"a video has frames of {w}×{h} pixels; they must be square")
    if c not in (1, 3):
        raise InputError(f"a video has {count(c, 'channel')}; expected 1 (grey) or 3 (RGB)")


def load_classifier(path=None, mean=None, gpu=-1, cache=None, protocol=TGAN):
    """Load a classifier: the published C3D, or one that train_classifier.py trained.

    The caller's random numbers stay as they are.

    Args:
        path (str): A file of :func:`save_classifier`, or the published ``conv3d_deepnetA_ucf.npz`` (C3D
            trained on Sports-1M and fine-tuned on UCF-101). None downloads the latter, once.
        mean (str): The published ``mean2.npz``, which the published weights need. None downloads it, once.
        gpu (int): As for :func:`tgan_chainer.load_generator`.
        cache (str): Folder for downloads; by default :func:`~tgan_chainer.download.cache_folder`.
        protocol (Protocol): What the input of the published weights goes through; files of
            :func:`save_classifier` say that themselves.

    Returns:
        VideoClassifier

    Raises:
        InputError: A file cannot be fetched, is damaged, or does not hold what it should.
    """
    device = get_device(gpu)
    for name in path, mean:
        if name is not None and str(name).endswith((".caffemodel", ".binaryproto")):
            # Chainer's parser of these knows no 3D convolutions, and today's protobuf refuses to load it.
            raise InputError(f"{name}: Caffe's own files cannot be read; expected {WEIGHTS} and {MEAN}")
    cache = cache or cache_folder()
    if path is None:
        path = _download(WEIGHTS, cache, "--classifier FILE")
    arrays = read_npz(path, "a classifier")
    if "metadata" in arrays:
        if mean is not None:
            raise InputError(f"{path} has its own mean; --mean is for the published weights")
        with same_random_numbers():  # initial weights are drawn, for nothing
            classifier = _from_metadata(path, arrays)
    else:
        with same_random_numbers():
            c3d = _published_c3d(path, arrays)
        mean_of_protocol = _published_mean(mean, cache, protocol)
        classifier = VideoClassifier(
            c3d, mean_of_protocol, protocol.size, interpolation=protocol.interpolation
        )
        classifier.description["mean"] = _describe_file(mean or os.path.join(cache, MEAN))
        # Another training's weights in the same form cannot be told from the published ones but by the hash.
        classifier.description["published"] = classifier.n_classes == 101
    classifier.description["weights"] = _describe_file(path)
    classifier.to_device(device)
    return classifier


def save_classifier(path, classifier, training=None, half=False):
    """Write a classifier, its mean and its sizes to an npz file that :func:`load_classifier` reads.

    Args:
        path (str): The file to create or replace.
        classifier (VideoClassifier): What to write.
        training (dict): How it was trained, in JSON's own types; a part of its description when it is loaded.
        half (bool): Whether weights are rounded to half precision, which makes the file half as large.
    """
    c3d = classifier.c3d
    metadata = {
        "format": _FORMAT,
        "version": __version__,
        "network": {
            "n_classes": c3d.n_classes,
            "width": c3d.conv1a.W.shape[0],
            "n_units": c3d.fc7.W.shape[0],
            "n_frames": c3d.video_shape[1],
            "size": c3d.video_shape[2],
            "dropout": c3d.dropout,
            "use_bn": c3d.use_bn,
        },
        "size": classifier.size,
        "scale": classifier.scale,
        "label_names": classifier.label_names,
        **({} if training is None else {"training": training}),
    }
    serializer = DictionarySerializer()
    serializer.save(classifier)
    arrays = serializer.target
    if half:  # statistics of batch normalization may be too small for it
        arrays = {
            key: array.astype(np.float16) if key.endswith(("/W", "/b", "/gamma", "/beta")) else array
            for key, array in arrays.items()
        }
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays, metadata=np.array(json.dumps(metadata)))


def _download(name, cache, option):
    path = os.path.join(cache, name)
    return download_once(URL + name, path, f"{option}, or put it there as {path}", zipfile.is_zipfile)


def _published_c3d(path, arrays):
    fc8 = arrays.get("fc8/W")
    if fc8 is None or fc8.ndim != 2:
        raise InputError(f"{path} has no array fc8/W; expected {WEIGHTS} or a file of train_classifier.py")
    c3d = C3D(n_classes=len(fc8))
    for name, parameter in c3d.namedparams():
        array = arrays.get(name[1:])
        if array is None:
            raise InputError(f"{path} has no array {name[1:]}; expected {WEIGHTS}")
        if array.shape != parameter.shape or array.dtype.kind != "f":
            found = f"{array.dtype} {array.shape}"
            raise InputError(f"{path}: {name[1:]} is {found}; expected floats of shape {parameter.shape}")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name[1:]} holds NaN or infinite values")
        parameter.array[...] = array
    return c3d


def _published_mean(path, cache, protocol):
    if path is None:
        path = _download(MEAN, cache, "--mean FILE")
    mean = read_npz(path, "a mean").get("mean")
    if mean is None:
        raise InputError(f"{path} has no array mean; expected {MEAN}")
    shape = tuple(length for length in mean.shape if length != 1)
    if mean.size != np.prod(MEAN_SHAPE) or shape not in ((mean.size,), (3, *MEAN_SHAPE[2:])):
        raise InputError(f"{path}: the mean is {mean.dtype} {mean.shape}; expected {MEAN_SHAPE}, as {MEAN}")
    mean = mean.astype(np.float32)
    if not np.isfinite(mean).all():
        raise InputError(f"{path}: the mean holds NaN or infinite values")
    rows, columns = (slice(first, last + 1) for first, last in (protocol.mean_rows, protocol.mean_columns))
    return mean.reshape(MEAN_SHAPE)[:, 0, :, rows, columns]


def _from_metadata(path, arrays):
    with reading(path, "a classifier of train_classifier.py"):
        metadata = json.loads(str(arrays["metadata"]))
        if metadata["format"] != _FORMAT:
            raise InputError(f"{path} has the format {short(metadata['format'])}; expected {_FORMAT!r}")
        network, size, names = metadata["network"], metadata["size"], metadata["label_names"]
        scale, training = metadata["scale"], dict(metadata.get("training", {}))
        if not (_is_number(scale) and 0 < float(scale) < np.inf):
            raise ValueError(f"its scale is {short(scale)}")
        if not (names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names))):
            raise ValueError("its label_names are not all text")
        _check_sizes(network, size, arrays)
        arrays = {k: a.astype(np.float32) if a.dtype == np.float16 else a for k, a in arrays.items()}
        mean = arrays["mean"]
        np.broadcast_to(mean, (3, network["n_frames"], size, size))
        classifier = VideoClassifier(C3D(**network), mean, size, float(scale), names)
    load_arrays(path, arrays, "", classifier)
    if training:
        classifier.description["training"] = training
    return classifier


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_sizes(network, size, arrays):
    """Raise ValueError unless a network would be as large as the arrays, before memory is taken for it."""
    if not all(type(network[key]) is int for key in ("n_frames", "size", "width", "n_units", "n_classes")):
        raise ValueError("its sizes are not all whole numbers")
    dropout, use_bn = network["dropout"], network["use_bn"]
    if not (_is_number(dropout) and 0 <= dropout < 1 and isinstance(use_bn, bool)):
        raise ValueError("its dropout or use_bn is out of range")
    features = network["width"] * 8 * (network["n_frames"] // 16) * (-(-network["size"] // 32)) ** 2
    declared = [network["width"], (network["n_units"], features), network["n_classes"]]
    found = [arrays["c3d/conv1a/W"].shape[0], arrays["c3d/fc6/W"].shape, arrays["c3d/fc8/W"].shape[0]]
    if declared != found or not network["size"] <= size <= _LARGEST:
        raise ValueError(f"it declares sizes {short([*declared, size])} and has {found}")


def _resize_bilinear(x, size):
    """Resize the frames of (N, C, T, H, W) to size×size."""
    n, c, t, h, w = x.shape
    frames = F.resize_images(x.reshape(n, c * t, h, w), (size, size), align_corners=True).array
    return frames.reshape(n, c, t, size, size)


def _describe_file(path):
    return {"file": os.path.basename(path), "sha256": sha256_of(path)}


def _batches(videos, size):
    """Yield arrays of at most so many videos, of one shape each."""
    batch = []
    for video in videos:
        video = np.asarray(video, np.float32)
        if len(batch) == size or (batch and batch[0].shape != video.shape):
            yield np.stack(batch)
            batch = []
        batch.append(video)
    if batch:
        yield np.stack(batch)
