"""Standard output and error that cannot fail: printing never decides what becomes of hours of work."""

import contextlib
import io
import os
import select
import sys

# Seconds to wait for a reader that has stopped reading (a pager, a stopped `tee`, Ctrl-S), for each piece.
_PATIENCE = 5
# What a pipe takes without making its writer wait, once select() says that it takes something (PIPE_BUF).
_PIECE = 4096


class _Unfailing(io.FileIO):
    """A file that drops what cannot be written: its reader has gone, its disk is full."""

    def write(self, data):
        data = memoryview(data).cast("B")
        with contextlib.suppress(OSError, ValueError):
            for start in range(0, len(data), _PIECE):
                if not select.select([], [self], [], _PATIENCE)[1]:
                    break
                super().write(data[start : start + _PIECE])
        return len(data)


def protect_streams():
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that cannot fail, unless tests have done so.

    Characters that the terminal's encoding lacks are written as escapes. A stream that was closed when the
    process began gets a place to write to, lest the first file that is opened become it.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    for name, number in ("stdout", 1), ("stderr", 2):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue
        if stream is None:
            raw = _Unfailing(os.devnull, "w")
        else:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
            raw = _Unfailing(number, "w", closefd=False)
        encoding = getattr(stream, "encoding", None)
        buffer = io.BufferedWriter(raw)
        text = io.TextIOWrapper(buffer, encoding, errors="backslashreplace", line_buffering=True)
        setattr(sys, name, text)
