"""A piece of both sides beside each other, with file and line; and the directive `twin`, which shows one on a page.

.. twin:: manual.nn.linear.Linear.forward torch.nn.Linear.forward
.. twin:: manual.nn.linear.Linear.backward
   :shapes: {"76": {"returned": [3, 4]}}
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from experiments.book.lines import Way
from experiments.curriculum import ROOT

AUTOGRAD, NOTHING = "autograd writes it", "torch has no line of Python for it"
"""In the place of what torch does not have: of a way back, and of all else."""


class Piece(NamedTuple):
    """Some code.

    Attributes:
        where: its file, and the line at which it begins.
        code: its text.
        line: the number of the line.
    """

    where: str
    code: str
    line: int = 1


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
    return Piece(f"{where}, line {max(first, 1)}", textwrap.dedent("".join(lines)), max(first, 1))


LEXER, FORMATTER = PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)
"""They remember nothing of what they have gone through, and take longer to make than a line to colour."""


def code(text: str, beside: Mapping[int, str] = MappingProxyType({})) -> str:
    """Python as HTML, in colours; `beside` has HTML that stands beside lines, by their numbers from 1."""
    lines = highlight(text, LEXER, FORMATTER).rstrip().split("\n")
    whole = [
        f"<span class='with'><span>{line}</span><span class='made'>{beside[n]}</span></span>" if n in beside else f"{line}\n"
        for n, line in enumerate(lines, 1)
    ]
    return f'<div class="highlight"><pre>{"".join(whole).rstrip()}</pre></div>'


Shapes = Mapping[str, Mapping[str, Sequence[int]]]
"""By the number of a line what it makes, and the shape of that; [] is a single number."""

NO_SHAPES: Shapes = {}
"""Where nothing was run."""


MANY = 30
"""So many lines of torch, and twice as many as by hand, are folded: what is to be read stands by hand."""


def side_by_side(by_hand: Piece, in_torch: Piece | None, without: str = AUTOGRAD, shapes: Shapes = NO_SHAPES) -> str:
    """Both as HTML, one above the other where there is little to see of torch.

    Args:
        by_hand, in_torch: them.
        without: said where torch has none.
        shapes: of what the lines by hand make.
    """
    other, look = f"<p class='where'>{without}</p>", "sides alone"
    if in_torch:
        other, lines = shown(in_torch), in_torch.code.count("\n")
        if lines > max(MANY, 2 * by_hand.code.count("\n")):
            other = f"<details><summary>{lines} lines</summary>{other}</details>"
        else:
            look = "sides"
    return (
        f"<div class='{look}'><section><p class='by-hand'>by hand</p>{shown(by_hand, shapes)}</section>"
        f"<section><p class='torch'>torch</p>{other}</section></div>"
    )


def shown(piece: Piece, shapes: Shapes = NO_SHAPES) -> str:
    """Where it stands, and its text, with what its lines make beside them."""
    beside = {}
    for statement in ast.walk(ast.parse(piece.code)) if shapes else ():
        if isinstance(statement, ast.stmt) and (made := shapes.get(str(piece.line + statement.lineno - 1))):
            beside[last_line(statement)] = in_spans(made)
    return f"<p class='where'>{escape(piece.where)}</p>{code(piece.code, beside)}"


def last_line(statement: ast.stmt) -> int:
    """The number of it; of a function that of its head."""
    if isinstance(statement, ast.FunctionDef):
        return max(statement.lineno, statement.body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def line_by_line(way: Way, shapes: Shapes) -> str:
    """A forward, the way back that goes through each of its lines, and torch's lines, as a table of HTML.

    Args:
        way: them.
        shapes: of what the lines by hand make.
    """
    head = ("forward, read down", "backward, read up", "torch")
    out = ["<div class='lines' role='table'>", "<div role='row' class='head'>"]
    out += [f"<div role='columnheader'>{h}</div>" for h in head] + ["</div>"]
    for row in way.rows:
        out.append("<div role='row'>")
        texts, places = (row.forward, "\n".join(row.backward), "\n".join(row.torch)), (row.forward_at, row.backward_at, list[int]())
        for h, text, at in zip(head, texts, places, strict=True):
            inside = code(text) + made_at(at, shapes) if text else ""
            out.append(f"<div role='cell' data-column='{h.partition(',')[0]}'>{inside}</div>")
        out.append("</div>")
    return "".join([*out, "</div>"])


def made_at(lines: Sequence[int], shapes: Shapes) -> str:
    """What these lines make, and of what shape it is, as HTML."""
    made: dict[str, Sequence[int]] = {}
    for line in lines:
        made |= shapes.get(str(line), {})
    return f"<p class='shapes'>{said}</p>" if (said := in_spans(made)) else ""


def in_spans(made: Mapping[str, Sequence[int]], between: str = " ") -> str:
    """Each name and its shape, as HTML."""
    return between.join(f"<span><code>{escape(name)}</code> {in_words(shape)}</span>" for name, shape in made.items() if name != "_")


def in_words(shape: Sequence[int]) -> str:
    """32 × 10."""
    return " × ".join(map(str, shape)) if shape else "a number"


class TwinDirective(Directive):
    """`twin`: one or two dotted names; and, as JSON, the shapes of what the lines of the first make."""

    required_arguments = 1
    optional_arguments = 1
    option_spec = {"shapes": directives.unchanged}  # noqa: RUF012  docutils reads it from the class

    def run(self) -> list[nodes.Node]:
        """The HTML of both."""
        try:
            found = [piece(dotted) for dotted in self.arguments]
        except LookupError as error:
            raise self.error(str(error)) from error
        without = AUTOGRAD if self.arguments[0].endswith("backward") else NOTHING
        shapes = json.loads(self.options.get("shapes", "{}"))
        return [nodes.raw("", side_by_side(found[0], found[1] if len(found) > 1 else None, without, shapes), format="html")]


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_directive("twin", TwinDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
