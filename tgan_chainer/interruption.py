"""Ctrl-C and the like where Python's exception must not come in the middle."""

import contextlib
import signal
import threading

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP  # what ends a command between two pieces of work


@contextlib.contextmanager
def noted_signals():
    """While the block runs, note Ctrl-C, SIGTERM and SIGHUP instead of raising or dying at any place.

    A second signal ends the process at once. What is ignored stays ignored. When the block has ended, the
    noted signal does what it would have done at first.

    Yields:
        callable: To be called where the block may be left. It raises KeyboardInterrupt if there was a signal.
    """
    noted = []

    def note(signum, frame):
        if noted:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)
        noted.append(signum)

    def check():
        if noted:
            raise KeyboardInterrupt

    handlers = {}
    if threading.current_thread() is threading.main_thread():  # others get no signals
        handlers = {signum: signal.getsignal(signum) for signum in SIGNALS}
        handlers = {s: old for s, old in handlers.items() if old not in (signal.SIG_IGN, None)}
    for signum in handlers:
        signal.signal(signum, note)
    try:
        yield check
    finally:
        for signum, old in handlers.items():
            signal.signal(signum, old)
        if noted:
            signal.raise_signal(noted[0])
