from tgan_chainer.evaluations.frechet_distance import Moments, frechet_distance
from tgan_chainer.evaluations.gam import Scores, best_threshold, gam
from tgan_chainer.evaluations.inception_score import inception_score
from tgan_chainer.evaluations.measures import measure_frechet, measure_gam, measure_inception
from tgan_chainer.evaluations.predictions import PredictionStore
from tgan_chainer.evaluations.protocols import PROTOCOLS, TGAN, TGAN2, Protocol
from tgan_chainer.evaluations.video_classifier import VideoClassifier, load_classifier, save_classifier
from tgan_chainer.evaluations.video_source import open_source

__all__ = [
    "PROTOCOLS",
    "TGAN",
    "TGAN2",
    "Moments",
    "PredictionStore",
    "Protocol",
    "Scores",
    "VideoClassifier",
    "best_threshold",
    "frechet_distance",
    "gam",
    "inception_score",
    "load_classifier",
    "measure_frechet",
    "measure_gam",
    "measure_inception",
    "open_source",
    "save_classifier",
]
