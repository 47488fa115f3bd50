import numpy as np

from tgan_chainer.checks import check_positive_int
from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.losses import WassersteinLoss
from tgan_chainer.spread_batch import spread

import chainer
from chainer.training import updaters


class GANUpdater(updaters.StandardUpdater):
    """Algorithm 1: training with a discriminator that is clipped, for any loss and any models.

    One call is one iteration t = 1, 2, ...:

    1. n_D times: a batch x, fresh z0, then a step of the discriminator, for the Wasserstein loss up the
       gradient of E[D(x)] - E[D(G(z0))];
    2. fresh z0, then a step of the generator, for the Wasserstein loss down the gradient of -E[D(G(z0))],
       through the discriminator that was just updated;
    3. if t mod n_clip = 1, singular value clipping of the discriminator.

    Only these gradients are computed: none of the generator in 1, none of the discriminator's parameters
    in 2, none of the videos x in either.

    A batch may be a pair of videos and labels (Section 5.2). The generator then makes videos with the labels
    of the batch, and both networks are called with labels as their second argument.

    Reported (scalars): ``dis/loss``, ``gen/loss`` and what the loss calls its statistics, for the Wasserstein
    loss ``dis/wasserstein``.

    Args:
        iterator (~chainer.dataset.Iterator): Source of videos, float32 (C, T, H, W) in [-1, 1], or of pairs
            (video, label).
        optimizer (dict): ``{"gen": ..., "dis": ...}``, set up with a generator and a discriminator of
            :mod:`tgan_chainer.links`. The paper's are RMSprop with a learning rate of 5e-5 (Section 6.2).
        clipping (callable): Clips the discriminator, which it is called with, see
            :class:`~tgan_chainer.clipping.SingularValueClipping`; None leaves line 3 out.
        loss: See :mod:`tgan_chainer.losses`; the Wasserstein loss if None.
        n_dis (int): n_D, updates of the discriminator per iteration.
        n_clip (int): Interval of the clipping in iterations. (With n_clip = 1, "t mod n_clip = 1" never
            holds when read literally; it means every iteration here.)
        simultaneous (bool): The variant of the authors' own experiments: one forward pass serves both steps,
            so that the generator's gradient goes through the discriminator *before* its update.
            Needs n_dis = 1.
        check_interval (int): Iterations from one check that all losses were finite to the next; by default 1
            on a CPU and 100 on a GPU, which would have to finish all its work for each. A CPU also checks
            before each clipping.
        average (MovingAverage): Follows the generator; None for no average. Snapshots keep it.
        batch (~tgan_chainer.spread_batch.SpreadBatch): With several processes: the whole batch, of which the
            iterator hands out the part of this one. All compute the same, which is what one would.
        converter, device: As for :class:`chainer.training.updaters.StandardUpdater`.

    Raises:
        InputError: An argument is out of range.
        NonFiniteError: From :meth:`update`, if a loss was not finite. The message names it and its iteration.
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
        check_interval=None,
        average=None,
        batch=None,
        converter=chainer.dataset.concat_examples,
        device=None,
    ):
        check_positive_int(n_dis=n_dis, n_clip=n_clip)
        if check_interval is not None:
            check_positive_int(check_interval=check_interval)
        if simultaneous and n_dis != 1:
            raise InputError(f"n_dis must be 1 when simultaneous is True, not {n_dis}")
        super().__init__(iterator, optimizer, converter, device, auto_new_epoch=False)
        self.clipping, self.n_dis, self.n_clip = clipping, n_dis, n_clip
        self.loss = loss or WassersteinLoss()
        self.simultaneous = simultaneous
        self.batch = batch
        self.generator = self.get_optimizer("gen").target
        self.discriminator = self.get_optimizer("dis").target
        self._average = average
        self._check_interval = check_interval or (1 if self.discriminator.xp is np else 100)
        self._unchecked = []  # (iteration, name, loss), oldest first
        self._checks_types = True

    def update(self):
        # Shapes and dtypes stay those of the first iteration. Checking them takes 2 % of an iteration's time
        # in narrow networks.
        with chainer.using_config("type_check", self._checks_types):
            super().update()
        self._checks_types = False

    def update_core(self):
        t = self.iteration + 1  # Algorithm 1 counts from 1
        with spread(self.batch):
            if self.simultaneous:
                self._update_both(*self._next_batch())
            else:
                for _ in range(self.n_dis):
                    x, *labels = self._next_batch()
                    self._update_discriminator(x, *labels)
                self._update_generator(len(x), *labels)
        if self.batch is not None:
            self.batch.average_statistics(self.generator, self.discriminator)
        if self._average is not None:
            self._average.update(t)
        clips = self.clipping is not None and (t - 1) % self.n_clip == 0
        # A GPU would have to finish all its work for each check.
        if t % self._check_interval == 0 or (clips and self.discriminator.xp is np):
            self.check_losses()
        if clips:
            self.clipping(self.discriminator)

    @property
    def sampled_generator(self):
        """The generator to sample from: the average if there is one."""
        return self.generator if self._average is None else self._average.link

    def serialize(self, serializer):
        super().serialize(serializer)
        if self._average is not None:
            self._average.link.serialize(serializer["model:gen_ema"])

    def check_losses(self):
        """Raise NonFiniteError if a loss since the last check is NaN or infinite."""
        unchecked, self._unchecked = self._unchecked, []
        if unchecked:
            losses = self.discriminator.xp.stack([loss for *_, loss in unchecked])
            values = chainer.get_device("@numpy").send(losses)
            for (iteration, name, _), value in zip(unchecked, values, strict=True):
                if not np.isfinite(value):
                    raise NonFiniteError(f"{name} became {value} in iteration {iteration}")

    def _next_batch(self):
        batch = self.converter(self.get_iterator("main").next(), self.input_device)
        return batch if isinstance(batch, tuple) else (batch,)

    def _update_discriminator(self, x, *labels):
        with chainer.no_backprop_mode():
            fake = self.generator(self._draw_z0(len(x)), *labels)
        score_real, score_fake = self._score_both(x, fake.array, *labels)
        loss = self.loss.discriminator(score_real, score_fake)
        values = self._differentiate("dis", loss, self.loss.statistics(score_real.array, score_fake.array))
        self._apply("dis", values)

    def _update_generator(self, n, *labels):
        fake, penalty = self.generator.forward_with_penalty(self._draw_z0(n), *labels)
        loss = self.loss.generator(self.discriminator(fake, *labels))
        self._apply("gen", self._differentiate("gen", loss, {}, penalty))

    def _update_both(self, x, *labels):
        fake, penalty = self.generator.forward_with_penalty(self._draw_z0(len(x)), *labels)
        score_real, score_fake = self.discriminator(x, *labels), self.discriminator(fake, *labels)
        loss_dis, loss_gen = self.loss.discriminator(score_real, score_fake), self.loss.generator(score_fake)
        statistics = self.loss.statistics(score_real.array, score_fake.array)
        values = self._differentiate("dis", loss_dis, statistics)
        values_gen = self._differentiate("gen", loss_gen, {}, penalty)
        self._apply("dis", values)
        self._apply("gen", values_gen)

    def _score_both(self, real, fake, *labels):
        if hasattr(self.discriminator, "score_both"):
            return self.discriminator.score_both(real, fake, *labels)
        return self.discriminator(real, *labels), self.discriminator(fake, *labels)

    def _draw_z0(self, n):
        if self.batch is None:
            return self.generator.draw_z0(n)
        return self.generator.draw_z0(self.batch.n)[self.batch.part]

    def _differentiate(self, name, loss, statistics, penalty=None):
        """Set the gradients of a network; return what is to be reported, all of the whole batch."""
        network, values = self.get_optimizer(name).target, {"loss": loss.array, **statistics}
        if penalty is not None:
            loss, values["penalty"] = loss + penalty, penalty.array
        if self.batch is not None:
            loss = loss * self.batch.share
        chainer.grad([loss], list(network.params()), set_grad=True)
        return values if self.batch is None else self.batch.add_up_gradients(network, values)

    def _apply(self, name, values):
        optimizer = self.get_optimizer(name)
        optimizer.update()
        optimizer.target.cleargrads()  # frees their memory for the step that follows
        self._unchecked.append((self.iteration + 1, f"{name}/loss", values["loss"]))
        chainer.report(values, optimizer.target)
