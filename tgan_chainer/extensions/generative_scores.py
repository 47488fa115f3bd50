import numpy as np

from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import inception_score, measure_gam
from tgan_chainer.evaluations.measures import check_players
from tgan_chainer.runs import load_run
from tgan_chainer.snapshots import RESUMABLE, find_snapshots

import chainer
from chainer.training import extension


class InceptionScore(extension.Extension):
    """Reports the inception score of a few samples as ``score/inception`` (Section 6.5).

    Fewer samples than the paper's 10,000 give a lower score: it is a curve to look at, not a result. The
    samples come from the same latent variables each time, and no random number of the training is used.

    Args:
        generator (Generator): The network.
        classifier (VideoClassifier): On the same device.
        n_samples (int): Samples each time. Of longer videos than the classifier takes the first frames count.
        seed (int): Seed of the latent variables.

    Raises:
        InputError: The generator's videos are too short for the classifier.
    """

    priority = extension.PRIORITY_WRITER

    def __init__(self, generator, classifier, n_samples=1000, seed=0):
        if generator.video_shape[1] < classifier.n_frames:
            raise InputError(
                f"the classifier takes {classifier.n_frames} frames; n_frames is {generator.video_shape[1]}"
            )
        self._generator, self._classifier = generator, classifier
        self._n_samples, self._seed = n_samples, seed

    def __call__(self, trainer):
        videos = self._generator.sample(self._n_samples, self._seed)
        videos = (video[:, : self._classifier.n_frames] for video in videos)
        probabilities = np.concatenate([p for p, _ in self._classifier.predict(videos)])
        chainer.report({"score/inception": inception_score(probabilities)[0]})


class GAM(extension.Extension):
    """Lets the model that is trained play against another one, or its older self (Section 6.5).

    Reports ``score/r_test`` and ``score/r_sample``, where they are finite, the present model being A, and the
    shares behind the latter: ``score/fooled_opponent``, ε(D_B(G_A(z))), and ``score/was_fooled``,
    ε(D_A(G_B(z))).

    Args:
        run (Run): What is trained.
        opponent (str): A results folder or snapshot; "self" is the newest snapshot of this training, of one
            or more intervals ago. Before there is one, there is no game.
        n_samples (int): As for :func:`~tgan_chainer.evaluations.measure_gam`.
        seed (int): Seed of the game.

    Raises:
        InputError: There is no such opponent, or it cannot play against this model.
    """

    priority = extension.PRIORITY_WRITER

    def __init__(self, run, opponent="self", n_samples=1000, seed=0):
        self._run, self._n_samples, self._seed = run, n_samples, seed
        self._opponent = None if opponent == "self" else self._load(opponent)
        check_players(run, self._opponent or run)

    def __call__(self, trainer):
        opponent = self._opponent
        if opponent is None:
            own = find_snapshots(trainer.out, RESUMABLE)
            if not own:
                return
            opponent = self._load(own[-1])
        options = {"n_samples": self._n_samples, "seed": self._seed, "n_bootstrap": 0, "progress": False}
        result = measure_gam(self._run, opponent, self._run.config.data, **options)
        scores = {f"score/{key}": result[key] for key in ("r_test", "r_sample")}
        scores["score/fooled_opponent"] = result["errors"]["sample_a"]
        scores["score/was_fooled"] = result["errors"]["sample_b"]
        # An infinite number among the log's sums would not be told from a diverged network.
        chainer.report({key: value for key, value in scores.items() if np.isfinite(value)})

    def _load(self, source):
        return load_run(source, self._run.generator.device)
