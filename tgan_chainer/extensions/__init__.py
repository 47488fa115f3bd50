from tgan_chainer.extensions.best import Best
from tgan_chainer.extensions.console import Console
from tgan_chainer.extensions.generative_scores import GAM, InceptionScore
from tgan_chainer.extensions.learning_rate_drop import LearningRateDrop
from tgan_chainer.extensions.lipschitz import Lipschitz
from tgan_chainer.extensions.log import Log
from tgan_chainer.extensions.loss_curves import LossCurves
from tgan_chainer.extensions.optional import Optional
from tgan_chainer.extensions.preview import Preview
from tgan_chainer.extensions.snapshot import Snapshot
from tgan_chainer.extensions.tensorboard import TensorBoard

__all__ = [
    "GAM",
    "Best",
    "Console",
    "InceptionScore",
    "LearningRateDrop",
    "Lipschitz",
    "Log",
    "LossCurves",
    "Optional",
    "Preview",
    "Snapshot",
    "TensorBoard",
]
