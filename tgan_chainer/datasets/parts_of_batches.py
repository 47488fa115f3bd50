import multiprocessing.pool

import chainer.iterators
from chainer.iterators import _statemachine


class PartsOfBatches(chainer.iterators.MultithreadIterator):
    """Chainer's iterator, which reads a part of each batch, and ahead, in threads; others read the rest.

    Its position, epoch and order are those of whole batches: any number of processes goes on from them.

    Args:
        dataset, batch_size, order_sampler: As for :class:`chainer.iterators.MultithreadIterator`.
        part (slice): Which examples of a batch to hand out.
        n_threads (int): Threads that read.
        read (callable): Returns the example of an index; by default the data set's.
    """

    def __init__(self, dataset, batch_size, part=slice(None), order_sampler=None, n_threads=1, read=None):
        super().__init__(dataset, batch_size, n_threads=n_threads, order_sampler=order_sampler)
        self._read = read or dataset.__getitem__
        self.part = part

    def _invoke_prefetch(self):
        self._next_state, indices = _statemachine.iterator_statemachine(
            self._state, self.batch_size, self.repeat, self.order_sampler, len(self.dataset)
        )
        if self._pool is None:
            self._pool = multiprocessing.pool.ThreadPool(self.n_threads)
        self._next = self._pool.map_async(self._read, indices[self.part])
