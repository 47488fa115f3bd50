"""The networks as ONNX graphs, layer by layer as their ``forward`` in ``links/`` and ``evaluations/``.

Each function takes a :class:`~tgan_chainer.export.graph.Graph`, a link, and the names of its inputs in the
graph, and returns the name of what it puts out. Tests compare them with the links.
"""

import numpy as np


def _relu(graph, x, bn=None):
    return graph.apply("Relu", x if bn is None else graph.batch_normalization(bn, x))


def one_hot(graph, labels, n_classes):
    """Turn labels, int64 (N,), into one-hot vectors, float32 (N, V)."""
    return graph.apply("OneHot", labels, n_classes, [0.0, 1.0])


def temporal_generator(graph, link, z0):
    """G0: z0, (N, K0), to which a label may be joined, → z1, (N, T, K1)."""
    h = graph.apply("Unsqueeze", z0, [2])
    for i in range(link.n_hidden):
        h = _relu(graph, graph.deconvolution(link[f"deconv{i}"], h), link[f"bn{i}"])
    z1 = graph.apply("Tanh", graph.deconvolution(link.deconv_last, h))
    return graph.apply("Transpose", z1, perm=[0, 2, 1])


def image_generator(graph, link, z1, z0=None, label=None):
    """G1: z1, (N, K1), and, if it takes them, z0, (N, K0), and a one-hot label, (N, V) → (N, C, H, W)."""
    maps = []
    for name, x in ("z0", z0), ("z1", z1), ("label", label):
        if x is not None:
            h = _relu(graph, graph.linear(link[f"linear_{name}"], x), link[f"bn_{name}"])
            maps.append(graph.reshape(h, 0, link.width, link.start_size, link.start_size))
    h = graph.apply("Concat", *maps, axis=1)
    for i in range(1, 5):
        h = _relu(graph, graph.deconvolution(link[f"deconv{i}"], h), link[f"bn{i}"])
    return graph.apply("Tanh", graph.deconvolution(link.deconv5, h))


def trajectory(graph, link, z0, label=None):
    """``VideoGenerator.generate_trajectory``: z0, (N, K0), and a one-hot label, (N, V) → z1, (N, T, K1)."""
    joined = z0 if label is None else graph.apply("Concat", z0, label, axis=1)
    return temporal_generator(graph, link.temporal_generator, joined)


def frames(graph, link, z0, z1, label=None):
    """``VideoGenerator.generate_frames``: z0, (N, K0), z1, (N, T, K1), and a one-hot label, (N, V) → videos.

    N and T may be any numbers.
    """
    n_and_t = graph.apply("Slice", graph.apply("Shape", z1), [0], [2])

    def for_each_frame(x, size):
        shape = graph.apply("Concat", n_and_t, [size], axis=0)
        x = graph.apply("Expand", graph.apply("Unsqueeze", x, [1]), shape)
        return graph.reshape(x, -1, size)

    g1 = link.image_generator
    images = image_generator(
        graph,
        g1,
        graph.reshape(z1, -1, link.k1),
        for_each_frame(z0, link.k0) if g1.use_z0 else None,
        None if label is None else for_each_frame(label, link.n_classes),
    )
    c, _, h, w = link.video_shape
    videos = graph.apply("Reshape", images, graph.apply("Concat", n_and_t, [c, h, w], axis=0))
    return graph.apply("Transpose", videos, perm=[0, 2, 1, 3, 4])


def video_generator_3d(graph, link, z0):
    """The 3D model: z0, (N, K0) → videos."""
    h = _relu(graph, graph.linear(link.linear0, z0), link.bn0)
    h = graph.reshape(h, 0, *link.start_shape)
    for i in range(1, 4):
        h = _relu(graph, graph.deconvolution(link[f"deconv{i}"], h), link[f"bn{i}"])
    return graph.apply("Tanh", graph.deconvolution(link.deconv4, h))


def video_gan_generator(graph, link, z0):
    """Video GAN: z, (N, K0) → m f + (1 - m) b, videos of the foreground f, the mask m, the background b."""
    streams = {}
    for name, axes in ("foreground", [2, 3, 4]), ("background", [2, 3]):
        h = graph.apply("Unsqueeze", z0, axes)
        for i in range(4):
            h = _relu(graph, graph.deconvolution(link[f"{name}{i}"], h), link[f"{name}_bn{i}"])
        streams[name] = h
    foreground = graph.apply("Tanh", graph.deconvolution(link.foreground_last, streams["foreground"]))
    mask = graph.apply("Sigmoid", graph.deconvolution(link.mask_last, streams["foreground"]))
    background = graph.apply("Tanh", graph.deconvolution(link.background_last, streams["background"]))
    background = graph.apply("Unsqueeze", background, [2])
    rest = graph.apply("Sub", [1.0], mask)
    shown = graph.apply("Mul", mask, foreground)
    return graph.apply("Add", shown, graph.apply("Mul", rest, background))


def preprocessing(graph, link, videos):
    """``VideoClassifier.preprocess``: videos, (N, C, T, H, W) in [-1, 1] → what C3D takes."""
    crop, t, size = link.c3d.video_shape[-1], link.n_frames, link.size
    first = (size - crop) // 2
    n_c_t = graph.apply("Slice", graph.apply("Shape", videos), [0], [3])
    h_w = graph.apply("Slice", graph.apply("Shape", videos), [3], [5])
    x = graph.apply("Add", graph.apply("Mul", videos, [128.0]), [128.0])
    x = graph.apply("Reshape", x, graph.apply("Concat", [-1, 1], h_w, axis=0))
    if link.interpolation == "bilinear":
        how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    else:  # of OpenCV's INTER_CUBIC
        how = {"mode": "cubic", "coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.75}
    x = graph.apply("Resize", x, "", "", [size, size], axes=[2, 3], **how)
    x = graph.apply("Slice", x, [first, first], [first + crop, first + crop], [2, 3])
    x = graph.apply("Reshape", x, graph.apply("Concat", n_c_t, [crop, crop], axis=0))
    x = graph.apply("Slice", x, [-1], [-(2**31)], [1], [-1])  # RGB to BGR
    mean = np.broadcast_to(link.mean, (3, t, size, size))[:, :, first : first + crop, first : first + crop]
    x = graph.apply("Sub", x, graph.constant(mean, "mean"))  # grey becomes three equal channels
    return graph.apply("Mul", x, [float(link.scale)])


def c3d(graph, link, x):
    """C3D: its input, (N, 3, T, H, W) → a dict: "fc7", after ReLU, (N, units), and "fc8", (N, V)."""

    def layer(name, h):
        h = graph.convolution(link[f"conv{name}"], h)
        return _relu(graph, h, link[f"bn_conv{name}"] if link.use_bn else None)

    def pool(h, *size):
        return graph.apply("MaxPool", h, kernel_shape=size, strides=size, ceil_mode=1)

    h = pool(layer("1a", x), 1, 2, 2)
    h = pool(layer("2a", h), 2, 2, 2)
    for block in "345":
        h = pool(layer(f"{block}b", layer(f"{block}a", h)), 2, 2, 2)
    h = _relu(graph, graph.linear(link.fc6, h))
    fc7 = _relu(graph, graph.linear(link.fc7, h))
    return {"fc7": fc7, "fc8": graph.linear(link.fc8, fc7)}
