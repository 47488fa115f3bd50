"""How much videos look like moving digits: whether these can be read, stay what they are, and move."""

import itertools

import numpy as np

from tgan_chainer.evaluations.digit_classifier import NO_DIGIT, find_blobs
from tgan_chainer.videos import to_uint8

SURE = 0.9  # how sure the classifier has to be that a blob is a certain digit
_DARK = 64  # grey level, of 255; a frame without a brighter pixel is empty


def measure_legibility(videos, classifier, labels=None):
    """Measure how legible the digits of videos are, how persistent, and how they move.

    Args:
        videos (iterable): float32 arrays (C, T, H, W) in [-1, 1]; the brightest channel counts.
        classifier (DigitClassifier): What reads blobs.
        labels (sequence of int): The digit that each video should show; None if that does not matter.

    Returns:
        dict: ``videos`` (int); and as shares in [0, 1], None where there is nothing to count: ``legible``,
        frames with a blob that the classifier is sure (≥ 0.9) is a digit; ``persistent``, of the digits read
        in all frames but the last, those whose nearest blob in the next frame is read as the same digit;
        ``as_asked``, of the digits read, those that are their video's label; ``empty``, frames that are
        nearly black; and ``displacement``, by how much of the frame's side the nearest blob is away in the
        next frame, on average (float).
    """
    n_videos = n_frames = n_legible = n_empty = n_digits = n_same = n_read = n_asked = 0
    displacements = []
    for video, label in zip(videos, itertools.repeat(None) if labels is None else labels):
        frames = to_uint8(video).max(axis=0)
        tracks = read_blobs(frames, classifier)
        n_videos += 1
        n_frames += len(frames)
        n_empty += int((frames.max(axis=(1, 2)) < _DARK).sum())
        read = np.concatenate([digits[digits != NO_DIGIT] for _, digits in tracks])
        n_read += 0 if label is None else len(read)
        n_asked += 0 if label is None else int((read == label).sum())
        n_legible += sum((digits != NO_DIGIT).any() for _, digits in tracks)
        for (centers, digits), (next_centers, next_digits) in zip(tracks, tracks[1:]):
            n_digits += int((digits != NO_DIGIT).sum())
            if not (len(centers) and len(next_centers)):
                continue
            distances = np.linalg.norm(centers[:, None] - next_centers, axis=2)
            same = next_digits[distances.argmin(axis=1)] == digits
            n_same += int((same & (digits != NO_DIGIT)).sum())
            displacements += (distances.min(axis=1) / frames.shape[1]).tolist()
    return {
        "videos": n_videos,
        "legible": _share(n_legible, n_frames),
        "persistent": _share(n_same, n_digits),
        "as_asked": _share(n_asked, n_read),
        "empty": _share(n_empty, n_frames),
        "displacement": float(np.mean(displacements)) if displacements else None,
    }


def read_blobs(frames, classifier):
    """Read the blobs of frames, uint8 (T, H, W).

    Returns:
        list of tuple: Of each frame the blobs' centres, float (B, 2), (y, x) in pixels; and the digit of
        each, int (B,), ``NO_DIGIT`` where the classifier is not sure of any.
    """
    found = [find_blobs(frame) for frame in frames]
    images = [image for blobs in found for _, image in blobs]
    digits, sure = classifier.read(np.array(images))  # all at once, which takes a tenth of the time
    digits = np.where(sure >= SURE, digits, NO_DIGIT)
    ends = np.cumsum([len(blobs) for blobs in found])[:-1]
    centers = [np.array([center for center, _ in blobs]).reshape(-1, 2) for blobs in found]
    return list(zip(centers, np.split(digits, ends)))


def _share(count, of):
    return float(count / of) if of else None
