"""Videos of every kind come as float32 in [-1, 1], the right frames of the right ones, or an error comes."""

import errno
import fractions
import io
import os
import struct
import tracemalloc
import zipfile

import imageio.v3 as iio
import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
from helpers import refused

from tgan_chainer import VideoGenerator, save_videos
from tgan_chainer.config import Config
from tgan_chainer.datasets import write_videos
from tgan_chainer.download import sha256_of
from tgan_chainer.evaluations import video_source
from tgan_chainer.snapshots import save_generator

SIZE = 16


def open_source(path, *arguments, size=None, **options):
    """As of the package, but that nothing is resized unless it is asked for."""
    return video_source.open_source(path, *arguments, size=size, **options)


def numbered(n=5, n_frames=20, size=SIZE, channels=3):
    """uint8 (N, C, T, H, W): all pixels of frame t of video i are 40 i + 2 t, plus the channel's number."""
    i, c, t = np.ogrid[:n, :channels, :n_frames]
    values = (40 * i + 2 * t + c).astype(np.uint8)
    return np.broadcast_to(values[..., None, None], (n, channels, n_frames, size, size)).copy()


def random_bytes(*shape):
    return np.random.randint(0, 256, shape).astype(np.uint8)


def to_floats(array):
    return (array.astype(np.float64) - 128) / 128


def identify(videos, tolerance=0.0):
    """Which of the numbered videos these are, and where their windows start."""
    found = []
    for video in videos:
        levels = video[0, :, 0, 0].astype(np.float64) * 128 + 128
        i, start = divmod(int(np.rint(levels[0])), 40)
        np.testing.assert_allclose(
            levels, 40 * i + start + 2 * np.arange(len(levels)), rtol=0, atol=tolerance + 1e-9
        )
        assert start % 2 == 0
        found.append((i, start // 2))
    return found


def draw_all(path, n=1, **options):
    return list(open_source(path, **options).draw(n))


def assert_video(video, size=SIZE, channels=3, n_frames=16):
    assert video.shape == (channels, n_frames, size, size)
    assert video.dtype == np.float32 and abs(video).max() <= 1


# Arrays


FORMS = {
    "uint8": lambda v: v,
    "float32": lambda v: to_floats(v).astype(np.float32),
    "float64": to_floats,
    "float16": lambda v: to_floats(v).astype(np.float16),
    "big-endian": lambda v: to_floats(v).astype(">f4"),
    "channels last": lambda v: np.moveaxis(v, 1, -1),
    "floats, channels last": lambda v: np.moveaxis(to_floats(v), 1, -1),
    "Fortran's order": np.asfortranarray,
    "grey": lambda v: v[:, :1],
    "grey, channels last": lambda v: np.moveaxis(v[:, :1], 1, -1),
}


@pytest.mark.parametrize("suffix", [".npy", ".npz", "compressed.npz"])
@pytest.mark.parametrize("form", FORMS)
def test_arrays_of_every_form_hold_the_same_videos(tmp_path, form, suffix):
    videos, path = random_bytes(3, 3, 16, SIZE, SIZE), str(tmp_path / f"videos{suffix}")
    save = {".npy": np.save, ".npz": np.savez, "compressed.npz": np.savez_compressed}[suffix]
    array = FORMS[form](videos)
    save(path, array)
    source = open_source(path)
    assert source.n == 3
    found = list(source.draw(3, seed=1))
    expected = to_floats(videos)[:, :1] if "grey" in form else to_floats(videos)
    for video in found:
        assert_video(video, channels=expected.shape[1])
        assert video.flags.c_contiguous
    # In some order, each one once.
    order = [int(np.argmin([abs(video - e).max() for e in expected])) for video in found]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(np.stack(found), expected[order], rtol=0, atol=1e-3 if "16" in form else 1e-7)
    assert source.description["kind"] == "array" and source.description["videos"] == 3
    kind = str(array.dtype) if array.dtype == np.uint8 else f"{array.dtype}, signed"
    assert source.description["values"] == kind and source.description["size"] == SIZE


def test_minus_one_is_black_and_127_of_128_is_white(tmp_path):
    video = np.zeros((1, 16, 4, 4, 1), np.uint8)
    video[:, 8:] = 255
    np.save(tmp_path / "v.npy", video)
    (found,) = draw_all(tmp_path / "v.npy")
    assert (found[:, :8] == -1).all() and (found[:, 8:] == 127 / 128).all()


def test_the_file_is_not_read_as_a_whole(tmp_path):
    np.save(tmp_path / "v.npy", numbered())
    source = open_source(tmp_path / "v.npy")
    assert isinstance(source._array, np.memmap)


# Which videos and which windows


@pytest.fixture
def five(tmp_path):
    """A file of five videos of 20 frames, see :func:`numbered`."""
    np.save(tmp_path / "five.npy", numbered())
    return tmp_path / "five.npy"


@pytest.fixture(params=["array", "folder", "data set"])
def five_of_each_kind(request, tmp_path):
    if request.param == "array":
        np.save(tmp_path / "five.npy", numbered())
        return tmp_path / "five.npy"
    if request.param == "data set":
        with write_videos(tmp_path / "five.h5", "numbers") as writer:
            for video in numbered():
                writer.append(np.moveaxis(video, 0, -1))
        return tmp_path / "five.h5"
    (tmp_path / "folder").mkdir()
    for i, video in enumerate(numbered()):
        np.save(tmp_path / "folder" / f"{i}.npy", video)
    return tmp_path / "folder"


def test_repeats_share_no_video_where_there_are_finitely_many(five_of_each_kind):
    source = open_source(five_of_each_kind)
    repeats = [identify(source.draw(2, seed=3, repeat=r)) for r in range(2)]
    assert all(len({i for i, _ in repeat}) == 2 for repeat in repeats)
    if source.n is None:  # windows of clips, of which there are many
        repeats = [identify(source.draw(5, seed=3, repeat=r)) for r in range(3)]
        assert repeats[0] != repeats[1] != repeats[2] != repeats[0]
    else:
        assert source.n == 5
        assert len({i for repeat in repeats for i, _ in repeat}) == 4


def test_a_seed_means_the_same_videos_and_windows(five_of_each_kind):
    first, again = (identify(open_source(five_of_each_kind).draw(5, seed=7)) for _ in range(2))
    assert first == again
    others = [identify(open_source(five_of_each_kind).draw(5, seed=s)) for s in range(10)]
    assert len({tuple(i for i, _ in other) for other in others}) > 5
    assert len({tuple(start for _, start in other) for other in others}) > 5


def test_a_repeat_does_not_depend_on_what_was_drawn_before(five_of_each_kind):
    source = open_source(five_of_each_kind)
    later = identify(source.draw(2, seed=3, repeat=1))
    list(source.draw(2, seed=3, repeat=0))
    assert identify(source.draw(2, seed=3, repeat=1)) == later


@pytest.mark.parametrize(
    ("window", "n_frames", "start"),
    [("first", 16, 0), ("middle", 16, 2), ("middle", 17, 1), ("middle", 20, 0)],
)
def test_a_fixed_window_is_the_same_for_all(five_of_each_kind, window, n_frames, start):
    found = identify(open_source(five_of_each_kind, n_frames, window).draw(5))
    assert sorted(found) == [(i, start) for i in range(5)]


def test_random_windows_start_anywhere(five_of_each_kind):
    source = open_source(five_of_each_kind)
    starts = [start for seed in range(12) for _, start in identify(source.draw(5, seed))]
    assert set(starts) == {0, 1, 2, 3, 4}


def test_windows_have_as_many_frames_as_were_asked_for(five):
    for n_frames in 1, 7, 20:
        (video,) = draw_all(five, n_frames=n_frames, window="first")
        assert_video(video, n_frames=n_frames)
    refused(lambda: draw_all(five, n_frames=21), five, "20 frames; at least 21 are needed")


@pytest.mark.parametrize(("n", "repeat"), [(6, 0), (3, 1), (1, 5)])
def test_more_videos_than_there_are_is_an_error(five, n, repeat):
    message = f"holds 5 videos; {n * (repeat + 1)} were asked for"
    refused(lambda: list(open_source(five).draw(n, repeat=repeat)), five, message)


def test_a_data_set_gives_each_clip_once_before_any_comes_again(tmp_path):
    with write_videos(tmp_path / "five.h5", "numbers") as writer:
        for video in numbered():
            writer.append(np.moveaxis(video, 0, -1))
    source = open_source(tmp_path / "five.h5")
    assert source.n is None
    clips = [i for i, _ in identify(source.draw(12))]
    assert sorted(clips[:5]) == sorted(clips[5:10]) == [0, 1, 2, 3, 4]
    # Nor in the repeats that follow.
    clips = [i for repeat in range(3) for i, _ in identify(source.draw(4, repeat=repeat))]
    assert sorted(clips[:5]) == sorted(clips[5:10]) == [0, 1, 2, 3, 4]
    assert source.description == {
        "kind": "data_set",
        "path": str(tmp_path / "five.h5"),
        "source": "numbers",
        "clips": 5,
        "facts": source.dataset.describe(),
        "size": 16,
    }


def test_labels_are_those_of_the_clips_that_are_drawn(tmp_path):
    with write_videos(tmp_path / "labelled.h5", "numbers", list("abcde"), chunk_frames=16) as writer:
        for i in range(5):
            writer.append(np.full((16, 16, 16, 1), 50 * i, np.uint8), labels=i)
    source = open_source(tmp_path / "labelled.h5")
    shown = [round((float(video.mean()) * 128 + 128) / 50) for video in source.draw(7, seed=3)]
    assert source.labels(7, seed=3).tolist() == shown


# Folders


def save_frames(folder, frames, name="frame_{}.png", start=1):
    """Write frames, uint8 (T, H, W, 3) or (T, H, W), as images."""
    folder.mkdir(parents=True, exist_ok=True)
    for t, frame in enumerate(frames):
        PIL.Image.fromarray(frame).save(folder / name.format(t + start))


def as_frames(video):
    """uint8 (C, T, H, W) -> (T, H, W, C)."""
    return np.moveaxis(video, 0, -1)


@pytest.mark.parametrize("name", ["frame_{}.png", "{}.PNG", "v1_take2_{}.bmp", "{:03}.png", "4²{}.png"])
def test_frames_come_in_natural_order(tmp_path, name):
    video = random_bytes(3, 16, SIZE, SIZE)
    save_frames(tmp_path / "clip", as_frames(video), name, start=2)  # 2 ... 17
    (found,) = draw_all(tmp_path, size=SIZE)
    assert_video(found)
    np.testing.assert_array_equal(found, to_floats(video))


def test_frames_of_the_same_number_come_in_the_order_of_their_names(tmp_path):
    video = random_bytes(3, 16, SIZE, SIZE)
    names = ["0001", "001", "01", "1", "0002", "002", "02", "2"]
    names = [*names, *(name.replace("2", "4").replace("1", "3") for name in names)]
    for name, frame in reversed(list(zip(names, as_frames(video)))):
        save_frames(tmp_path, [frame], name + ".png")
    (found,) = draw_all(tmp_path, size=None)
    np.testing.assert_array_equal(found, to_floats(video))


def test_each_folder_of_images_is_a_video(tmp_path):
    videos = numbered(3)
    for i, video in enumerate(videos):
        save_frames(tmp_path / f"class {i % 2}" / f"clip {i}", as_frames(video))
    source = open_source(tmp_path, window="first")
    assert source.n == 3
    assert sorted(identify(source.draw(3))) == [(0, 0), (1, 0), (2, 0)]


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    save_frames(tmp_path / "clip", as_frames(numbered(1)[0]))
    (tmp_path / "clip" / "._frame_1.png").write_bytes(b"what a Mac leaves")
    (tmp_path / "._video.mp4").write_bytes(b"what a Mac leaves")
    save_frames(tmp_path / ".cache", as_frames(numbered(1)[0]))
    (tmp_path / "notes.txt").write_text("no video")
    source = open_source(tmp_path, window="first")
    assert source.n == 1
    assert identify(source.draw(1)) == [(0, 0)]


def test_grey_images_have_three_equal_channels(tmp_path):
    video = random_bytes(16, SIZE, SIZE)
    save_frames(tmp_path, video)
    (found,) = draw_all(tmp_path, size=None)
    np.testing.assert_array_equal(found, to_floats(np.stack([video] * 3)))


@pytest.mark.parametrize(("width", "height", "left", "top"), [(32, 16, 8, 0), (16, 20, 0, 2), (18, 16, 1, 0)])
def test_of_images_the_middle_square_is_taken(tmp_path, width, height, left, top):
    frames = random_bytes(16, height, width, 3)
    save_frames(tmp_path, frames)
    (found,) = draw_all(tmp_path, size=16)
    expected = frames[:, top : top + 16, left : left + 16]
    np.testing.assert_array_equal(found, to_floats(np.moveaxis(expected, -1, 0)))


@pytest.mark.parametrize("size", [8, 32])
def test_images_are_resized(tmp_path, size):
    # A ramp stays one; its pixel i lies at (i + 1/2) 16 / size - 1/2 of the old ones.
    ramp = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None] * 10 + 40, (16, 16, 16, 3)[:3])
    save_frames(tmp_path, ramp.transpose(0, 2, 1))
    (found,) = draw_all(tmp_path, size=size)
    assert_video(found, size)
    place = (np.arange(size) + 0.5) * 16 / size - 0.5
    inner = slice(size // 4, -size // 4)
    levels = (found * 128 + 128)[..., inner]
    np.testing.assert_allclose(
        levels, np.broadcast_to(10 * place[inner] + 40, levels.shape), rtol=0, atol=0.51
    )


def test_images_are_kept_as_they_are_without_a_size(tmp_path):
    save_frames(tmp_path / "clip", as_frames(numbered(1, size=10)[0]))
    (found,) = draw_all(tmp_path, size=None)
    assert_video(found, size=10)


@pytest.mark.parametrize("form", ["uint8", "float32", "channels last", "floats, channels last", "grey"])
def test_a_folder_may_hold_arrays_of_one_video_each(tmp_path, form):
    videos = random_bytes(1, 3, 16, SIZE, SIZE)
    np.save(tmp_path / "clip.npy", FORMS[form](videos)[0])
    (found,) = draw_all(tmp_path)
    assert_video(found)
    expected = np.repeat(videos[0, :1], 3, axis=0) if form == "grey" else videos[0]
    np.testing.assert_array_equal(found, to_floats(expected))


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".avi", "ffv1"), (".gif", None)])
def test_video_files_are_decoded(tmp_path, suffix, codec):
    # Grey, so that halving the resolution of colours and a palette of 256 change nothing.
    for i, video in enumerate(numbered(3, size=64)):
        frames = np.repeat(as_frames(video)[..., :1], 3, axis=-1)
        path = tmp_path / f"clip {i}{suffix}"
        if codec is None:
            iio.imwrite(path, frames[..., 0], duration=100, loop=0)
        else:
            iio.imwrite(path, frames, plugin="pyav", codec=codec, fps=25)
    source = open_source(tmp_path, window="middle")
    found = list(source.draw(3))
    for video in found:
        assert_video(video, size=64)
    assert sorted(round((v[0, 0].mean() * 128 + 128) / 40 - 0.1) for v in found) == [0, 1, 2]
    for video in found:
        levels = video.mean(axis=(0, 2, 3)) * 128 + 128
        i = round(levels[0] / 40 - 0.1)
        np.testing.assert_allclose(levels, 40 * i + 2 * np.arange(2, 18), rtol=0, atol=2.5)
        assert np.ptp(video, axis=(0, 2, 3)).max() < 6 / 128


def test_video_files_can_be_resampled_and_arrays_cannot(tmp_path):
    frames = np.repeat(as_frames(numbered(1, n_frames=40, size=64)[0])[..., :1], 3, axis=-1)
    iio.imwrite(tmp_path / "clip.avi", frames, plugin="pyav", codec="ffv1", fps=25)
    source = open_source(tmp_path, window="first", fps=fractions.Fraction(25, 2))
    (video,) = source.draw(1)
    levels = video.mean(axis=(0, 2, 3)) * 128 + 128
    np.testing.assert_allclose(np.diff(levels), 4, rtol=0, atol=1.5)  # every second frame
    assert levels[-1] - levels[0] == pytest.approx(60, abs=3)
    assert source.description["fps"] == "25/2"
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "clip.npy", numbered(1)[0])
    refused(lambda: draw_all(tmp_path / "arrays", fps=fractions.Fraction(10)), "clip.npy", "leave out --fps")


def test_arrays_are_resized_as_images_are(tmp_path):
    video = random_bytes(3, 16, 32, 32)
    np.save(tmp_path / "videos.npy", video[None])
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "clip.npy", to_floats(video))
    save_frames(tmp_path / "images" / "clip", as_frames(video), "{:02}.png")
    (expected,) = draw_all(tmp_path / "images", size=20)
    assert_video(expected, size=20)
    for name in "videos.npy", "arrays":
        (found,) = draw_all(tmp_path / name, size=20)
        assert_video(found, size=20)
        # Of images Pillow rounds to whole levels and cuts off, after each axis.
        assert abs(found - expected).mean() < 1 / 128 and abs(found - expected).max() < 10 / 128
    assert open_source(tmp_path / "videos.npy", size=20).description["size"] == 20


def test_a_long_video_costs_little_more_than_its_window(tmp_path):
    np.save(tmp_path / "long.npy", np.zeros((3, 20_000, 32, 32), np.uint8))  # 61 MB, as float32 246 MB
    tracemalloc.start()
    try:
        draw_all(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()


def test_thumbnails_beside_videos_are_not_taken_for_a_video(tmp_path):
    np.save(tmp_path / "clip.npy", numbered(1)[0])
    save_frames(tmp_path, as_frames(numbered(1)[0]), "{}.png")
    refused(lambda: open_source(tmp_path), "holds images (1.png) and videos (clip.npy)")


def test_a_folder_reached_by_several_links_counts_once(tmp_path):
    np.save(tmp_path / "clip.npy", numbered(1)[0])
    (tmp_path / "self").symlink_to(tmp_path)
    assert open_source(tmp_path).n == 1


def test_images_of_16_bits_are_refused(tmp_path):
    frame = np.full((SIZE, SIZE), 3000, np.uint16)
    for i in range(16):
        PIL.Image.fromarray(frame).save(tmp_path / f"{i}.png")
    refused(lambda: draw_all(tmp_path), "png: more than 8 bits a channel")


# Generators


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A results folder with the generators of two iterations, and the newer one."""
    folder = tmp_path_factory.mktemp("run")
    config = Config(
        description="tiny", channels=1, image_size=16, temporal_width=8, image_width=8, k0=7, k1=5
    )
    np.random.seed(0)
    for iteration in 8, 12:
        generator = VideoGenerator(7, 5, channels=1, image_size=16, temporal_width=8, image_width=8)
        path = str(folder / f"generator_iter_{iteration}.npz")
        save_generator(path, generator, iteration, config, data={"source": "noise", "n_windows": 3})
    return folder, generator


@pytest.mark.parametrize("name", ["", "generator_iter_12.npz"])
def test_a_run_or_a_snapshot_is_a_source_of_its_generators_samples(run, name):
    folder, generator = run
    source = open_source(str(folder / name))
    assert source.n is None
    found = np.stack(list(source.draw(3, seed=4)))
    np.testing.assert_array_equal(found, np.stack(list(generator.sample(3, seed=4))))
    assert source.description == {
        "kind": "generator",
        "path": str(folder / "generator_iter_12.npz"),
        "sha256": sha256_of(folder / "generator_iter_12.npz"),
        "iteration": 12,
        "training": "tiny",
        "trained_on": "noise",
        "facts": {"source": "noise", "n_windows": 3},
        "size": 16,
    }


def test_labels_are_those_that_a_conditional_generator_is_asked_for(run, tmp_path):
    assert open_source(str(run[0])).labels(3) is None
    generator = VideoGenerator(7, 5, channels=1, image_size=16, temporal_width=8, image_width=8, n_classes=3)
    config = Config(
        model="conditional_tgan",
        n_classes=3,
        channels=1,
        image_size=16,
        temporal_width=8,
        image_width=8,
        k0=7,
        k1=5,
    )
    path = str(tmp_path / "generator_iter_1.npz")
    save_generator(path, generator, 1, config, data={"source": "noise", "n_windows": 3})
    source = open_source(path)
    of_labels = generator.sample(20, seed=4, labels=source.labels(20, seed=4))
    np.testing.assert_array_equal(np.stack(list(source.draw(20, seed=4))), np.stack(list(of_labels)))


@pytest.mark.parametrize("kind", ["generator", "data set"])
def test_no_seed_shares_samples_with_a_repeat_of_another(run, tmp_path, kind):
    path = run[0]
    if kind == "data set":
        path = data_set(400, SIZE, SIZE, 1)(tmp_path)
    source = open_source(path)
    drawn = [next(source.draw(1, seed, repeat)).tobytes() for seed in range(4) for repeat in range(4)]
    assert len(set(drawn)) == 16


def test_an_older_snapshot_can_be_named(run):
    folder, generator = run
    source = open_source(str(folder / "generator_iter_8.npz"))
    assert source.description["iteration"] == 8
    assert (next(source.draw(1)) != next(generator.sample(1, seed=0))).any()


@pytest.mark.parametrize(("window", "start"), [("first", 0), ("middle", 4), ("random", None)])
def test_windows_of_samples(run, window, start):
    folder, generator = run
    found = np.stack(list(open_source(str(folder), n_frames=8, window=window).draw(5, seed=1)))
    samples = np.stack(list(generator.sample(5, seed=1)))
    windows = np.stack([samples[:, :, t : t + 8] for t in range(9)])
    starts = [[t for t in range(9) if (windows[t, i] == found[i]).all()] for i in range(5)]
    assert all(len(s) == 1 for s in starts)
    if start is None:
        assert len({s[0] for s in starts}) > 2
    else:
        assert starts == [[start]] * 5


@pytest.mark.parametrize("option", [{"fps": fractions.Fraction(5)}, {"value_range": "unit"}])
def test_options_that_would_do_nothing_are_refused(run, tmp_path, option):
    (name,) = option
    refused(lambda: open_source(str(run[0]), **option), f"{name} is for", run[0])
    path = data_set(20, SIZE, SIZE, 1)(tmp_path)
    refused(lambda: open_source(path, **option), f"{name} is for", path)
    if name == "fps":
        np.save(tmp_path / "v.npy", numbered(1))
        refused(lambda: open_source(tmp_path / "v.npy", **option), "fps is for folders with video files")


def test_a_generator_of_shorter_videos_is_refused(run):
    refused(lambda: open_source(str(run[0]), n_frames=32), "16 frames; at least 32 are needed")


# What is refused


def save_array(*arrays, name="v.npy"):
    """Return what writes arrays to a file, and returns its path."""

    def write(folder):
        path = folder / name
        if name.endswith(".npz"):
            np.savez(path, *arrays)
        else:
            np.save(path, *arrays)
        return path

    return write


def in_folder(write):
    def write_there(folder):
        (folder / "folder").mkdir()
        write(folder / "folder")
        return folder / "folder"

    return write_there


def save_bytes(content, name):
    def write(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return write


def make_folder(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def data_set(*shape):
    def write(folder):
        with write_videos(folder / "v.h5", "random numbers") as writer:
            writer.append(random_bytes(*shape))
        return folder / "v.h5"

    return write


def images(frames, spoil=None):
    def write(folder):
        save_frames(folder / "clip", frames)
        if spoil is not None:
            (folder / "clip" / "frame_5.png").write_bytes(spoil)
        return folder

    return write


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(array, save=np.savez):
    file = io.BytesIO()
    save(file, array)
    return file.getvalue()


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def spoiled(value):
    video = to_floats(numbered(1))
    video[0, 1, 7, 3, 5] = value
    return video


def in_0_to_1(n_videos=2):
    return np.random.RandomState(0).uniform(0, 1, (n_videos, 3, 16, 8, 8))


SQUARE = np.zeros((2, 3, 16, 8, 8), np.uint8)
OBJECTS = np.empty((2, 3, 16, 1, 1), object)
COMPRESSED = npz(np.random.RandomState(0).randint(0, 256, 20000).astype(np.uint8), np.savez_compressed)

REFUSED = {
    "missing path": (lambda folder: folder / "nowhere.npy", "there is no"),
    "unknown suffix": (save_bytes(b"words", "v.txt"), "expected a run, a snapshot, a folder"),
    "video file": (save_bytes(b"no", "v.mp4"), "expected a run, a snapshot, a folder"),
    "empty folder": (make_folder, "holds no run and no videos"),
    "folder of other files": (in_folder(save_bytes(b"words", "v.txt")), "holds no run and no videos"),
    # Arrays
    "short": (save_array(SQUARE[:, :, :15]), "15 frames; at least 16 are needed"),
    "short, channels last": (save_array(np.zeros((2, 15, 8, 8, 3), np.uint8)), "15 frames; at least 16"),
    "non-square": (save_array(SQUARE[..., :7]), "frames of 7×8 pixels; they must be square"),
    "floats from 0": (save_array(in_0_to_1()), "no value is below zero; expected floats in [-1, 1]"),
    "floats to 255": (save_array(in_0_to_1() * 255 - 1), "expected floats in [-1, 1], or uint8"),
    "floats to -3": (save_array(in_0_to_1() * -3), "expected floats in [-1, 1], or uint8"),
    "NaN": (save_array(spoiled(np.nan)), "video 0: NaN or infinite values"),
    "infinity": (save_array(spoiled(np.inf)), "video 0: NaN or infinite values"),
    "one video": (save_array(SQUARE[0]), "(3, 16, 8, 8); expected videos (N, C, T, H, W)"),
    "no video": (save_array(SQUARE[:0]), "(0, 3, 16, 8, 8); expected videos"),
    "no pixels": (save_array(np.zeros((2, 3, 16, 0, 0))), "(3, 16, 0, 0)"),
    "no pixels, bytes": (save_array(SQUARE[..., :0, :0]), "(3, 16, 0, 0)"),
    "no frames": (save_array(SQUARE[:, :, :0]), "(3, 0, 8, 8)"),
    "two channels": (save_array(SQUARE[:, :2]), "expected one or three channels"),
    "whole numbers": (save_array(SQUARE.astype(int)), "an array of int64; expected uint8, or float"),
    "objects": (save_array(OBJECTS), "truncated, damaged or not an array"),
    "two arrays": (save_array(SQUARE, SQUARE, name="v.npz"), "holds 2 arrays; expected one"),
    "no array": (save_array(name="v.npz"), "holds 0 arrays; expected one"),
    "objects in npz": (save_array(OBJECTS, name="v.npz"), "truncated, damaged or not an array"),
    "truncated npy": (save_bytes(npy(SQUARE)[:-100], "v.npy"), "truncated, damaged or not an array"),
    "header alone": (save_bytes(npy(SQUARE)[:20], "v.npy"), "truncated, damaged or not an array"),
    "empty npy": (save_bytes(b"", "v.npy"), "truncated, damaged or not an array"),
    "text npy": (save_bytes(b"words " * 99, "v.npy"), "truncated, damaged or not an array"),
    "truncated npz": (save_bytes(npz(SQUARE)[:-100], "v.npz"), "truncated, damaged or not an npz file"),
    "empty npz": (save_bytes(b"", "v.npz"), "truncated, damaged or not an npz file"),
    "changed npz": (save_bytes(npz(SQUARE)[:900] + b"!" + npz(SQUARE)[901:], "v.npz"), "damaged"),
    "changed compressed npz": (
        save_bytes(COMPRESSED[:60] + b"\xff" * 20 + COMPRESSED[80:], "v.npz"),
        "truncated, damaged or not an array",
    ),
    "text in npz": (save_bytes(zipped("words.txt", b"words"), "v.npz"), "not an array"),
    # Data sets
    "short clips": (data_set(15, 8, 8, 3), "no clip has 16 frames"),
    "no data set": (save_bytes(b"words", "v.h5"), "not an HDF5 file"),
    # Videos of a folder
    "short array": (in_folder(save_array(SQUARE[0, :, :15])), "v.npy: 15 frames; at least 16 are needed"),
    "several videos": (in_folder(save_array(SQUARE)), "expected one video, (C, T, H, W) or (T, H, W, C)"),
    "non-square array": (in_folder(save_array(SQUARE[0, ..., :7])), "they must be square"),
    "array from 0": (in_folder(save_array(in_0_to_1()[0])), "no value is below zero"),
    "array with NaN": (in_folder(save_array(spoiled(np.nan)[0])), "v.npy: NaN or infinite"),
    "truncated array": (in_folder(save_bytes(npy(SQUARE[0])[:-9], "v.npy")), "v.npy is truncated, damaged"),
    "short folder": (images(as_frames(SQUARE[0])[:9]), "clip: 9 frames; at least 16 are needed"),
    "damaged image": (images(as_frames(SQUARE[0]), b"words"), "frame_5.png: not an image"),
    "empty image": (images(as_frames(SQUARE[0]), b""), "frame_5.png: not an image"),
    "damaged video": (in_folder(save_bytes(b"words" * 99, "v.mp4")), "v.mp4: not a video"),
    "empty video": (in_folder(save_bytes(b"", "v.avi")), "v.avi: an empty file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_told_in_one_line(tmp_path, case):
    write, message = REFUSED[case]
    path = write(tmp_path)
    refused(lambda: draw_all(path), tmp_path, message)


@pytest.mark.parametrize("size", [None, 8])
def test_images_of_different_sizes_are_not_one_video(tmp_path, size):
    save_frames(tmp_path, random_bytes(15, 10, 10, 3))
    save_frames(tmp_path, random_bytes(1, 12, 12, 3), start=16)
    refused(lambda: draw_all(tmp_path, size=size), tmp_path, "frames are of different sizes, 10×10 and 12×12")


def test_images_that_are_not_square_cannot_stay_as_they_are(tmp_path):
    save_frames(tmp_path, random_bytes(16, 10, 12, 3))
    refused(lambda: draw_all(tmp_path, size=None), tmp_path, "12×10 pixels; they must be square")


def test_a_video_that_is_not_the_first_is_named_in_its_error(tmp_path):
    videos = to_floats(numbered(3))
    videos[1, 0, 0, 0, 0] = np.nan
    np.save(tmp_path / "v.npy", videos)
    refused(lambda: draw_all(tmp_path / "v.npy", n=3), "v.npy, video 1: NaN or infinite")


def test_a_bright_video_among_others_is_no_sign_of_floats_from_0_to_1(tmp_path):
    videos = to_floats(numbered(5))
    assert videos[4].min() > 0
    np.save(tmp_path / "v.npy", videos)
    assert len(draw_all(tmp_path / "v.npy", n=5)) == 5


@pytest.mark.parametrize("kind", ["array", "folder"])
def test_floats_from_0_to_1_are_taken_as_such_only_when_asked_to(tmp_path, kind):
    x = in_0_to_1(1)
    path = tmp_path if kind == "folder" else tmp_path / "v.npy"
    np.save(tmp_path / "v.npy", x[0] if kind == "folder" else x)
    (found,) = draw_all(path, value_range="unit")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (x[0] - 0.5) / 0.5, rtol=0, atol=1e-6)
    (found,) = draw_all(path, value_range="signed")  # bright, but right
    np.testing.assert_allclose(found, x[0], rtol=0, atol=1e-6)
    np.save(tmp_path / "v.npy", (x[0] if kind == "folder" else x) - 0.5)
    refused(lambda: draw_all(path, value_range="unit"), "v.npy", "expected floats in [0, 1], or uint8")


def test_bytes_are_bytes_whatever_the_range_of_floats(tmp_path):
    videos = random_bytes(1, 3, 16, SIZE, SIZE)
    np.save(tmp_path / "v.npy", videos)
    for value_range in None, "unit", "signed":
        np.testing.assert_array_equal(
            draw_all(tmp_path / "v.npy", value_range=value_range)[0], to_floats(videos[0])
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value_range": "byte"}, "value_range must be one of signed, unit, not 'byte'"),
        ({"n_frames": 0}, "n_frames must be"),
        ({"window": "last"}, "window must be one of random, first, middle, not 'last'"),
        ({"size": 0}, "size must be"),
    ],
)
def test_impossible_options_are_refused(five, options, message):
    refused(lambda: open_source(five, **options), message)


# Folders of images that are not what they seem


def test_names_of_several_stems_are_not_one_video(tmp_path):
    for stem in "img", "flow_x", "flow_y":
        save_frames(tmp_path / "clip", as_frames(numbered(1)[0]), stem + "_{:03}.png")
    refused(lambda: open_source(tmp_path), "clip", "flow_x_001.png and flow_y_001.png are not frames of one")


@pytest.mark.parametrize("names", [["a", "b", "c"], ["1_left", "1_right"], ["cam1_1", "cam2_1"]])
def test_names_that_differ_in_more_than_their_last_number_are_not_one_video(tmp_path, names):
    for name in names:
        save_frames(tmp_path, random_bytes(1, SIZE, SIZE, 3), name + ".png")
    refused(lambda: open_source(tmp_path), "not frames of one video by their names")


@pytest.mark.parametrize("scale", [1, 2, 5])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("marked", [True, False])
def test_strips_of_our_own_are_the_videos_that_they_show(tmp_path, scale, channels, marked):
    videos = numbered(3, n_frames=16, channels=channels)
    for i, video in enumerate(videos):
        path = tmp_path / f"s_{i:05}.png"
        save_videos(str(path), [to_floats(video).astype(np.float32)], scale=scale)
        if not marked:  # as older versions wrote them
            PIL.Image.open(path).save(path)
    source = open_source(tmp_path)
    assert source.n == 3
    found = list(source.draw(3))
    order = [i for i, _ in identify(found)]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_array_equal(
        np.stack(found), np.broadcast_to(to_floats(videos[order]), (3, 3, 16, SIZE, SIZE))
    )


def test_a_strip_of_several_rows_holds_several_videos(tmp_path):
    videos = numbered(5, n_frames=16)
    save_videos(str(tmp_path / "a.png"), list(to_floats(videos[:3]).astype(np.float32)), scale=3)
    save_videos(str(tmp_path / "b.png"), list(to_floats(videos[3:]).astype(np.float32)), scale=2)
    source = open_source(tmp_path)
    assert sorted(identify(source.draw(source.n))) == [(i, 0) for i in range(5)]
    assert len({item.key for item in source.items(5)}) == 5


def test_strips_of_others_are_refused(tmp_path):
    save_frames(tmp_path, random_bytes(3, SIZE, 16 * SIZE, 3))
    refused(lambda: open_source(tmp_path), "frame_1.png, 256×16 pixels, looks like several frames")


def test_a_strip_that_was_changed_or_lies_among_frames_is_refused(tmp_path):
    path = tmp_path / "1.png"
    save_videos(str(path), [to_floats(numbered(1, n_frames=16)[0]).astype(np.float32)])
    with PIL.Image.open(path) as image:
        text = PIL.PngImagePlugin.PngInfo()
        text.add_text(*next(iter(image.text.items())))
        changed = image.resize((image.width // 2, image.height // 2))
    save_frames(tmp_path, random_bytes(1, SIZE, SIZE, 3), "{}.png", start=2)
    refused(lambda: open_source(tmp_path), "1.png is a strip of frames, and 2.png is none")
    (tmp_path / "2.png").unlink()
    changed.save(path, pnginfo=text)
    refused(lambda: open_source(tmp_path), "1.png: it was a strip of frames, but has been changed")


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "PPM"])
def test_images_of_other_kinds_are_not_opened(tmp_path, kind):
    for i in range(16):
        PIL.Image.fromarray(random_bytes(SIZE, SIZE, 3)).save(tmp_path / f"{i}.png", kind)
    refused(lambda: draw_all(tmp_path), "0.png: not an image, or none of PNG, JPEG, BMP, WEBP")


# Links, and folders that cannot be read


def test_each_real_video_counts_once_and_so_does_each_folder_of_frames(tmp_path):
    source, other = tmp_path / "source", tmp_path / "other"
    np.save(in_new(source / "a") / "clip.npy", numbered(2)[0])
    save_frames(in_new(other) / "frames", as_frames(numbered(2)[1]))
    (source / "b").symlink_to(source / "a")
    (source / "a" / "again.npy").symlink_to(source / "a" / "clip.npy")
    (source / "c").symlink_to(other)
    (source / "d").symlink_to(other / "frames")
    for i in range(6):
        (source / "a" / f"loop{i}").symlink_to(source)
    found = open_source(source, window="first")
    assert sorted(identify(found.draw(found.n))) == [(0, 0), (1, 0)]


def in_new(folder):
    folder.mkdir(parents=True)
    return folder


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    np.save(tmp_path / "clip.npy", numbered(1)[0])
    np.save(in_new(tmp_path / "locked") / "clip.npy", numbered(1)[0])
    listdir = os.listdir

    def refuse(path):  # root may read everything
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(PermissionError, match="locked"):
        open_source(tmp_path)


# Arrays made to do harm


HEADERS = {
    "unbalanced": "{'descr': '|u1', 'fortran_order': False, 'shape': ((((((1,",
    "deep": "(" * 5000,
    "overflow": "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999999, 3), }",
    "negative": "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 3, 16, 8, 8), }",
    "too much": "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 3, 16, 8, 8), }",
    "code": "__import__('os').abort()",
    "empty": "",
}


@pytest.mark.parametrize("form", ["npy", "npz", "folder"])
@pytest.mark.parametrize("case", HEADERS)
def test_headers_of_every_sort_are_one_line(tmp_path, case, form):
    header = HEADERS[case].encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(100)
    path = tmp_path / ("v.npz" if form == "npz" else "v.npy")
    path.write_bytes(zipped("arr_0.npy", content) if form == "npz" else content)
    source = tmp_path if form == "folder" else path
    tracemalloc.start()
    try:
        refused(lambda: draw_all(source), path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_far_more_is_refused_before_it_does(tmp_path):
    with zipfile.ZipFile(tmp_path / "v.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("arr_0.npy", "w") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (5000, 1, 16, 64, 64)}
            )
            for _ in range(20):
                file.write(bytes(1 << 24))
    tracemalloc.start()
    try:
        refused(lambda: draw_all(tmp_path / "v.npz"), "v.npz has", "it is not loaded")
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


# Lists of what would be drawn


def test_items_tell_videos_apart_and_the_same_ones_are_the_same(five_of_each_kind):
    source = open_source(five_of_each_kind)
    keys = [[item.key for item in source.items(5, seed)] for seed in (0, 0, 1)]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 5
    for options in {"n_frames": 8}, {"window": "first"}:
        other = open_source(five_of_each_kind, **options)
        assert not set(keys[0]) & {item.key for item in other.items(5)} or source.n is None
    found = [item.read() for item in source.items(5, seed=1)]
    np.testing.assert_array_equal(np.stack(found), np.stack(list(source.draw(5, seed=1))))


def test_a_changed_file_is_another_item(tmp_path):
    save_frames(tmp_path / "clip", as_frames(numbered(1)[0]))
    before = open_source(tmp_path).items(1)[0].key
    assert open_source(tmp_path).items(1)[0].key == before
    os.utime(tmp_path / "clip" / "frame_3.png", (1, 2**31))
    assert open_source(tmp_path).items(1)[0].key != before
