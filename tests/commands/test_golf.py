"""The golf scenes: stacks of frames become clips."""

import re

import numpy as np
import PIL.Image
from movies import assert_close, clip_frames, moving_picture, names_in, resized

from tgan_chainer.commands import golf
from tgan_chainer.datasets import VideoDataset


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


def test_golf_lists_may_name_files_that_are_not_utf_8(tmp_path):
    write_stack(tmp_path / "caf\udce9.jpg", moving_picture(16, 64, 64))
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfcaf\xe9.jpg\n")
    out = tmp_path / "golf.h5"
    assert golf.main([str(tmp_path), str(tmp_path / "list.txt"), str(out), "--resize", "nearest"]) == 0
    assert names_in(out) == ["caf\ufffd.jpg"]
    expected = moving_picture(16, 64, 64)
    assert_close(clip_frames(out, 0), expected)
    assert VideoDataset(out).facts["filter"] == "nearest"
