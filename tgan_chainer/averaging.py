"""An exponential moving average of a network, from which is sampled in place of the network itself."""

import copy


class MovingAverage:
    """Follows a network slowly: average ← d · average + (1 - d) · network, for its weights and statistics.

    The samples of a generator swing from one iteration to the next, those of its average do not (Yazıcı et
    al., "The Unusual Effectiveness of Averaging in GAN Training", ICLR 2019). d grows to its last value as
    (1 + t) / (10 + t), so that the initial weights are soon forgotten. Training itself does not change.

    Args:
        link (~chainer.Link): The network.
        decay (float): The last value of d, in (0, 1).

    Attributes:
        link (~chainer.Link): The average, another network of the same kind.
    """

    def __init__(self, link, decay):
        self.link, self._source, self._decay = copy.deepcopy(link), link, decay

    def update(self, t):
        """Take the network into account as it is after iteration t = 1, 2, ..."""
        share = 1 - min(self._decay, (1 + t) / (10 + t))
        for ours, theirs in zip(self.link.params(), self._source.params(), strict=True):
            ours.array += share * (theirs.array - ours.array)
        for ours, theirs in zip(self.link.links(), self._source.links(), strict=True):
            for name in theirs._persistent:
                value = getattr(theirs, name)
                if isinstance(value, theirs.xp.ndarray) and value.dtype.kind == "f":
                    getattr(ours, name)[...] += (share * (value - getattr(ours, name))).astype(value.dtype)
                else:  # a counter
                    setattr(ours, name, value)
