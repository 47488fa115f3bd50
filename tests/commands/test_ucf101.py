"""UCF-101 as its authors publish it: which videos, which classes, which split."""

import os
import zipfile
from pathlib import Path

import h5py
import pytest
from movies import assert_close, clip_frames, moving_picture, names_in, resized, write_avi

from tgan_chainer.commands import ucf101
from tgan_chainer.datasets import VideoDataset
from tgan_chainer.errors import InputError


@pytest.fixture
def ucf(tmp_path):
    """A small UCF-101 with its quirk: a class that folders and files spell in two ways."""
    for name in ("Archery/v_Archery", "HandstandPushups/v_HandStandPushups", "ApplyLipstick/v_ApplyLipstick"):
        for group in (1, 8):
            write_avi(
                tmp_path / "UCF-101" / f"{name}_g{group:02d}_c01.avi", moving_picture(18, 320, 240, group)
            )
    splits = tmp_path / "ucfTrainTestlist"
    splits.mkdir()
    (splits / "classInd.txt").write_text("1 HandstandPushups\r\n2 Archery\r\n3 ApplyLipstick\r\n4 YoYo\r\n")
    (splits / "trainlist01.txt").write_text(
        "HandstandPushups/v_HandStandPushups_g08_c01.avi 1\nArchery/v_Archery_g08_c01.avi 2\n"
    )
    (splits / "testlist01.txt").write_text("Archery/v_Archery_g01_c01.avi\n")
    return tmp_path / "UCF-101"


def test_ucf101_is_stored_by_class_in_the_order_of_classind(ucf, tmp_path):
    out = tmp_path / "ucf.h5"
    assert ucf101.main([str(ucf), str(out)]) == 0
    dataset = VideoDataset(out)
    assert dataset.label_names == ["HandstandPushups", "Archery", "ApplyLipstick", "YoYo"]
    assert dataset.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert names_in(out)[:3] == [
        "v_HandStandPushups_g01_c01",
        "v_HandStandPushups_g08_c01",
        "v_Archery_g01_c01",
    ]
    assert_close(clip_frames(out, 2), resized(moving_picture(18, 320, 240, 1), 85, 64, 64))
    with h5py.File(out) as file:
        assert file.attrs["frame_rate"] == 25


def test_without_classind_classes_are_sorted(ucf, tmp_path):
    (tmp_path / "ucfTrainTestlist" / "classInd.txt").unlink()
    out = tmp_path / "ucf.h5"
    assert ucf101.main([str(ucf), str(out), "--crop", "0", "--width", "40", "--height", "30"]) == 0
    dataset = VideoDataset(out)
    assert dataset.label_names == ["ApplyLipstick", "Archery", "HandstandPushups"]
    assert (dataset.height, dataset.width) == (30, 40)


@pytest.mark.parametrize(
    "split, names, labels",
    [
        ("train1", ["v_HandStandPushups_g08_c01", "v_Archery_g08_c01"], [0, 1]),
        ("test1", ["v_Archery_g01_c01"], [1]),
    ],
)
def test_splits_take_what_they_list(ucf, tmp_path, split, names, labels):
    out = tmp_path / "ucf.h5"
    moved = tmp_path / "elsewhere"
    (tmp_path / "ucfTrainTestlist").rename(moved)
    assert ucf101.main([str(ucf), str(out), "--split", split, "--splits", str(moved)]) == 0
    assert names_in(out) == names
    assert VideoDataset(out).labels.tolist() == labels


def test_a_listed_video_that_is_missing_is_told(ucf, tmp_path, capsys):
    (ucf / "Archery" / "v_Archery_g08_c01.avi").unlink()
    assert ucf101.main([str(ucf), str(tmp_path / "ucf.h5"), "--split", "train1"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "of UCF-101 (train1) 1 of 9,537 clips and 1 of 101 classes are there",
        "cannot read v_Archery_g08_c01: No such file or directory",
    ]


FAKE_UNRAR = """#!/bin/sh
# unrar x -idq -o+ ARCHIVE FOLDER/
[ "$1" = x ] || exit 7
case $(cat "$4") in good) cp -r {videos} "$5" ;; *) echo "$4 is not RAR archive" >&2; exit 10 ;; esac
"""


@pytest.fixture
def unrar(ucf, tmp_path, monkeypatch):
    """The only unpacker on the PATH is a script that knows one archive, the one that says "good"."""
    (tmp_path / "original").mkdir()
    ucf.rename(tmp_path / "original" / "UCF-101")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "unrar"
    script.write_text(FAKE_UNRAR.format(videos=tmp_path / "original" / "UCF-101"))
    script.chmod(0o755)
    for program in ("cat", "cp"):
        (tmp_path / "bin" / program).symlink_to(f"/bin/{program}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    rar = tmp_path / "UCF101.rar"
    rar.write_text("good")
    return rar


def test_a_rar_is_unpacked_next_to_the_output(unrar, tmp_path):
    out = tmp_path / "data" / "ucf.h5"
    assert ucf101.main([str(unrar), str(out)]) == 0
    assert VideoDataset(out).label_names[0] == "HandstandPushups"
    assert sorted(os.listdir(tmp_path / "data")) == ["UCF-101", "ucf.h5"]
    unrar.unlink()
    assert ucf101.main([str(unrar), str(out), "--force"]) == 0


def test_a_rar_that_cannot_be_unpacked_is_one_line_and_leaves_nothing(unrar, tmp_path):
    unrar.write_text("bad")
    with pytest.raises(
        InputError, match="UCF101.rar: cannot be unpacked .unrar: status 10, .*not RAR"
    ) as caught:
        ucf101.main([str(unrar), str(tmp_path / "data" / "ucf.h5")])
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path / "data") == []


def test_without_an_unpacker_the_packages_are_named(unrar, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for arguments in ([], ["--download"]):
        with pytest.raises(InputError, match="none of unrar, unar, bsdtar and 7z .*apt install unar"):
            ucf101.main([str(unrar), str(tmp_path / "ucf.h5"), *arguments])


def test_download_fetches_the_videos_and_the_splits(unrar, tmp_path, monkeypatch):
    unrar.unlink()
    lists = tmp_path / "ucfTrainTestlist"
    with zipfile.ZipFile(tmp_path / "splits.zip", "w") as file:
        for path in lists.iterdir():
            file.write(path, f"../ucfTrainTestlist/{path.name}")
            path.unlink()
    lists.rmdir()

    def download(url, path, option, **more):
        if url == ucf101.VIDEOS_URL:
            Path(path).write_text("good")
        else:
            assert url == ucf101.SPLITS_URL
            os.replace(tmp_path / "splits.zip", path)

    monkeypatch.setattr(ucf101, "download", download)
    assert ucf101.main([str(unrar), str(tmp_path / "ucf.h5"), "--download", "--split", "test1"]) == 0
    assert names_in(tmp_path / "ucf.h5") == ["v_Archery_g01_c01"]


def test_the_published_numbers_are_those_of_the_lists():
    from tgan_chainer.datasets.published import UCF101_CLIPS

    for i in "123":
        assert UCF101_CLIPS[f"train{i}"] + UCF101_CLIPS[f"test{i}"] == UCF101_CLIPS["all"]


def test_a_shortfall_of_ucf101_is_listed(ucf, tmp_path, capsys):
    (ucf / "ApplyLipstick" / "v_ApplyLipstick_g08_c01.avi").unlink()
    with open(tmp_path / "ucfTrainTestlist" / "testlist01.txt", "a") as file:
        file.write("ApplyLipstick/v_ApplyLipstick_g08_c01.avi\r\n")
    assert ucf101.main([str(ucf), str(tmp_path / "ucf.h5"), "--resize", "nearest"]) == 0
    told = capsys.readouterr().err
    assert "of UCF-101 (all) 5 of 13,320 clips and 3 of 101 classes are there" in told
    assert "missing: ApplyLipstick/v_ApplyLipstick_g08_c01.avi" in told
    facts = VideoDataset(tmp_path / "ucf.h5").facts
    assert [facts[key] for key in ("dataset", "split", "resized", "crop", "filter", "clips")] == [
        *("ucf101", "all", [85, 64], 64, "nearest", 5)
    ]


def test_ucf101_needs_no_particular_case(ucf, tmp_path):
    (ucf / "HandstandPushups").rename(ucf / "HandStandPushups")
    out = tmp_path / "ucf.h5"
    assert ucf101.main([str(ucf), str(out), "--split", "train1"]) == 0
    assert names_in(out) == ["v_HandStandPushups_g08_c01", "v_Archery_g08_c01"]
