"""ONNX models compute what Chainer computes: outputs of onnxruntime differ by at most 1e-4."""

import json

import numpy as np
import pytest
from helpers import trained

from tgan_chainer.config import Config
from tgan_chainer.evaluations.video_classifier import VideoClassifier
from tgan_chainer.links import C3D, VideoGANGenerator, VideoGenerator, VideoGenerator3D
from tgan_chainer.runs import Run

import chainer

pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

from tgan_chainer.export import classifier_models, generator_models  # noqa: E402

SMALL = {"n_frames": 16, "channels": 1, "image_size": 32}
TGAN = {"k0": 10, "k1": 6, "temporal_width": 16, "image_width": 16, **SMALL}
GENERATORS = {
    "tgan": lambda: VideoGenerator(**TGAN),
    "tgan of another length": lambda: VideoGenerator(**{**TGAN, "n_frames": 24}, start_length=3),
    "tgan without z0": lambda: VideoGenerator(**TGAN, use_z0=False),
    "tgan without shifts": lambda: VideoGenerator(**TGAN, use_beta=False),
    "conditional tgan": lambda: VideoGenerator(**TGAN, n_classes=3),
    "3d": lambda: VideoGenerator3D(k0=10, width=16, **{**SMALL, "channels": 3, "n_frames": 32}),
    "video_gan": lambda: VideoGANGenerator(k0=10, width=16, **SMALL),
}


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs)))


@pytest.fixture(params=GENERATORS)
def generator(request):
    return trained(GENERATORS[request.param]())


def inputs_of(generator, n):
    labels = np.random.randint(generator.n_classes, size=n) if generator.n_classes else None
    return generator.draw_z0(n), labels


def with_labels(labels):
    return {} if labels is None else {"labels": labels.astype(np.int64)}


def sampled(function, *inputs):
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        return function(*inputs).array


@pytest.mark.parametrize("n", [1, 3])
def test_a_whole_generator(generator, n):
    z0, labels = inputs_of(generator, n)
    expected = sampled(generator, z0, labels) if generator.n_classes else sampled(generator, z0)
    models = generator_models(Run(Config(), generator))
    found = run(models["generator"], z0=z0, **with_labels(labels))["videos"]
    assert expected.std() > 0.05  # or every generator would be right
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("factor", [1, 3])
def test_g0_and_g1_apart_with_any_number_of_frames(generator, factor):
    models = generator_models(Run(Config(), generator))
    if not isinstance(generator, VideoGenerator):
        assert list(models) == ["generator"]
        return
    z0, labels = inputs_of(generator, 2)
    z1 = run(models["temporal_generator"], z0=z0, **with_labels(labels))["z1"]
    expected = sampled(generator.generate_trajectory, z0, labels)
    np.testing.assert_allclose(z1, expected, rtol=0, atol=1e-4)

    steps = np.arange(0, z1.shape[1] - 1 + 1e-9, 1 / factor)
    long = np.stack([[np.interp(steps, range(len(z)), z[:, i]) for i in range(z.shape[1])] for z in z1])
    long = long.transpose(0, 2, 1).astype(np.float32)
    inputs = {"z0": z0} if generator.image_generator.use_z0 else {}
    videos = run(models["image_generator"], z1=long, **inputs, **with_labels(labels))["videos"]
    slow = sampled(generator.interpolate, z0, factor, labels)
    np.testing.assert_allclose(videos, slow, rtol=0, atol=1e-4)


def test_models_say_what_they_take_and_give(generator):
    label_names = list("abc") if generator.n_classes else None
    model = generator_models(Run(Config(), generator, label_names=label_names))["generator"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shapes = {value.name: value.shape for value in (*session.get_inputs(), *session.get_outputs())}
    assert shapes["z0"] == ["N", generator.k0] and shapes["videos"] == ["N", *generator.video_shape]
    assert ("labels" in shapes) == bool(generator.n_classes)
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["latent"] == generator.latent
    if generator.n_classes:
        assert json.loads(facts["label_names"]) == ["a", "b", "c"]


def test_weights_have_the_names_of_snapshots():
    generator = VideoGenerator(**TGAN)
    model = generator_models(Run(Config(), generator))["generator"]
    weights = {weight.name for weight in model.graph.initializer}
    assert {path[1:] for path, _ in generator.namedparams()} <= weights


@pytest.mark.parametrize("use_bn", [False, True])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_classifier(use_bn, interpolation, channels):
    c3d = C3D(n_classes=5, width=2, n_units=16, size=40, use_bn=use_bn)
    mean = np.random.uniform(0, 255, (3, 16, 48, 48)).astype(np.float32)
    classifier = trained(VideoClassifier(c3d, mean, 48, 1 / 128, interpolation=interpolation))
    videos = np.random.uniform(-1, 1, (2, channels, 16, 30, 30)).astype(np.float32)
    models, layers = classifier_models(classifier), ("fc8", "fc7")
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        x = classifier.preprocess(videos)
        expected = classifier.c3d(x, layers)
    for found in run(models["c3d"], x=x), run(models["classifier"], videos=videos):
        for name in layers:
            assert expected[name].array.std() > 0.05
            np.testing.assert_allclose(found[name], expected[name].array, rtol=1e-4, atol=1e-4)
