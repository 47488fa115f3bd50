"""One HTML page about the tables: scores beside the paper's, loss curves, samples."""

import base64
import dataclasses
import io
import os
import tempfile

import jinja2
import numpy as np
from PIL import Image

from tgan_chainer.devices import get_device
from tgan_chainer.errors import InputError
from tgan_chainer.figures import draw_curves
from tgan_chainer.files import save_text
from tgan_chainer.logs import read_log, shown_names
from tgan_chainer.reading import printable
from tgan_chainer.reproduction.departures import REDUCED
from tgan_chainer.reproduction.rows import TABLES
from tgan_chainer.reproduction.tables import load_sections, view
from tgan_chainer.runs import load_run
from tgan_chainer.snapshots import find_snapshots
from tgan_chainer.texts import count
from tgan_chainer.videos import save_videos

N_SAMPLES = 16
_CURVES = 4.2, 2.8  # inches; shown in a column of a phone's width, their texts have the size of the page's

_CURVE_NAMES = {
    "dis/wasserstein": "Wasserstein estimate (D)",
    "dis/loss": "loss of D",
    "gen/loss": "loss of G",
}


@dataclasses.dataclass(frozen=True)
class Figure:
    """What is shown of a run: samples and losses as data URIs, or why there are none."""

    name: str
    caption: str
    problem: str = ""
    samples: str = ""
    alt: str = ""
    losses: str = ""


def write_page(folder, out, gpu=None):
    """Write the page about the tables in a folder.

    Args:
        folder (str): Holds table3.json, table4.json or both.
        out (str): The file to write.
        gpu (int): Where to sample, as for :func:`tgan_chainer.load_generator`.

    Returns:
        str: ``out``.

    Raises:
        InputError: There is no table, or one is damaged.
    """
    tables = {number: load_sections(number, folder) for number in TABLES}
    if not any(tables.values()):
        raise InputError(f"{folder} holds neither table3.json nor table4.json; make one by tables.py")
    sections = []
    for number, presets in tables.items():
        for preset, section in presets.items():
            shown = view(number, preset, section)
            sections.append(
                {
                    "view": shown,
                    "number": number,
                    "figures": [
                        figure(os.path.join(folder, path), name, gpu) for name, path in shown.runs.items()
                    ],
                }
            )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tgan_chainer.reproduction"), autoescape=True, trim_blocks=True
    )
    page = environment.get_template("report.html").render(sections=sections, reduced=REDUCED)
    save_text(out, page)
    return out


def figure(folder, name, gpu):
    """Return the :class:`Figure` of a run's samples and loss curves, or of why there are none."""
    if not find_snapshots(folder):
        problem = "holds no snapshot" if os.path.isdir(folder) else "is not there"
        return Figure(name, name, problem=printable(f"{folder} {problem}."))
    try:
        run, log = load_run(folder, get_device(gpu), with_discriminator=False), read_log(folder)
    except (InputError, OSError) as error:
        return Figure(name, name, problem=printable(error))
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "samples.gif")
        save_videos(path, list(run.generator.sample(N_SAMPLES, seed=0)), scale=1)
        with open(path, "rb") as file:
            samples = file.read()
    return Figure(
        name,
        f"{name}, iteration {run.iteration:,}",
        samples=data_uri("gif", samples),
        alt=f"{N_SAMPLES} moving samples of {name} after {count(run.iteration, 'iteration')}",
        losses=losses(log),
    )


def losses(log):
    """Return the loss curves of a log as a data URI; an empty text if nothing is in it."""
    if not log:
        return ""
    iterations = [entry["iteration"] for entry in log]
    curves = {
        _CURVE_NAMES[name]: (iterations, [entry.get(name, np.nan) for entry in log])
        for name in shown_names(log)
        if name in _CURVE_NAMES
    }
    buffer = io.BytesIO()
    Image.fromarray(draw_curves(curves, "value", _CURVES)[0]).save(buffer, "PNG", optimize=True)
    return data_uri("png", buffer.getvalue())


def data_uri(kind, content):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
