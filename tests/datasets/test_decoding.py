"""Real small videos, written by libav, come back as the frames that went in."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import imageio.v3 as iio
import numpy as np
import PIL.Image
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


# How ffmpeg shows a frame whose track header has this matrix (a, b, c, d), and what NumPy calls that.
ORIENTATIONS = {
    "upright": ((1, 0, 0, 1), lambda v: v),
    "turned clockwise": ((0, 1, -1, 0), lambda v: np.rot90(v, -1, (1, 2))),
    "upside down": ((-1, 0, 0, -1), lambda v: np.rot90(v, 2, (1, 2))),
    "turned anticlockwise": ((0, -1, 1, 0), lambda v: np.rot90(v, 1, (1, 2))),
    "left and right swapped": ((-1, 0, 0, 1), lambda v: v[:, :, ::-1]),
    "top and bottom swapped": ((1, 0, 0, -1), lambda v: v[:, ::-1]),
    "transposed": ((0, 1, 1, 0), lambda v: v.swapaxes(1, 2)),
    "transposed the other way": ((0, -1, -1, 0), lambda v: v[:, ::-1, ::-1].swapaxes(1, 2)),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_videos_are_shown_as_their_display_matrix_says(tmp_path, orientation):
    matrix, turn = ORIENTATIONS[orientation]
    frames = write_avi(tmp_path / "clip.mp4", moving_picture(4, 96, 64), codec="libx264")
    content = bytearray((tmp_path / "clip.mp4").read_bytes())
    a, b, c, d = (number << 16 for number in matrix)
    start = content.index(b"tkhd") + 44  # where ISO 14496-12 has the matrix of a track
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "clip.mp4").write_bytes(content)
    assert_close(read_video(tmp_path / "clip.mp4", square(64))[0], turn(resized(frames, 96, 64, 64)))
    height, width = turn(frames).shape[1:3]
    assert_close(read_video(tmp_path / "clip.mp4", None)[0], turn(frames))
    assert read_video(tmp_path / "clip.mp4", Resizing(85, 64, 0))[0].shape == (4, 64, 85, 3)


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


# Times


@pytest.mark.parametrize("codec, options", [("mpeg4", {"bf": 2}), ("libx264", {"bf": 3, "g": 12, "crf": 8})])
def test_at_its_own_rate_an_avi_with_b_frames_keeps_every_frame_once(tmp_path, codec, options):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(40, 64, 64), codec=codec, **options)
    with av.open(str(tmp_path / "clip.avi")) as file:
        times = [frame.pts for frame in file.decode(video=0) if frame.pts is not None]
    assert codec == "mpeg4" or times != sorted(times), "libav knows the times of decoding alone"
    for fps in None, Fraction(25):
        found, frame_rate = read_video(tmp_path / "clip.avi", square(64), fps)
        assert frame_rate == 25
        assert_close(found, frames)
    half, _ = read_video(tmp_path / "clip.avi", square(64), Fraction(25, 2))
    assert_close(half, frames[::2])


def test_frames_that_an_avi_leaves_out_are_repeated(tmp_path):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(20, 64, 64), times=[2 * i for i in range(20)])
    shown = np.repeat(frames, 2, axis=0)[:-1]
    for fps in None, Fraction(25):
        assert_close(read_video(tmp_path / "clip.avi", square(64), fps)[0], shown)


def test_frames_of_an_mp4_come_once_whatever_their_times(tmp_path):
    times = np.cumsum([1, 3, 1, 7, 2, 1, 1, 5])
    frames = write_avi(
        tmp_path / "clip.mp4", moving_picture(8, 64, 64), codec="libx264", times=times.tolist()
    )
    assert_close(read_video(tmp_path / "clip.mp4", square(64))[0], frames)
    shown = np.searchsorted(times - times[0], np.arange(20), side="right") - 1
    assert_close(read_video(tmp_path / "clip.mp4", square(64), Fraction(25))[0][:20], frames[shown])


def test_gaps_without_end_are_refused(tmp_path):
    write_avi(tmp_path / "clip.mkv", moving_picture(2, 64, 64), codec="ffv1", times=[0, 10**7])
    with pytest.raises(InputError, match="more than 262144 frames; cut it into scenes"):
        read_video(tmp_path / "clip.mkv", square(16), Fraction(25))


# Cut short


KINDS = [
    ("avi", "mpeg4"),
    ("mkv", "libx264"),
    ("webm", "libvpx"),
    ("mp4", "libx264"),
    ("mov", "mpeg4"),
    ("wmv", "wmv2"),
]


@pytest.mark.parametrize("suffix, codec", KINDS)
def test_a_file_that_was_cut_is_refused_wherever_it_was_cut(tmp_path, suffix, codec):
    path = tmp_path / f"clip.{suffix}"
    write_avi(path, moving_picture(60, 64, 64), codec=codec)
    assert len(read_video(path, square(16))[0]) == 60
    content = path.read_bytes()
    places = np.random.RandomState(0).randint(1, len(content), 20).tolist()
    for size in [*places, len(content) - 1, len(content) - 9, len(content) * 149 // 200]:
        path.write_bytes(content[:size])
        with pytest.raises(InputError):
            read_video(path, square(16))


def test_a_gif_that_was_cut_is_refused_wherever_it_was_cut(tmp_path):
    path = tmp_path / "clip.gif"
    iio.imwrite(path, moving_picture(30, 64, 64), duration=40, loop=0)
    assert len(read_video(path, square(16))[0]) == 30
    content = path.read_bytes()
    for size in [*np.random.RandomState(0).randint(1, len(content), 20), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(InputError):
            read_video(path, square(16))
    path.write_bytes(content + b"appended")
    assert len(read_video(path, square(16))[0]) == 30


def test_an_mp4_with_its_index_in_front_is_refused_as_well(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", container_options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        for image in moving_picture(60, 64, 64):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    assert len(read_video(path, square(16))[0]) == 60
    os.truncate(path, path.stat().st_size - 40)
    with pytest.raises(InputError, match="cut short"):
        read_video(path, square(16))


@pytest.mark.parametrize("suffix, codec", [("flv", "flv1"), ("mkv", "libx264")])
def test_without_a_stated_size_the_time_of_the_last_frame_counts(tmp_path, suffix, codec):
    path = tmp_path / f"clip.{suffix}"
    write_avi(path, moving_picture(60, 64, 64), codec=codec)
    content = path.read_bytes()
    if suffix == "mkv":  # the segment's length becomes "unknown", as of what was streamed
        place = content.index(b"\x18\x53\x80\x67") + 4
        content = content[:place] + b"\x01" + 7 * b"\xff" + content[place + 8 :]
    path.write_bytes(content)
    assert len(read_video(path, square(16))[0]) == 60
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut short|damaged"):
        read_video(path, square(16))


def test_a_trimmed_mp4_is_whole(tmp_path):
    path = tmp_path / "clip.mp4"
    frames = write_avi(path, moving_picture(40, 64, 64), codec="libx264", bf=0)
    content = bytearray(path.read_bytes())
    # Version, flags and number of entries; the first one's duration, in thousandths: 16 of 40 frames.
    place = content.index(b"elst") + 12
    content[place : place + 4] = struct.pack(">I", 640)
    path.write_bytes(content)
    found, _ = read_video(path, square(64))
    assert 15 <= len(found) <= 17
    assert_close(found, frames[: len(found)])


# What libav must not do, and what it must not stop at


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{path}'\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_does_not_open_other_files(tmp_path, kind):
    write_avi(tmp_path / "secret.ts", moving_picture(4, 64, 64), codec="mpeg2video")
    (tmp_path / "clip.mp4").write_text(PLAYLISTS[kind].format(path=tmp_path / "secret.ts"))
    with pytest.raises(InputError, match="not a video that libav can read"):
        read_video(tmp_path / "clip.mp4", square(16))


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_avi(tmp_path / "a.avi", moving_picture(2, 64, 64))
    write_avi(tmp_path / "concat:a.avi", moving_picture(3, 64, 64))
    assert len(read_video("concat:a.avi", square(16))[0]) == 3


def test_an_unknown_codec_is_one_line(tmp_path):
    write_avi(tmp_path / "clip.avi", moving_picture(4, 64, 64))
    content = (tmp_path / "clip.avi").read_bytes().replace(b"xvid", b"zzzz")
    (tmp_path / "clip.avi").write_bytes(content)
    with pytest.raises(InputError, match="no decoder"):
        read_video(tmp_path / "clip.avi", square(16))


def test_titles_and_names_that_are_not_utf_8_are_no_obstacle(tmp_path):
    path = tmp_path / "caf\udce9.avi"
    write_avi(tmp_path / "clip.avi", moving_picture(4, 64, 64), title="A day in cafe!")
    content = (tmp_path / "clip.avi").read_bytes()
    assert content.count(b"cafe!") == 1
    path.write_bytes(content.replace(b"cafe!", b"caf\xe9!"))
    assert len(read_video(path, square(16))[0]) == 4


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="not a file"):
        read_video(tmp_path / "clip.mp4", square(16))


def test_every_flipped_bit_is_frames_or_one_line(tmp_path):
    for suffix, codec in KINDS[:4]:
        path = tmp_path / f"clip.{suffix}"
        write_avi(path, moving_picture(8, 32, 32), codec=codec)
        content, rng = path.read_bytes(), np.random.RandomState(0)
        for bit in rng.randint(8 * len(content), size=25):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            try:
                read_video(path, square(16))
            except InputError as error:
                assert "\n" not in str(error)


# Nearest neighbours


@pytest.mark.parametrize("width, height", [(85, 64), (171, 128), (320, 240)])
def test_nearest_takes_the_pixels_that_pillow_takes(tmp_path, width, height):
    write_avi(tmp_path / "clip.avi", moving_picture(3, 320, 240))
    found, _ = read_video(tmp_path / "clip.avi", Resizing(width, height, 64, "nearest"))
    top, left = (height - 64) // 2, (width - 64) // 2
    for image, frame in zip(read_video(tmp_path / "clip.avi", Resizing(320, 240, 0))[0], found):
        small = PIL.Image.fromarray(image).resize((width, height), PIL.Image.Resampling.NEAREST)
        np.testing.assert_array_equal(frame, np.asarray(small)[top : top + 64, left : left + 64])
