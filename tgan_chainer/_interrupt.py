"""Ctrl-C while this package is imported, which takes a second or two, is answered in one line."""

import os
import signal
import sys
import threading
import traceback

_FOLDER = os.path.dirname(os.path.abspath(__file__))
_excepthook = sys.excepthook
_came = False


def begin():
    """Note Ctrl-C from now on: within a C extension the exception may become an ImportError, or get lost."""
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _note)
    sys.excepthook = _hook


def end():
    """Undo :func:`begin`; raise KeyboardInterrupt if one got lost."""
    global _came
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is _note:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _came:
        _came = False
        raise KeyboardInterrupt


def _note(number, frame):
    global _came
    _came = True
    signal.default_int_handler(number, frame)


def _hook(kind, error, trace):
    # C code that imports NumPy prints errors by itself, in the middle of the import. Then the frames of this
    # package are not in the traceback, but on the stack.
    frames = [*traceback.walk_tb(trace), *traceback.walk_stack(sys._getframe())]
    codes = [frame.f_code for frame, _ in frames]
    importing = any(code.co_name == "<module>" and code.co_filename.startswith(_FOLDER) for code in codes)
    interrupted = _came or issubclass(kind, KeyboardInterrupt)
    if importing and interrupted and not hasattr(sys, "ps1"):  # which an interactive session has
        print("interrupted", file=sys.stderr, flush=True)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)  # ends the process, as shells expect it
    else:
        _excepthook(kind, error, trace)


begin()
