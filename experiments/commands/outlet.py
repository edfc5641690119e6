"""Standard output that may be closed, or full, without the run that writes to it being lost."""

from __future__ import annotations

from typing import Any, TextIO

from experiments.commands.complaints import complain
from experiments.commands.status import BAD_INPUT
from experiments.commands.surroundings import lose_stdout


class Outlet:
    """A stream that goes on where nobody reads it any more (`run ... | head -1`) or where it is full: what is written then is lost.

    Args:
        stream: to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write, as long as that can be done."""
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError as error:
            lose_stdout()
            if not isinstance(error, BrokenPipeError):  # who reads no more knows why
                complain(f"what the run says cannot be written ({error.strerror}); its reports are in its folder", BAD_INPUT)
        return len(text)

    def flush(self) -> None:
        """See write, which does it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
