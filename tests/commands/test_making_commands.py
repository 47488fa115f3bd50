"""The commands that make data sets of videos: which files, which classes, which frames."""

import errno
import functools
import os
import re
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import av
import h5py
import numpy as np
import PIL.Image
import pytest
from movies import assert_close, clip_frames, moving_picture, names_in, resized, write_avi, write_broken

from tgan_chainer.commands import cli, golf, ucf101, video_folder
from tgan_chainer.datasets import VideoDataset
from tgan_chainer.errors import InputError

# video_folder


def test_loose_videos_have_no_classes(tmp_path, capsys):
    frames = write_avi(tmp_path / "my videos" / "ä b.AVI", moving_picture(16, 96, 64))
    write_avi(tmp_path / "my videos" / "c.mp4", moving_picture(17, 64, 96), codec="libx264")
    write_avi(tmp_path / "my videos" / "short.avi", moving_picture(15, 64, 64))
    (tmp_path / "my videos" / "notes.txt").write_text("not meant")
    (tmp_path / "my videos" / ".hidden.avi").write_text("not meant")
    out = tmp_path / "data" / "mine.h5"
    assert video_folder.main([str(tmp_path / "my videos"), str(out)]) == 0
    assert names_in(out) == ["c.mp4", "ä b.AVI"]
    assert_close(clip_frames(out, 1), resized(frames, 96, 64, 64))
    dataset = VideoDataset(out)
    assert (dataset.n_clips, dataset.labels, dataset.label_names) == (2, None, None)
    assert (dataset.channels, dataset.height, dataset.width) == (3, 64, 64)
    told = capsys.readouterr()
    assert told.err == "too short short.avi: 15 frames\n"
    assert "left out: 1 with fewer than 16 frames" in told.out


def test_folders_are_classes(tmp_path):
    for name in ("b/2.avi", "a/x/1.avi", "c c/3.avi", "b/1.avi"):
        write_avi(tmp_path / "src" / name, moving_picture(16, 48, 48))
    out = tmp_path / "mine.h5"
    assert video_folder.main([str(tmp_path / "src"), str(out), "--size", "16", "--gray"]) == 0
    dataset = VideoDataset(out)
    assert dataset.labels.tolist() == [0, 1, 1, 2]
    assert dataset.label_names == ["a", "b", "c c"]
    assert (dataset.channels, dataset.height, dataset.width) == (1, 16, 16)
    assert names_in(out) == ["a/x/1.avi", "b/1.avi", "b/2.avi", "c c/3.avi"]


def test_broken_files_are_listed_and_the_others_kept(tmp_path, capsys):
    broken = write_broken(tmp_path / "src")
    write_avi(tmp_path / "src" / "good.avi", moving_picture(16, 48, 48))
    assert video_folder.main([str(tmp_path / "src"), str(tmp_path / "mine.h5")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(broken)
    for name, reason in broken.items():
        assert any(re.match(f"cannot read {name}: ({reason})", line) for line in lines), (name, lines)
    assert names_in(tmp_path / "mine.h5") == ["good.avi"]


def test_loose_videos_beside_folders_are_an_input_error(tmp_path):
    write_avi(tmp_path / "a.avi", moving_picture(1, 32, 32))
    write_avi(tmp_path / "b" / "c.avi", moving_picture(1, 32, 32))
    with pytest.raises(InputError, match=r"both loose videos \(a.avi\) and videos in folders \(b/c.avi\)"):
        video_folder.main([str(tmp_path), str(tmp_path / "mine.h5")])


# ucf101


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


# golf


def write_stack(path, frames, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.concatenate(frames)).save(path, quality=95, subsampling=0, **options)
    return frames


def test_golf_clips_are_cut_from_stacks_and_resized_frame_by_frame(tmp_path):
    first = write_stack(tmp_path / "g" / "v 1" / "0001.jpg", moving_picture(32, 128, 128, 1))
    second = write_stack(tmp_path / "g" / "v2" / "0002.jpg", moving_picture(16, 128, 128, 2))
    (tmp_path / "list.txt").write_text("v2/0002.jpg\n\nv 1/0001.jpg\n")
    out = tmp_path / "golf.h5"
    assert golf.main([str(tmp_path / "g"), str(tmp_path / "list.txt"), str(out)]) == 0
    assert names_in(out) == ["v2/0002.jpg", "v 1/0001.jpg"]
    for i, frames in enumerate((second, first)):
        assert_close(clip_frames(out, i), resized(frames, 64, 64, 64))
    assert VideoDataset(out).labels is None


def test_golf_frames_do_not_bleed_into_each_other(tmp_path):
    frames = np.zeros((4, 128, 128, 3), np.uint8)
    frames[1::2] = 255
    write_stack(tmp_path / "clip.jpg", frames)
    found, _ = golf.read_stack(tmp_path / "clip.jpg", 64, gray=True)
    assert found.shape == (4, 64, 64, 1)
    assert found[::2].max() < 3
    assert found[1::2].min() > 252


def test_golf_files_that_cannot_be_read_are_listed(tmp_path, capsys):
    write_stack(tmp_path / "good.jpg", moving_picture(16, 128, 128))
    write_stack(tmp_path / "short.jpg", moving_picture(15, 128, 128))
    write_stack(tmp_path / "odd.jpg", moving_picture(3, 100, 90))
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:5000])
    (tmp_path / "text.jpg").write_text("no picture")
    names = ["good", "odd", "cut", "text", "missing", "short"]
    (tmp_path / "list.txt").write_text("".join(f"{name}.jpg\n" for name in names))
    assert golf.main([str(tmp_path), str(tmp_path / "list.txt"), str(tmp_path / "golf.h5")]) == 1
    lines = capsys.readouterr().err.splitlines()
    reasons = [
        "odd.jpg: 100x270 pixels",
        "cut.jpg: .*truncated",
        "text.jpg: not an image",
        "missing.jpg: No such",
    ]
    for line, reason in zip(lines, reasons):
        assert re.match(f"cannot read {reason}", line)
    assert lines[4:] == ["too short short.jpg: 15 frames"]


# Folders as people have them


def clip(path, n_frames=16):
    return write_avi(path, moving_picture(n_frames, 32, 32))


def test_each_real_file_counts_once_whatever_links_lead_to_it(tmp_path):
    src = tmp_path / "src"
    clip(src / "cats" / "a.avi")
    clip(tmp_path / "elsewhere" / "b.avi")
    (src / "dogs").mkdir()
    (src / "dogs" / "b.avi").symlink_to(tmp_path / "elsewhere" / "b.avi")
    (src / "dogs" / "again.avi").symlink_to(tmp_path / "elsewhere" / "b.avi")
    (src / "dogs" / "cat.avi").symlink_to(src / "cats" / "a.avi")
    for i in range(5):
        (src / "cats" / f"loop{i}").symlink_to(src)
    (src / "aliases").symlink_to(src / "cats")
    assert video_folder.main([str(src), str(tmp_path / "mine.h5"), "--size", "16"]) == 0
    assert names_in(tmp_path / "mine.h5") == ["cats/a.avi", "dogs/again.avi"]


def test_a_link_to_nothing_is_told(tmp_path, capsys):
    clip(tmp_path / "src" / "a.avi")
    (tmp_path / "src" / "gone.avi").symlink_to(tmp_path / "nothing.avi")
    assert video_folder.main([str(tmp_path / "src"), str(tmp_path / "mine.h5")]) == 1
    assert "cannot read gone.avi: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["video_folder", "ucf101"])
def test_a_class_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch, command):
    for name in "Archery", "YoYo":
        clip(tmp_path / "src" / name / f"v_{name}_g01_c01.avi")
    listdir = os.listdir

    def refuse(path):  # root may read everything
        if str(path).endswith("Archery"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    main = {"video_folder": video_folder, "ucf101": ucf101}[command].main
    with pytest.raises(PermissionError, match="Archery"):
        main([str(tmp_path / "src"), str(tmp_path / "mine.h5")])


def test_splits_are_not_classes(tmp_path, capsys):
    src = tmp_path / "src"
    for name in "train/cats/a", "train/dogs/b", "val/cats/c":
        clip(src / f"{name}.avi")
    with pytest.raises(InputError, match="deeper than one class folder .train/cats/a.avi.*--split train"):
        video_folder.main([str(src), str(tmp_path / "mine.h5")])
    assert video_folder.main([str(src), str(tmp_path / "mine.h5"), "--split", "train"]) == 0
    dataset = VideoDataset(tmp_path / "mine.h5")
    assert (dataset.label_names, dataset.facts["split"]) == (["cats", "dogs"], "train")
    with pytest.raises(InputError, match="src/test: no such folder"):
        video_folder.main([str(src), str(tmp_path / "other.h5"), "--split", "test"])


def test_videos_of_other_kinds_and_images_are_named(tmp_path, capsys):
    src = tmp_path / "src"
    clip(src / "a.avi")
    (src / "b.ogv").write_bytes(b"x")
    (src / "frames").mkdir()
    (src / "frames" / "1.png").write_bytes(b"x")
    assert video_folder.main([str(src), str(tmp_path / "mine.h5")]) == 0
    told = capsys.readouterr().err
    assert "left out: 1 video" in told and "b.ogv" in told
    assert "left out: 1 images" in told and "frames/1.png" in told


@pytest.mark.parametrize("suffix, codec", [("3gp", "mpeg4"), ("ts", "mpeg2video"), ("mts", "mpeg2video")])
def test_what_phones_and_cameras_write_is_read(tmp_path, suffix, codec):
    kind = "mpegts" if suffix == "mts" else None
    (tmp_path / "src").mkdir()
    with av.open(str(tmp_path / "src" / f"a.{suffix}"), "w", format=kind) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        for image in moving_picture(20, 64, 48):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    assert video_folder.main([str(tmp_path / "src"), str(tmp_path / "mine.h5")]) == 0
    assert VideoDataset(tmp_path / "mine.h5").facts["frames"] == 20


def test_names_of_files_and_classes_need_not_be_utf_8(tmp_path):
    src = tmp_path / "vid\udce9os"
    clip(src / "caf\udce9" / "a\udcff.avi")
    out = tmp_path / "m\udce9.h5"
    assert video_folder.main([str(src), str(out)]) == 0
    dataset = VideoDataset(out)
    assert dataset.label_names == ["caf\ufffd"] and names_in(out) == ["caf\ufffd/a\ufffd.avi"]
    dataset.source.encode()


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


# UCF-101 as published


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


# Images that are none


@pytest.mark.parametrize("kind", ["EPS", "PPM", "TIFF", "GIF", "DDS", "PCX", "TGA"])
def test_images_of_other_kinds_are_not_opened_whatever_they_are_called(tmp_path, kind):
    PIL.Image.fromarray(np.concatenate(moving_picture(16, 64, 64))).save(tmp_path / "a.jpg", kind)
    with pytest.raises(InputError, match="not an image, or none of PNG, JPEG, BMP, WEBP"):
        golf.read_stack(tmp_path / "a.jpg", 64)


def test_a_bomb_of_an_image_is_refused_before_it_is_unpacked(tmp_path):
    PIL.Image.new("1", (9000, 9000)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 20_000
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InputError, match="9000x9000 pixels, too many"):
                golf.read_stack(tmp_path / "a.png", 64)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix, kind", [("png", "PNG"), ("jpg", "JPEG"), ("bmp", "BMP"), ("webp", "WEBP")])
def test_every_damaged_image_is_one_line(tmp_path, suffix, kind):
    path = tmp_path / f"a.{suffix}"
    PIL.Image.fromarray(np.concatenate(moving_picture(4, 16, 16))).save(path, kind)
    content, rng = path.read_bytes(), np.random.RandomState(0)
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.randint(len(content), size=rng.randint(1, 6)):
            changed[place] = rng.randint(256)
        path.write_bytes(changed[: rng.randint(1, len(changed) + 1)] if rng.randint(2) else changed)
        try:
            golf.read_stack(path, 16)
        except InputError as error:
            assert "\n" not in str(error)


def test_golf_lists_may_name_files_that_are_not_utf_8(tmp_path):
    write_stack(tmp_path / "caf\udce9.jpg", moving_picture(16, 64, 64))
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfcaf\xe9.jpg\n")
    out = tmp_path / "golf.h5"
    assert golf.main([str(tmp_path), str(tmp_path / "list.txt"), str(out), "--resize", "nearest"]) == 0
    assert names_in(out) == ["caf\ufffd.jpg"]
    expected = moving_picture(16, 64, 64)
    assert_close(clip_frames(out, 0), expected)
    assert VideoDataset(out).facts["filter"] == "nearest"


# All commands


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
