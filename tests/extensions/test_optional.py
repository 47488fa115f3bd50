"""What training can do without: it may fail, and it must not keep a snapshot waiting."""

import os
import signal
import time
import types

import pytest

from tgan_chainer.errors import NonFiniteError
from tgan_chainer.extensions import Optional
from tgan_chainer.triggers import IterationsOrSignal

from chainer.training import extension


class Picture(extension.Extension):
    trigger, priority = (3, "iteration"), 7

    def __init__(self, draw):
        self.draw, self.calls = draw, 0

    def __call__(self, trainer):
        self.calls += 1
        self.draw()


def at(iteration):
    return types.SimpleNamespace(updater=types.SimpleNamespace(iteration=iteration))


def test_a_failure_is_told_once_and_training_goes_on(capsys):
    def fail():
        raise KeyError("no such\ncolour")

    picture = Picture(fail)
    optional = Optional(picture, IterationsOrSignal(10))
    for _ in range(3):
        optional(None)
    assert picture.calls == 3
    warning = "warning: Picture failed: KeyError: 'no such\\ncolour'; training can do without\n"
    assert capsys.readouterr().err == warning
    assert (optional.trigger, optional.priority) == (picture.trigger, picture.priority)


def test_training_that_diverged_does_not_go_on():
    def diverge():
        raise NonFiniteError("NaN")

    with pytest.raises(NonFiniteError):
        Optional(Picture(diverge), IterationsOrSignal(10))(None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_takes_long(number, capfd):
    def draw():
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        except Exception:  # as libraries do
            time.sleep(60)

    with IterationsOrSignal(10) as stop:
        picture = Picture(draw)
        start = time.monotonic()
        Optional(picture, stop)(None)
        assert time.monotonic() - start < 10
        assert stop.signal == number
        Optional(picture, stop)(None)
        assert picture.calls == 1
    assert "finishing the iteration" in capfd.readouterr().err


def test_after_a_signal_only_log_and_snapshot_are_due(capfd):
    with IterationsOrSignal(10) as stop:
        log, picture = stop.every(4), stop.every_without_haste(4)
        assert [(log(at(i)), picture(at(i))) for i in (3, 4, 10)] == [(False,) * 2, (True,) * 2, (True,) * 2]
        assert not log(at(5))
        os.kill(os.getpid(), signal.SIGTERM)
        # The snapshot of iteration 5 would be asked for by the same answer as the log was.
        assert not log(at(5)) and not stop(at(5))
        assert [(log(at(i)), picture(at(i))) for i in (6, 8)] == [(True, False)] * 2
        assert stop(at(6))


def test_when_the_time_is_over_a_picture_is_abandoned_and_the_run_stops(capfd):
    with IterationsOrSignal(10, seconds=0.2) as stop:
        assert not stop(at(4))
        Optional(Picture(lambda: time.sleep(60)), stop)(None)
        assert stop.signal == signal.SIGALRM and stop(at(5))
    assert "the time is over" in capfd.readouterr().err
    with IterationsOrSignal(10, seconds=0.2) as stop:
        pass
    time.sleep(0.4)  # the alarm would end the process now
    assert stop.signal is None


def test_a_failure_before_the_first_iteration_is_told_too(capsys):
    picture = Picture(None)
    picture.initialize = lambda trainer: open("/nowhere/real.gif")
    Optional(picture, IterationsOrSignal(10)).initialize(None)
    assert "No such file" in capsys.readouterr().err


def test_a_signal_in_a_picture_stops_in_the_same_iteration(capfd):
    with IterationsOrSignal(10) as stop:
        picture, log = stop.every_without_haste(1), stop.every(4)
        assert picture(at(5))  # is due first, and does not settle whether this iteration is the last one
        os.kill(os.getpid(), signal.SIGTERM)
        assert log(at(5)) and stop(at(5))
