"""The networks are those of Table 1, Fig. 1 and Sections 3.4 and 6.2."""

import numpy as np
import pytest

from tgan_chainer import ImageGenerator, TemporalGenerator, VideoDiscriminator, VideoGenerator
from tgan_chainer.errors import InputError

import chainer


def output_shapes(link, *inputs):
    """Run a link and return the shapes of what its layers put out, in order of execution."""
    shapes = []

    class Recorder(chainer.LinkHook):
        def forward_postprocess(self, args):
            if not isinstance(args.link, chainer.Chain):
                shapes.append(args.out.shape[1:])

    with Recorder(), chainer.no_backprop_mode():
        link(*inputs)
    return shapes


def parameter_shapes(link):
    return {name: p.shape for name, p in link.namedparams() if name.endswith("/W")}


def z(n=2, size=100):
    return np.random.uniform(-1, 1, (n, size)).astype(np.float32)


def test_temporal_generator_is_table_1():
    network = TemporalGenerator()
    assert network(z()).shape == (2, 16, 100)
    assert [s for s in dict.fromkeys(output_shapes(network, z()))] == [
        (512, 1), (256, 2), (128, 4), (128, 8), (100, 16)
    ]  # fmt: skip
    # Chainer keeps deconvolution weights as (in, out, kernel).
    assert parameter_shapes(network) == {
        "/deconv0/W": (100, 512, 1),
        "/deconv1/W": (512, 256, 4),
        "/deconv2/W": (256, 128, 4),
        "/deconv3/W": (128, 128, 4),
        "/deconv_last/W": (128, 100, 4),
    }


def test_image_generator_is_table_1():
    network = ImageGenerator()
    assert network(z(), z()).shape == (2, 3, 64, 64)
    assert parameter_shapes(network) == {
        "/linear_z0/W": (256 * 4**2, 100),
        "/linear_z1/W": (256 * 4**2, 100),
        "/deconv1/W": (512, 256, 4, 4),
        "/deconv2/W": (256, 128, 4, 4),
        "/deconv3/W": (128, 64, 4, 4),
        "/deconv4/W": (64, 32, 4, 4),
        "/deconv5/W": (32, 3, 3, 3),
    }
    maps = [s for s in dict.fromkeys(output_shapes(network, z(), z())) if len(s) == 3]
    assert maps == [(256, 8, 8), (128, 16, 16), (64, 32, 32), (32, 64, 64), (3, 64, 64)]


def test_image_generator_without_z0_is_the_last_row_of_table_3():
    network = ImageGenerator(use_z0=False)
    assert parameter_shapes(network)["/deconv1/W"] == (256, 256, 4, 4)
    assert "/linear_z0/W" not in parameter_shapes(network)
    assert network(z()).shape == (2, 3, 64, 64)


def test_discriminator_is_figure_1():
    network = VideoDiscriminator()
    x = np.zeros((2, 3, 16, 64, 64), np.float32)
    assert list(dict.fromkeys(output_shapes(network, x))) == [
        (64, 8, 32, 32), (128, 4, 16, 16), (256, 2, 8, 8), (512, 1, 4, 4), (1,)
    ]  # fmt: skip
    assert "bn1" not in network._children  # no batch normalization after the initial convolution


def test_weights_start_as_section_6_2_says():
    for network in TemporalGenerator(), VideoDiscriminator():
        for name, parameter in network.namedparams():
            if name.endswith("/W"):
                # HeNormal: variance 2 / fan-in, which Chainer takes from the axes after the first.
                expected = np.sqrt(2 / parameter.array[0].size)
                assert parameter.array.std() == pytest.approx(expected, rel=0.05), name
    for name, parameter in ImageGenerator().namedparams():
        if name.endswith("/W"):
            assert 0.0095 < abs(parameter.array).max() <= 0.01, name
            assert parameter.array.std() == pytest.approx(0.01 / np.sqrt(3), rel=0.1), name


def test_a_layer_has_a_bias_only_where_no_batch_normalization_follows():
    names = {name for link in (VideoGenerator(), VideoDiscriminator()) for name, _ in link.namedparams()}
    assert {name for name in names if name.endswith("/b")} == {
        "/temporal_generator/deconv_last/b", "/image_generator/deconv5/b", "/conv1/b", "/linear5/b"
    }  # fmt: skip


def test_use_beta_false_leaves_every_beta_out():
    for link in VideoGenerator(use_beta=False), VideoDiscriminator(use_beta=False):
        assert not [name for name, _ in link.namedparams() if name.endswith("/beta")]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("n_frames", "start_length"), [(16, 1), (32, 1), (48, 3)])
def test_a_generated_video_fits_the_discriminator(channels, n_frames, start_length):
    sizes = {"channels": channels, "n_frames": n_frames, "image_size": 32}
    generator = VideoGenerator(**sizes, start_length=start_length, temporal_width=8, image_width=8)
    discriminator = VideoDiscriminator(**sizes, width=2)
    video = generator(generator.draw_z0(2))
    assert video.shape == (2, channels, n_frames, 32, 32)
    assert video.dtype == np.float32
    assert abs(video.array).max() <= 1
    assert discriminator(video).shape == (2, 1)


def test_every_frame_is_g1_of_its_own_z1_and_the_same_z0():
    generator = VideoGenerator(channels=1, image_size=16, temporal_width=8, image_width=8)
    z0 = generator.draw_z0(3)
    with chainer.using_config("train", False):
        video = generator(z0).array
        z1 = generator.temporal_generator(z0).array
        for t in range(16):
            frame = generator.image_generator(z1[:, t], z0).array
            np.testing.assert_allclose(video[:, :, t], frame, rtol=1e-4, atol=1e-6)


def test_z0_is_uniform_and_a_seed_means_the_same_videos():
    generator = VideoGenerator(temporal_width=8, image_width=8, image_size=16)
    z0 = generator.draw_z0(1000, np.random.RandomState(0))
    assert z0.dtype == np.float32
    assert -1 <= z0.min() < -0.999 and 0.999 < z0.max() <= 1
    assert z0.var() == pytest.approx(1 / 3, rel=0.01)
    first, again = (np.stack(list(generator.sample(5, seed=3, batch_size=b))) for b in (2, 5))
    np.testing.assert_allclose(first, again, atol=1e-6)  # whatever the batch size


def test_sampling_leaves_the_generator_as_it_was():
    generator = VideoGenerator(temporal_width=8, image_width=8, image_size=16)
    before = {name: np.copy(p.array) for name, p in generator.namedparams()}
    mean = generator.image_generator.bn1.avg_mean.copy()
    list(generator.sample(2, seed=0))
    assert all((before[name] == p.array).all() for name, p in generator.namedparams())
    assert (generator.image_generator.bn1.avg_mean == mean).all()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: TemporalGenerator(n_frames=12), "n_frames"),
        (lambda: TemporalGenerator(n_frames=1), "n_frames"),
        (lambda: TemporalGenerator(k0=0), "k0"),
        (lambda: TemporalGenerator(width=6), "width"),
        (lambda: ImageGenerator(image_size=60), "image_size"),
        (lambda: ImageGenerator(width=12), "width"),
        (lambda: ImageGenerator(channels="3"), "channels"),
        (lambda: VideoDiscriminator(n_frames=8), "n_frames"),
        (lambda: VideoDiscriminator(image_size=0), "image_size"),
        (lambda: TemporalGenerator(width=8)(z(2, 99)), "z0"),
        (lambda: ImageGenerator(width=8)(z(2)), "z0"),
        (lambda: ImageGenerator(width=8)(z(2), z(3)), "z0"),
        (lambda: ImageGenerator(width=8, use_z0=False)(z(2), z(2)), "z0"),
        (lambda: ImageGenerator(width=8)(z(2, 7), z(2)), "z1"),
        (lambda: VideoDiscriminator(width=2)(np.zeros((2, 3, 16, 64, 60), np.float32)), "x"),
        (lambda: VideoGenerator(temporal_width=8, image_width=8).draw_z0(0), "n"),
    ],
)  # fmt: skip
def test_what_is_impossible_is_refused_by_the_arguments_name(make, named):
    with pytest.raises(InputError, match=rf"^{named} must"):
        make()


def test_the_networks_agree_with_pytorch():
    """The same layers written down once more in another library, in training mode, in float64."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    with chainer.using_config("dtype", np.float64):
        generator = VideoGenerator(temporal_width=16, image_width=16, image_size=32, n_frames=16)
        discriminator = VideoDiscriminator(image_size=32, width=4)
        z0 = np.random.uniform(-1, 1, (4, 100))
    p = {
        name: torch.from_numpy(v.array)
        for link in (generator, discriminator)
        for name, v in link.namedparams()
    }

    def bn(x, name):
        return f.batch_norm(x, None, None, p[name + "/gamma"], p[name + "/beta"], training=True, eps=2e-5)

    zt = torch.from_numpy(z0)
    h = zt[:, :, None]
    name = "/temporal_generator/"
    h = f.relu(bn(f.conv_transpose1d(h, p[name + "deconv0/W"]), name + "bn0"))
    for i in 1, 2, 3:
        h = f.relu(bn(f.conv_transpose1d(h, p[f"{name}deconv{i}/W"], stride=2, padding=1), f"{name}bn{i}"))
    z1 = f.conv_transpose1d(
        h, p[name + "deconv_last/W"], p[name + "deconv_last/b"], stride=2, padding=1
    ).tanh()

    name = "/image_generator/"
    frames = z1.transpose(1, 2).reshape(64, 100)
    repeated = zt.repeat_interleave(16, dim=0)
    h = torch.cat(
        [
            f.relu(bn(x @ p[f"{name}linear_{n}/W"].T, f"{name}bn_{n}")).reshape(64, 16, 2, 2)
            for x, n in ((repeated, "z0"), (frames, "z1"))
        ],
        dim=1,
    )
    for i in 1, 2, 3, 4:
        h = f.relu(bn(f.conv_transpose2d(h, p[f"{name}deconv{i}/W"], stride=2, padding=1), f"{name}bn{i}"))
    h = f.conv_transpose2d(h, p[name + "deconv5/W"], p[name + "deconv5/b"], padding=1).tanh()
    video = h.reshape(4, 16, 3, 32, 32).transpose(1, 2)

    h = f.leaky_relu(f.conv3d(video, p["/conv1/W"], p["/conv1/b"], 2, 1), 0.2)
    for i in 2, 3, 4:
        h = f.leaky_relu(bn(f.conv3d(h, p[f"/conv{i}/W"], None, 2, 1), f"/bn{i}"), 0.2)
    score = h.reshape(4, -1) @ p["/linear5/W"].T + p["/linear5/b"]

    ours = generator(z0)
    np.testing.assert_allclose(ours.array, video.numpy(), rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(discriminator(ours).array, score.numpy(), rtol=1e-7, atol=1e-10)
