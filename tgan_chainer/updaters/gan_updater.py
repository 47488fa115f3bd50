import numpy as np

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.losses import WassersteinLoss

import chainer
from chainer.training import updaters


class GANUpdater(updaters.StandardUpdater):
    """Algorithm 1: training with a discriminator that is clipped, for any loss and any models.

    One call is one iteration t = 1, 2, ...:

    1. n_D times: a batch x, fresh z0, then a step of the discriminator, for the Wasserstein loss up the
       gradient of E[D(x)] - E[D(G(z0))];
    2. fresh z0, then a step of the generator, for the Wasserstein loss down the gradient of -E[D(G(z0))],
       through the discriminator that was just updated;
    3. if t mod n_clip = 1, clipping of the discriminator.

    Only these gradients are computed: none of the generator in 1, none of the discriminator's parameters
    in 2, none of the videos x in either.

    A batch may be a pair of videos and labels (Section 5.2). The generator then makes videos with the labels
    of the batch, and both networks are called with labels as their second argument.

    Reported (scalars): ``dis/loss``, ``gen/loss`` and what the loss calls its statistics, for the Wasserstein
    loss ``dis/wasserstein``; ``gen/penalty`` where the generator has one.

    Args:
        iterator (~chainer.dataset.Iterator): Of videos, float32 (C, T, H, W) in [-1, 1], or of pairs (video,
            label).
        optimizer (dict): ``{"gen": ..., "dis": ...}``, set up with a generator and a discriminator of
            :mod:`tgan_chainer.links`. The paper's are RMSprop with a learning rate of 5e-5 (Section 6.2).
        clipping: See :mod:`tgan_chainer.clipping`; None for no clipping.
        loss: See :mod:`tgan_chainer.losses`; the Wasserstein loss if None.
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
        loss=None,
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
        self.loss = loss or WassersteinLoss()
        self.simultaneous = simultaneous
        self.generator = self.get_optimizer("gen").target
        self.discriminator = self.get_optimizer("dis").target
        self._losses = {}

    def update_core(self):
        t = self.iteration + 1  # Algorithm 1 counts from 1
        previous_losses, self._losses = self._losses, {}
        if self.simultaneous:
            self._update_both(*self._next_batch())
        else:
            for _ in range(self.n_dis):
                x, *labels = self._next_batch()
                self._update_discriminator(x, *labels)
            self._update_generator(len(x), *labels)
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
        batch = self.converter(self.get_iterator("main").next(), self.input_device)
        return batch if isinstance(batch, tuple) else (batch,)

    def _update_discriminator(self, x, *labels):
        with chainer.no_backprop_mode():
            fake = self.generator(self.generator.draw_z0(len(x)), *labels)
        score_real, score_fake = self.discriminator(x, *labels), self.discriminator(fake, *labels)
        loss = self.loss.discriminator(score_real, score_fake)
        chainer.grad([loss], list(self.discriminator.params()), set_grad=True)
        self._apply("dis")
        self._report_discriminator(loss, score_real, score_fake)

    def _generate(self, n, *labels):
        """Return videos and the generator's penalty, or None where it has none."""
        z0 = self.generator.draw_z0(n)
        if hasattr(self.generator, "forward_with_penalty"):
            return self.generator.forward_with_penalty(z0, *labels)
        return self.generator(z0, *labels), None

    def _update_generator(self, n, *labels):
        fake, penalty = self._generate(n, *labels)
        loss = self.loss.generator(self.discriminator(fake, *labels))
        chainer.grad(
            [loss if penalty is None else loss + penalty], list(self.generator.params()), set_grad=True
        )
        self._apply("gen")
        self._report_generator(loss, penalty)

    def _update_both(self, x, *labels):
        fake, penalty = self._generate(len(x), *labels)
        score_real, score_fake = self.discriminator(x, *labels), self.discriminator(fake, *labels)
        loss_dis, loss_gen = self.loss.discriminator(score_real, score_fake), self.loss.generator(score_fake)
        chainer.grad([loss_dis], list(self.discriminator.params()), set_grad=True)
        total = loss_gen if penalty is None else loss_gen + penalty
        chainer.grad([total], list(self.generator.params()), set_grad=True)
        self._apply("dis")
        self._apply("gen")
        self._report_discriminator(loss_dis, score_real, score_fake)
        self._report_generator(loss_gen, penalty)

    def _apply(self, name):
        optimizer = self.get_optimizer(name)
        optimizer.update()
        optimizer.target.cleargrads()  # frees their memory for the step that follows
        if name == "dis" and self.clipping and self.clipping.after == "update":
            self.clipping(self.discriminator)

    def _report_discriminator(self, loss, score_real, score_fake):
        self._losses["dis/loss"] = loss.array
        statistics = self.loss.statistics(score_real.array, score_fake.array)
        chainer.report({"loss": loss.array, **statistics}, self.discriminator)

    def _report_generator(self, loss, penalty):
        self._losses["gen/loss"] = loss.array
        chainer.report({"loss": loss.array}, self.generator)
        if penalty is not None:
            chainer.report({"penalty": penalty.array}, self.generator)


def _check_finite(losses, iteration):
    for name, loss in losses.items():
        if not np.isfinite(float(loss)):
            raise NonFiniteError(f"{name} became {float(loss)} in iteration {iteration}")
