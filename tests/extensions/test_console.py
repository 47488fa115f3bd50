"""The lines of losses that a terminal, or whoever reads the output, gets."""

import re
import types

from tgan_chainer.extensions import Console


def test_each_entry_of_the_log_is_a_line_with_the_time_left(capsys):
    log = types.SimpleNamespace(entries=[{"iteration": 10, "dis/loss": 3.0}])  # of before a run was resumed
    trainer = types.SimpleNamespace(updater=types.SimpleNamespace(iteration=10), elapsed_time=100.0)
    console = Console(log, iterations=40)
    console.initialize(trainer)
    for iteration in range(11, 21):
        trainer.updater.iteration, trainer.elapsed_time = iteration, 100.0 + 3 * (iteration - 10)
        if iteration % 5 == 0:
            log.entries.append({"iteration": iteration, "dis/loss": iteration / 10})
        console(trainer)
    console.finalize()
    lines = [line for line in capsys.readouterr().out.splitlines() if "/40" in line]
    assert [int(line.split("/")[0]) for line in lines] == [15, 20]
    for line, loss, left in zip(lines, ("1.5", "2.0"), ("01:15", "01:00")):  # 3 s for each of 25, of 20
        assert re.search(rf"\+?{loss}0*  3\.00 s/it  {left} left$", line), line
