"""Trained networks as ONNX models, which run without Chainer: in C++, in a browser, on a telephone."""

import json

from tgan_chainer.export import networks
from tgan_chainer.export.graph import Graph
from tgan_chainer.files import atomic_path
from tgan_chainer.links import VideoGANGenerator, VideoGenerator3D

WHOLE = {VideoGenerator3D: networks.video_generator_3d, VideoGANGenerator: networks.video_gan_generator}
VIDEOS = "videos in [-1, 1]: channels (RGB or grey), frames, height, width"


def generator_models(run):
    """Write a generator as ONNX models, which sample as :meth:`Generator.sample` does.

    Args:
        run (Run): That of a generator of any kind, on any device.

    Returns:
        dict: Name → onnx.ModelProto. Their inputs and outputs, of any number N of videos:

        ======================  =====================================  =====================================
        ``generator``           ``z0`` float32 (N, K0)                 ``videos`` float32 (N, C, T, H, W)
        ``temporal_generator``  ``z0`` (N, K0)                         ``z1`` float32 (N, T, K1)
        ``image_generator``     ``z1`` (N, T, K1), ``z0`` (N, K0)      ``videos`` (N, C, T, H, W), any T
        ======================  =====================================  =====================================

        The latter two, G0 and G1, are there only of a :class:`VideoGenerator`. ``image_generator`` has no
        ``z0`` if it was trained without. All models of a conditional generator take ``labels``, int64 (N,) in
        0 ... V - 1, as well. Values are in [-1, 1], but those of Video GAN's ``z0``, which are N(0, 1).
    """
    generator, facts = run.generator, _facts(run)
    kind = type(generator)
    if kind in WHOLE:
        graph = Graph(generator)
        z0 = _z0(graph, generator)
        _videos(graph, generator, WHOLE[kind](graph, generator, z0), generator.video_shape[1])
        return {"generator": graph.model(f"The generator {kind.__name__}: z0 to videos.", facts)}

    models = {}
    n_frames = generator.n_frames
    graph = Graph(generator)
    z0, label = _z0(graph, generator), _label(graph, generator)
    z1 = networks.trajectory(graph, generator, z0, label)
    _videos(graph, generator, networks.frames(graph, generator, z0, z1, label), n_frames)
    models["generator"] = graph.model("The generator: z0 to videos, G1(z0, G0(z0)).", facts)

    graph = Graph(generator)
    z1 = networks.trajectory(graph, generator, _z0(graph, generator), _label(graph, generator))
    graph.output(z1, "z1", ["N", n_frames, generator.k1], "the frames' latent variables, in [-1, 1]")
    models["temporal_generator"] = graph.model("G0: z0 to z1.", facts)

    graph = Graph(generator)
    z1 = graph.input("z1", ["N", "T", generator.k1], doc="the frames' latent variables, in [-1, 1]")
    z0 = _z0(graph, generator) if generator.image_generator.use_z0 else None
    videos = networks.frames(graph, generator, z0, z1, _label(graph, generator))
    _videos(graph, generator, videos, "T")
    doc = "G1: z0 and z1, of any number of frames, to videos."
    models["image_generator"] = graph.model(doc, facts)
    return models


def classifier_models(classifier):
    """Write a classifier as ONNX models.

    Args:
        classifier (VideoClassifier): The published one, or one of train_classifier.py.

    Returns:
        dict: Name → onnx.ModelProto. Both put out ``fc8`` float32 (N, V), scores before softmax, and ``fc7``
        float32 (N, units), the features of the Fréchet distance, after ReLU:

        ==============  =====================================================================================
        ``c3d``         takes ``x`` float32 (N, 3, T, H, W), what C3D itself sees: see ``C3D.forward``
        ``classifier``  takes ``videos`` float32 (N, C, T, H, W) in [-1, 1], of square frames of any size, and
                        does all that the protocol does to them first
        ==============  =====================================================================================
    """
    models = {}
    facts = {"label_names": json.dumps(classifier.label_names), "input": json.dumps(classifier.input)}
    for name in "c3d", "classifier":
        graph = Graph(classifier)
        if name == "c3d":
            x = graph.input("x", ["N", *classifier.c3d.video_shape], doc="preprocessed videos, in BGR")
        else:
            shape = ["N", "C", classifier.n_frames, "H", "W"]
            x = networks.preprocessing(graph, classifier, graph.input("videos", shape, doc=VIDEOS))
        outputs = networks.c3d(graph, classifier.c3d, x)
        graph.output(outputs["fc8"], "fc8", ["N", classifier.n_classes], "scores before softmax")
        n_units = classifier.c3d.fc7.W.shape[0]
        graph.output(outputs["fc7"], "fc7", ["N", n_units], "features of the Fréchet distance, after ReLU")
        models[name] = graph.model("C3D, the classifier of the inception score.", facts)
    return models


def save_model(path, model):
    """Write a model to a file; it appears only when it is whole."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(model.SerializeToString())


def signature(model):
    """Return the names and shapes of a model's inputs and outputs in one line."""

    def shapes(values):
        for value in values:
            sizes = (size.dim_param or str(size.dim_value) for size in value.type.tensor_type.shape.dim)
            yield f"{value.name} ({', '.join(sizes)})"

    return " -> ".join(", ".join(shapes(values)) for values in (model.graph.input, model.graph.output))


def _z0(graph, generator):
    drawn = {"uniform": "uniform in [-1, 1]", "normal": "from N(0, 1)"}[generator.latent]
    return graph.input("z0", ["N", generator.k0], doc=f"latent variables, {drawn}")


def _label(graph, generator):
    if not generator.n_classes:
        return None
    labels = graph.input("labels", ["N"], "int64", f"numbers of labels, 0 to {generator.n_classes - 1}")
    return networks.one_hot(graph, labels, generator.n_classes)


def _videos(graph, generator, value, n_frames):
    c, _, h, w = generator.video_shape
    graph.output(value, "videos", ["N", c, n_frames, h, w], VIDEOS)


def _facts(run):
    facts = {"latent": run.generator.latent, "iteration": str(run.iteration), "model": run.config.model}
    if run.generator.n_classes and run.label_names is not None:
        facts["label_names"] = json.dumps(run.label_names)
    return facts
