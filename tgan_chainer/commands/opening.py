"""What training says before its first iteration: a text made of facts alone."""

import dataclasses
import os
import textwrap

from tgan_chainer.clipping import describe_clipping
from tgan_chainer.config import NO_OPTIONS, Departure, yaml_text
from tgan_chainer.extensions.learning_rate_drop import FACTOR
from tgan_chainer.losses import LABELS
from tgan_chainer.models import MODELS
from tgan_chainer.reading import printable
from tgan_chainer.texts import count, value_text

_WIDTH, _INDENT = 110, 13


def opening(config, data, parameters, hardware, out, iteration=0, changes=(), time_limit=None):
    """Return what is about to be trained, on what, where, and what will be written when.

    Args:
        config (Config): All settings, complete with what the data set determines.
        data (dict): Facts of the data, as :meth:`~tgan_chainer.datasets.VideoDataset.describe` returns them.
        parameters (dict): Name of a network → how many numbers it learns.
        hardware (str): What computes.
        out (str): The results folder.
        iteration (int): Iterations that are done already.
        changes (sequence of Departure): Settings that are others than those of the named configuration.
        time_limit (float): Seconds after which training stops; None for no limit.

    Returns:
        str: Several lines; nothing in them is a control character.
    """
    learned = ", ".join(f"{name} with {count(n, 'parameter')}" for name, n in parameters.items())
    size = f"{config.image_size}×{config.image_size}"
    lines = {
        "data": f"{config.data}: {_describe_data(data, config)}",
        "networks": f"{MODELS[config.model].label}: {learned}; "
        f"videos of {count(config.n_frames, 'frame')}, {size} pixels, {count(config.channels, 'channel')}",
        "training": f"{LABELS[config.loss]}, {describe_clipping(config)}"
        + (f" every {count(config.n_clip, 'iteration')}" if config.clipping == "svc" else "")
        + f", {config.optimizer} with {_describe_learning_rates(config)}, batches of {config.batch_size}; "
        f"iterations {iteration + 1:,} to {config.iterations:,}"
        + ("" if time_limit is None else f", at most {count(round(time_limit), 'second')}"),
        "computed on": hardware,
        "changed": "; ".join(f"{c.what} {_value(c.here)} instead of {_value(c.there)}" for c in changes),
        "results": f"{out}: losses every {count(config.log_interval, 'iteration')}, videos in preview/ "
        f"every {config.preview_interval:,}, snapshots every {config.snapshot_interval:,}"
        + (f" (the newest {config.keep} stay)" if config.keep else " (all stay)")
        + (f", scores every {config.score_interval:,}" if config.classifier or config.opponent else ""),
        "to expect": _to_expect(config, out),
    }
    text = [printable(config.description or os.path.basename(out))]
    for name, line in lines.items():
        if line:
            line = f"{name + ':':{_INDENT}}{printable(line)}"
            text.append(
                textwrap.fill(
                    line,
                    _WIDTH,
                    subsequent_indent=" " * _INDENT,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
    return "\n".join(text)


def differences(config, base):
    """Return all settings in which a configuration differs from another one, a list of Departure."""
    names = [field.name for field in dataclasses.fields(config)]
    changes = [Departure(name, getattr(config, name), getattr(base, name)) for name in names]
    return [c for c in changes if c.here != c.there and c.what not in NO_OPTIONS]


def _describe_data(data, config):
    length = data["frames"] / data["clips"]
    text = f"{count(data['clips'], 'clip')} of {length:.3g} frames"
    if data.get("n_short"):
        text += f" on average, {data['n_short']:,} of them too short for {config.n_frames} and left out"
    elif data["frames"] % data["clips"]:
        text += " on average"
    if data["classes"]:
        text += f", {count(data['classes'], 'class')}"
    colour = "grey" if data["channels"] == 1 else "colour"
    return f"{text}, {data['size'][0]}×{data['size'][1]} pixels, {colour}"


def _describe_learning_rates(config):
    g, d = config.learning_rate, config.discriminator_learning_rate or config.learning_rate
    text = f"learning rate {yaml_text(g)}"
    if d != g:
        text = f"learning rates {yaml_text(g)} (G) and {yaml_text(d)} (D)"
    if config.learning_rate_drop:
        text += f", times {FACTOR} every {count(config.learning_rate_drop, 'iteration')}"
    if config.generator_ema:
        text += f", videos by a moving average of G's weights (decay {yaml_text(config.generator_ema)})"
    return text


def _to_expect(config, out):
    preview = os.path.join(out, "preview")
    general = f"the losses do not tell how good the videos are; {preview} shows them, beside real ones"
    return f"{config.expect}; {general}" if config.expect else general


def _value(value):
    return "left out" if value is None else value_text(value) or "none"
