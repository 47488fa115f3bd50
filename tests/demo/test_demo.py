"""The page: in a browser without a network it makes the videos that ONNX Runtime and Chainer make."""

import hashlib
import http.server
import io
import os
import tarfile
import threading
import time

import numpy as np
import pytest
from helpers import refused, trained

pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

from tgan_chainer import download  # noqa: E402
from tgan_chainer.config import Config  # noqa: E402
from tgan_chainer.demo import load_runtime, runtime, write_demo  # noqa: E402
from tgan_chainer.export import generator_models  # noqa: E402
from tgan_chainer.models import build_generator  # noqa: E402
from tgan_chainer.runs import Run  # noqa: E402
from tgan_chainer.videos import to_uint8  # noqa: E402

import chainer  # noqa: E402

NARROW = {"k0": 10, "k1": 6, "temporal_width": 8, "image_width": 8, "video_width": 8, "image_size": 32}
MODELS = {
    "conditional tgan": {"model": "conditional_tgan", "n_classes": 3, "channels": 3},
    "tgan without z0": {"channels": 1, "use_z0": False},
    "video gan": {"model": "video_gan", "channels": 3},
}
LABELS = ["walk", "</script>", "run & jump"]  # data of models that take no labels may have names of them, too
PACKAGE = os.environ.get("ONNXRUNTIME_WEB")


@pytest.fixture(params=MODELS, scope="module")
def run(request):
    np.random.seed(0)
    config = Config(**NARROW, **MODELS[request.param])
    data = {"dataset": "moving_mnist", "source": "/home/somebody/videos"}
    return Run(config, trained(build_generator(config)), iteration=1234, label_names=LABELS, data=data)


@pytest.fixture(scope="module")
def generator(run):
    return run.generator


@pytest.fixture(scope="module")
def onnxruntime_web():
    if not PACKAGE:
        pytest.skip(f"ONNXRUNTIME_WEB does not name the package {runtime.PACKAGE} of npm")
    return load_runtime(PACKAGE)


@pytest.fixture(scope="module")
def page(run, browser, onnxruntime_web, tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "index.html"
    write_demo(path, run, onnxruntime_web, "results/my run")
    browser.get_log("browser")
    browser.get(path.as_uri())
    wait(browser, "return window.demo?.ready && document.getElementById('status').textContent === ''")
    return browser


def wait(browser, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not browser.execute_script(condition):
        status = browser.execute_script("return document.getElementById('status').textContent")
        assert time.monotonic() < deadline and "cannot" not in status, status
        time.sleep(0.05)


def made(browser, **what):
    """Return the frames that the page makes, float (C, T, H, W)."""
    script = "const done = arguments[1]; demo.make(arguments[0]).then(v => done(v.map(f => Array.from(f))))"
    frames = np.array(browser.execute_async_script(script, {"share": 0, "factor": 1, **what}))
    size = NARROW["image_size"]
    return frames.reshape(len(frames), -1, size, size).transpose(1, 0, 2, 3)


def test_frames_are_those_of_onnx_runtime_and_of_chainer(page, run, generator):
    assert page.get_log("browser") == []
    label = {"label": 2} if generator.n_classes else {"label": 0}
    labels = [2] if generator.n_classes else None
    (expected,) = generator.sample(1, seed=7, labels=labels)
    found = made(page, **{"from": 7}, to=7, **label)
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    inputs = {"z0": generator.draw_z0(1, np.random.RandomState(7))}
    if generator.n_classes:
        inputs["labels"] = np.array([2])
    model = generator_models(run)["generator"].SerializeToString()
    (videos,) = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, inputs)
    np.testing.assert_allclose(found, videos[0], rtol=0, atol=1e-5)

    # On the way to another, and slowly.
    z0 = [generator.draw_z0(1, np.random.RandomState(seed))[0] for seed in (7, 8)]
    more = [np.full(5, 2, np.int32)] if generator.n_classes else []
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        if hasattr(generator, "generate_between"):
            expected = generator.generate_between(*z0, 5, *more).array[1]
            slow = generator.interpolate(z0[0][None], 4, *(labels[:1] for labels in more)).array[0]
            found = made(page, **{"from": 7}, to=7, factor=4, **label)
            np.testing.assert_allclose(found, slow, rtol=0, atol=1e-4)
        else:
            expected = generator((0.75 * z0[0] + 0.25 * z0[1])[None]).array[0]
    found = made(page, **{"from": 7}, to=8, share=0.25, **label)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_the_screen_shows_the_video_and_nothing_is_fetched(page, generator):
    (expected,) = generator.sample(1, seed=0, labels=[0] if generator.n_classes else None)
    expected = to_uint8(expected)
    page.execute_script("document.querySelectorAll('#strip button')[5].click()")
    assert page.execute_script("return demo.state.playing") is False
    image = "document.getElementById('screen').getContext('2d').getImageData(0, 0, 32, 32)"
    pixels = page.execute_script(f"return Array.from({image}.data)")
    pixels = np.array(pixels).reshape(32, 32, 4)[..., :3].transpose(2, 0, 1)
    assert abs(pixels - expected[:, 5].astype(int)).max() <= 1
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith(("data:", "blob:")) for name in loaded)
    refused = "const done = arguments[0]; fetch('https://example.org').catch(e => done(e.name))"
    assert page.execute_async_script(refused) == "TypeError"
    assert "somebody" not in page.page_source


def test_one_can_walk_from_video_to_video_choose_a_label_and_slow_down(page, generator):
    assert page.execute_script("return [demo.state.from, demo.state.to]") == [0, 1]
    page.execute_script("document.querySelectorAll('#wall button')[4].click()")
    assert page.execute_script("return [demo.state.to, demo.state.walking]") == [5, True]
    wait(page, "return demo.state.step > 3")
    assert "% from video 0 to video 5" in page.execute_script(
        "return document.getElementById('caption').textContent"
    )
    wait(page, "return demo.state.from === 5 && !demo.state.walking")
    command = "return document.getElementById('command').textContent"
    if generator.n_classes:
        names = page.execute_script(
            "return [...document.getElementById('label').options].map(o => o.textContent)"
        )
        assert names == LABELS
        page.execute_script(
            "const l = document.getElementById('label'); l.value = 2; l.dispatchEvent(new Event('change'))"
        )
        wait(page, "return document.getElementById('status').textContent === ''")
        assert page.execute_script(command).startswith(
            "tgan generate 'results/my run' --seed 5 --num 1 --label 2"
        )
    if hasattr(generator, "interpolate"):
        page.execute_script("document.querySelector('[data-factor=\"2\"]').click()")
        wait(page, "return document.getElementById('caption').textContent.includes('between frames')")
        assert "--factor 2" in page.execute_script(command)
    else:
        assert page.execute_script("return document.getElementById('factors')") is None
    page.execute_script("document.getElementById('new').click()")
    wait(page, "return document.getElementById('status').textContent === ''")
    assert page.execute_script("return demo.state.from") != 5
    assert [entry for entry in page.get_log("browser") if "example.org" not in entry["message"]] == []


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_is_wider_than_the_window(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        sizes = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert sizes[0] <= sizes[1] == width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# Where the runtime comes from.
FILES = {"a.mjs": b"export default 1", "b.wasm": b"\0asm" * 1000}


@pytest.fixture
def other_runtime(monkeypatch):
    files = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in FILES.items()}
    monkeypatch.setattr(runtime, "FILES", files)


def pack(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_runtime_is_taken_from_npms_package_packed_or_not(other_runtime, tmp_path):
    archive = pack(tmp_path / "ort.tgz", FILES)
    assert load_runtime(archive) == FILES
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path)
    for folder in tmp_path, tmp_path / "package", tmp_path / "package" / "dist":
        assert load_runtime(folder) == FILES


def test_another_version_or_a_damaged_package_is_refused(other_runtime, tmp_path):
    other = pack(tmp_path / "other.tgz", {**FILES, "a.mjs": b"export default 2"})
    refused(lambda: load_runtime(other), "a.mjs is not that of", "npm pack")
    missing = pack(tmp_path / "missing.tgz", {"a.mjs": FILES["a.mjs"]})
    refused(lambda: load_runtime(missing), missing)
    damaged = tmp_path / "damaged.tgz"
    damaged.write_bytes(pack(tmp_path / "whole.tgz", FILES).read_bytes()[:60])
    refused(lambda: load_runtime(damaged), damaged)
    refused(lambda: load_runtime(tmp_path / "nothing"), "there is no", runtime.PACKAGE)
    (tmp_path / "empty").mkdir()
    refused(lambda: load_runtime(tmp_path / "empty"), "has no a.mjs")


@pytest.fixture
def file_server(monkeypatch):
    """A server of files on this machine, by http."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "SCHEMES", ("http",))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            self.server.requests.append(name)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.files[name])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.requests, server.url = {}, [], f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """No npm but one that is put into this folder."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin" / "npm"


def test_the_runtime_is_fetched_once_and_checked(
    other_runtime, tmp_path, monkeypatch, file_server, npm, capfd
):
    monkeypatch.setenv("TGAN_CHAINER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "URL", file_server.url)
    file_server.files.update(FILES)
    assert load_runtime() == FILES and load_runtime() == FILES
    assert sorted(file_server.requests) == sorted(FILES)
    monkeypatch.setenv("TGAN_CHAINER_CACHE", str(tmp_path / "other"))
    file_server.files["a.mjs"] = b"export default 2"
    npm.write_text("#!/bin/sh\nexit 1\n")
    npm.chmod(0o755)
    refused(load_runtime, "a.mjs", "sha256", "--runtime")
    assert "npm" not in capfd.readouterr().err  # which is for servers that cannot be reached


def test_npm_fetches_the_runtime_where_nothing_else_does(other_runtime, tmp_path, monkeypatch, npm, capfd):
    monkeypatch.setenv("TGAN_CHAINER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "URL", "https://127.0.0.1:1/")
    refused(load_runtime, "cannot fetch", f"--runtime FILE, which `npm pack {runtime.PACKAGE}` fetches")
    npm.write_text("#!/bin/sh\nexit 1\n")
    npm.chmod(0o755)
    refused(load_runtime, "cannot fetch", "--runtime FILE")
    said = capfd.readouterr().err
    assert "cannot fetch https://127.0.0.1:1/" in said and f"; fetching {runtime.PACKAGE} by npm" in said
    archive = pack(tmp_path / "ort.tgz", FILES)
    npm.write_text(f"#!/bin/sh\n[ $1 = pack ] && [ $5 = {runtime.PACKAGE} ] && /bin/cp {archive} $4/x.tgz\n")
    assert load_runtime() == FILES
    npm.unlink()
    assert load_runtime() == FILES  # it has been kept
