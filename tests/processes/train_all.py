"""Run by mpiexec: train every model with every loss for a few iterations, in float64.

usage: train_all.py DATA OUT ITERATIONS
"""

import sys

import numpy as np

from tgan_chainer import GANUpdater, SingularValueClipping, VideoDataset, WeightClipping, snapshots
from tgan_chainer.config import Config
from tgan_chainer.datasets import PartsOfBatches, RandomWindows
from tgan_chainer.losses import LOSSES
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.optimizers import build_optimizer
from tgan_chainer.processes import start
from tgan_chainer.spread_batch import SpreadBatch, part_of_batch

import chainer

TINY = {"k0": 6, "k1": 5, "temporal_width": 8, "image_width": 8, "video_width": 8, "discriminator_width": 2}
TINY |= {"channels": 1, "image_size": 32, "batch_size": 8, "learning_rate": 1e-3, "n_clip": 2}
RUNS = {
    "tgan wgan svc": {},
    "tgan wgan weight n_dis": {"clipping": "weight", "n_dis": 2},
    "tgan gan noise": {"loss": "gan", "clipping": "none", "noise": 0.2, "use_gamma": False},
    "tgan simultaneous adam": {"simultaneous": True, "optimizer": "adam", "use_beta": False},
    "conditional_tgan wgan svc": {"model": "conditional_tgan", "n_classes": 2},
    "conditional_tgan gan": {"model": "conditional_tgan", "n_classes": 2, "loss": "gan", "clipping": "none"},
    "3d wgan svc": {"model": "3d"},
    "3d gan noise": {"model": "3d", "loss": "gan", "clipping": "none", "noise": 0.3, "noise_input": False},
    "video_gan wgan svc": {"model": "video_gan"},
    "video_gan gan adam": {"model": "video_gan", "loss": "gan", "clipping": "none", "optimizer": "adam"},
}


def to_float64(examples, device):
    batch = chainer.dataset.concat_examples(examples, device)
    if isinstance(batch, tuple):
        return batch[0].astype(np.float64), batch[1]
    return batch.astype(np.float64)


def train(processes, data, settings, iterations):
    """Return what a run in float64 comes to, and what it reported last."""
    config = Config(**{**TINY, **settings})
    dataset = VideoDataset(data, config.n_frames, with_labels=config.model == "conditional_tgan")
    part, order = part_of_batch(processes, config.batch_size), RandomWindows(dataset, 0)
    snapshots.seed_everything(chainer.get_device("@numpy"), 0)
    generator, discriminator = build_generator(config), build_discriminator(config)
    optimizers = {"gen": build_optimizer(config, "gen").setup(generator)}
    optimizers["dis"] = build_optimizer(config, "dis").setup(discriminator)
    if config.clipping == "weight":
        optimizers["dis"].add_hook(WeightClipping(config.c))
    updater = GANUpdater(
        PartsOfBatches(dataset, config.batch_size, part, order),
        optimizers,
        clipping=SingularValueClipping(processes=processes) if config.clipping == "svc" else None,
        loss=LOSSES[config.loss](),
        n_dis=config.n_dis,
        n_clip=config.n_clip,
        simultaneous=config.simultaneous,
        batch=SpreadBatch(processes, config.batch_size, config.sync_bn) if processes.size > 1 else None,
        converter=to_float64,
    )
    reporter = chainer.Reporter()
    reporter.add_observer("gen", generator)
    reporter.add_observer("dis", discriminator)
    with reporter.scope(observation := {}):
        for _ in range(iterations):
            updater.update()
    updater.get_iterator("main").finalize()
    state = snapshots.state_of(updater)
    processes.check_same(state, f"after iteration {iterations}")
    return {**state, **{name: np.asarray(value) for name, value in observation.items()}}


if __name__ == "__main__":
    processes = start("naive", -1)
    data, out, iterations = sys.argv[1:]
    for name, settings in RUNS.items():
        with chainer.using_config("dtype", np.float64), np.errstate(all="ignore"):
            result = train(processes, data, settings, int(iterations))
        if processes.is_first:
            np.savez(f"{out}/{name}.npz", **result)
