import resource
import signal

import imageio.v3 as iio
import numpy as np
import pytest

from tgan_chainer import save_videos
from tgan_chainer.errors import InputError
from tgan_chainer.videos import encode_videos, strip, tile, to_uint8


def smooth_videos(n, channels, size=32):
    """Videos that survive a palette or a lossy codec: a bright square on a slowly brightening ground."""
    videos = np.full((n, channels, 6, size, size), -0.5, np.float32)
    for i in range(n):
        for t in range(6):
            videos[i, :, t] += 0.05 * t
            videos[i, :, t, 8:24, 8 + t : 20 + t] = 0.5 + 0.1 * i
    return videos


def test_bytes_are_the_inverse_of_how_the_data_is_scaled():
    pixels = np.arange(256, dtype=np.uint8)
    assert (to_uint8((pixels.astype(np.float32) - 128) / 128) == pixels).all()
    assert to_uint8(np.array([-2.0, 1.0])).tolist() == [0, 255]


def test_a_grid_holds_every_video_in_reading_order():
    videos = np.random.RandomState(0).randint(0, 256, (5, 3, 4, 6, 8)).astype(np.uint8)
    grid = tile(videos, columns=3, gap=1)
    assert grid.shape == (4, 2 * 6 + 1, 3 * 8 + 2, 3)
    for i in range(5):
        top, left = i // 3 * 7, i % 3 * 9
        assert (grid[:, top : top + 6, left : left + 8] == videos[i].transpose(1, 2, 3, 0)).all()


def test_a_strip_has_a_row_of_frames_for_each_video():
    videos = np.random.RandomState(0).randint(0, 256, (2, 1, 3, 4, 5)).astype(np.uint8)
    picture = strip(videos, gap=1)
    assert picture.shape == (9, 17, 1)
    assert (picture[5:9, 12:17, 0] == videos[1, 0, 2]).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".png"])
def test_what_was_written_can_be_seen(tmp_path, channels, suffix):
    videos = smooth_videos(3, channels)
    path = str(tmp_path / f"videos{suffix}")
    save_videos(path, list(videos), columns=2, scale=3)
    expected = strip(to_uint8(videos))[None] if suffix == ".png" else tile(to_uint8(videos), 2)
    expected = expected.repeat(3, axis=1).repeat(3, axis=2)
    options = {"plugin": "pyav"} if suffix == ".mp4" else {}
    read = iio.imread(path, **options)
    read = read[None] if suffix == ".png" else read
    read = read[..., None] if read.ndim == 3 else read
    assert read.shape[:3] == expected.shape[:3]
    tolerance = {".png": 0, ".gif": 8, ".mp4": 4}[suffix]  # palette and codec error, mean over all pixels
    assert abs(read.astype(float) - expected).mean() <= tolerance


def test_a_grey_gif_is_read_exactly_whatever_shades_its_frames_have(tmp_path):
    # Readers take a palette of all shades from black to white for none, and some stumble if others follow.
    shades = np.arange(256, dtype=np.uint8).reshape(16, 16)
    frames = [shades, shades % 2 * 255, shades // 2 * 2, shades[::-1], shades % 2, shades]
    video = np.stack(frames)[None]
    path = tmp_path / "grey.gif"
    path.write_bytes(encode_videos(".gif", video[None], scale=1))
    assert (iio.imread(path) == video.transpose(1, 2, 3, 0)).all()
    assert (iio.imread(path, mode="L") == video[0]).all()


def test_an_odd_size_still_makes_an_mp4(tmp_path):
    save_videos(str(tmp_path / "odd.mp4"), smooth_videos(1, 1, size=33), scale=1)
    assert iio.imread(str(tmp_path / "odd.mp4"), plugin="pyav").shape[1:3] == (34, 34)


def test_an_npy_holds_the_numbers_themselves(tmp_path):
    videos = np.random.RandomState(0).uniform(-1, 1, (4, 3, 2, 5, 5)).astype(np.float32)
    path = str(tmp_path / "videos.npy")
    save_videos(path, (video for video in videos), count=4)
    assert (np.load(path, allow_pickle=False) == videos).all()


@pytest.mark.parametrize("name", ["videos.avi", "videos"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"must end in one of \.gif, \.mp4"):
        save_videos(str(tmp_path / name), smooth_videos(1, 1))


def test_nothing_and_too_much_are_refused_and_leave_the_old_file_alone(tmp_path):
    path = tmp_path / "videos.gif"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="no videos"):
        save_videos(str(path), [])
    with pytest.raises(InputError, match="more than 1024 videos"):
        save_videos(str(path), (np.zeros((1, 1, 1, 1), np.float32) for _ in range(1025)))
    with pytest.raises(InputError, match="more than 1024 videos"):
        save_videos(str(path), smooth_videos(1, 1), count=1025)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["videos.gif"]


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".png", ".npy"])
def test_a_full_disk_is_an_error_with_the_files_name_and_leaves_nothing_behind(tmp_path, suffix):
    path = str(tmp_path / f"videos{suffix}")
    videos = np.random.RandomState(0).uniform(-1, 1, (1, 1, 16, 64, 64)).astype(np.float32)
    _, hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard_limit))
    try:
        with pytest.raises(OSError) as caught:
            save_videos(path, videos)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
        signal.signal(signal.SIGXFSZ, old)
    assert caught.value.filename == path
    assert not list(tmp_path.iterdir())
