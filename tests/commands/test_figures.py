"""interpolate.py and figures.py, on tiny generators that were never trained."""

import os
from unittest import mock

import imageio.v3 as iio
import numpy as np
import pytest
from commands.pictures import BORDER, GAP, assert_close, generate, save_run, succeed
from helpers import assert_one_line_error, call
from PIL import Image, ImageSequence

from tgan_chainer import figures
from tgan_chainer.datasets import write_videos
from tgan_chainer.errors import InputError
from tgan_chainer.videos import to_uint8


def test_drawn_strips_hold_exactly_the_pixels_they_were_given():
    videos = np.random.RandomState(0).randint(0, 256, (2, 3, 5, 6, 7)).astype(np.uint8)
    picture = figures.draw_interpolation(videos, 2)[0]
    for i in range(2):
        for t in range(5):
            top, left = BORDER + i * (6 + GAP), BORDER + t * (7 + GAP)
            frame = videos[i, :, t].transpose(1, 2, 0)
            assert (picture[top : top + 6, left : left + 7] == frame).all()
            around = picture[top - BORDER, left - BORDER : left + 7 + BORDER]
            assert (around == (figures.RED if t % 2 == 0 else 255)).all(axis=1)[BORDER:-BORDER].all()


# ---- the other figures


def test_figure_2_draws_the_logged_losses_and_names_what_clips(runs, tmp_path):
    path = str(tmp_path / "fig2.png")
    with mock.patch.object(figures, "draw_curves", wraps=figures.draw_curves) as draw:
        succeed("figures.py", 2, runs["tgan"], runs["weight"], "--out", path)
        curves, key = draw.call_args.args
        assert key == "dis/wasserstein"
        assert curves == {
            "tgan (SVC)": ([10, 20, 30], [100, 400, 900]),
            "weight (weight clipping, c = 0.02)": ([10, 20], [100, 400]),
        }
        # A normal GAN has no such estimate.
        succeed("figures.py", 2, runs["tgan"], runs["gan"], "--out", path)
        assert draw.call_args.args[1] == "dis/loss"
        assert list(draw.call_args.args[0]) == ["tgan (SVC)", "gan (no clipping)"]
        succeed("figures.py", 2, runs["tgan"], "--key", "gen/loss", "--out", path)
        assert draw.call_args.args[0]["tgan (SVC)"] == ([10, 20, 30], [10, 20, 30])
    picture = iio.imread(path)
    assert picture.shape == (600, 1200, 3)
    assert (picture != 255).any()


def test_figure_3_has_six_frames_at_even_intervals_and_runs_side_by_side(runs, tmp_path):
    assert figures.spread_frames(16, 6).tolist() == [0, 3, 6, 9, 12, 15]
    path = str(tmp_path / "fig3.png")
    succeed("figures.py", 3, runs["tgan"], runs["3d"], "--num", 2, "--scale", 1, "--out", path)
    bottom = iio.imread(path)[-2 * (16 + GAP) :]
    found = []
    for run in runs["tgan"], runs["3d"]:
        videos = to_uint8(generate(run, 2))
        found.append(find(bottom, videos[0, 0, 0]))
        for t in range(6):
            left = found[-1] + t * (16 + GAP)
            assert_close(bottom[BORDER : BORDER + 16, left : left + 16, 0], videos[0, 0, 3 * t])
    assert found[0] == BORDER and found[1] >= 6 * (16 + GAP)


def find(picture, frame):
    """Return where, from the left, a frame of the first row begins."""
    distances = [
        abs(picture[BORDER : BORDER + 16, x : x + 16, 0].astype(int) - frame).max()
        for x in range(picture.shape[1] - 15)
    ]
    assert min(distances) <= 1
    return int(np.argmin(distances))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set whose clips of class i have the brightness 100 i."""
    path = str(tmp_path_factory.mktemp("data") / "bright.h5")
    with write_videos(path, "test", ["dark", "middle", "light"]) as writer:
        for i in range(6):
            writer.append(np.full((40, 16, 16, 1), 100 * (i % 3), np.uint8), labels=i % 3)
    return path


def test_real_videos_stand_beside_those_of_runs(runs, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with mock.patch.object(figures, "draw_text", wraps=figures.draw_text) as draw:
        succeed("figures.py", 3, data, runs["long"], "--num", 3, "--scale", 1)
    captions = [call.args[0] for call in draw.call_args_list]
    assert captions == ["bright\nreal videos\n6 clips", "long\nTGAN, WGAN, SVC\niteration 7 on moving_mnist"]
    bottom = iio.imread("fig3.png")[-3 * (16 + GAP) :]
    order = np.random.RandomState(0).permutation(6)[:3] % 3 * 100
    rows = [BORDER + i * (16 + GAP) for i in range(3)]
    assert bottom[rows, BORDER, 0].tolist() == order.tolist()
    succeed("figures.py", 4, data, runs["long"], "--num", 2, "--out", "fig4.gif")  # 32 frames as well
    succeed("figures.py", 7, data, "--label", "light", 0, "--num", 1, "--scale", 1)
    picture = iio.imread("fig7.png")
    assert picture[-35, -10, 0] == 200 and picture[-10, -10, 0] == 0
    result = call("figures.py", 6, data, "--gpu", -1)
    assert_one_line_error(result, data, "no trajectory")


def test_one_entry_of_a_log_is_seen(tmp_path):
    picture = figures.draw_curves({"a run": ([10], [0.5])}, "loss")[0]
    blue = (picture.astype(int) - (31, 119, 180)).__abs__().sum(axis=2) < 30
    assert blue[100:450, 150:1050].any()  # not only in the legend


def test_figure_4_has_only_first_frames(runs, tmp_path):
    path = str(tmp_path / "fig4.png")
    succeed("figures.py", 4, runs["gan"], "--num", 4, "--scale", 2, "--out", path)
    videos = to_uint8(generate(runs["gan"], 4))
    last = videos[3, :, 0].transpose(1, 2, 0).repeat(2, axis=0).repeat(2, axis=1)
    left = 2 * (16 + 2)
    assert_close(iio.imread(path)[-32:, left : left + 32], last)


@pytest.mark.parametrize(("figure", "frames"), [(3, 16), (4, 16), (5, 16), (6, 31), (7, 16)])
def test_figures_move_in_a_gif(runs, tmp_path, figure, frames):
    path = str(tmp_path / "moving.gif")
    run = runs["conditional" if figure == 7 else "tgan"]
    succeed("figures.py", figure, run, "--num", 2, "--factor", 2, "--scale", 1, "--fps", 10, "--out", path)
    with Image.open(path) as moving:  # equal frames become one that is shown for longer
        shown = sum(frame.info["duration"] for frame in ImageSequence.Iterator(moving))
    assert shown == frames * 100


def test_figure_5_has_all_frames_and_runs_below_one_another(runs, tmp_path):
    path = str(tmp_path / "fig5.png")
    succeed("figures.py", 5, runs["tgan"], runs["3d"], "--num", 1, "--scale", 1, "--out", path)
    picture = iio.imread(path)
    assert picture.shape[1] == 16 * 20
    videos = to_uint8(generate(runs["3d"], 1))
    for t in range(16):
        frame = picture[-18:-2, BORDER + t * 20 : BORDER + t * 20 + 16, 0]
        assert_close(frame, videos[0, 0, t])


def test_figure_6_is_the_picture_of_interpolate(runs, tmp_path):
    one, other = str(tmp_path / "one.png"), str(tmp_path / "other.png")
    succeed("figures.py", 6, runs["tgan"], "--num", 2, "--factor", 3, "--out", one)
    succeed("interpolate.py", runs["tgan"], "--num", 2, "--factor", 3, "--out", other)
    alone = iio.imread(other)
    assert (iio.imread(one)[-len(alone) :, : alone.shape[1]] == alone).all()


def test_figure_7_has_the_samples_of_a_label_beside_its_name(runs, tmp_path):
    path = str(tmp_path / "fig7.png")
    succeed("figures.py", 7, runs["conditional"], "--label", "Class4", 1, "--num", 2, "--scale", 1,
            "--out", path)  # fmt: skip
    picture = iio.imread(path)
    videos = to_uint8(generate(runs["conditional"], 4, labels=[4, 4, 1, 1]))
    last_row = picture[-20:]
    left = find(last_row, videos[2, 0, 0])
    assert (last_row[:, : left - BORDER] < 128).any()  # the name
    assert_close(last_row[BORDER : BORDER + 16, -18:-2, 0], videos[3, 0, 15])


def test_names_stand_in_the_middle_of_their_rows():
    pictures = [np.zeros((3, height, 5, 3), np.uint8) for height in (40, 60)]
    drawn = figures.draw_rows(["a", "a much longer name"], pictures, 12)
    assert drawn.shape[:2] == (3, 40 + GAP + 60)
    text = figures.draw_text("a", 12)[0]
    top = (40 - len(text)) // 2
    assert (drawn[0, top : top + len(text), : text.shape[1]] == text).all()


def test_only_videos_of_equal_length_move_together():
    pictures = [np.zeros((t, 4, 4, 3), np.uint8) for t in (1, 3, 3)]
    assert figures.join(pictures, axis=2, gap=1).shape == (3, 4, 14, 3)
    with pytest.raises(InputError, match="3 and 5 frames"):
        figures.join([*pictures, np.zeros((5, 4, 4, 3), np.uint8)], axis=1, gap=1)


def test_runs_of_the_same_name_are_told_apart_by_their_paths(runs, tmp_path):
    copy = save_run(tmp_path / "tgan", log=[{"iteration": 1, "dis/wasserstein": 1}])
    with mock.patch.object(figures, "draw_curves", wraps=figures.draw_curves) as draw:
        succeed("figures.py", 2, runs["tgan"], copy, "--out", tmp_path / "fig2.png")
    assert list(draw.call_args.args[0]) == [f"{runs['tgan']} (SVC)", f"{copy} (SVC)"]


@pytest.mark.parametrize(
    ("figure", "run", "arguments", "words"),
    [
        (1, "tgan", [], ["choose from"]),
        (2, "3d", [], ["holds no log"]),
        (2, "tgan", ["--out", "fig.gif"], ["fig.gif", ".png"]),
        (2, "tgan", ["--key", "dis/los"], ["dis/los", "dis/loss"]),
        (3, "tgan", ["--out", "fig.npy"], ["fig.npy", ".png, .gif or .mp4"]),
        (3, "tgan", ["--out", "fig.pdf"], ["fig.pdf"]),
        (3, "tgan", ["--key", "gen/loss"], ["--key", "figure 2"]),
        (3, "tgan", ["--label", 1], ["--label", "figure 7"]),
        (3, "tgan", ["--num", 0], ["num must be"]),
        (3, "tgan", ["--num", 1025], ["num must be at most 1024"]),
        (3, "tgan", ["--scale", 0], ["scale must be"]),
        (3, "tgan", ["--seed", 2**32], ["seed must be"]),
        (6, "tgan", ["--factor", 0], ["factor must be"]),
        (6, "3d", [], ["3d", "no trajectory"]),
        (7, "tgan", [], ["not conditional"]),
        (7, "conditional", ["--label", "Klass"], ["Klass", "Class"]),
        (7, "conditional", ["--label", "all", "--num", 1000], ["more than 1024"]),
    ],
)
def test_figures_refuses_bad_input_in_one_line(runs, tmp_path, monkeypatch, figure, run, arguments, words):
    monkeypatch.chdir(tmp_path)
    result = call("figures.py", figure, runs[run], "--gpu", -1, "--out", "fig.png", *arguments)
    assert_one_line_error(result, *words)
    assert os.listdir(tmp_path) == []


def test_figures_refuses_bad_runs_in_one_line(runs, tmp_path):
    out = ["--gpu", -1, "--out", tmp_path / "fig.gif"]
    assert_one_line_error(call("figures.py", 4, runs["tgan"], runs["tgan"], *out), "given twice")
    assert_one_line_error(call("figures.py", 4, runs["tgan"], runs["long"], *out), "16 and 32 frames")
    assert_one_line_error(call("figures.py", 4, tmp_path / "none", *out), "none")
    for i, log in enumerate(["[", "[]", "{}", "[1]"]):
        run = tmp_path / f"run{i}"
        run.mkdir()
        (run / "log").write_text(log)
        assert_one_line_error(call("figures.py", 2, run, "--out", tmp_path / "fig.png"), str(run))


@pytest.mark.parametrize("name", ["interpolate.py", "figures.py"])
def test_help_teaches_by_example(name):
    result = call(name, "--help")
    assert result.returncode == 0
    assert f"  python experiments/{name} " in result.stdout
