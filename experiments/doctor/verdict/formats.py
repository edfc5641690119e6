"""A file that computes in float32 is examined in float64: seven digits are too few to tell a mistake from rounding by small differences."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from experiments.doctor.finding import Fault, Finding
from experiments.doctor.mending.mend import Mend

WIDER = {"float32": "float64", "single": "double", "f4": "f8", "<f4": "<f8", "float16": "float64", "half": "double"}
"""Of each narrow format that which is meant in its place."""

NOTE = (
    "It computes in float32, in which a small difference has too few digits to tell a mistake from rounding. "
    "So the same lines were examined in float64."
)


class Widening(ast.NodeTransformer):
    """np.float32 becomes np.float64, and so does "float32" where a format is asked for."""

    found = False

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """np.float32."""
        self.generic_visit(node)
        if node.attr in WIDER and isinstance(node.value, ast.Name) and node.value.id in ("np", "numpy"):
            self.found, node.attr = True, WIDER[node.attr]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """x.astype("float32"), np.zeros(3, dtype="float32")."""
        self.generic_visit(node)
        asked = [k.value for k in node.keywords if k.arg == "dtype"]
        asked += node.args[:1] if isinstance(node.func, ast.Attribute) and node.func.attr == "astype" else []
        for value in asked:
            if isinstance(value, ast.Constant) and value.value in WIDER:
                self.found, value.value = True, WIDER[str(value.value)]
        return node


def in_float64(tree: ast.Module) -> tuple[ast.Module, tuple[str, ...]]:
    """The file with every number in float64, and what is to be said of that; the file itself, and nothing, where it names no other."""
    widening = Widening()
    wide = widening.visit(tree)
    return wide, (NOTE,) if widening.found else ()


def as_written(found: Finding, source: str) -> Finding:
    """What was found, with the formats in its lines that stand in the file."""
    return replace(found, faults=tuple(of_fault(f, source.splitlines()) for f in found.faults))


def of_fault(fault: Fault, lines: list[str]) -> Fault:
    """One of them."""
    here = lines[fault.line - 1] if 0 < fault.line <= len(lines) else ""
    names = {wide: narrow for narrow, wide in WIDER.items() if narrow in here and wide not in here}

    def back(text: str) -> str:
        return re.sub("|".join(map(re.escape, names)), lambda m: names[m[0]], text) if names else text

    def narrow(mend: Mend) -> Mend:
        return replace(mend, before=back(mend.before), after=back(mend.after))

    others, also = (tuple(map(narrow, mends)) for mends in (fault.others, fault.also))
    return replace(fault, text=back(fault.text), mend=fault.mend and narrow(fault.mend), others=others, also=also)
