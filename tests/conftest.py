"""What all tests share: Chainer made importable, fixed random seeds, and tests for NumPy and CuPy."""

import concurrent.futures
import os
import random
import shutil
import signal
import threading
import time
import types

import numpy as np
import pytest

from tgan_chainer import _chainer_compat, parallel
from tgan_chainer.devices import default_gpu

with _chainer_compat.legacy_imports():
    import chainer.testing  # noqa: F401  (its import fails outside of this block)
from chainer.backends import cuda

GPU_FOUND = default_gpu() >= 0


def pytest_configure():
    # A script's background job ignores Ctrl-C, and so would all commands that tests start and interrupt.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    if GPU_FOUND:
        return
    missing = "CuPy finds no GPU" if cuda.available else "CuPy, or a CUDA library it needs, is not installed"
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=f"needs a GPU: {missing}"))


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Keep what tests would leave in the user's cache, in commands that they call, too."""
    os.environ["TGAN_CHAINER_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def seeds():
    """Make each test draw the same random numbers, whichever ran before it."""
    random.seed(0)
    np.random.seed(0)
    if GPU_FOUND:
        cuda.cupy.random.seed(0)


@pytest.fixture(autouse=True)
def settings():
    """Take back what a command that a test calls has set for the rest of its process."""
    config = chainer.global_config.__dict__
    before = dict(config)
    yield
    config.clear()
    config.update(before)


@pytest.fixture(params=["numpy", pytest.param("cupy", marks=pytest.mark.gpu)])
def xp(request):
    """NumPy and, where there is a GPU, CuPy."""
    return np if request.param == "numpy" else cuda.cupy


@pytest.fixture
def workers(monkeypatch):
    """Have three threads share the work of ``parallel.for_each``; the set of those that took part."""
    found, pool = set(), concurrent.futures.ThreadPoolExecutor(3)

    def work(function, item):
        found.add(threading.get_ident())
        time.sleep(0.005)  # or the first thread, if it is quick, takes the next item, too
        function(item)

    executor = types.SimpleNamespace(submit=lambda function, item: pool.submit(work, function, item))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(parallel, "_executor", lambda n_threads: executor)
    yield found
    pool.shutdown()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A Chromium that reaches no network."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()
