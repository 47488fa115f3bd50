"""The updater is Algorithm 1."""

import numpy as np
import pytest

from tgan_chainer import VideoDiscriminator, VideoGenerator
from tgan_chainer.clipping import SingularValueClipping, WeightClipping
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.links import Generator
from tgan_chainer.losses import CrossEntropyLoss
from tgan_chainer.updaters import GANUpdater

import chainer
import chainer.links as L

LR, ALPHA, EPS = 0.1, 0.99, 1e-8


class LinearGenerator(Generator):
    """z0 (N, 3) → "videos" (N, 4), with latent variables that the test knows."""

    def __init__(self, z0s):
        super().__init__(k0=3, video_shape=(4,))
        self.z0s = iter(z0s)
        with self.init_scope():
            self.layer = L.Linear(3, 4, nobias=True)

    def draw_z0(self, n):
        z0 = next(self.z0s)
        assert len(z0) == n
        return z0

    def forward(self, z0):
        return self.layer(z0)


class Log(list):
    """Records the order of what happens to the networks."""

    def hook(self, event):
        def record(optimizer):
            self.append(event)

        record.call_for_each_param, record.name, record.timing = False, event, "pre"
        return record

    def clipping(self, link):
        self.append("clip")


def make(n_iterations=20, data=None, z0s=None, log=None, **options):
    """Return an updater of linear networks in float64."""
    random_state = np.random.RandomState(0)
    data = random_state.randn(6 * 2 * n_iterations, 4) if data is None else data
    z0s = random_state.randn(6 * n_iterations, 2, 3) if z0s is None else z0s
    with chainer.using_config("dtype", np.float64):
        generator, discriminator = LinearGenerator(z0s), L.Linear(4, 1)
        for link in generator, discriminator:
            for parameter in link.params():
                parameter.array[...] = random_state.randn(*parameter.shape)
        optimizers = {}
        for name, link in ("gen", generator), ("dis", discriminator):
            optimizers[name] = chainer.optimizers.RMSprop(LR, ALPHA, EPS).setup(link)
            if log is not None:
                optimizers[name].add_hook(log.hook(name))
    iterator = chainer.iterators.SerialIterator(list(data), 2, shuffle=False)
    return GANUpdater(iterator, optimizers, **options)


def rmsprop(theta, g, ms):
    """One RMSprop step by hand; returns the new parameter and mean square."""
    ms = ALPHA * ms + (1 - ALPHA) * g**2
    return theta - LR * g / (np.sqrt(ms) + EPS), ms


@pytest.mark.parametrize("simultaneous", [False, True])
def test_two_iterations_followed_by_hand(simultaneous):
    random_state = np.random.RandomState(1)
    data, z0s = random_state.randn(4, 4), list(random_state.randn(4, 2, 3))
    updater = make(
        data=data, z0s=list(z0s), clipping=SingularValueClipping(), n_clip=5, simultaneous=simultaneous
    )
    # D(x) = w x + b and G(z0) = A z0, so that every gradient is a mean that can be written down.
    w, b = (p.array.copy() for p in (updater.discriminator.W, updater.discriminator.b))
    a = updater.generator.layer.W.array.copy()
    ms_w, ms_a = np.zeros_like(w), np.zeros_like(a)
    for t in 1, 2:
        x = data[2 * t - 2 : 2 * t]
        z_dis = z0s.pop(0)
        z_gen = z_dis if simultaneous else z0s.pop(0)
        w_before = w
        # Descent on E[D(G(z0))] - E[D(x)]; the bias cancels out of it.
        w, ms_w = rmsprop(w, (z_dis @ a.T).mean(0, keepdims=True) - x.mean(0, keepdims=True), ms_w)
        # Descent on -E[D(G(z0))], through the updated discriminator unless simultaneous.
        a, ms_a = rmsprop(a, -np.outer(w_before if simultaneous else w, z_gen.mean(0)), ms_a)
        if t == 1:
            assert np.linalg.norm(w) > 1
            w = w / np.linalg.norm(w)  # the only singular value of a single row

        updater.update()
        np.testing.assert_allclose(updater.discriminator.W.array, w, rtol=1e-12)
        np.testing.assert_allclose(updater.discriminator.b.array, b, rtol=1e-12)
        np.testing.assert_allclose(updater.generator.layer.W.array, a, rtol=1e-12)


@pytest.mark.parametrize(
    ("n_dis", "n_clip", "expected"),
    [
        (1, 5, ["dis gen clip"] + ["dis gen"] * 4 + ["dis gen clip", "dis gen"]),
        (3, 2, ["dis dis dis gen clip", "dis dis dis gen"] * 2),
        (1, 1, ["dis gen clip"] * 3),
    ],
)
def test_the_order_of_algorithm_1(n_dis, n_clip, expected):
    log = Log()
    updater = make(log=log, clipping=log.clipping, n_dis=n_dis, n_clip=n_clip)
    for _ in expected:
        updater.update()
    assert " ".join(log) == " ".join(expected)


def test_weight_clipping_follows_every_update_of_the_discriminator():
    # The generator's step then goes through a discriminator whose weights are c at most.
    data, z0s = np.random.randn(4, 4), np.random.randn(3, 2, 3)
    updater = make(data=data, z0s=z0s, n_dis=2)
    updater.get_optimizer("dis").add_hook(WeightClipping(0.01))
    w, a = updater.discriminator.W.array.copy(), updater.generator.layer.W.array.copy()
    ms = np.zeros_like(w)
    for x, z0 in zip((data[:2], data[2:]), z0s):
        w, ms = rmsprop(w, (z0 @ a.T).mean(0, keepdims=True) - x.mean(0, keepdims=True), ms)
        w = np.clip(w, -0.01, 0.01)
    a, _ = rmsprop(a, -np.outer(w, z0s[2].mean(0)), 0)

    updater.update()
    np.testing.assert_allclose(updater.discriminator.W.array, w, rtol=1e-12)
    np.testing.assert_allclose(updater.generator.layer.W.array, a, rtol=1e-9)


def test_reported_values_are_the_expectations_of_equation_2():
    random_state = np.random.RandomState(2)
    data, z0s = random_state.randn(2, 4), random_state.randn(2, 2, 3)
    updater = make(data=data, z0s=z0s)
    w, b = updater.discriminator.W.array.copy(), updater.discriminator.b.array.copy()
    a = updater.generator.layer.W.array.copy()
    reporter = chainer.Reporter()
    reporter.add_observer("gen", updater.generator)
    reporter.add_observer("dis", updater.discriminator)
    with reporter.scope(observation := {}):
        updater.update()
    wasserstein = (data @ w.T + b).mean() - (z0s[0] @ a.T @ w.T + b).mean()
    assert observation["dis/wasserstein"] == pytest.approx(wasserstein, rel=1e-12)
    assert observation["dis/loss"] == pytest.approx(-wasserstein, rel=1e-12)
    updated = updater.discriminator
    expected = -(z0s[1] @ a.T @ updated.W.array.T + updated.b.array).mean()
    assert observation["gen/loss"] == pytest.approx(expected, rel=1e-12)


class Product(chainer.FunctionNode):
    """x w, noting for which of the two a gradient is asked."""

    def __init__(self, name, asked):
        super().__init__()
        self.name, self.asked = name, asked

    def forward(self, inputs):
        self.retain_inputs((0, 1))
        return (inputs[0] * inputs[1],)

    def backward(self, indexes, grad_outputs):
        self.asked.append((self.name, indexes))
        x, w = self.get_retained_inputs()
        gradients = grad_outputs[0] * w, chainer.functions.sum(grad_outputs[0] * x, axis=0, keepdims=True)
        return tuple(gradients[i] for i in indexes)


class ProductNetwork(Generator):
    def __init__(self, name, asked):
        super().__init__(k0=4, video_shape=(4,))
        self.product_name, self.asked = name, asked
        with self.init_scope():
            self.w = chainer.Parameter(np.ones((1, 4), np.float32))

    def draw_z0(self, n):
        return np.ones((n, 4), np.float32)

    def forward(self, x):
        return Product(self.product_name, self.asked).apply((x, self.w))[0]


def test_no_gradient_is_computed_that_nobody_uses():
    asked = []
    networks = {"gen": ProductNetwork("gen", asked), "dis": ProductNetwork("dis", asked)}
    optimizers = {name: chainer.optimizers.RMSprop().setup(network) for name, network in networks.items()}
    iterator = chainer.iterators.SerialIterator(list(np.ones((4, 4), np.float32)), 2)
    GANUpdater(iterator, optimizers).update()
    # The discriminator's step: its parameters (1), not its input (0), on real and on generated videos.
    assert asked[:2] == [("dis", (1,)), ("dis", (1,))]
    # The generator's step: the discriminator's input alone, then the generator's parameters alone.
    assert asked[2:] == [("dis", (0,)), ("gen", (1,))]


@pytest.mark.parametrize(("check_interval", "found_in"), [(None, 3), (1, 3), (2, 4), (5, 5)])
def test_a_loss_that_is_not_finite_stops_training_and_names_the_iteration(check_interval, found_in):
    data = np.random.RandomState(0).randn(20, 4)
    data[4, 0] = np.nan  # in the batch of iteration 3
    updater = make(data=data, check_interval=check_interval)
    for _ in range(found_in - 1):
        updater.update()
    with pytest.raises(NonFiniteError, match="^dis/loss became nan in iteration 3$"):
        updater.update()


def test_a_snapshot_can_ask_whether_all_losses_were_finite():
    data = np.random.RandomState(0).randn(20, 4)
    data[4, 0] = np.nan
    updater = make(data=data, check_interval=100)
    for _ in range(2):
        updater.update()
        updater.check_losses()
    updater.update()
    with pytest.raises(NonFiniteError, match="^dis/loss became nan in iteration 3$"):
        updater.check_losses()


@pytest.mark.parametrize("simultaneous", [False, True])
def test_no_gradient_is_kept_after_its_step(simultaneous):
    updater = make(simultaneous=simultaneous)
    updater.update()
    for network in updater.generator, updater.discriminator:
        assert all(parameter.grad is None for parameter in network.params())


def test_no_loss_is_kept_after_its_check():
    updater = make(check_interval=3)
    kept = []
    for _ in range(7):
        updater.update()
        kept.append(len(updater._unchecked))
    assert kept == [2, 4, 0, 2, 4, 0, 2]


def test_a_loss_that_is_not_finite_is_named_rather_than_the_weight_that_it_spoilt():
    data = np.random.RandomState(0).randn(20, 4)
    data[0, 0] = np.inf
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="became .*inf in iteration 1$"):
        make(data=data, clipping=SingularValueClipping(), check_interval=100).update()


@pytest.mark.parametrize(
    "options",
    [{"n_dis": 0}, {"n_clip": 0}, {"n_clip": 2.5}, {"n_dis": 2, "simultaneous": True}, {"check_interval": 0}],
)
def test_impossible_arguments_are_refused(options):
    with pytest.raises(InputError, match="(n_dis|n_clip|check_interval) must"):
        make(**options)


class Conditional(Generator):
    """Notes the labels that it is called with."""

    def __init__(self, size_in, size_out, seen):
        super().__init__(k0=size_in, video_shape=(size_out,))
        self.seen = seen
        with self.init_scope():
            self.layer = L.Linear(size_in, size_out)

    def draw_z0(self, n):
        return np.random.randn(n, 3).astype(np.float32)

    def forward(self, x, labels):
        self.seen.append(labels.tolist())
        return self.layer(x)


@pytest.mark.parametrize("simultaneous", [False, True])
def test_a_batch_with_labels_goes_with_them_everywhere(simultaneous):
    seen = {"gen": [], "dis": []}
    networks = {"gen": Conditional(3, 4, seen["gen"]), "dis": Conditional(4, 1, seen["dis"])}
    optimizers = {name: chainer.optimizers.RMSprop().setup(network) for name, network in networks.items()}
    examples = [(np.random.randn(4).astype(np.float32), np.int32(label)) for label in (3, 1)]
    iterator = chainer.iterators.SerialIterator(examples, 2, shuffle=False)
    GANUpdater(iterator, optimizers, simultaneous=simultaneous).update()
    assert seen["gen"] == [[3, 1]] * (1 if simultaneous else 2)
    assert seen["dis"] == [[3, 1]] * (2 if simultaneous else 3)


class Penalized(LinearGenerator):
    def forward_with_penalty(self, z0):
        return self(z0), chainer.functions.sum(self.layer.W**2)


@pytest.mark.parametrize("simultaneous", [False, True])
def test_a_normal_gan_and_a_penalty_followed_by_hand(simultaneous):
    updater = make(loss=CrossEntropyLoss(), simultaneous=simultaneous)
    z0s = list(np.random.randn(2, 2, 3))
    generator = updater.generator
    generator.__class__, generator.z0s = Penalized, iter(z0s)
    data = np.stack(updater.get_iterator("main").dataset[:2])
    w, b, a = (p.array.copy() for p in (updater.discriminator.W, updater.discriminator.b, generator.layer.W))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    z_dis = z0s[0]
    z_gen = z_dis if simultaneous else z0s[1]
    # d/ds softplus(s) = sigmoid(s): descent on E[softplus(-D(x))] + E[softplus(D(G(z0)))].
    of_real, of_fake = -sigmoid(-(data @ w.T + b)) / 2, sigmoid(z_dis @ a.T @ w.T + b) / 2
    new_w, _ = rmsprop(w, of_real.T @ data + of_fake.T @ (z_dis @ a.T), 0)
    new_b, _ = rmsprop(b, (of_real + of_fake).sum(0), 0)
    # Descent on E[softplus(-D(G(z0)))] + sum of squares.
    w, b = (w, b) if simultaneous else (new_w, new_b)
    of_score = -sigmoid(-(z_gen @ a.T @ w.T + b)) / 2
    new_a, _ = rmsprop(a, (of_score @ w).T @ z_gen + 2 * a, 0)

    reporter = chainer.Reporter()
    for name, link in ("gen", generator), ("dis", updater.discriminator):
        reporter.add_observer(name, link)
    with reporter.scope(observation := {}):
        updater.update()
    assert float(observation["gen/penalty"]) == pytest.approx((a**2).sum())
    np.testing.assert_allclose(updater.discriminator.W.array, new_w, rtol=1e-10)
    np.testing.assert_allclose(updater.discriminator.b.array, new_b, rtol=1e-10)
    np.testing.assert_allclose(generator.layer.W.array, new_a, rtol=1e-10)


@pytest.mark.gpu
def test_an_iteration_on_the_gpu_is_the_iteration_on_the_cpu():
    losses = []
    for name in "@numpy", "@cupy:0":
        device = chainer.get_device(name)
        device.use()
        np.random.seed(0)
        sizes = {"channels": 1, "image_size": 32}
        networks = {"gen": VideoGenerator(**sizes, temporal_width=16, image_width=16)}
        networks["dis"] = VideoDiscriminator(**sizes, width=4)
        optimizers = {}
        for key, network in networks.items():
            network.to_device(device)
            optimizers[key] = chainer.optimizers.RMSprop(1e-4).setup(network)
        data = list(np.random.uniform(-1, 1, (8, 1, 16, 32, 32)).astype(np.float32))
        iterator = chainer.iterators.SerialIterator(data, 4, shuffle=False)
        updater = GANUpdater(iterator, optimizers, SingularValueClipping(), device=device)
        reporter = chainer.Reporter()
        for key, network in networks.items():
            reporter.add_observer(key, network)
        for _ in range(2):
            with reporter.scope(observation := {}):
                updater.update()
        losses.append([float(observation[key]) for key in ("gen/loss", "dis/loss")])
    np.testing.assert_allclose(*losses, rtol=1e-2)  # RMSprop's first steps are signs of gradients
