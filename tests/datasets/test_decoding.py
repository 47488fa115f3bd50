"""Real small videos, written by libav, come back as the frames that went in."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from movies import TOLERANCE, assert_close, moving_picture, resized, write_avi, write_broken

from tgan_chainer.datasets.decoding import Resizing, read_video
from tgan_chainer.errors import InputError


def square(size):
    return Resizing(None, None, size)


def test_a_clip_as_of_ucf101_becomes_the_central_square_of_85x64(tmp_path):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(20, 320, 240))
    found, frame_rate = read_video(tmp_path / "clip.avi", Resizing(85, 64, 64))
    assert_close(found, resized(frames, 85, 64, 64))
    assert frame_rate == 25
    shifted = resized(frames, 85, 64, 64)[1:]
    assert abs(found[:-1].astype(int) - shifted).mean() > abs(found[1:].astype(int) - shifted).mean()


def test_without_a_crop_the_whole_frame_is_kept(tmp_path):
    write_avi(tmp_path / "clip.avi", moving_picture(3, 320, 240))
    assert read_video(tmp_path / "clip.avi", Resizing(85, 64, 0))[0].shape == (3, 64, 85, 3)


@pytest.mark.parametrize(
    "width, height, expected",
    [(322, 182, (113, 64)), (120, 200, (64, 107)), (64, 64, (64, 64)), (40, 30, (85, 64))],
)
def test_the_shorter_side_decides_the_size_of_a_square(tmp_path, width, height, expected):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(4, width, height))
    found, _ = read_video(tmp_path / "clip.avi", square(64))
    assert_close(found, resized(frames, *expected, 64))


@pytest.mark.parametrize(
    "codec, suffix", [("libx264", "mp4"), ("mpeg1video", "mpg"), ("libvpx", "webm"), ("ffv1", "mkv")]
)
def test_other_codecs_are_read_too(tmp_path, codec, suffix):
    frames = moving_picture(6, 128, 96)
    write_avi(tmp_path / f"clip.{suffix}", frames, codec=codec)
    found, _ = read_video(tmp_path / f"clip.{suffix}", square(32))
    assert found.shape == (6, 32, 32, 3)
    assert abs(found.astype(int) - resized(frames, 43, 32, 32)).mean() < 2 * TOLERANCE


def test_gray_is_the_brightness(tmp_path):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(4, 160, 120))
    found, _ = read_video(tmp_path / "clip.avi", square(32), gray=True)
    expected = resized(frames, 43, 32, 32) @ [0.299, 0.587, 0.114]
    assert_close(found, expected[..., None])


@pytest.mark.parametrize("turns, matrix", [(1, (0, 1, -1, 0)), (2, (-1, 0, 0, -1)), (3, (0, -1, 1, 0))])
def test_videos_of_phones_are_turned_upright(tmp_path, turns, matrix):
    frames = write_avi(tmp_path / "clip.mp4", moving_picture(4, 96, 64), codec="libx264")
    content = bytearray((tmp_path / "clip.mp4").read_bytes())
    a, b, c, d = (number << 16 for number in matrix)
    start = content.index(b"tkhd") + 44  # where ISO 14496-12 has the matrix of a track
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "clip.mp4").write_bytes(content)
    found, _ = read_video(tmp_path / "clip.mp4", square(64))
    assert_close(found, np.rot90(resized(frames, 96, 64, 64), -turns, axes=(1, 2)))


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), 12, Fraction(15, 2)])
def test_frames_are_all_kept_at_odd_rates(tmp_path, rate):
    write_avi(tmp_path / "clip.avi", moving_picture(19, 64, 64), fps=rate)
    found, frame_rate = read_video(tmp_path / "clip.avi", square(16))
    assert len(found) == 19
    assert frame_rate == pytest.approx(float(rate), rel=1e-4)


def test_half_the_frame_rate_takes_every_second_frame(tmp_path):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(20, 64, 64))
    found, frame_rate = read_video(tmp_path / "clip.avi", square(64), fps=Fraction(25, 2))
    assert frame_rate == 12.5
    assert len(found) == 10
    errors = [abs(found.astype(int) - frames[start::2]).mean() for start in (0, 1)]
    assert min(errors) < TOLERANCE


def test_twice_the_frame_rate_repeats_frames(tmp_path):
    write_avi(tmp_path / "clip.avi", moving_picture(20, 64, 64))
    found, _ = read_video(tmp_path / "clip.avi", square(16), fps=Fraction(50))
    assert abs(len(found) - 40) <= 1


def test_broken_files_are_input_errors_with_the_reason(tmp_path):
    for name, reason in write_broken(tmp_path).items():
        with pytest.raises(InputError, match=reason) as caught:
            read_video(tmp_path / name, square(16))
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        read_video(tmp_path / "missing.avi", square(16))


def test_a_sound_without_a_picture_is_an_input_error(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        for packet in [*stream.encode(frame), *stream.encode()]:
            file.mux(packet)
    with pytest.raises(InputError, match="no video in this file"):
        read_video(tmp_path / "sound.mp4", square(16))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are not listed on this platform")
def test_files_are_closed(tmp_path):
    write_avi(tmp_path / "clip.avi", moving_picture(2, 32, 32))
    write_broken(tmp_path / "broken")
    before = len(os.listdir("/proc/self/fd"))
    for path in [tmp_path / "clip.avi", *sorted((tmp_path / "broken").iterdir())] * 3:
        try:
            read_video(path, square(16))
        except InputError:
            pass
    assert len(os.listdir("/proc/self/fd")) == before
