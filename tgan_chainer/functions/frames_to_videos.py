from tgan_chainer.kernels import layout

import chainer
from chainer import backend
from chainer.utils import type_check


def frames_to_videos(frames, n_frames):
    """Put frames, those of a video one after the other, together into videos.

    Args:
        frames: float (N T, C, H, W).
        n_frames (int): T.

    Returns:
        ~chainer.Variable: float (N, C, T, H, W), a view where that is possible. Its gradient is copied once,
        into the memory order that our own functions want.

    Raises:
        chainer.utils.type_check.InvalidType: The number of frames is no multiple of T.
    """
    return _FramesToVideos(n_frames).apply((frames,))[0]


class _FramesToVideos(chainer.FunctionNode):
    def __init__(self, n_frames):
        self.n_frames = n_frames

    def check_type_forward(self, in_types):
        type_check.expect(
            in_types.size() == 1, in_types[0].ndim == 4, in_types[0].shape[0] % self.n_frames == 0
        )

    def forward(self, inputs):
        (frames,) = inputs
        return (frames.reshape(-1, self.n_frames, *frames.shape[1:]).swapaxes(1, 2),)

    def backward(self, indexes, grad_outputs):
        return _VideosToFrames().apply(grad_outputs)


class _VideosToFrames(chainer.FunctionNode):
    def forward(self, inputs):
        (videos,) = inputs
        n, channels, self.n_frames, *size = videos.shape
        frames = videos.swapaxes(1, 2)
        if not layout.is_batch_first(videos):
            xp = backend.get_array_module(videos)
            to = xp.empty((channels, *size, n, self.n_frames), videos.dtype)
            frames = to.transpose(3, 4, 0, 1, 2)
            layout.copy(videos.transpose(1, 3, 4, 0, 2), to)
        return (frames.reshape(-1, channels, *size),)

    def backward(self, indexes, grad_outputs):
        return _FramesToVideos(self.n_frames).apply(grad_outputs)
