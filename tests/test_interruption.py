"""Signals wait while HDF5 writes, and then do what they always do."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tgan_chainer.datasets import VideoDataset, write_videos
from tgan_chainer.interruption import noted_signals


def test_a_signal_in_the_block_is_seen_where_it_is_asked_for_and_raised_after_it():
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with noted_signals() as check:
            check()
            signal.raise_signal(signal.SIGINT)
            steps.append("went on")
            check()
            steps.append("not reached")
    assert steps == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_ignored_stays_ignored():
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with noted_signals() as check:
            signal.raise_signal(signal.SIGHUP)
            check()
    finally:
        signal.signal(signal.SIGHUP, old)


WRITE = """
import sys
import numpy as np
from tgan_chainer.datasets import write_videos
noise = np.random.RandomState(0).randint(0, 256, (16, 64, 64, 3)).astype(np.uint8)
with write_videos(sys.argv[1], source="A test.") as videos:
    for i in range(100000):
        videos.append(noise)
        if i == 2:
            print("writing", flush=True)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_a_file_is_written_leaves_no_file_and_the_right_status(tmp_path, signum):
    line = [sys.executable, "-c", WRITE, str(tmp_path / "videos.h5")]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signum)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signum
    assert ("KeyboardInterrupt" in errors) == (signum == signal.SIGINT), errors
    assert os.listdir(tmp_path) == []


def test_no_exception_passes_through_hdf5(tmp_path, monkeypatch):
    # A signal comes whenever HDF5 hands over bytes to be written, which is where it is swallowed.
    from tgan_chainer.datasets import video_writer

    write, calls = video_writer._Sink.write, []

    def interrupted(sink, data):
        calls.append(len(data))
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return write(sink, data)

    monkeypatch.setattr(video_writer._Sink, "write", interrupted)
    clips = np.random.RandomState(0).randint(0, 256, (200, 16, 64, 64, 3)).astype(np.uint8)
    with pytest.raises(KeyboardInterrupt):
        with write_videos(tmp_path / "videos.h5", source="A test.") as videos:
            for clip in clips:
                videos.append(clip)
    assert os.listdir(tmp_path) == []
    monkeypatch.undo()
    with write_videos(tmp_path / "videos.h5", source="A test.") as videos:
        videos.append(clips[0])
    assert VideoDataset(tmp_path / "videos.h5").n_clips == 1
