"""Ctrl-C while this package is imported, which takes a second or two, is answered in one line."""

import os
import sys
import traceback

_FOLDER = os.path.dirname(os.path.abspath(__file__))
_excepthook = sys.excepthook


def _hook(kind, error, trace):
    frames = [frame.f_code for frame, _ in traceback.walk_tb(trace)]
    importing = any(code.co_name == "<module>" and code.co_filename.startswith(_FOLDER) for code in frames)
    if issubclass(kind, KeyboardInterrupt) and importing:
        print("interrupted", file=sys.stderr)  # and the status is 130 as ever
    else:
        _excepthook(kind, error, trace)


sys.excepthook = _hook
