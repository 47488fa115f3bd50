"""Many clips become one file, in order, and none is lost on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import ROOT
from movies import moving_picture, write_avi

from tgan_chainer.commands import video_folder
from tgan_chainer.datasets import VideoDataset, making
from tgan_chainer.datasets.making import Clip, make_video_file
from tgan_chainer.errors import InputError
from tgan_chainer.files import locked

FOLDER = Path(ROOT) / "datasets"


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


def make(out, read=fake_read, n=100, force=False, workers=2, facts=None):
    names = ["a", "b", "c"]
    return make_video_file(
        str(out), fake_clips(n), read, facts or {}, "A test.", names, workers=workers, force=force
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
        "import sys, time; from tgan_chainer.datasets import making; store = making._store\n"
        "making._store = lambda *args: (time.sleep(0.01), store(*args))[1]\n"
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
    remove = making._Parts.remove

    def noting(parts):
        kept.append((first.stat().st_mtime_ns, first.stat().st_ino))
        remove(parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making._Parts, "remove", noting)
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
    interrupt(out, facts={"crop": 64})
    with pytest.raises(
        InputError, match="videos.h5.parts was left by a run with other options.*--force"
    ) as caught:
        make(out, facts={"crop": 32})
    assert "\n" not in str(caught.value)
    seen = []
    make(out, lambda path: (seen.append(path), fake_read(path))[1], facts={"crop": 32}, force=True)
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
    before = making._fingerprint([Clip(str(path), "1.avi")], {})
    assert before == making._fingerprint([Clip(str(path), "1.avi")], {})
    path.write_text("other")
    assert before != making._fingerprint([Clip(str(path), "1.avi")], {})


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
        patch.setattr(making, "_store", full)
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


def test_two_processes_do_not_write_to_the_same_parts(tmp_path):
    with locked(f"{tmp_path}/videos.h5.parts"):
        with pytest.raises(InputError, match="another process is writing to .*videos.h5.parts"):
            make(tmp_path / "videos.h5")
    assert make(tmp_path / "videos.h5") == 1


@pytest.mark.parametrize(
    "name, content",
    [("00000000.raw", None), *(("00000032.json", json) for json in (b"{", b"3", b'[{"short": 1}]'))],
)
def test_a_part_that_was_damaged_is_made_again(tmp_path, name, content):
    make(tmp_path / "whole.h5")
    out = tmp_path / "videos.h5"
    interrupt(out, n=70)
    part = tmp_path / "videos.h5.parts" / name
    if content is None:
        content = bytearray(part.read_bytes())
        content[100] ^= 1
    part.write_bytes(content)
    with pytest.raises(InputError, match="was damaged, and is removed; the same command makes it again"):
        make(out)
    assert make(out) == 1
    assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_names_and_reasons_that_cannot_be_printed_are_told_in_one_line(tmp_path, capsys):
    clips = [Clip("/a", "caf\udce9.avi"), Clip("/b", "good.avi"), Clip("/c", "new\nline\x1b[31m.avi")]

    def read(path):
        if path != "/b":
            raise InputError("bad\nnews\x07")
        return np.zeros((16, 4, 4, 1), np.uint8), None

    out = str(tmp_path / "caf\udce9.h5")
    assert make_video_file(out, clips, read, {}, f"The videos in {out}") == 1
    assert capsys.readouterr().err.splitlines() == [
        "cannot read caf\ufffd.avi: bad news ",
        "cannot read new line [31m.avi: bad news ",
    ]
    dataset = VideoDataset(out)
    dataset.source.encode()
    assert dataset.n_clips == 1


def test_facts_are_stored_in_the_file(tmp_path):
    facts = {"dataset": "golf", "resized": (4, 4), "filter": "nearest", "split": None}
    clips = fake_clips(5)
    make_video_file(str(tmp_path / "videos.h5"), clips, fake_read, facts, "A test.", list("abc"))
    found = VideoDataset(tmp_path / "videos.h5").facts
    assert (found["dataset"], found["resized"], found["filter"], found["split"]) == (
        "golf",
        [4, 4],
        "nearest",
        None,
    )
