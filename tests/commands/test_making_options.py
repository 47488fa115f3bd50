"""What the commands share that make a data set of many files."""

import functools
import re
from pathlib import Path

import pytest
from movies import moving_picture, write_avi

from tgan_chainer.commands import cli, golf, ucf101, video_folder
from tgan_chainer.errors import InputError


@pytest.mark.parametrize("fps", ["1e-9", "1e999999999", "0.001", "1001", "1/0", "9" * 5000, "25/"])
def test_rates_that_nobody_means_are_refused_at_once(tmp_path, capsys, fps):
    with pytest.raises(SystemExit) as caught:
        video_folder.main([str(tmp_path), str(tmp_path / "mine.h5"), "--fps", fps])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "such as 25, 29.97 or 30000/1001" in error and len(error) < 300


@pytest.mark.parametrize("size", [str(2**40), "9" * 5000, "1025", "0x40", "٣"])
def test_sizes_that_nobody_means_are_refused(tmp_path, capsys, size):
    for main, arguments in (video_folder.main, []), (golf.main, ["list.txt"]):
        with pytest.raises(SystemExit) as caught:
            main([str(tmp_path), *arguments, str(tmp_path / "mine.h5"), "--size", size])
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert "from 1 to 1024" in error and len(error) < 300


COMMANDS = {
    "ucf101": (ucf101, ["src", "out.h5"]),
    "golf": (golf, ["src", "list.txt", "out.h5"]),
    "video_folder": (video_folder, ["src", "out.h5"]),
}
WRONG = [
    ("ucf101", ["--crop", "65"], "--crop is 65"),
    ("ucf101", ["--crop", "-1"], "--crop is -1"),
    ("ucf101", ["--width", "0"], "--width"),
    ("ucf101", ["--split", "train4"], "--split"),
    ("ucf101", ["--split", "train2"], "ucfTrainTestlist"),
    ("ucf101", ["--splits", "nowhere"], "classInd.txt"),
    ("ucf101", ["--download"], r"\.rar"),
    ("ucf101", ["--fps", "0"], "--fps"),
    ("ucf101", [], "no <Class>/v_"),
    ("golf", ["--size", "0"], "--size"),
    ("golf", ["--fps", "3"], "unknown argument"),
    ("golf", [], "empty list"),
    ("video_folder", ["--size", "-3"], "--size"),
    ("video_folder", ["--fps", "1/0"], "--fps"),
    ("video_folder", ["--fps", "nan"], "--fps"),
    ("video_folder", [], "no videos"),
]
WRONG += [(name, [option, "0"], option) for name in COMMANDS for option in ("--min-frames", "--workers")]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A source for each command, for each to find its own mistake in."""
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("list.txt").write_text("\n")


@pytest.mark.parametrize("name, options, message", WRONG)
def test_wrong_options_and_sources_end_with_status_2_and_one_line(
    files, monkeypatch, capsys, name, options, message
):
    monkeypatch.setattr(cli, "prepare_process", lambda: None)  # not for the process of the tests
    module, arguments = COMMANDS[name]
    if {"--workers", "--min-frames"} & set(options):
        Path("list.txt").write_text("clip.jpg")
        write_avi(Path("src/Archery/v_Archery_g01_c01.avi"), moving_picture(1, 32, 32))
    with pytest.raises(SystemExit) as caught:
        cli.run_command(functools.partial(module.main, [*arguments, *options]))
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert not Path("out.h5").exists()
    assert not Path("out.h5.parts").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_missing_sources_and_folders_as_outputs_are_input_errors(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    module, arguments = COMMANDS[name]
    with pytest.raises(InputError, match="src: no such folder"):
        module.main(arguments)
    Path("out.h5").mkdir()
    write_avi(Path("src/Archery/v_Archery_g01_c01.avi"), moving_picture(1, 32, 32))
    Path("list.txt").write_text("clip.jpg")
    with pytest.raises(InputError, match="out.h5 is a folder"):
        module.main(arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_examples(name, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", [f"datasets/{name}.py"])
    with pytest.raises(SystemExit):
        COMMANDS[name][0].main(["--help"])
    told = capsys.readouterr().out
    assert f"python datasets/{name}.py" in told
    assert all(len(line) <= 120 for line in told.splitlines())
