"""A learner's file, made from the hand-written one: the body of one function is cut, and every sentence that would give it away.

What is needed to read and to write that function stays as it is, in the words of the source: there is no second copy of anything.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from experiments.curriculum import entry
from experiments.exercises.catalogue import Task, body_of, definition, source, tree_of
from experiments.exercises.contract import contract
from experiments.source.handwriting import first_line

TO_DO = "write me"
"""How the sentence begins that stands in the place of a body."""

CUT = "[Cut: what follows here in the source is what you are to find.]"

SECTION = re.compile(r"(Args|Attributes|Shapes?|Returns|Raises|Sources?)\b.*:")

DERIVATIVE = r"(?:∂[\w/∂̂ŷ′ᵢⱼₙ]*(?:\[[^\]]*\])?|\b[dD]\w*L_d\w+(?:\[[^\]]*\])?|\bd\w+_d\w+|\w′(?:\([^)]*\))?)"
GIVES_AWAY = (
    re.compile(rf"{DERIVATIVE}\s*(=|is\b|are\b)"),
    re.compile(r"\b(derivative|gradient|slope)s?\b(?! descent)[^.:;]{0,80}?(=|\b(is|are)\b)[^.]*?([−²·‖ᵀ×*]|/(?!∂))"),
)
"""A derivative, and what it is: as a formula, and in words."""


def sheet(task: Task) -> str:
    """The learner's file."""
    column = body_of(definition(task.module, task.function))[0].col_offset
    gap = [f'{" " * column}raise NotImplementedError("{TO_DO}: {task.function}")']
    return "\n".join([heading(task), "", *lines_with(task, gap)]) + "\n"


def lines_with(task: Task, body: list[str], more: str = "") -> list[str]:
    """All but the docstring: what is needed to read and to write the function, with another body in it.

    Args:
        task: the exercise.
        body: the lines of the function.
        more: what comes after the imports.
    """
    kept = needed(task)
    lines = source(task.module).splitlines()
    top = "\n\n".join(filter(None, ["from __future__ import annotations", imports(task, kept), more]))
    return "\n\n\n".join([top, *("\n".join(text_of(node, lines, task, body)) for node in kept)]).splitlines()


def heading(task: Task) -> str:
    """The docstring of the file: what is asked, how it is judged, and the lesson up to where it gives the answer away."""
    of = f" · {entry(task.concept).title}" if task.concept else ""
    about = "\n".join(contract(task))
    asked = (
        f"Exercise {task.name} · about {task.minutes} minutes{of}\n\n"
        f"Write the body of `{task.function}`. Only that function is judged; the rest is here to be read and used.\n{about}\n\n"
        "Is it right? With `hint` in the place of `check` you get a hint.\n\n"
        f"    python -m experiments exercise check {task.name}\n"
    )
    lesson = ""
    if task.concept:
        lesson = "\n" + without_answers((ast.get_docstring(tree_of(task.module)) or "").partition("\n\n")[2], whole=True) + "\n"
    return f'"""{asked}{lesson}"""'


# ---- what is needed ------------------------------------------------------------------------------


def defined_names(node: ast.stmt) -> set[str]:
    """What a statement at the top of a module defines."""
    match node:
        case ast.FunctionDef(name) | ast.ClassDef(name):
            return {name}
        case ast.Assign(targets):
            return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        case ast.AnnAssign(ast.Name(name)):
            return {name}
    return set()


def names_in(node: ast.AST) -> set[str]:
    """Every name that is read in it, in annotations too."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def needed(task: Task) -> list[ast.stmt]:
    """The definitions that the function and its forward need, in the order of the source."""
    tree = tree_of(task.module)
    defined = {name: node for node in tree.body for name in defined_names(node)}
    waiting, found = list(starting_points(task)), list[ast.stmt]()
    while waiting:
        node = defined.get(waiting.pop())
        if node is not None and node not in found:
            found.append(node)
            waiting.extend(names_in(node))
    return sorted(found, key=lambda node: node.lineno)


def starting_points(task: Task) -> Iterator[str]:
    """The function, or its class, and the forward that it belongs to."""
    top = task.function.partition(".")[0]
    yield top
    if "." not in task.function:
        names = {name for node in tree_of(task.module).body for name in defined_names(node)}
        own = top.removesuffix("_backward")
        yield from [own] if own != top and own in names else names & {"forward", "loss"}


def imports(task: Task, kept: list[ast.stmt]) -> str:
    """Those imports of the module whose names are used in what is kept."""
    used = {name for node in kept for name in names_in(node)}
    lines = source(task.module).splitlines()
    found = []
    for node in tree_of(task.module).body:
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__":
            names = [a for a in node.names if (a.asname or a.name).partition(".")[0] in used]
            if names and len(names) < len(node.names):
                node = ast.ImportFrom(node.module, names, node.level) if isinstance(node, ast.ImportFrom) else ast.Import(names)
                found.append(ast.unparse(node))
            elif names:
                found += lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(found)


# ---- the text ------------------------------------------------------------------------------------


def text_of(node: ast.stmt, lines: list[str], task: Task, instead: list[str]) -> list[str]:
    """The lines of a definition, with other ones in the place of the function's body, and without what gives an answer away."""
    begins = first_line(node) if isinstance(node, ast.FunctionDef) else node.lineno
    cut = definition(task.module, task.function)
    changes: dict[int, tuple[int, list[str]]] = {}  # by the first line of what is replaced: the last line, and what stands there then
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner) is not None:
            said = inner.body[0]
            changes[said.lineno] = said.end_lineno or said.lineno, docstring(inner, said.col_offset)
    if begins <= cut.lineno <= (node.end_lineno or 0):
        changes[body_of(cut)[0].lineno] = cut.end_lineno or 0, instead
    found, at = [], begins
    while at <= (node.end_lineno or 0):
        last, replaced = changes.get(at, (at, [lines[at - 1]]))
        found += replaced
        at = last + 1
    return found


def docstring(node: ast.FunctionDef | ast.ClassDef, column: int) -> list[str]:
    """The docstring of a definition without what gives an answer away, as it is written in the source."""
    indent = " " * column
    text = without_answers(ast.get_docstring(node) or "").replace("\\", "\\\\")
    written = f'"""{text}\n"""' if "\n" in text else f'"""{text}"""'
    return [indent + line if line else "" for line in written.splitlines()]


def gives_away(text: str) -> bool:
    """Whether a derivative is said in it."""
    return any(pattern.search(" ".join(text.split())) for pattern in GIVES_AWAY)


def without_answers(text: str, whole: bool = False) -> str:
    """The paragraphs up to the first that says a derivative, and the sections (Args, Shapes, ...) that follow it.

    Args:
        text: of a docstring.
        whole: whether everything after the first such paragraph is cut: in a lesson the derivation goes on to its end.
    """
    kept: list[str] = []
    cutting = False
    for block in text.split("\n\n"):
        section = SECTION.match(block)
        if not cutting or (section and not whole):
            cutting = False
            if not gives_away(block):
                kept.append(block)
                continue
            told = sentences_without(block)
            kept += [told] if told else []
            cutting = True
            kept.append(CUT)
    return "\n\n".join(kept)


def sentences_without(block: str) -> str:
    """The sentences of a paragraph before the one that gives an answer away."""
    sentences = re.split(r"(?<=[.:;?!])\s+(?=\S)", block)
    harmless = next((i for i in range(len(sentences), 0, -1) if not gives_away(" ".join(sentences[:i]))), 0)
    at, end = 0, 0
    for sentence in sentences[:harmless]:
        at = block.index(sentence, at)
        end = at + len(sentence)
    return block[:end]
