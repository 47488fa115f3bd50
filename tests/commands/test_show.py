"""show.py: what a data set, a folder of videos, an array or a run holds."""

import os

import imageio.v3 as iio
import numpy as np
import pytest
from helpers import TINY, assert_one_line_error, call
from movies import moving_picture, write_avi

from tgan_chainer import VideoDataset, save_videos
from tgan_chainer.datasets import write_videos
from tgan_chainer.datasets.decoding import read_header
from tgan_chainer.videos import tile, to_uint8


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("data") / "mine.h5")
    facts = {"dataset": "video_folder", "crop": 32, "resampled_to": 12.5, "gray": True}
    with write_videos(path, "Films of mine", ["cats", "dogs"], **facts) as writer:
        for i in range(6):
            length = 10 if i == 5 else 20 + i
            clip = np.random.RandomState(i).randint(0, 256, (length, 32, 32, 1))
            writer.append(clip.astype(np.uint8), labels=i % 2)
    return path


def show(source, *arguments, status=0):
    result = call("show.py", source, "--gpu", -1, *arguments)
    assert result.returncode == status, result.stderr
    lines = (line.partition(":") for line in result.stdout.splitlines())
    return {key: value.strip() for key, _, value in lines}, result.stdout


def test_a_data_set_says_what_it_holds_and_how_it_was_made(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    facts, said = show(data)
    assert facts["clips"] == "6, 1 too short"
    assert facts["frames"] == "120, 20 to 24, 22 on average, a clip"
    assert facts["size"] == "32×32 pixels, grey"
    assert facts["rate"] == "12.5 frames a second"
    assert facts["classes"] == "2: cats (3), dogs (2)"
    assert (facts["source"], facts["dataset"], facts["crop"]) == ("Films of mine", "video_folder", "32")
    assert facts["gray"] == "true" and "None" not in said
    assert os.listdir(tmp_path) == ["show_mine.gif"]
    grid = iio.imread("show_mine.gif", mode="L")
    assert grid.shape == (16, 2 * (5 * 34 - 2), 2 * (5 * 34 - 2))  # clips come again


def test_the_grid_shows_windows_of_the_data(data, tmp_path):
    show(data, "--num", 4, "--frames", 8, "--scale", 1, "--seed", 3, "--out", tmp_path / "x.gif")
    grid = iio.imread(tmp_path / "x.gif", mode="L")
    dataset = VideoDataset(data, 8)
    windows = [to_uint8(dataset[i])[0, 0] for i in range(len(dataset))]
    first = tile(np.zeros((4, 1, 1, 32, 32), np.uint8)).shape[1] - 32  # where the second row begins
    for frame in grid[0, :32, :32], grid[0, first:, :32]:
        assert min(abs(frame.astype(int) - window).max() for window in windows) <= 1


def test_a_folder_is_counted_by_its_files_headers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, size, fps in ("cats/a", (64, 48), 25), ("cats/b", (64, 48), 25), ("dogs/c", (32, 32), 10):
        write_avi(tmp_path / "films" / f"{name}.avi", moving_picture(20, *size), fps=fps)
    (tmp_path / "films" / "dogs" / "d.avi").write_bytes(b"nothing")
    facts, said = show("films", status=1)
    assert facts["videos"] == "3, .avi" and facts["frames"] == "20 a video"
    assert facts["size"] == "64×48 pixels (2), 32×32 pixels (1)"
    assert facts["rate"] == "25 frames a second (2), 10 frames a second (1)"
    assert facts["classes"] == "2: cats (2), dogs (1)"
    assert "d.avi" in facts["left out"] and said.count("left out") == 1
    assert iio.imread("show_films.gif").shape[:3] == (16, 2 * (2 * 66 - 2), 2 * (2 * 66 - 2))


def test_of_few_videos_those_that_can_be_read_are_shown_and_no_file_is_named_twice(tmp_path):
    for name in "abc":
        write_avi(tmp_path / "films" / f"{name}.avi", moving_picture(20, 32, 32))
    for name in "defgh":
        (tmp_path / "films" / f"{name}.avi").write_bytes(b"nothing")
    _, said = show(tmp_path / "films", "--num", 3, "--out", tmp_path / "x.gif", status=1)
    assert "3 videos of 16 frames" in said and said.count("left out") == 5
    assert all(said.count(f"{name}.avi") == 1 for name in "defgh")


def test_one_video_is_shown_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_avi(tmp_path / "mine.avi", moving_picture(20, 64, 48), fps=25)
    facts, said = show("mine.avi")
    assert facts["videos"] == "1, .avi" and facts["size"] == "64×48 pixels" and "classes" not in facts
    assert "1 video of 16 frames" in said and os.path.exists("show_mine.gif")
    save_videos("own.gif", [np.random.RandomState(0).uniform(-1, 1, (1, 16, 32, 32))])
    facts, _ = show("own.gif", "--out", "again.gif")
    assert facts["frames"] == "16 a video" and os.path.exists("again.gif")


def test_drawn_data_have_no_rate(tmp_path):
    with write_videos(str(tmp_path / "drawn.h5"), "Drawn.", dataset="moving_mnist") as writer:
        writer.append(np.zeros((16, 8, 8, 1), np.uint8))
    facts, _ = show(tmp_path / "drawn.h5", "--out", tmp_path / "x.gif")
    assert "rate" not in facts


def test_a_header_is_what_decoding_finds(tmp_path):
    write_avi(tmp_path / "a.avi", moving_picture(7, 48, 32), fps=12.5)
    assert read_header(tmp_path / "a.avi") == (48, 32, 12.5, 7)


def test_arrays_and_runs_are_shown_too(data, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 16, 24, 24, 3), np.uint8))
    facts, _ = show(tmp_path / "x.npy", "--out", tmp_path / "x.png")
    assert facts["shape"] == "2×16×24×24×3"
    out = str(tmp_path / "run")
    assert call("train.py", *TINY, "--data", data, "--out", out, "--iterations", 1).returncode == 0
    facts, _ = show(out, "--out", tmp_path / "run.gif", "--num", 4)
    assert (facts["iteration"], facts["trained on"]) == ("1", "Films of mine")
    # The same samples of the same size as by generate.py and by Python.
    call("generate.py", out, "--gpu", -1, "--num", 4, "--out", tmp_path / "generated.gif")
    from tgan_chainer import load_generator

    save_videos(str(tmp_path / "python.gif"), load_generator(out).sample(4, seed=0))
    contents = {(tmp_path / f"{name}.gif").read_bytes() for name in ("run", "generated", "python")}
    assert len(contents) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], ["there is no nowhere"]),
        (["mine.h5", "--num", 0], ["num must be"]),
        (["mine.h5", "--num", 1025], ["num must be at most"]),
        (["mine.h5", "--frames", 30], ["no clip has 30 frames"]),
        (["mine.h5", "--out", "x.avi"], ["x.avi"]),
        (["broken"], ["no video that can be shown"]),
    ],
)
def test_bad_input_is_one_line(data, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    os.symlink(data, "mine.h5")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.mp4").write_bytes(b"")
    before = sorted(os.listdir(tmp_path))
    assert_one_line_error(call("show.py", *arguments, "--gpu", -1), *words)
    assert sorted(os.listdir(tmp_path)) == before
