"""Real small videos, written by libav, come back as the frames that went in, and none is lost on the way."""

import functools
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import h5py
import numpy as np
import PIL.Image
import pytest
from helpers import ROOT

from tgan_chainer.commands import cli, golf, ucf101, video_folder
from tgan_chainer.datasets import VideoDataset, decoding
from tgan_chainer.datasets.decoding import Clip, make_video_file, read_video, resize_filters, square_filters
from tgan_chainer.errors import InputError

FOLDER = Path(ROOT) / "datasets"

# Mean difference in brightness levels between libav's frames and the originals as Pillow resizes them: what
# the codec loses, the halved resolution of its colours, and two bicubic kernels that are not quite the same.
TOLERANCE = 3.0


@pytest.fixture(autouse=True)
def collecting_little():
    """imageio collects garbage for every file: without that these tests take a third less time."""
    with decoding.collecting_little():
        yield


@functools.cache
def moving_picture(n_frames, width, height, seed=0):
    """uint8 (T, H, W, 3): smooth colours that move, with a bright square that tells left from right."""
    rng = np.random.RandomState(seed)
    phase, speed = rng.uniform(0, 6, 3), rng.uniform(0.05, 0.3, 3)
    y, x = np.mgrid[:height, :width] / max(width, height)
    t = np.arange(n_frames)[:, None, None, None]
    waves = np.sin(7 * x[..., None] + 5 * y[..., None] * [1, -1, 0.5] + phase + speed * t)
    video = (127.5 + 80 * waves).astype(np.uint8)
    side = max(min(width, height) // 4, 1)
    for frame, left in zip(video, np.linspace(width // 4, width // 2, n_frames).astype(int)):
        frame[side : 2 * side, left : left + side] = 240
    return video


def write_avi(path, frames, fps=25, codec="mpeg4", pix_fmt="yuv420p"):
    """Encode as UCF-101 is: MPEG-4 part 2 in an AVI, tagged as Xvid's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=Fraction(fps).limit_denominator(100000))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        if codec == "mpeg4":
            stream.codec_context.codec_tag = "xvid"
            stream.codec_context.bit_rate = 8_000_000
            stream.codec_context.qmax = 3
        for image in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return frames


def resized(frames, width, height, crop):
    """What the frames should become, by Pillow."""
    images = (
        PIL.Image.fromarray(frame).resize((width, height), PIL.Image.Resampling.BICUBIC) for frame in frames
    )
    left, top = (width - crop) // 2, (height - crop) // 2
    return np.stack([np.asarray(image)[top : top + crop, left : left + crop] for image in images])


def assert_close(found, expected):
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    difference = abs(found.astype(int) - expected).mean(axis=(1, 2, 3))
    assert difference.max() < TOLERANCE, difference


def clip_frames(path, i):
    with h5py.File(path) as file:
        return file["frames"][slice(*file["offsets"][i : i + 2])]


def names_in(path):
    with h5py.File(path) as file:
        return file["names"].asstr()[:].tolist()


# Reading one file


def test_a_clip_as_of_ucf101_becomes_the_central_square_of_85x64(tmp_path):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(20, 320, 240))
    found, frame_rate = read_video(tmp_path / "clip.avi", resize_filters(85, 64, 64))
    assert_close(found, resized(frames, 85, 64, 64))
    assert frame_rate == 25
    shifted = resized(frames, 85, 64, 64)[1:]
    assert abs(found[:-1].astype(int) - shifted).mean() > abs(found[1:].astype(int) - shifted).mean()


def test_without_a_crop_the_whole_frame_is_kept(tmp_path):
    write_avi(tmp_path / "clip.avi", moving_picture(3, 320, 240))
    assert read_video(tmp_path / "clip.avi", resize_filters(85, 64))[0].shape == (3, 64, 85, 3)


@pytest.mark.parametrize(
    "width, height, expected",
    [(322, 182, (113, 64)), (120, 200, (64, 107)), (64, 64, (64, 64)), (40, 30, (85, 64))],
)
def test_the_shorter_side_decides_the_size_of_a_square(tmp_path, width, height, expected):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(4, width, height))
    found, _ = read_video(tmp_path / "clip.avi", square_filters(64))
    assert_close(found, resized(frames, *expected, 64))


@pytest.mark.parametrize(
    "codec, suffix", [("libx264", "mp4"), ("mpeg1video", "mpg"), ("libvpx", "webm"), ("ffv1", "mkv")]
)
def test_other_codecs_are_read_too(tmp_path, codec, suffix):
    frames = moving_picture(6, 128, 96)
    write_avi(tmp_path / f"clip.{suffix}", frames, codec=codec)
    found, _ = read_video(tmp_path / f"clip.{suffix}", square_filters(32))
    assert found.shape == (6, 32, 32, 3)
    assert abs(found.astype(int) - resized(frames, 43, 32, 32)).mean() < 2 * TOLERANCE


def test_gray_is_the_brightness(tmp_path):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(4, 160, 120))
    found, _ = read_video(tmp_path / "clip.avi", square_filters(32), gray=True)
    expected = resized(frames, 43, 32, 32) @ [0.299, 0.587, 0.114]
    assert_close(found, expected[..., None])


@pytest.mark.parametrize("turns, matrix", [(1, (0, 1, -1, 0)), (2, (-1, 0, 0, -1)), (3, (0, -1, 1, 0))])
def test_videos_of_phones_are_turned_upright(tmp_path, turns, matrix):
    frames = write_avi(tmp_path / "clip.mp4", moving_picture(4, 96, 64), codec="libx264")
    content = bytearray((tmp_path / "clip.mp4").read_bytes())
    a, b, c, d = (number << 16 for number in matrix)
    start = content.index(b"tkhd") + 44  # where ISO 14496-12 has the matrix of a track
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "clip.mp4").write_bytes(content)
    found, _ = read_video(tmp_path / "clip.mp4", square_filters(64))
    assert_close(found, np.rot90(resized(frames, 96, 64, 64), -turns, axes=(1, 2)))


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), 12, Fraction(15, 2)])
def test_frames_are_all_kept_at_odd_rates(tmp_path, rate):
    write_avi(tmp_path / "clip.avi", moving_picture(19, 64, 64), fps=rate)
    found, frame_rate = read_video(tmp_path / "clip.avi", square_filters(16))
    assert len(found) == 19
    assert frame_rate == pytest.approx(float(rate), rel=1e-4)


def test_half_the_frame_rate_takes_every_second_frame(tmp_path):
    frames = write_avi(tmp_path / "clip.avi", moving_picture(20, 64, 64))
    found, frame_rate = read_video(tmp_path / "clip.avi", square_filters(64), fps=Fraction(25, 2))
    assert frame_rate == 12.5
    assert len(found) == 10
    errors = [abs(found.astype(int) - frames[start::2]).mean() for start in (0, 1)]
    assert min(errors) < TOLERANCE


def test_twice_the_frame_rate_repeats_frames(tmp_path):
    write_avi(tmp_path / "clip.avi", moving_picture(20, 64, 64))
    found, _ = read_video(tmp_path / "clip.avi", square_filters(16), fps=Fraction(50))
    assert abs(len(found) - 40) <= 1


def write_broken(folder):
    """Files that no clip can be made of; returns the reasons to be told, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "empty.avi").write_bytes(b"")
    (folder / "text.avi").write_text("This is no video.\n" * 100)
    write_avi(folder / "cut.avi", moving_picture(60, 160, 120))
    os.truncate(folder / "cut.avi", (folder / "cut.avi").stat().st_size // 2)
    (folder / "stub.avi").write_bytes((folder / "cut.avi").read_bytes()[:3000])
    return {
        "empty.avi": "an empty file",
        "text.avi": "not a video",
        "cut.avi": "cut short|damaged",
        "stub.avi": "no frames|cut short|damaged|not a video",
    }


def test_broken_files_are_input_errors_with_the_reason(tmp_path):
    for name, reason in write_broken(tmp_path).items():
        with pytest.raises(InputError, match=reason) as caught:
            read_video(tmp_path / name, square_filters(16))
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        read_video(tmp_path / "missing.avi", square_filters(16))


def test_a_sound_without_a_picture_is_an_input_error(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        for packet in [*stream.encode(frame), *stream.encode()]:
            file.mux(packet)
    with pytest.raises(InputError, match="no video in this file"):
        read_video(tmp_path / "sound.mp4", square_filters(16))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are not listed on this platform")
def test_files_are_closed(tmp_path):
    write_avi(tmp_path / "clip.avi", moving_picture(2, 32, 32))
    write_broken(tmp_path / "broken")
    before = len(os.listdir("/proc/self/fd"))
    for path in [tmp_path / "clip.avi", *sorted((tmp_path / "broken").iterdir())] * 3:
        try:
            read_video(path, square_filters(16))
        except InputError:
            pass
    assert len(os.listdir("/proc/self/fd")) == before


# Many files


def fake_read(path):
    """The name says what to hand out: a number of frames, by brightness."""
    n = int(Path(path).stem)
    if n % 10 == 7:
        raise InputError("a bad number")
    if n % 10 == 9:
        return np.zeros((n % 16, 4, 4, 1), np.uint8), 25.0
    time.sleep(0.002 * (n % 3))
    return np.full((16 + n % 5, 4, 4, 1), n, np.uint8), 25.0


def fake_clips(n):
    return [Clip(f"/nowhere/{i}.avi", f"{i}.avi", i % 3) for i in range(n)]


def make(out, read=fake_read, n=100, force=False, workers=2, options=None):
    names = ["a", "b", "c"]
    return make_video_file(
        str(out), fake_clips(n), read, options or {}, "A test.", names, workers=workers, force=force
    )


def test_clips_come_in_the_order_given_with_their_labels_and_the_rest_is_told(tmp_path, capsys):
    assert make(tmp_path / "videos.h5") == 1
    good = [i for i in range(100) if i % 10 not in (7, 9)]
    with h5py.File(tmp_path / "videos.h5") as file:
        assert file["names"].asstr()[:].tolist() == [f"{i}.avi" for i in good]
        assert file["labels"][:].tolist() == [i % 3 for i in good]
        assert file["label_names"].asstr()[:].tolist() == ["a", "b", "c"]
        assert np.diff(file["offsets"]).tolist() == [16 + i % 5 for i in good]
        assert file["frames"][:][file["offsets"][:-1], 0, 0, 0].tolist() == good
        assert file.attrs["frame_rate"] == 25
        assert set(file["frame_rates"][:]) == {25}
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert lines[0] == "cannot read 7.avi: a bad number"
    assert lines[1] == "too short 9.avi: 9 frames"
    assert len(lines) == 20
    assert "80 clips" in told.out
    assert "10 with fewer than 16 frames; 10 cannot be read" in told.out
    assert os.listdir(tmp_path) == ["videos.h5"]


def test_the_number_of_workers_does_not_change_the_file(tmp_path):
    for workers in (1, 2, 5):
        make(tmp_path / f"{workers}.h5", workers=workers)
    assert len({(tmp_path / f"{workers}.h5").read_bytes() for workers in (1, 2, 5)}) == 1


def test_few_clips_are_in_memory_at_a_time(tmp_path):
    handed_out = {"now": 0, "most": 0}
    lock = threading.Lock()

    class Counted(np.ndarray):
        def __del__(self):
            if self.base is None:
                with lock:
                    handed_out["now"] -= 1

    def read(path):
        with lock:
            handed_out["now"] += 1
            handed_out["most"] = max(handed_out.values())
        return Counted((16, 4, 4, 1), np.uint8), None

    make(tmp_path / "videos.h5", read, n=200)
    assert 0 < handed_out["most"] <= 2 * 2 + 2


@pytest.mark.parametrize("n_before", [0, 31, 32, 33, 70, 95])
def test_an_interrupted_run_goes_on_and_makes_the_same_file(tmp_path, n_before, capsys):
    make(tmp_path / "whole.h5")
    seen = []

    def interrupted(path):
        if Path(path).stem == str(n_before):
            raise KeyboardInterrupt
        return fake_read(path)

    def counted(path):
        seen.append(path)
        return fake_read(path)

    out = tmp_path / "videos.h5"
    with pytest.raises(KeyboardInterrupt):
        make(out, interrupted)
    assert not out.exists()
    assert make(out, counted) == 1
    assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert len(seen) == 100 - n_before // 32 * 32
    assert sorted(os.listdir(tmp_path)) == ["videos.h5", "whole.h5"]


def test_a_run_that_was_killed_goes_on_and_makes_the_same_file(tmp_path):
    folder = tmp_path / "videos"
    for i in range(40):
        write_avi(folder / f"{i:02d}.avi", moving_picture(16, 32, 24, seed=i))
    # Slow, so that there is time to kill it in the middle.
    code = (
        "import sys, time; from tgan_chainer.datasets import decoding; store = decoding._store\n"
        "decoding._store = lambda *args: (time.sleep(0.01), store(*args))[1]\n"
        f"import runpy; sys.argv = ['video_folder.py', {str(folder)!r}, 'out.h5', '--workers', '2']\n"
        f"runpy.run_path({str(FOLDER / 'video_folder.py')!r}, run_name='__main__')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER.parent), *sys.path])}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    first = tmp_path / "out.h5.parts" / "00000000.json"
    for _ in range(1500):
        if first.exists():
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert first.exists()
    assert not (tmp_path / "out.h5").exists()
    before = first.stat().st_mtime_ns, first.stat().st_ino
    (tmp_path / "out.h5.parts" / ".incomplete-1-00000032.raw").write_bytes(b"x")

    kept = []
    remove = decoding._Parts.remove

    def noting(parts):
        kept.append((first.stat().st_mtime_ns, first.stat().st_ino))
        remove(parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding._Parts, "remove", noting)
        assert video_folder.main([str(folder), str(tmp_path / "out.h5")]) == 0
    assert kept == [before]
    assert not first.parent.exists()
    assert video_folder.main([str(folder), str(tmp_path / "whole.h5"), "--workers", "1"]) == 0
    assert (tmp_path / "out.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def interrupt(out, n=40, **arguments):
    def read(path):
        if Path(path).stem == str(n):
            raise KeyboardInterrupt
        return fake_read(path)

    with pytest.raises(KeyboardInterrupt):
        make(out, read, **arguments)


def test_parts_of_other_options_are_used_by_no_run_and_replaced_only_by_force(tmp_path):
    out = tmp_path / "videos.h5"
    interrupt(out, options={"size": 64})
    with pytest.raises(
        InputError, match="videos.h5.parts was left by a run with other options.*--force"
    ) as caught:
        make(out, options={"size": 32})
    assert "\n" not in str(caught.value)
    seen = []
    make(out, lambda path: (seen.append(path), fake_read(path))[1], options={"size": 32}, force=True)
    assert len(seen) == 100


def test_force_goes_on_where_the_parts_agree(tmp_path):
    out = tmp_path / "videos.h5"
    out.write_text("old")
    interrupt(out, force=True)
    assert out.read_text() == "old"
    seen = []
    make(out, lambda path: (seen.append(path), fake_read(path))[1], force=True)
    assert len(seen) == 68


def test_a_kill_while_parts_are_removed_does_no_harm(tmp_path, monkeypatch):
    out = tmp_path / "videos.h5"

    def remove(path, removed=[]):  # noqa: B006
        removed.append(os.unlink(path))
        if len(removed) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "remove", remove)
        with pytest.raises(KeyboardInterrupt):
            make(out)
    before = out.read_bytes()
    assert len(os.listdir(tmp_path / "videos.h5.parts")) == 6
    make(out, force=True)
    assert out.read_bytes() == before
    assert os.listdir(tmp_path) == ["videos.h5"]


def test_changed_sources_are_noticed(tmp_path):
    path = tmp_path / "1.avi"
    path.write_text("one")
    before = decoding._fingerprint([Clip(str(path), "1.avi")], {})
    assert before == decoding._fingerprint([Clip(str(path), "1.avi")], {})
    path.write_text("other")
    assert before != decoding._fingerprint([Clip(str(path), "1.avi")], {})


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path):
    out = tmp_path / "videos.h5"
    (tmp_path / "videos.h5.parts").mkdir()
    (tmp_path / "videos.h5.parts" / "diary.txt").write_text("precious")
    with pytest.raises(InputError, match="--force"):
        make(out)
    make(out, force=True)
    assert os.listdir(tmp_path / "videos.h5.parts") == ["diary.txt"]


def test_an_existing_file_is_replaced_only_by_force(tmp_path):
    out = tmp_path / "videos.h5"
    out.write_text("precious")
    with pytest.raises(InputError, match="exists already.*--force"):
        make(out)
    assert out.read_text() == "precious"
    make(out, force=True)
    assert VideoDataset(out).n_clips == 80


def test_without_a_single_clip_there_is_no_file(tmp_path, capsys):
    def read(path):
        raise InputError("bad\nluck")

    with pytest.raises(InputError, match="no clip is left of 3: 3 cannot be read"):
        make(tmp_path / "videos.h5", read, n=3)
    assert capsys.readouterr().err.splitlines()[0] == "cannot read 0.avi: bad luck"
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this platform")
def test_a_full_disk_is_an_os_error_and_leaves_no_file_but_the_parts(tmp_path, monkeypatch):
    def full(result, min_frames, file):
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    out = tmp_path / "videos.h5"
    interrupt(out)
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_store", full)
        with pytest.raises(OSError, match="No space left"):
            make(out)
    assert os.listdir(tmp_path) == ["videos.h5.parts"]
    assert make(out) == 1


def test_clips_of_different_rates_have_no_common_one(tmp_path):
    def read(path):
        return np.zeros((16, 4, 4, 1), np.uint8), float(Path(path).stem)

    make(tmp_path / "videos.h5", read, n=3)
    with h5py.File(tmp_path / "videos.h5") as file:
        assert file["frame_rates"][:].tolist() == [0, 1, 2]
        assert "frame_rate" not in file.attrs


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
    assert capsys.readouterr().err == "cannot read v_Archery_g08_c01: No such file or directory\n"


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

    def download(url, path, option):
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
def test_help_teaches_by_examples(name, capsys):
    with pytest.raises(SystemExit):
        COMMANDS[name][0].main(["--help"])
    told = capsys.readouterr().out
    assert f"python datasets/{name}.py" in told
    assert all(len(line) <= 120 for line in told.splitlines())
