"""benchmark.py and its peers: they compute the same numbers, and the operations are counted right."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import EXPERIMENTS

from tgan_chainer.clipping import SingularValueClipping
from tgan_chainer.config import Config
from tgan_chainer.errors import InputError
from tgan_chainer.kernels import native
from tgan_chainer.models import build_discriminator, build_generator
from tgan_chainer.optimizers import RMSprop
from tgan_chainer.updaters import GANUpdater

import chainer

sys.path.append(EXPERIMENTS)

import benchmark  # noqa: E402
from peers import contender, stock_chainer  # noqa: E402

TINY = Config(batch_size=3, channels=2, image_size=32, temporal_width=8, image_width=8, discriminator_width=2)
PAPER = Config(batch_size=2, channels=3, image_size=64)
N_ITERATIONS, LEARNING_RATE = 3, 1e-3


@pytest.fixture
def latent_variables():
    return np.random.uniform(-1, 1, (2 * N_ITERATIONS, TINY.batch_size, TINY.k0))


@pytest.fixture
def videos():
    return contender.random_videos(TINY).astype(np.float64)


@pytest.fixture
def networks():
    """Ours, with random biases and shifts: nothing is exactly 0, where a leaky ReLU has no derivative."""
    with chainer.using_config("dtype", np.float64):
        generator, discriminator = build_generator(TINY), build_discriminator(TINY)
    for parameter in (*generator.params(), *discriminator.params()):
        if parameter.ndim == 1:
            parameter.array += np.random.uniform(-0.1, 0.1, parameter.shape)
    return generator, discriminator


@pytest.fixture
def trained(networks, latent_variables, videos):
    """Copies of our networks after three iterations, with two clippings among them."""
    generator, discriminator = (network.copy("copy") for network in networks)
    train(generator, discriminator, SingularValueClipping(), latent_variables, videos)
    return generator, discriminator


def train(generator, discriminator, clipping, latent_variables, videos):
    z0s = iter(latent_variables)
    generator.draw_z0 = lambda n: next(z0s)
    optimizers = {
        name: chainer.optimizers.RMSprop(LEARNING_RATE).setup(network)
        for name, network in (("gen", generator), ("dis", discriminator))
    }
    iterator = chainer.iterators.SerialIterator(list(videos), len(videos), shuffle=False)
    updater = GANUpdater(iterator, optimizers, clipping, n_clip=2)
    for _ in range(N_ITERATIONS):
        updater.update()


def assert_alike(actual, expected):
    for path, array in expected.items():
        np.testing.assert_allclose(actual[path], array, rtol=1e-7, atol=1e-12, err_msg=path)


def arrays(link):
    return {path: parameter.array for path, parameter in link.namedparams()}


def score(discriminator, videos):
    """Score by the running statistics, so that these are compared, too."""
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        return discriminator(videos).array


def test_the_stock_peer_trains_to_the_same_parameters(networks, trained, latent_variables, videos):
    with chainer.using_config("dtype", np.float64):
        peers = stock_chainer.VideoGenerator(TINY), stock_chainer.VideoDiscriminator(TINY)
    for peer, network in zip(peers, networks):
        peer.copyparams(network)
    train(*peers, stock_chainer.SVDClipping(), latent_variables, videos)
    for peer, network in zip(peers, trained):
        assert arrays(peer).keys() == arrays(network).keys()
        assert_alike(arrays(peer), arrays(network))
    np.testing.assert_allclose(score(peers[1], videos), score(trained[1], videos), rtol=1e-7)


def test_50_iterations_stay_within_rounding_of_those_of_the_stock_peer():
    # Small errors grow while networks train. How much rounding does is what the stock peer shows, when it
    # trains in float32 and in float64.
    n_iterations, config = 50, TINY.replace(batch_size=4, n_frames=16)
    z0s = np.random.uniform(-1, 1, (2 * n_iterations, config.batch_size, config.k0))
    batch = contender.random_videos(config)
    initial = stock_chainer.VideoGenerator(config), stock_chainer.VideoDiscriminator(config)

    def run(dtype, build_networks, clipping, rmsprop):
        with chainer.using_config("dtype", np.dtype(dtype)):
            networks = build_networks()
        for network, start in zip(networks, initial):
            for (_, parameter), (_, value) in zip(sorted(network.namedparams()), sorted(start.namedparams())):
                parameter.array[...] = value.array
        z0_iterator = iter(z0s.astype(dtype))
        networks[0].draw_z0 = lambda n: next(z0_iterator)
        optimizers = {name: rmsprop(5e-5).setup(network) for name, network in zip(("gen", "dis"), networks)}
        videos = list(batch.astype(dtype))
        iterator = chainer.iterators.SerialIterator(videos, len(videos), shuffle=False)
        updater = GANUpdater(iterator, optimizers, clipping)
        for _ in range(n_iterations):
            updater.update()
        return np.concatenate([a.ravel() for network in networks for _, a in sorted(arrays(network).items())])

    def stock():
        return stock_chainer.VideoGenerator(config), stock_chainer.VideoDiscriminator(config)

    def ours():
        return build_generator(config), build_discriminator(config)

    start = np.concatenate([a.ravel() for network in initial for _, a in sorted(arrays(network).items())])
    exact = run("float64", stock, stock_chainer.SVDClipping(), chainer.optimizers.RMSprop)
    rounded = run("float32", stock, stock_chainer.SVDClipping(), chainer.optimizers.RMSprop)
    found = run("float32", ours, SingularValueClipping(), RMSprop)
    drift, distance = np.linalg.norm(rounded - exact), np.linalg.norm(exact - start)
    assert drift < 0.2 * distance
    assert np.linalg.norm(found - exact) < 1.5 * drift


@pytest.mark.parametrize("variant", ["", "channels_last", "foreach"])
def test_the_pytorch_peer_trains_to_the_same_parameters(variant, networks, trained, latent_variables, videos):
    torch = pytest.importorskip("torch")
    from peers.pytorch import TGAN, load_chainer, name_in_pytorch

    tgan = TGAN(TINY.replace(learning_rate=LEARNING_RATE), variants=[variant])
    peers = tgan.generator, tgan.discriminator
    for peer, network in zip(peers, networks):
        load_chainer(peer.double(), network)
    z0s = iter(torch.from_numpy(latent_variables))
    tgan.draw_z0 = lambda n: next(z0s)
    x = torch.from_numpy(videos).to(memory_format=tgan.video_format)
    for t in range(N_ITERATIONS):
        tgan.update_discriminator(x)
        tgan.update_generator(len(x))
        if t % 2 == 0:
            tgan.clip()
    for peer, network in zip(peers, trained):
        parameters = {name: parameter.detach() for name, parameter in peer.named_parameters()}
        expected = {name_in_pytorch(path): array for path, array in arrays(network).items()}
        assert parameters.keys() == expected.keys()
        assert_alike(parameters, expected)
    with torch.no_grad():
        scores = tgan.discriminator.eval()(x)
    np.testing.assert_allclose(scores, score(trained[1], videos), rtol=1e-7)


def test_operations_of_single_layers_by_hand():
    discriminator = benchmark.layer_flops(stock_chainer.VideoDiscriminator(PAPER), (1, 3, 16, 64, 64))
    # 64 channels of 8×32×32, each element a sum of 3·4·4·4 products: a multiplication and an addition each.
    assert discriminator["/conv1"] == 2 * (64 * 8 * 32 * 32) * (3 * 4**3)
    assert discriminator["/linear5"] == 2 * 512 * 4 * 4
    generator = benchmark.layer_flops(stock_chainer.VideoGenerator(PAPER), (1, 100))
    # Each of the 512 maps of 4×4, in each of the 16 frames, goes to 4×4 elements of 256 maps.
    assert generator["/image_generator/deconv1"] == 16 * 2 * (512 * 4 * 4) * (256 * 4 * 4)
    assert generator["/image_generator/linear_z0"] == 16 * 2 * 100 * 256 * 4 * 4
    assert generator["/temporal_generator/deconv_last"] == 2 * (128 * 8) * (100 * 4)
    assert len(discriminator) == 5 and len(generator) == 5 + 2 + 5


def test_operations_of_an_iteration_by_hand():
    # D: (channels of input, of output, positions of output) of its convolutions.
    convolutions = [(3, 64, 8192), (64, 128, 1024), (128, 256, 128), (256, 512, 16)]
    d1, *_ = d = [2 * c * c_out * 64 * n for c, c_out, n in convolutions] + [2 * 512 * 16]
    # G1: (channels of input, of output, elements of the kernel, positions of input) of its deconvolutions.
    deconvolutions = [(512, 256, 16, 16), (256, 128, 16, 64), (128, 64, 16, 256), (64, 32, 16, 1024)]
    deconvolutions.append((32, 3, 9, 4096))
    linear = 16 * 2 * 100 * 4096
    g0 = 2 * (100 * 512 + 4 * (512 * 256 + 256 * 128 * 2 + 128 * 128 * 4 + 128 * 100 * 8))
    g = g0 + 2 * linear + sum(16 * 2 * c * c_out * k * n for c, c_out, k, n in deconvolutions)
    expected = {"dis": g + 2 * (3 * sum(d) - d1), "gen": 3 * g - 2 * 100 * 512 - linear + 2 * sum(d)}
    assert benchmark.count_flops(PAPER) == {step: PAPER.batch_size * n for step, n in expected.items()}


def test_a_clipping_counts_for_a_fifth():
    iterations = [{"dis": 1.0, "gen": s, "rest": 0.5} for s in (2.0, 4.0, 3.0, 2.5, 9.0)]
    iterations[1]["svc"] = 5.0
    numbers = benchmark.summarize(iterations, 11)
    assert numbers["parts"] == {"dis": 1, "gen": 3, "rest": 0.5, "svc": 1}
    assert (numbers["seconds"], numbers["min"], numbers["max"]) == (5.5, 4.5, 11.5)
    assert numbers["flops_per_second"] == 2


def test_a_process_that_ends_is_reported_not_waited_for():
    with benchmark.ContenderProcess("ours", TINY, -1, 1) as process:
        process.process.kill()
        with pytest.raises(ChildProcessError, match="status -9"):
            process.ask("run", 1)


def run(*arguments):
    return subprocess.run(
        [sys.executable, os.path.join(EXPERIMENTS, "benchmark.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_command_measures_and_writes_everything(tmp_path):
    out = tmp_path / "new" / "benchmark.json"
    names = ["ours", "stock"] + ["pytorch:foreach"] * (importlib.util.find_spec("torch") is not None)
    has_mpi = shutil.which("mpiexec") is not None and importlib.util.find_spec("mpi4py") is not None
    names += ["ours:processes"] * has_mpi
    result = run(
        *("--gpu", -1, "--batch-size", 2, "--width-divisor", 32, "--channels", 1, "--threads", 2),
        *("--contenders", *names, "--out", out),
    )
    assert result.returncode == 0, result.stderr
    for name in names:
        assert f"\n{name}  " in result.stdout
    report = json.loads(out.read_text())
    assert report["machine"]["threads"] == 2 and report["machine"]["CPU"]
    assert report["machine"]["kernels"] == native.description()
    assert f"kernels on a CPU: {native.description()}\n" in result.stdout
    (found,) = report["results"]
    assert list(found["contenders"]) == names and not found["failed"] and not found["left_out"]
    for numbers in found["contenders"].values():
        assert len(numbers["iterations"]) == 5
        assert ["svc" in parts for parts in numbers["iterations"]] == [False] * 4 + [True]
        assert 0 < numbers["min"] <= numbers["seconds"] <= numbers["max"]
        assert numbers["peak_memory"] > 1e7 and numbers["matrix_product"] > 1e8 and numbers["versions"]
    assert list(found["contenders"]["ours"]["parts"]) == [
        *("dis forward", "dis backward", "dis optimizer"),
        *("gen forward", "gen backward", "gen optimizer", "rest", "svc"),
    ]


def test_without_an_mpi_the_column_of_several_processes_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    given = ["--width-divisor", "32", "--batch-size", "2", "--contenders", "ours", "ours:processes"]
    assert benchmark.main(["--gpu", "-1", "--threads", "2", *given]) == 0
    assert re.search("^ours:processes +needs mpiexec", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--width-divisor", "3"], "width_divisor must be 1, 2, 4, 8, 16 or 32, not 3"),
        (["--iterations", "7"], "iterations must be a multiple of 5"),
        (["--iterations", "0"], "iterations must be a whole number of at least 1, not 0"),
        (["--batch-size", "8", "1"], "batch_size must be at least 2, not 1"),
        (["--channels", "0"], "channels must be at least 1"),
        (["--threads", "0"], "threads must be a whole number of at least 1"),
        (["--gpu", "-2"], "gpu must be -1"),
        (["--out", "."], "out must be a file"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        benchmark.main(["--gpu", "-1", *arguments])


def test_a_bad_argument_ends_the_command_with_status_2():
    result = run("--gpu", -1, "--width-divisor", 5)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1
