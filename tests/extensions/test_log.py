"""The log of a run: its cost does not grow, and it survives kills and resuming."""

import csv
import json
import types

import numpy as np
import pytest
from helpers import refused

from tgan_chainer import logs
from tgan_chainer.extensions import Log

from chainer.serializers import DictionarySerializer, NpzDeserializer


class Trainer(types.SimpleNamespace):
    """What the log takes from a trainer."""

    def __init__(self, out):
        super().__init__(out=str(out), elapsed_time=1.5, updater=types.SimpleNamespace(iteration=0, epoch=0))

    def iterate(self, log, loss):
        self.updater.iteration += 1
        self.observation = {"gen/loss": np.float32(loss)}
        log(self)


def every(interval):
    return lambda trainer: trainer.updater.iteration % interval == 0


def test_an_entry_is_the_mean_since_the_last_one(tmp_path):
    log, trainer = Log(every(2)), Trainer(tmp_path)
    log.initialize(trainer)
    for loss in 1, 2, 5, 6, 9:
        trainer.iterate(log, loss)
    entries = [{"gen/loss": 1.5, "epoch": 0, "iteration": 2, "elapsed_time": 1.5}]
    entries.append({**entries[0], "gen/loss": 5.5, "iteration": 4})
    assert logs.read_log(tmp_path) == log.entries == entries


def test_what_has_been_written_is_never_written_again(tmp_path):
    log, trainer, path = Log(every(1)), Trainer(tmp_path), tmp_path / logs.FILENAME
    trainer.iterate(log, 1)
    before, file = path.read_text(), path.stat().st_ino
    serialized = DictionarySerializer()
    log.serialize(serialized)
    size = sum(np.asarray(array).nbytes for array in serialized.target.values())
    for _ in range(100):
        trainer.iterate(log, 1)
    assert path.read_text().startswith(before) and path.stat().st_ino == file
    log.serialize(serialized)  # nor does a snapshot carry it
    assert sum(np.asarray(array).nbytes for array in serialized.target.values()) == size


def test_what_is_shown_is_no_number_twice_and_shares_in_per_cent():
    entries = [{"iteration": 1, "dis/loss": -2.0, "dis/wasserstein": 2.0}, {"score/was_fooled": 0.125}]
    assert logs.shown_names(entries) == ["dis/wasserstein", "score/was_fooled"]
    assert logs.shown_names([{"dis/loss": 1.0, "dis/accuracy": 0.5}]) == ["dis/accuracy", "dis/loss"]
    assert logs.logged_text("score/was_fooled", 0.125) == "12.5 %"
    assert logs.logged_text("dis/wasserstein", 2.0) == "+2.0000"


def test_the_table_has_a_column_for_each_name_and_gaps(tmp_path):
    entries = [{"iteration": 1, "gen/loss": 0.5}, {"iteration": 2, "gen/loss": -1.5, "score/inception": 3.25}]
    logs.save_table(tmp_path, entries)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["iteration", "epoch", "elapsed_time", "gen/loss", "score/inception"]
    read = [{name: float(text) for name, text in row.items() if text} for row in rows]
    assert read == entries


def test_a_resumed_log_goes_on_within_an_interval(tmp_path):
    log, trainer, serialized = Log(every(3)), Trainer(tmp_path), DictionarySerializer()
    for loss in 1, 2, 3, 10:
        trainer.iterate(log, loss)
    log.serialize(serialized)
    trainer.iterate(log, 20)
    trainer.iterate(log, 30)  # an entry at 6, of a run that was then killed
    resumed, trainer = Log(every(3)), Trainer(tmp_path)
    trainer.updater.iteration = 4
    resumed.serialize(NpzDeserializer(serialized.target))
    logs.begin(trainer.out, trainer.out, 4)
    resumed.initialize(trainer)
    assert [entry["iteration"] for entry in logs.read_log(tmp_path)] == [3]
    for loss in 20, 60:
        trainer.iterate(resumed, loss)
    assert [(entry["iteration"], entry["gen/loss"]) for entry in logs.read_log(tmp_path)] == [(3, 2), (6, 30)]


def test_a_line_whose_writer_was_killed_does_not_count(tmp_path):
    for i in 1, 2:
        logs.append(tmp_path, {"iteration": i})
    with open(tmp_path / logs.FILENAME, "a") as file:
        file.write('{"iteration": 3, "gen/lo')
    assert [entry["iteration"] for entry in logs.read_log(tmp_path)] == [1, 2]
    logs.begin(tmp_path, tmp_path, 2)
    logs.append(tmp_path, {"iteration": 3})
    assert [entry["iteration"] for entry in logs.read_log(tmp_path)] == [1, 2, 3]


def test_a_log_of_before_is_read_and_gone_on_with(tmp_path):
    assert not logs.has_log(tmp_path) and logs.read_log(tmp_path) == []
    old = [{"iteration": i, "gen/loss": 0.5 * i} for i in (10, 20, 30)]
    (tmp_path / "log").write_text(json.dumps(old, indent=4))
    assert logs.has_log(tmp_path) and logs.read_log(tmp_path) == old
    logs.begin(tmp_path, tmp_path, 20)
    assert logs.read_log(tmp_path) == old[:2]
    assert json.loads((tmp_path / "log").read_text()) == old  # and is kept


DAMAGED = ["[", "{}", "[1]", "[{}]", '[{"iteration": "1"}]', "[" * 100_000, '[{"iteration": 1, "x": ""}]']


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_log_is_one_line(tmp_path, text):
    for name in "log", logs.FILENAME:
        (tmp_path / name).write_text(text + "\n")
        refused(lambda: logs.read_log(tmp_path), tmp_path / name)
        (tmp_path / name).write_bytes(b'{"iteration": 1, "\xff": 2}\n')
        refused(lambda: logs.read_log(tmp_path), tmp_path / name)
