"""What speaks against a cure: of two that make everything right the plainer is what was meant."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from experiments.doctor.mending.places import parsed
from experiments.doctor.reading.claims import tells_of_gradient
from experiments.source.operators import OPPOSITES

IDLE = 3.0
"""A name that is read no more speaks as much against a cure as so many that it adds."""

WEIGHTS = {"1": 0.6, **dict.fromkeys("()[],.", 0.1), "*": 1.0, "**": 1.0, "@": 1.0, "/": 2.0}
"""Of signs, where a name or a number has 1: a quotient is more often right by chance than a product; and it is a 1 that is forgotten."""

NOTHING = re.compile(r"(?<![\w.])[01] \*|\* [01](?![\w.])|/ 1(?![\w.])|[+-] 0(?![\w.])|[+-] -")
"""What does nothing: 1 * x, x + 0; or leaves nothing; or says so twice: - -x."""

TURNED = {**OPPOSITES, "+": "-", "-": "+", "<": ">", ">": "<"}
"""What is easily taken for its opposite."""

STRANGE = 2.0
"""So much speaks against giving a gradient to a line that has nothing to do with one."""

GONE = 0.1
"""What a cure takes away speaks so much against it, where what it adds speaks 1."""


@dataclass(frozen=True)
class Cure:
    """A change of one line.

    Attributes:
        line: its number.
        before: the statement as it stands.
        after: as it would be right.
        said: half a sentence: what the line is as it stands; may be empty.
    """

    line: int
    before: str
    after: str
    said: str = ""


def cost(tree: ast.FunctionDef, cure: Cure, accused: Collection[int]) -> tuple[float, bool, int]:
    """What speaks against a cure: what it adds, names that nothing would read any more, lines not known to be wrong, lines further up.

    What it takes away speaks less: something can be added in many ways and places, and almost everywhere nothing can be taken away.
    """
    before, after = tokens(cure.before), tokens(cure.after)
    changed = 2 * GONE if sorted(before) == sorted(after) else 0.0  # (p - y) of (y - p)
    for _, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if not changed else ():
        if TURNED.get("".join(before[a:b])) == "".join(after[c:d]):
            changed += 2 * GONE
        elif before[a:b] != after[c:d]:
            changed += GONE * sum(map(weight, before[a:b])) + sum(map(weight, after[c:d]))
    nothings = idle(tree, cure) + max(len(NOTHING.findall(cure.after)) - len(NOTHING.findall(cure.before)), 0)
    return round(changed + STRANGE * is_strange(cure) + IDLE * nothings, 6), cure.line not in accused, -cure.line


def is_strange(cure: Cure) -> bool:
    """Whether it gives a gradient to a line that has nothing to do with one, or only makes room for one; or computes where names return."""
    if returns_names(cure.before) and not returns_names(cure.after):
        return True
    none = not is_about_gradients(tokens(cure.before)) or is_room(cure.before)
    return none and any(map(tells_of_gradient, tokens(cure.after.partition("=")[2] if is_room(cure.before) else cure.after)))


def returns_names(text: str) -> bool:
    """Whether it returns what has been computed, and nothing else: return dx, dw."""
    match parsed(text):
        case ast.Return(ast.Tuple(elts)):
            return all(isinstance(e, ast.Name) for e in elts)
    return False


def is_room(text: str) -> bool:
    """Whether it only begins a sum, or what is to be filled: db = 0.0, dx = np.zeros_like(x)."""
    match parsed(text):
        case ast.Assign([ast.Name()], ast.Constant(value)):
            return isinstance(value, int | float)
        case ast.Assign([ast.Name()], ast.Call(ast.Attribute(ast.Name("np"), name))):
            return name in ("zeros", "zeros_like", "empty", "empty_like")
    return False


def is_about_gradients(words: Sequence[str]) -> bool:
    """Whether a statement returns something, or reads or computes what is called like a gradient."""
    return words[0] == "return" or any(map(tells_of_gradient, words))


def tokens(text: str) -> list[str]:
    """The words and signs of a statement."""
    return re.findall(r"\w+(?:\.\d+)?|\*\*|[^\w\s]", text)


def weight(token: str) -> float:
    """How much there is in it: a name, a number; a sign; a bracket."""
    return WEIGHTS.get(token, 1.0 if token[0].isalnum() or token[0] == "_" else 0.5)


def idle(tree: ast.FunctionDef, cure: Cure) -> int:
    """How many names more the backward would compute, take from its cache, or give to what has one, for nothing."""
    others = Counter(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    before, after = (read_in(text) for text in (cure.before, cure.after))
    rest = others - before
    aliases = {name for n in ast.walk(tree) if isinstance(n, ast.Assign) and ast.unparse(n) != cure.before for name in second_names(n)}
    lost = sum(not rest[n] and not after[n] for n in stored & set(before)) - sum(not others[n] for n in stored & set(after))
    return lost + bool(aliases & set(after))


def second_names(statement: ast.Assign) -> list[str]:
    """total of total = dL_dy, a second name for the same: it was to be something else, if what reads it is not right."""
    return [target.id for target in statement.targets if isinstance(target, ast.Name) and isinstance(statement.value, ast.Name)]


def read_in(text: str) -> Counter[str]:
    """The names that a statement reads."""
    tree = parsed(text)
    return Counter(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
