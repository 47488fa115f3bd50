"""What TensorBoard gets, read as its format says (TFRecord: length, its CRC, the event, its CRC)."""

import os
import struct
import sys
import types

import pytest
from helpers import refused

from tgan_chainer import Config
from tgan_chainer.extensions import TensorBoard

HEADER = b"GIF89a" + struct.pack("<HHBBB", 5, 7, 0, 0, 0)
GIF = HEADER + b"," + struct.pack("<HHHHB", 0, 0, 5, 7, 0) + b"\x02\x00;"


def read_events(folder):
    from tensorboardX.proto.event_pb2 import Event

    (name,) = os.listdir(folder)
    content, events = (folder / name).read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        events.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return events


def test_losses_scores_previews_and_the_configuration_are_there(tmp_path):
    pytest.importorskip("tensorboardX")
    (tmp_path / "preview").mkdir()
    for name in "real", "iter_4":
        (tmp_path / "preview" / f"{name}.gif").write_bytes(GIF)
    log = types.SimpleNamespace(entries=[{"iteration": 2, "gen/loss": 9.0}])  # of the run that is resumed
    board = TensorBoard(log, Config(seed=123))
    trainer = types.SimpleNamespace(out=str(tmp_path), updater=types.SimpleNamespace(iteration=2))
    board.initialize(trainer)
    log.entries.append({"iteration": 4, "dis/loss": -0.5, "dis/wasserstein": 0.5, "score/inception": 1.5})
    for trainer.updater.iteration in 3, 4, 5:
        board(trainer)
    board.finalize()
    events = read_events(tmp_path / "tensorboard")
    values = [(event.step, value) for event in events for value in event.summary.value]
    scalars = {(step, v.tag): v.simple_value for step, v in values if v.HasField("simple_value")}
    assert scalars == {(4, "dis/wasserstein"): 0.5, (4, "score/inception"): 1.5}
    images = {(step, v.tag): v.image for step, v in values if v.HasField("image")}
    assert list(images) == [(2, "real"), (4, "preview")]
    assert all(i.encoded_image_string == GIF and (i.width, i.height) == (5, 7) for i in images.values())
    (text,) = [v.tensor.string_val[0].decode() for _, v in values if v.HasField("tensor")]
    assert "seed: 123" in text
    # What was written after the snapshot that is resumed is not shown.
    assert [e.step for e in events if e.HasField("session_log")] == [3]


def test_without_tensorboardx_it_is_refused_and_nothing_is_imported_without_being_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    refused(lambda: TensorBoard(None, Config()), "pip install")
