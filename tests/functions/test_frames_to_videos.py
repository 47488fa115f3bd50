import numpy as np
import pytest

from tgan_chainer.functions import frames_to_videos
from tgan_chainer.kernels import layout
from tgan_chainer.kernels.layout import batch_first, batch_last

import chainer
import chainer.functions as F
from chainer.backends import cuda
from chainer.utils import type_check


@pytest.mark.parametrize("lies_last", [False, True])
@pytest.mark.parametrize("n, n_frames", [(3, 4), (1, 2), (2, 1), (9, 16), (16, 16)])
def test_videos_and_gradients_are_those_of_a_reshape(xp, n, n_frames, lies_last, monkeypatch):
    monkeypatch.setattr(layout, "_MIN_COPY", 1)
    frames = chainer.Variable(batch_first(batch_last(xp.random.randn(n * n_frames, 2, 6, 5).astype("f"))))
    gy = xp.random.randn(n, 2, n_frames, 6, 5).astype("f")
    gy = batch_first(batch_last(gy)) if lies_last else gy
    videos = frames_to_videos(frames, n_frames)
    expected = F.swapaxes(F.reshape(frames, (n, n_frames, 2, 6, 5)), 1, 2)
    gy = chainer.Variable(gy)
    results = [(y.array, chainer.grad([y], [frames], [gy])[0].array) for y in (videos, expected)]
    for ours, theirs in zip(*results):
        np.testing.assert_array_equal(cuda.to_cpu(ours), cuda.to_cpu(theirs))


def test_the_gradient_lies_where_the_next_function_wants_it():
    frames = chainer.Variable(np.zeros((6, 2, 4, 5), "f"))
    videos = frames_to_videos(frames, 3)
    (gradient,) = chainer.grad([videos], [frames], [chainer.Variable(np.zeros_like(videos.array))])
    assert gradient.array.transpose(1, 2, 3, 0).flags.c_contiguous


def test_it_is_differentiable_twice():
    frames = chainer.Variable(np.random.randn(6, 2, 4, 5).astype("d"))
    (gradient,) = chainer.grad(
        [F.sum(frames_to_videos(frames, 3) ** 3)], [frames], enable_double_backprop=True
    )
    (second,) = chainer.grad([gradient], [frames])
    np.testing.assert_allclose(second.array, 6 * frames.array)


def test_frames_that_fill_no_video_are_told():
    with pytest.raises(type_check.InvalidType):
        frames_to_videos(np.zeros((7, 2, 4, 5), "f"), 3)
