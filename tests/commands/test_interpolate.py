"""interpolate.py: frames between frames (Section 5.1, Fig. 6), and videos between videos."""

import os

import imageio.v3 as iio
import numpy as np
import pytest
from commands.pictures import BORDER, GAP, assert_close, generate, read_npy, succeed
from helpers import assert_one_line_error, call

from tgan_chainer import figures, load_generator
from tgan_chainer.videos import to_uint8

import chainer


def test_generated_frames_are_framed_in_red_and_their_pixels_are_the_frames(runs, tmp_path):
    path = str(tmp_path / "fig6.png")
    succeed("interpolate.py", runs["tgan"], "--factor", 3, "--frames", 2, 4, "--num", 2, "--out", path,
            "--seed", 5, "--scale", 1)  # fmt: skip
    picture = iio.imread(path)
    side = 16 + GAP
    assert picture.shape == (2 * side - GAP + 2 * BORDER, 7 * side - GAP + 2 * BORDER, 3)
    red = (picture == figures.RED).all(axis=2)
    expected_red = np.zeros_like(red)
    videos = to_uint8(generate(runs["tgan"], 2, seed=5))
    for i in range(2):
        for t in 0, 3, 6:
            top, left = i * side, t * side
            expected_red[top : top + 16 + 2 * BORDER, left : left + 16 + 2 * BORDER] = True
            top, left = top + BORDER, left + BORDER
            expected_red[top : top + 16, left : left + 16] = False
            frame = picture[top : top + 16, left : left + 16]
            assert frame.std() > 5  # something to see
            assert_close(frame, videos[i, 0, 1 + t // 3][..., None].repeat(3, axis=2))
    assert (red == expected_red).all()


def test_intermediate_frames_are_g1_along_straight_lines_between_the_z1(runs, tmp_path):
    path = str(tmp_path / "slow.npy")
    succeed("interpolate.py", runs["tgan"], "--factor", 4, "--num", 3, "--out", path)
    videos = read_npy(path)
    assert videos.shape == (3, 1, 15 * 4 + 1, 16, 16) and videos.dtype == np.float32
    np.testing.assert_allclose(videos[:, :, ::4], generate(runs["tgan"], 3), atol=1e-4)
    generator = load_generator(runs["tgan"])
    z0 = generator.draw_z0(3, np.random.RandomState(0))
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        trajectory = generator.generate_trajectory(z0).array
        for i in range(3):
            z1 = [np.interp(np.arange(61) / 4, np.arange(16), coordinate) for coordinate in trajectory[i].T]
            z1 = np.stack(z1, axis=1).astype(np.float32)
            frames = generator.image_generator(z1, z0[i : i + 1].repeat(61, axis=0)).array
            np.testing.assert_allclose(videos[i], frames.transpose(1, 0, 2, 3), atol=1e-4)
    assert abs(np.diff(videos, axis=2)).max() < abs(np.diff(videos[:, :, ::4], axis=2)).max()


def test_a_gif_is_slow_motion_at_the_same_number_of_frames_a_second(runs, tmp_path):
    path = str(tmp_path / "slow.gif")
    said = succeed("interpolate.py", runs["tgan"], "--factor", 2, "--num", 1, "--scale", 1, "--out", path)
    assert "seed 0" in said and "31 steps" in said
    frames = iio.imread(path, mode="L")
    assert frames.shape == (31, 16, 16)
    assert_close(frames[::2], to_uint8(generate(runs["tgan"], 1)[0, 0]))
    assert iio.immeta(path)["duration"] == pytest.approx(125, abs=5)


def test_the_page_of_fig_6_has_at_least_two_generated_frames_and_not_more_than_there_are():
    assert figures.page_window(16, 4) == (1, 4)  # 13 columns
    assert figures.page_window(16, 64) == (1, 2)
    assert figures.page_window(16, 1) == (1, 13)
    assert figures.page_window(2, 1) == (1, 2)


@pytest.mark.parametrize("label", [[], ["--label", "Class3"]])
def test_a_conditional_generator_interpolates_the_videos_that_it_generates(runs, tmp_path, label):
    run, path = runs["conditional"], str(tmp_path / "slow.npy")
    succeed("interpolate.py", run, "--factor", 2, "--num", 3, "--out", path, *label)
    expected = generate(run, 3, labels=[3, 3, 3] if label else None)
    np.testing.assert_allclose(read_npy(path)[:, :, ::2], expected, atol=1e-4)
    assert abs(expected - generate(run, 3, labels=[1, 1, 1])).max() > 0.01  # a label makes a difference


@pytest.mark.parametrize("name", ["tgan", "conditional"])
def test_between_two_seeds_lie_videos_that_begin_and_end_with_those_of_the_seeds(runs, tmp_path, name):
    path = str(tmp_path / "between.npy")
    label = ["--label", 2] if name == "conditional" else []
    succeed("interpolate.py", runs[name], "--between", 3, 4, "--steps", 5, "--out", path, *label)
    videos = read_npy(path)
    assert videos.shape == (5, 1, 16, 16, 16)
    for seed, video in (3, videos[0]), (4, videos[-1]):
        expected = generate(runs[name], 1, seed=seed, labels=[2] if label else None)[0]
        np.testing.assert_allclose(video, expected, atol=1e-4)
    assert (videos[1] != videos[2]).any()


def test_between_draws_the_label_that_generate_draws(runs, tmp_path):
    path = str(tmp_path / "between.npy")
    succeed("interpolate.py", runs["conditional"], "--between", 8, 9, "--steps", 2, "--out", path)
    np.testing.assert_allclose(read_npy(path)[0], generate(runs["conditional"], 1, seed=8)[0], atol=1e-4)


def test_the_ends_of_a_line_between_seeds_are_framed_in_red(runs, tmp_path):
    path = str(tmp_path / "between.png")
    succeed("interpolate.py", runs["tgan"], "--between", 0, 1, "--steps", 3, "--frames", 1, 6, "--scale", 1,
            "--out", path)  # fmt: skip
    picture = iio.imread(path)
    assert picture.shape == (3 * 20, 6 * 20, 3)
    red = (picture == figures.RED).all(axis=2)
    assert red[0].all() and red[-1].all() and not red[20:40].any()


@pytest.mark.parametrize(
    ("run", "arguments", "words"),
    [
        ("3d", [], ["VideoGenerator3D", "no trajectory", "tgan"]),
        ("3d", ["--between", 0, 1], ["no trajectory"]),
        ("tgan", ["--factor", 0], ["factor must be"]),
        ("tgan", ["--factor", 65], ["factor must be at most 64"]),
        ("tgan", ["--factor", 1.5], ["--factor"]),
        ("tgan", ["--num", 0], ["num must be"]),
        ("tgan", ["--num", 1025], ["more than 1024"]),
        ("tgan", ["--seed", -1], ["seed must be"]),
        ("tgan", ["--between", 0, 2**32], ["seed must be"]),
        ("tgan", ["--between", 0, 1, "--steps", 1], ["steps must be"]),
        ("tgan", ["--between", 0, 1, "--num", 2], ["--num", "--between"]),
        ("tgan", ["--steps", 3], ["--steps", "--between"]),
        ("tgan", ["--frames", 0, 4], ["frames must be", "1 ... 16"]),
        ("tgan", ["--frames", 4, 4], ["frames must be"]),
        ("tgan", ["--between", 0, 1, "--frames", 4, 17], ["frames must be"]),
        ("tgan", ["--scale", 17], ["scale must be"]),
        ("tgan", ["--fps", 0], ["fps must be"]),
        ("tgan", ["--out", "x.avi"], ["x.avi", ".gif"]),
        ("tgan", ["--label", 1], ["not conditional"]),
        ("conditional", ["--label", "Clas3"], ["did you mean Class3"]),
        ("conditional", ["--label", 1, 2, "--between", 0, 1], ["one --label"]),
        ("tgan", ["--facto", 2], ["did you mean --factor"]),
    ],
)
def test_interpolate_refuses_bad_input_in_one_line(runs, tmp_path, monkeypatch, run, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert_one_line_error(call("interpolate.py", runs[run], "--gpu", -1, *arguments), *words)
    assert os.listdir(tmp_path) == []
