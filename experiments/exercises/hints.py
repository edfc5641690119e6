"""Five hints to a backward, each worth more than the one before: what is asked, the shapes, the rules, the attempt, the lines with blanks.

None but the last holds anything of the solution: they are made of the forward, of shapes, and of what the attempt is judged to be.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping

from experiments.exercises.catalogue import Task, body_of, definition, source
from experiments.exercises.contract import contract, forwards
from experiments.exercises.cutting import CUT, without_answers
from experiments.exercises.rules import rules_of
from experiments.exercises.verdict import Verdict
from experiments.source.operators import only_checks

STEPS = ("what is asked", "the shapes", "the rules", "your attempt", "the lines, with blanks")
BLANK = "____"


def asked(task: Task) -> list[str]:
    """What goes in, and what is to come out."""
    function = definition(task.module, task.function)
    arguments = [a.arg for a in function.args.args if a.arg != "self"]
    name = task.function.rpartition(".")[2]
    said = [f"Write `{name}({', '.join(arguments)})`."]
    if (about := without_answers(ast.get_docstring(function) or "").partition("\n\n")[0]) and about != CUT:
        said.append(about if about.endswith((".", ":", "!", "?")) else f"{about} …")  # cut within a sentence
    said += list(contract(task))
    return [*said, *task.hints]


def shapes(facts: Mapping[str, str]) -> list[str]:
    """What has which shape, in one call."""
    ins = [f"{name} {shape}" for name, shape in facts.items() if not name.startswith("→")]
    outs = [f"{name.removeprefix('→ ')} {shape}" for name, shape in facts.items() if name.startswith("→")]
    said = [f"In one of the calls by which it is judged there go in: {', '.join(ins)}."]
    if outs:
        said.append(f"There must come out: {', '.join(outs)}.")
    return [*said, "A gradient has the shape of that of which it is the gradient. Often only one product of what is there has that shape."]


def computed(function: ast.FunctionDef) -> list[ast.stmt]:
    """Its statements, without what only checks its input."""
    return [statement for statement in body_of(function) if not only_checks(statement)]


def rules(task: Task) -> list[str]:
    """The lines of the forward, and the rule for each kind of step in them."""
    if not forwards(task):
        return ["There is no forward here whose lines are walked back: the docstring of the function and the lesson say what it must do."]
    said = ["Walk these lines back, the last first:"]
    for function in forwards(task):
        said += [f"    {function.name}", *(f"        {line}" for s in computed(function) for line in ast.unparse(s).splitlines())]
    said += ["", "The upstream of a line is the gradient of what it computes: it has come back to it from behind."]
    found = list(rules_of(ast.Module([s for f in forwards(task) for s in computed(f)], [])))
    return [*said, *(f"- {rule}" for rule in found)] if found else said[:-2]


def attempt(verdict: Verdict) -> list[str]:
    """What is wrong with what there is: every wrong gradient in its own words, in the order of the way back."""
    bad = [g for g in verdict.gradients if not g.right]
    said = [f"- The {g.name} is {g.what}." for g in bad if g.what]
    more = ["The first of these first: the others may follow from it."] if len(said) > 1 else []
    rest = verdict.sentences[2:] if FIRST_WRONG.match("".join(verdict.sentences[1:2])) else verdict.sentences[1:]
    return [*said, *more, *rest] if said else list(verdict.sentences)


FIRST_WRONG = re.compile(r"The (first )?wrong one ")
"""How the sentence about one gradient begins, which stands among those about all."""


class Blanks(ast.NodeTransformer):
    """Every name, number and text becomes a blank; what is called keeps its name."""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(BLANK, ast.Load())

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Name(BLANK, ast.Load()) if isinstance(node.value, int | float) and not isinstance(node.value, bool) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name):  # self.weight, x.T: np.exp is seen as what is called
            return ast.Attribute(ast.Name(BLANK, ast.Load()), node.attr, ast.Load()) if node.attr == "T" else ast.Name(BLANK, ast.Load())
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Call(self, node: ast.Call) -> ast.Call:
        called = node.func
        if isinstance(called, ast.Attribute) and not (isinstance(called.value, ast.Name) and called.value.id in ("np", "self")):
            called = ast.Attribute(self.visit(called.value), called.attr, ast.Load())
        return ast.Call(called, [self.visit(a) for a in node.args], [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords])


def with_blanks(task: Task) -> list[str]:
    """The lines of the solution; on the right side of each there are blanks."""
    found = []
    for statement in body_of(copy.deepcopy(definition(task.module, task.function))):
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.Expr) and not isinstance(node.value, ast.Dict | None):
                node.value = Blanks().visit(node.value)
        found += ast.unparse(ast.fix_missing_locations(statement)).splitlines()
    return [f"Each {BLANK} is a name, a number or a part of self:", "", *(f"    {line}" for line in found)]


def solution(task: Task) -> list[str]:
    """The lines of the original, with what is said beside them."""
    function = definition(task.module, task.function)
    body = body_of(function)
    lines = source(task.module).splitlines()[body[0].lineno - 1 : function.end_lineno]
    indent = body[0].col_offset
    return [line[indent:] for line in lines]
