"""One HTML page that holds a generator and what runs it."""

import base64
import gzip
import importlib.resources
import shlex

import jinja2
import markupsafe

from tgan_chainer.demo.runtime import PACKAGE, SCRIPT, WASM
from tgan_chainer.export import generator_models
from tgan_chainer.files import save_text
from tgan_chainer.models import MODELS
from tgan_chainer.reading import printable

# What visitors are told of the data; their source may name somebody's folders.
DATA = {
    "moving_mnist": "videos of moving handwritten digits",
    "ucf101": "videos of people doing sports",
    "golf": "videos of golf courses",
}


def write_demo(path, run, runtime, source="RUN"):
    """Write a page that makes videos with a generator in the browser.

    Everything is inside of the page. It opens from a disk or from any server, and its own content security
    policy forbids it to fetch anything.

    Args:
        path (str): The HTML file to write.
        run (Run): Its generator, on any device, is what the page runs.
        runtime (dict): What :func:`~tgan_chainer.demo.runtime.load_runtime` returns.
        source (str): What the commands know the generator by; the page shows them.

    Returns:
        str: ``path``.
    """
    generator, models = run.generator, generator_models(run)
    trajectory = "image_generator" in models
    if trajectory:
        del models["generator"]  # it is the other two
    channels, n_frames, size, _ = generator.video_shape
    numbers = range(generator.n_classes)  # of labels that it takes; data of others may have names, too
    labels = [printable(run.label_names[i]) if run.label_names else str(i) for i in numbers]
    facts = {
        "model": MODELS[run.config.model].label,
        "data": DATA.get((run.data or {}).get("dataset"), "videos"),
        "iteration": run.iteration,
        "k0": generator.k0,
        "latent": generator.latent,
        "frames": n_frames,
        "channels": channels,
        "size": size,
        "labels": labels or None,
        "weights": int(sum(parameter.size for parameter in generator.params())),
        "networks": list(models),
        "trajectory": trajectory,
        "uses_z0": trajectory and generator.image_generator.use_z0,
        "source": shlex.quote(printable(source)),
    }
    packed = {"runtime-script": runtime[SCRIPT], "runtime-wasm": runtime[WASM]}
    packed |= {name: model.SerializeToString() for name, model in models.items()}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tgan_chainer.demo"), autoescape=True, trim_blocks=True
    )
    page = environment.get_template("demo.html").render(
        facts=facts,
        runtime=PACKAGE,
        packed={name: _pack(content) for name, content in packed.items()},
        style=_template("demo.css"),
        script=_template("demo.js"),
    )
    save_text(path, page)
    return path


def _pack(content):
    """Return bytes as gzip in base64: a third of the runtime's size."""
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()


def _template(name):
    text = importlib.resources.files("tgan_chainer.demo").joinpath("templates", name).read_text("utf-8")
    return markupsafe.Markup(text)
