"""The 3D model's generator is that of Section 6.3 (i)."""

import numpy as np
import pytest
from helpers import normalize_with_torch, output_shapes, to_torch, uniform

from tgan_chainer.errors import InputError
from tgan_chainer.links import VideoDiscriminator, VideoGenerator3D

import chainer


def test_its_layers_are_those_of_section_6_3():
    assert output_shapes(VideoGenerator3D(), uniform(2, 100)) == [
        (512 * 1 * 4 * 4,), (256, 2, 8, 8), (128, 4, 16, 16), (64, 8, 32, 32), (3, 16, 64, 64)
    ]  # fmt: skip


@pytest.mark.parametrize("n_frames", [16, 32])
def test_it_agrees_with_pytorch(n_frames):
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    with chainer.using_config("dtype", np.float64):
        network = VideoGenerator3D(k0=7, n_frames=n_frames, channels=1, image_size=32, width=16)
    z0, p = uniform(4, 7, float), to_torch(network)
    h = f.relu(normalize_with_torch(torch.from_numpy(z0) @ p["linear0/W"].T, p, "bn0"))
    h = h.reshape(4, 16, n_frames // 16, 2, 2)
    for i in 1, 2, 3:
        h = f.conv_transpose3d(h, p[f"deconv{i}/W"], stride=2, padding=1)
        h = f.relu(normalize_with_torch(h, p, f"bn{i}"))
    h = f.conv_transpose3d(h, p["deconv4/W"], p["deconv4/b"], stride=2, padding=1).tanh()
    videos = network(z0)
    np.testing.assert_allclose(videos.array, h.numpy(), rtol=1e-7, atol=1e-10)
    assert VideoDiscriminator(1, n_frames, 32, 2)(videos.array.astype("f")).shape == (4, 1)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: VideoGenerator3D(width=12), "width"),
        (lambda: VideoGenerator3D(n_frames=24), "n_frames"),
        (lambda: VideoGenerator3D(width=8)(uniform(2, 99)), "z0"),
    ],
)
def test_what_is_impossible_is_refused_by_the_arguments_name(make, named):
    with pytest.raises(InputError, match=rf"^{named} must"):
        make()
