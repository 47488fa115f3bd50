"""Each file of a folder is found once."""

import os

import pytest
from helpers import refused

from tgan_chainer.datasets.searching import find_files, natural_key, open_file


def test_files_are_found_once_whatever_links_lead_to_them(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in "b/c/1.AVI", "b/2.mp4", "b/.hidden.mp4", "b/3.txt":
        (tmp_path / name).write_text("")
    (tmp_path / "a").symlink_to("b")  # a folder twice
    (tmp_path / "b" / "c" / "up").symlink_to("../..")  # a circle
    (tmp_path / "0.mp4").symlink_to("b/2.mp4")  # a file twice
    found = find_files(tmp_path, (".avi", ".mp4"))
    assert found == [str(tmp_path / "b" / "2.mp4"), str(tmp_path / "b" / "c" / "1.AVI")]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        find_files(tmp_path / "nowhere", (".avi",))


def test_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(lambda: open_file(str(tmp_path / "pipe.mp4")), "not a file")


def test_numbers_in_names_are_sorted_as_numbers():
    names = ["frame_10.png", "frame_9.png", "frame_9b.png", "a2_3.png", "a2_20.png"]
    wanted = ["a2_3.png", "a2_20.png", "frame_9.png", "frame_9b.png", "frame_10.png"]
    assert sorted(names, key=natural_key) == wanted
