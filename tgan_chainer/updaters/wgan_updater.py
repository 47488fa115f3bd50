import numpy as np

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError, NonFiniteError

import chainer
import chainer.functions as F
from chainer.training import updaters


class WGANUpdater(updaters.StandardUpdater):
    """Algorithm 1: Wasserstein GAN with clipping of the discriminator.

    One call is one iteration t = 1, 2, ...:

    1. n_D times: a batch x, fresh z0, then a step of the discriminator up the gradient of
       E[D(x)] - E[D(G(z0))];
    2. fresh z0, then a step of the generator down the gradient of -E[D(G(z0))], through the discriminator
       that was just updated;
    3. if t mod n_clip = 1, clipping of the discriminator.

    Only these gradients are computed: none of the generator in 1, none of the discriminator's parameters
    in 2, none of the videos x in either.

    Reported (scalars): ``dis/loss`` = E[D(G(z0))] - E[D(x)], ``gen/loss`` = -E[D(G(z0))] and
    ``dis/wasserstein``, the estimate E[D(x)] - E[D(G(z0))] of the Wasserstein distance (up to the factor K
    of the Lipschitz constant).

    Args:
        iterator (~chainer.dataset.Iterator): Of videos, float32 (C, T, H, W) in [-1, 1].
        optimizer (dict): ``{"gen": ..., "dis": ...}``, set up with a
            :class:`~tgan_chainer.links.VideoGenerator` and a :class:`~tgan_chainer.links.VideoDiscriminator`.
            The paper's are RMSprop with a learning rate of 5e-5 (Section 6.2).
        clipping: See :mod:`tgan_chainer.clipping`; None for no clipping.
        n_dis (int): n_D, updates of the discriminator per iteration.
        n_clip (int): Interval of the clipping in iterations. (With n_clip = 1, "t mod n_clip = 1" never
            holds when read literally; it means every iteration here.)
        simultaneous (bool): The variant of the authors' own experiments: one forward pass serves both steps,
            so that the generator's gradient goes through the discriminator *before* its update.
            Needs n_dis = 1.
        converter, device: As for :class:`chainer.training.updaters.StandardUpdater`.

    Raises:
        InputError: An argument is out of range.
        NonFiniteError: From :meth:`update`, one iteration after a loss was not finite.
    """

    def __init__(
        self,
        iterator,
        optimizer,
        clipping=None,
        n_dis=1,
        n_clip=5,
        simultaneous=False,
        converter=chainer.dataset.concat_examples,
        device=None,
    ):
        check_positive_int(n_dis=n_dis, n_clip=n_clip)
        if simultaneous and n_dis != 1:
            raise InputError(f"n_dis must be 1 when simultaneous is True, not {n_dis}")
        super().__init__(iterator, optimizer, converter, device, auto_new_epoch=False)
        self.clipping, self.n_dis, self.n_clip = clipping, n_dis, n_clip
        self.simultaneous = simultaneous
        self.generator = self.get_optimizer("gen").target
        self.discriminator = self.get_optimizer("dis").target
        self._losses = {}

    def update_core(self):
        t = self.iteration + 1  # Algorithm 1 counts from 1
        previous_losses, self._losses = self._losses, {}
        if self.simultaneous:
            self._update_both(self._next_batch())
        else:
            for _ in range(self.n_dis):
                x = self._next_batch()
                self._update_discriminator(x)
            self._update_generator(len(x))
        # Of the iteration before: the GPU has long computed these, so that asking for them here, unlike
        # asking for the newest, does not make it idle in every iteration.
        _check_finite(previous_losses, t - 1)
        if self.clipping and self.clipping.after == "iteration" and (t - 1) % self.n_clip == 0:
            _check_finite(self._losses, t)
            self.clipping(self.discriminator)

    def check_losses(self):
        """Raise NonFiniteError now if a loss of the last iteration is NaN or infinite."""
        _check_finite(self._losses, self.iteration)

    def _next_batch(self):
        return self.converter(self.get_iterator("main").next(), self.input_device)

    def _update_discriminator(self, x):
        with chainer.no_backprop_mode():
            fake = self.generator(self.generator.draw_z0(len(x)))
        score_real, score_fake = self._score(x), self._score(fake)
        chainer.grad([score_fake - score_real], list(self.discriminator.params()), set_grad=True)
        self._apply("dis")
        self._report(score_fake, score_real)

    def _update_generator(self, n):
        score_fake = self._score(self.generator(self.generator.draw_z0(n)))
        chainer.grad([-score_fake], list(self.generator.params()), set_grad=True)
        self._apply("gen")
        self._report(score_fake)

    def _update_both(self, x):
        fake = self.generator(self.generator.draw_z0(len(x)))
        score_real, score_fake = self._score(x), self._score(fake)
        loss_dis = score_fake - score_real
        *_, grad_fake = chainer.grad([loss_dis], [*self.discriminator.params(), fake], set_grad=True)
        # Both losses see the generated videos through D(G(z0)) alone, with opposite signs.
        chainer.grad([fake], list(self.generator.params()), [-grad_fake], set_grad=True)
        self._apply("dis")
        self._apply("gen")
        self._report(score_fake, score_real)
        self._report(score_fake)

    def _score(self, videos):
        return F.average(self.discriminator(videos))

    def _apply(self, name):
        optimizer = self.get_optimizer(name)
        optimizer.update()
        optimizer.target.cleargrads()  # frees their memory for the step that follows
        if name == "dis" and self.clipping and self.clipping.after == "update":
            self.clipping(self.discriminator)

    def _report(self, score_fake, score_real=None):
        if score_real is None:
            self._losses["gen/loss"] = -score_fake.array
            chainer.report({"loss": self._losses["gen/loss"]}, self.generator)
        else:
            wasserstein = score_real.array - score_fake.array
            self._losses["dis/loss"] = -wasserstein
            chainer.report({"loss": -wasserstein, "wasserstein": wasserstein}, self.discriminator)


def _check_finite(losses, iteration):
    for name, loss in losses.items():
        if not np.isfinite(float(loss)):
            raise NonFiniteError(f"{name} became {float(loss)} in iteration {iteration}")
