from tgan_chainer.extensions.console import Console
from tgan_chainer.extensions.generative_scores import GAM, InceptionScore
from tgan_chainer.extensions.lipschitz import Lipschitz
from tgan_chainer.extensions.log import Log
from tgan_chainer.extensions.loss_curves import LossCurves
from tgan_chainer.extensions.optional import Optional
from tgan_chainer.extensions.preview import Preview
from tgan_chainer.extensions.snapshot import Snapshot

__all__ = [
    "GAM",
    "Console",
    "InceptionScore",
    "Lipschitz",
    "Log",
    "LossCurves",
    "Optional",
    "Preview",
    "Snapshot",
]
