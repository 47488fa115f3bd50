"""A data set of one's own videos: which files, which classes, which frames."""

import errno
import os
import re

import av
import pytest
from movies import assert_close, clip_frames, moving_picture, names_in, resized, write_avi, write_broken

from tgan_chainer.commands import ucf101, video_folder
from tgan_chainer.datasets import VideoDataset
from tgan_chainer.errors import InputError


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
