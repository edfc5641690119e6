"""A piece of both sides beside each other, with file and line; and the directive `twin`, which shows one on a page.

.. twin:: manual.nn.linear.Linear.forward torch.nn.Linear.forward
.. twin:: manual.nn.linear.Linear.backward
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from experiments.book.lines import Way
from experiments.curriculum import ROOT

AUTOGRAD = "autograd writes it"
"""In the place of what torch does not have."""


class Piece(NamedTuple):
    """Some code.

    Attributes:
        where: its file, and the line at which it begins.
        code: its text.
    """

    where: str
    code: str


def piece(dotted: str) -> Piece:
    """What a dotted name is: a module, a class, a function, a method.

    Raises:
        LookupError: if there is no such thing, or its text is nowhere.
    """
    found: Any = None
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found, rest = importlib.import_module(".".join(parts[:n])), parts[n:]
            break
        except ImportError:
            continue
    if found is None:
        raise LookupError(f"there is no {dotted}")
    try:
        for name in rest:
            found = getattr(found, name)
        found = inspect.unwrap(found) if callable(found) else found
        lines, first = inspect.getsourcelines(found)
        file = Path(inspect.getsourcefile(found) or "")
    except (AttributeError, TypeError, OSError) as error:
        raise LookupError(f"there is no text of {dotted}") from error
    own = file.is_relative_to(ROOT)
    where = file.relative_to(ROOT) if own else Path(*file.parts[file.parts.index(parts[0]) :]) if parts[0] in file.parts else file.name
    return Piece(f"{where}, line {max(first, 1)}", textwrap.dedent("".join(lines)))


def code(text: str) -> str:
    """Python as HTML, in colours."""
    return f'<div class="highlight"><pre>{highlight(text, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()}</pre></div>'


def side_by_side(by_hand: Piece, in_torch: Piece | None) -> str:
    """Both as HTML."""
    other = f"<p class='where'>{escape(in_torch.where)}</p>{code(in_torch.code)}" if in_torch else f"<p class='where'>{AUTOGRAD}</p>"
    return (
        "<div class='sides'>"
        f"<section><p class='by-hand'>by hand</p><p class='where'>{escape(by_hand.where)}</p>{code(by_hand.code)}</section>"
        f"<section><p class='torch'>torch</p>{other}</section></div>"
    )


def line_by_line(way: Way) -> str:
    """A forward, the way back that goes through each of its lines, and torch's lines, as a table of HTML."""
    cells = []
    for row in way.rows:
        cells.append((row.forward, "\n".join(row.backward), "\n".join(row.torch)))
    head = ("forward, read down", "backward, read up", "torch")
    out = ["<div class='lines' role='table'>", "<div role='row' class='head'>"]
    out += [f"<div role='columnheader'>{h}</div>" for h in head] + ["</div>"]
    for texts in cells:
        out.append("<div role='row'>")
        for h, text in zip(head, texts, strict=True):
            out.append(f"<div role='cell' data-column='{h.partition(',')[0]}'>{code(text) if text else ''}</div>")
        out.append("</div>")
    return "".join([*out, "</div>"])


class TwinDirective(Directive):
    """`twin`: one or two dotted names."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The HTML of both."""
        try:
            found = [piece(dotted) for dotted in self.arguments]
        except LookupError as error:
            raise self.error(str(error)) from error
        return [nodes.raw("", side_by_side(found[0], found[1] if len(found) > 1 else None), format="html")]


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_directive("twin", TwinDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
