"""Event files of TensorBoard, written at once and by nobody else: what was added is in the file.

torch's SummaryWriter hands every event to a thread. The two then take turns at the interpreter: with four files and an event for each
in every step, the turns alone cost a training of small steps a tenth of its time.
"""

from __future__ import annotations

import io
import itertools
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import FileWriter, SummaryWriter

VERSION = "brain.Event:2"
"""Of the format, as every event file says at its beginning."""

BINS = 64
"""Of a histogram: twice as many as TensorBoard draws. Its own some 500, of widths that grow by a tenth, are mostly those of values below
1e-3, take eight times the room, and the room is what costs: a checksum of every byte is computed in plain Python."""

number = itertools.count()


class EventFile:
    """What FileWriter writes to, in the place of tensorboard's EventFileWriter.

    Args:
        folder: is made if need be.
        suffix: of the file's name.
    """

    def __init__(self, folder: str, suffix: str = "") -> None:
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(number)}{suffix}"
        self.records = RecordWriter(Path(folder, name).open("wb"))  # noqa: SIM115 - closed by `close`
        self.add_event(Event(wall_time=time.time(), file_version=VERSION))

    def get_logdir(self) -> str:
        """The folder."""
        return self.folder

    def add_event(self, event: Event) -> None:
        """Write it; OSError if the disk is full."""
        self.records.write(event.SerializeToString())
        self.records.flush()  # to the system, which is a matter of a microsecond; not to the disk

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """The last of it."""
        self.records.close()


class ToFile(FileWriter):
    """FileWriter, on an EventFile."""

    def __init__(self, folder: str, suffix: str = "") -> None:
        self.event_writer = EventFile(folder, suffix)


class Writer(SummaryWriter):
    """SummaryWriter, of which no thread writes; its `max_queue` and `flush_secs` mean nothing."""

    def _get_file_writer(self) -> Any:
        of: Any = self  # its attributes, which torch declares as None
        if of.file_writer is None:
            of.file_writer = ToFile(of.log_dir, of.filename_suffix)
            of.all_writers = {of.log_dir: of.file_writer}
            if of.purge_step is not None:  # a reader drops what a run that was resumed before this step had written from it on
                of.file_writer.add_event(Event(step=of.purge_step, file_version=VERSION))
                of.file_writer.add_event(Event(step=of.purge_step, session_log=SessionLog(status=SessionLog.START)))
                of.purge_step = None
        return of.file_writer

    def add_numbers(self, numbers: Mapping[str, Any], step: int | None) -> None:
        """Several scalars in one event, which costs hardly more than one scalar does."""
        values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in numbers.items()]
        self._get_file_writer().add_summary(Summary(value=values), step)

    def add_distribution(self, tag: str, values: np.ndarray, step: int) -> None:
        """The histogram of an array, if all its entries are numbers that a histogram can hold, which ends at 1e20."""
        largest = np.abs(values).max(initial=0)
        if values.size and largest < 1e19:  # not NaN
            wide = np.ptp(values) > BINS * np.spacing(largest)
            self.add_histogram(tag, values, step, bins=BINS if wide else "tensorflow")

    def add_picture(self, tag: str, picture: Image.Image, step: int) -> None:
        """A picture in the colours that it has; `add_image` makes three bytes of every pixel, which take longer to compress."""
        png = io.BytesIO()
        picture.save(png, format="png")
        image = Summary.Image(height=picture.height, width=picture.width, colorspace=3, encoded_image_string=png.getvalue())
        self._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)
