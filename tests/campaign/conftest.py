"""What the campaign's tests share: the server of commands, inputs made by the commands, and the final counts."""

import os
import shutil
import types

import numpy as np
import pytest
from campaign import inputs as make
from campaign.harness import ROOT, SEED, TALLY, ForkServer, require_success


def pytest_terminal_summary(terminalreporter):
    if TALLY.counts:
        terminalreporter.section(f"campaign, seed {SEED}, of {ROOT}")
        for line in TALLY.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    """Runs commands in forks of one process."""
    server = ForkServer(str(tmp_path_factory.mktemp("server")))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def nothing_foreign_starts(request):
    yield
    server = request.getfixturevalue("commands") if "commands" in request.fixturenames else None
    if server is not None and os.path.exists(server.mark):
        with open(server.mark) as file:
            started = set(file.read().split())
        os.remove(server.mark)
        pytest.fail(f"other programs were started: {', '.join(sorted(started))}")


@pytest.fixture(scope="session")
def sound(commands, tmp_path_factory):
    """Paths of sound inputs; tests copy what they change.

    ``videos``, ``ucf101``, ``golf``, ``images`` (folders), ``data`` (.h5, two classes), ``run`` (a results
    folder of six iterations), ``generator`` and ``snapshot`` (its files), ``classifier`` (.npz), ``array``
    (.npy of four videos), ``folder`` (four .npy), ``tables`` (a folder with table3.json).
    """
    base = str(tmp_path_factory.mktemp("sound"))
    names = "videos", "ucf/UCF-101", "golf", "images/video", "run", "folder", "tables", "data.h5"
    videos, ucf101, golf, images, run, folder, tables, data = (os.path.join(base, name) for name in names)
    classifier, array = os.path.join(base, "classifier.npz"), os.path.join(base, "array.npy")
    os.makedirs(os.path.join(base, "ucf"))
    make.make_videos(videos)
    make.make_ucf101(ucf101)
    make.make_golf(golf)
    make.make_image_folder(images)

    def call(name, *arguments):
        require_success(commands.run(name, *arguments, folder=base))

    call("video_folder", videos, data, "--size", 16)
    call("train", *make.TINY, "--data", data, "--out", run, "--iterations", 6)
    call("train_classifier", data, "--out", classifier, *make.CLASSIFIER)
    generator = os.path.join(run, "generator_iter_6.npz")
    call("generate", generator, "--gpu", -1, "--num", 4, "--out", array)
    os.makedirs(folder)
    for i, video in enumerate(np.load(array)):
        np.save(os.path.join(folder, f"{i}.npy"), video)
    os.makedirs(tables)
    gallery = os.path.join(ROOT, "experiments", "gallery", "table3_cpu.json")
    shutil.copy(gallery, os.path.join(tables, "table3.json"))
    return types.SimpleNamespace(
        videos=videos, ucf101=ucf101, golf=golf, images=os.path.dirname(images), data=data, run=run,
        generator=generator, snapshot=os.path.join(run, "snapshot_iter_6.npz"), classifier=classifier,
        array=array, folder=folder, tables=tables,
    )  # fmt: skip
