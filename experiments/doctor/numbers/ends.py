"""A backward that ends in an exception wherever forward runs: in which line, and what has which shape there."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.doctor.mending.places import Headed, statement_at, text_of
from experiments.doctor.reading.patient import Unreadable
from experiments.judge.raised import between_shapes, first_line, steps


class Ends(Unreadable):
    """Forward runs, and backward does not."""


@dataclass(frozen=True)
class Ending:
    """Where a backward ends in an exception.

    Attributes:
        line: its number.
        said: the line, the exception, and what has which shape there.
        is_without_shapes: whether other shapes would hardly help: an attribute that is not there, or a key.
    """

    line: int
    said: str
    is_without_shapes: bool


def ending(error: Exception, backward: ast.FunctionDef) -> Ending | None:
    """Where the backward ends with this exception; None if it ends elsewhere."""
    inside = [s for s in steps(error) if s.tb_frame.f_code.co_filename == "<your file>"]
    step = next((s for s in reversed(inside) if s.tb_frame.f_code.co_name == backward.name), None)
    statement = statement_at(backward, step.tb_lineno) if step else None
    if step is None or statement is None:
        return None
    value = None if isinstance(statement, Headed) else getattr(statement, "value", None)
    message, shapes = between_shapes(value, step.tb_frame, first_line(error))
    helper = f"in {inside[-1].tb_frame.f_code.co_name}, line {inside[-1].tb_lineno}: " if inside[-1] is not step else ""
    here = f". Here {shapes}" if shapes else ""
    said = f"`{text_of(statement)}`: {helper}{type(error).__name__}: {message}{here}"
    return Ending(step.tb_lineno, said, isinstance(error, LookupError | AttributeError) and not isinstance(error, IndexError))


def most_telling(endings: Sequence[Ending]) -> Ends:
    """What is to be said of a backward that has ended so: of the line at which it did most often, whatever the shapes, the first time."""
    some = [e for e in endings if e.is_without_shapes] or endings
    line = Counter(e.line for e in some).most_common(1)[0][0]
    said = next(e.said for e in some if e.line == line)
    return Ends(f"forward runs, and the backward does not come beyond line {line}: {said}. Other shapes are given as --input x=5,3")
