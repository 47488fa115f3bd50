"""The classifier of the inception score: C3D, what its input goes through before, and its files."""

import json
import os
import zipfile

import numpy as np

from tgan_chainer.checks import check_positive_int
from tgan_chainer.devices import get_device
from tgan_chainer.download import download_once, sha256_of
from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path
from tgan_chainer.functions.resize_bicubic import resize_bicubic
from tgan_chainer.links import C3D
from tgan_chainer.reading import read_npz
from tgan_chainer.snapshots import load_arrays
from tgan_chainer.version import __version__

import chainer
from chainer.serializers import DictionarySerializer

URL = "https://github.com/rezoo/tgan2/releases/download/v1.0/"
WEIGHTS, MEAN = "conv3d_deepnetA_ucf.npz", "mean2.npz"
MEAN_SHAPE = 3, 1, 16, 128, 171  # BGR, a singleton, frames, height, width
FEATURES = "fc6"

_FORMAT = "tgan_chainer classifier 1"


class VideoClassifier(chainer.Chain):
    """C3D together with its preprocessing: videos in [-1, 1] → class probabilities and features.

    The published inception scores came about as follows, and so do those of the published weights here: a
    video x of 64×64 pixels is scaled to 128 x + 128; each frame is resized to 128×128 by
    :func:`~tgan_chainer.functions.resize_bicubic.resize_bicubic`; RGB becomes BGR; the mean is subtracted;
    the middle 112×112 pixels, from 8 to 119, go into C3D, and softmax over fc8 gives the probabilities.

    Args:
        c3d (C3D): The network.
        mean (numpy.ndarray): float32, of a shape that broadcasts to (3, T, size, size): BGR in [0, 255].
        size (int): H = W that frames are resized to.
        scale (float): What the difference is multiplied by.
        label_names (list of str or None): Names of the classes.

    Attributes:
        description (dict): What a result should say about it: ``weights`` and ``mean``, names and SHA-256 of
            the files; ``published``, whether they have the published form; ``training``, what
            train_classifier.py wrote down about its own.
    """

    def __init__(self, c3d, mean, size=128, scale=1.0, label_names=None):
        super().__init__()
        crop = c3d.video_shape[-1]
        check_positive_int(size=size)
        if size < crop:
            raise InputError(f"size must be at least {crop}, what the network sees, not {size}")
        self.size, self.scale, self.label_names = size, scale, label_names
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
        videos = self.device.send(videos)
        x = resize_bicubic(videos * 128 + 128, self.size, window)
        x = self.xp.broadcast_to(x[:, ::-1], (len(x), 3, *x.shape[2:]))
        mean = self.xp.broadcast_to(self.mean, (3, self.n_frames, self.size, self.size))
        return (x - mean[(..., *window)]) * np.float32(self.scale)

    def forward(self, videos, layers=("fc8",)):
        """Compute layers of C3D; arguments as for :meth:`preprocess` and :meth:`C3D.forward`."""
        return self.c3d(self.preprocess(videos), layers=layers)

    def predict(self, videos, batch_size=None, features=False):
        """Classify videos batch by batch, without gradients and in memory that does not grow with them.

        Args:
            videos (iterable): Of float32 arrays (C, T, H, W) in [-1, 1].
            batch_size (int): Videos at a time; by default 4 on a CPU, 32 on a GPU.
            features (bool): Whether to compute features (the output of fc6) as well.

        Yields:
            tuple: Of one batch: probabilities, float64 (n, V), and features, float32 (n, D), or None; both
            NumPy arrays.

        Raises:
            InputError: A video does not fit, or holds NaN.
        """
        batch_size = batch_size or (4 if self.xp is np else 32)
        check_positive_int(batch_size=batch_size)
        layers = ("fc8", FEATURES) if features else ("fc8",)
        for batch in _batches(videos, batch_size):
            if not np.isfinite(batch).all():
                raise InputError("a video holds NaN or infinite values; it cannot be scored")
            with chainer.using_config("train", False), chainer.no_backprop_mode():
                outputs = self(batch, layers=layers)
            outputs = {k: chainer.get_device("@numpy").send(v.array) for k, v in outputs.items()}
            yield softmax(outputs["fc8"]), outputs.get(FEATURES)


def softmax(scores):
    """Turn scores, float (N, V), into probabilities, float64 (N, V)."""
    scores = scores.astype(np.float64)
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def check_videos(shape, n_frames):
    """Raise InputError unless (..., C, T, H, W) are square videos of n_frames frames, grey or RGB."""
    *_, c, t, h, w = shape
    if t != n_frames:
        raise InputError(f"a video has {t} frames; the classifier takes {n_frames}")
    if h != w:
        raise InputError(f"a video has frames of {w}×{h} pixels; they must be square")
    if c not in (1, 3):
        raise InputError(f"a video has {c} channels; expected 1 (grey) or 3 (RGB)")


def load_classifier(path=None, mean=None, gpu=-1, cache=None):
    """Load a classifier: the published C3D, or one that train_classifier.py trained.

    Args:
        path (str): A file of :func:`save_classifier`, or the published ``conv3d_deepnetA_ucf.npz`` (C3D
            trained on Sports-1M and fine-tuned on UCF-101). None downloads the latter, once.
        mean (str): The published ``mean2.npz``, which the published weights need. None downloads it, once.
        gpu (int): As for :func:`tgan_chainer.load_generator`.
        cache (str): Folder for downloads; by default :func:`cache_folder`.

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
        classifier = _from_metadata(path, arrays)
    else:
        classifier = VideoClassifier(_published_c3d(path, arrays), _published_mean(mean, cache))
        classifier.description["mean"] = _describe_file(mean or os.path.join(cache, MEAN))
        # Another training's weights in the same form cannot be told from the published ones but by the hash.
        classifier.description["published"] = classifier.n_classes == 101
    classifier.description["weights"] = _describe_file(path)
    classifier.to_device(device)
    return classifier


def save_classifier(path, classifier, training=None):
    """Write a classifier, its mean and its sizes to an npz file that :func:`load_classifier` reads.

    Args:
        path (str): The file to create or replace.
        classifier (VideoClassifier): What to write.
        training (dict): How it was trained, in JSON's own types; a part of its description when it is loaded.
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
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **serializer.target, metadata=np.array(json.dumps(metadata)))


def cache_folder():
    """Return where downloads are kept: $TGAN_CHAINER_CACHE, or tgan_chainer in the user's cache folder."""
    user = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("TGAN_CHAINER_CACHE") or os.path.join(user, "tgan_chainer")


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


def _published_mean(path, cache):
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
    return mean.reshape(MEAN_SHAPE)[:, 0, :, :, 21:149]


def _from_metadata(path, arrays):
    try:
        metadata = json.loads(str(arrays["metadata"]))
        if metadata["format"] != _FORMAT:
            raise InputError(
                f"{path} has the format {metadata['format']!r}; expected {_FORMAT!r}, a classifier"
            )
        c3d = C3D(**metadata["network"])
        np.broadcast_to(arrays["mean"], (3, c3d.video_shape[1], metadata["size"], metadata["size"]))
        classifier = VideoClassifier(
            c3d, arrays["mean"], metadata["size"], metadata["scale"], metadata["label_names"]
        )
        load_arrays(path, arrays, "", classifier)
        if "training" in metadata:
            classifier.description["training"] = dict(metadata["training"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a classifier of train_classifier.py ({error})") from error
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds NaN or infinite values")
    return classifier


def _describe_file(path):
    return {"file": os.path.basename(path), "sha256": sha256_of(path)}


def _batches(videos, size):
    batch = []
    for video in videos:
        batch.append(np.asarray(video, np.float32))
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
