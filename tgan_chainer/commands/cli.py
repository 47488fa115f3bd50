"""What the commands in ``datasets/`` and ``experiments/`` share: reading options, and how to fail."""

import argparse
import os
import shlex
import signal
import sys
import threading
import traceback

from tgan_chainer.checks import suggestion
from tgan_chainer.commands.streams import protect_streams
from tgan_chainer.errors import InputError, NonFiniteError, ProcessesError
from tgan_chainer.parallel import prepare_process
from tgan_chainer.processes import end_job, launched_rank, launched_size, leave_talking_to_the_first, tell
from tgan_chainer.reading import message_line

# How this process was called, for messages that tell how to call it again; None is by a script.
program = None


def how_called():
    """Return how this command is called, for its help: ``tgan train`` or ``python experiments/train.py``."""
    if program:
        return shlex.join(program)
    return f"python {os.path.join(*os.path.abspath(sys.argv[0]).split(os.sep)[-2:])}"


class ArgumentParser(argparse.ArgumentParser):
    """argparse's parser, showing a module's docstring as it stands and errors in one line.

    Args:
        description (str): The docstring. ``%(prog)s`` in it stands for :func:`how_called`, ``%%`` for ``%``.
    """

    def __init__(self, description, **more):
        more = {"prog": how_called(), **more}
        super().__init__(
            description=description % more,  # argparse would leave a %% alone where there is no %(prog)s
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **more,
        )

    def parse_args(self, args=None, namespace=None):
        namespace, unknown = self.parse_known_args(args, namespace)
        if unknown:
            hint = suggestion(unknown[0].partition("=")[0], list(_options(self)))
            hint = hint or f"{self.prog} --help lists all options"
            self.error(f"unknown argument {unknown[0]}; {hint}")
        return namespace

    def error(self, message):
        _leave_to_the_first()
        self.exit(_fail(message))

    def _print_message(self, message, file=None):
        if launched_rank() == 0:
            super()._print_message(message, file)


def run_command(main, of_several=False):
    """Run ``main()`` and exit the process with its status.

    Bad input and failures of the file system (missing file, disk full, ...) become one line on stderr and
    status 2, diverged training becomes status 1 and Ctrl-C status 130. Anything else is a bug of ours and
    keeps its traceback. The process is prepared by :func:`tgan_chainer.parallel.prepare_process`, and its
    output by :func:`~tgan_chainer.commands.streams.protect_streams`. If it is one of several of a job, and
    fails, the others end, too; the first one alone prints, but for errors.

    Args:
        main (callable): Takes no argument, returns an exit status or None for 0.
        of_several (bool): Whether it knows what to do as one of several processes that mpiexec started.
    """
    failed = True
    try:
        sys.unraisablehook = _pass_on_interrupts
        protect_streams()
        leave_talking_to_the_first()
        # A notebook sets it, also for its terminal. The commands write files, and show no windows.
        os.environ.pop("MPLBACKEND", None)
        prepare_process()
        if not of_several:
            _check_is_alone()
        status = main()
        failed = False
    except InputError as error:
        status = _fail(str(error))
    except (NonFiniteError, ProcessesError) as error:
        status = _fail(str(error), status=1)
    except OSError as error:
        status = _fail(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    except MemoryError as error:  # CuPy's, too
        status = _fail(f"out of memory: {error}; a smaller batch size or fewer videos at a time need less")
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
        if launched_size() == 1:
            print("interrupted", file=sys.stderr)
        else:
            _fail("interrupted")
    except Exception as error:
        if launched_size() == 1:
            raise
        status, line = 1, message_line(f"a bug, see above: {type(error).__name__}: {error}")
        tell(line, traceback.format_exc())
    if failed:
        end_job(status)
    sys.exit(status)


def _pass_on_interrupts(unraisable):
    """Send Ctrl-C once more if it came within a destructor or a callback that can raise nothing."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Not at once, which would be within this function, and raise nothing either.
        threading.Timer(0.01, signal.raise_signal, [signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(unraisable)


def _options(parser):
    """Yield the options of a parser and of its commands'."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _options(command)


def _check_is_alone():
    if launched_size() > 1:
        _leave_to_the_first()
        raise InputError(
            f"mpiexec started {launched_size()} processes, but this is the work of one: call {how_called()} "
            "without mpiexec"
        )


def _leave_to_the_first():
    """End this process if it is not the first one, which is to meet the same and to tell it."""
    if launched_rank() > 0:
        sys.exit(0)


def _fail(message, status=2):
    tell(message_line(message))
    return status
