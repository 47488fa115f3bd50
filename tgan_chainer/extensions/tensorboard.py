import importlib.util
import os
import time

import yaml

from tgan_chainer import logs
from tgan_chainer.errors import InputError

from chainer.training import extension

FOLDER = "tensorboard"


class TensorBoard(extension.Extension):
    """Writes the log, the previews and the configuration for TensorBoard into the folder ``tensorboard/``.

    Events are written where they come up, without tensorboardX's thread and queue, in which a full disk would
    make the end of a training wait for ever.

    Args:
        log (Log): The log; it must have a higher priority.
        config (Config): Configuration of the run.

    Raises:
        InputError: tensorboardX is not installed.
    """

    priority = extension.PRIORITY_READER - 20  # after the previews

    def __init__(self, log, config):
        if importlib.util.find_spec("tensorboardX") is None:
            raise InputError("tensorboard needs tensorboardX: pip install tensorboardX")
        self._log, self._config = log, config
        self._n_written = 0
        self._writer = None

    def initialize(self, trainer):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog
        from tensorboardX.summary import text

        folder, iteration = os.path.join(trainer.out, FOLDER), trainer.updater.iteration
        os.makedirs(folder, exist_ok=True)
        self._writer = EventsWriter(os.path.join(folder, "events"))
        # What a killed run wrote after its last snapshot is not shown.
        self._write(iteration + 1, session_log=SessionLog(status=SessionLog.START))
        settings = yaml.safe_dump(vars(self._config), sort_keys=False, allow_unicode=True)
        self._write(iteration, summary=text("configuration", "    " + settings.replace("\n", "\n    ")))
        self._n_written = len(self._log.entries)
        self._add_preview(trainer.out, "real", iteration)

    def __call__(self, trainer):
        from tensorboardX.summary import scalar

        iteration = trainer.updater.iteration
        for entry in self._log.entries[self._n_written :]:
            for name in logs.shown_names([entry]):
                self._write(entry["iteration"], summary=scalar(name, entry[name]))
        self._n_written = len(self._log.entries)
        self._add_preview(trainer.out, f"iter_{iteration}", iteration)
        self._writer.flush()

    def finalize(self):
        if self._writer is not None:
            self._writer.close()

    def _add_preview(self, out, name, iteration):
        from PIL import Image
        from tensorboardX.proto.summary_pb2 import Summary

        path = os.path.join(out, "preview", f"{name}.gif")
        if not os.path.exists(path):
            return
        with open(path, "rb") as file:
            content = file.read()
        with Image.open(path) as image:
            width, height = image.size
        # A browser shows an image for what it is, and so a GIF moves.
        shown = Summary.Image(encoded_image_string=content, width=width, height=height, colorspace=3)
        tag = "real" if name == "real" else "preview"
        self._write(iteration, summary=Summary(value=[Summary.Value(tag=tag, image=shown)]))

    def _write(self, step, **content):
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))
