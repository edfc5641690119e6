"""Hints: five steps, none but the last with anything of the solution in it."""

from __future__ import annotations

import ast

import pytest

from experiments.exercises import contract, hints
from experiments.exercises.catalogue import Task, body_of, definition, find, tasks
from experiments.exercises.recording import recorded
from experiments.exercises.rules import RULES, rules_of
from experiments.exercises.verdict import Gradient, Verdict

WRITE = [task for task in tasks() if task.kind == "write"]


def computed(task: Task) -> set[str]:
    """What the solution computes, line by line, without names that stand alone."""
    function = definition(task.module, task.function)
    nodes = [n for s in body_of(function) for n in ast.walk(s) if isinstance(n, ast.Assign | ast.AugAssign | ast.Return | ast.Expr)]
    found = [n.value for n in nodes if n.value is not None and any(isinstance(x, ast.BinOp | ast.Call) for x in ast.walk(n.value))]
    return {ast.unparse(value) for value in found} - {"self.restore()"}


@pytest.mark.parametrize("task", WRITE, ids=[task.name for task in WRITE])
def test_no_hint_but_the_last_holds_a_line_of_the_solution(task: Task) -> None:
    forward = " ".join(ast.unparse(f) for f in contract.forwards(task))
    early = " ".join([*hints.asked(task), *hints.rules(task)])
    blanks = " ".join(hints.with_blanks(task))
    for line in computed(task):
        assert line not in early or line in forward
        if {n.id for n in ast.walk(ast.parse(line)) if isinstance(n, ast.Name)} - {"np", "self"}:
            assert line not in blanks
    assert hints.BLANK in blanks
    assert "\n".join(hints.solution(task)).count("\n") + 1 >= task.lines // 2


def test_the_shapes_are_those_of_a_call() -> None:
    facts = recorded(find("nn.Linear"))
    assert set(facts) == {"dL_dy", "self.weight", "self.bias", "→ the result"}
    out, into = ast.literal_eval(facts["self.weight"])
    assert ast.literal_eval(facts["dL_dy"])[-1] == out
    assert ast.literal_eval(facts["→ the result"])[-1] == into
    said = " ".join(hints.shapes(recorded(find("chain_rule.one_sample"))))
    assert "W1 (2, 3)" in said
    assert "There must come out: a2 (1,)" in said


def test_what_is_asked_says_what_goes_in_and_what_must_come_out() -> None:
    assert "returns a dict of gradients, how fast the loss grows with each of y_hat, w, by these names" in " ".join(
        hints.asked(find("one_weight"))
    )
    assert "returns 2 gradients, in this order: dL_da, dL_db" in " ".join(hints.asked(find("vectors.dot_backward")))
    asked = " ".join(hints.asked(find("nn.Linear")))
    assert "it adds (+=) into self.weight.grad and self.bias.grad" in asked
    assert "comes back from self.restore()" in asked
    assert " and … dL_dy comes in" in " ".join(hints.asked(find("vectors.cosine_similarity_backward")))
    assert "usually 1" in " ".join(hints.asked(find("digits_mlp")))


def test_the_rules_are_those_that_the_forward_needs() -> None:
    assert list(rules_of(ast.parse("y = np.exp(x @ W + b).sum(axis=1)"))) == [RULES[k] for k in ("@", "+", "sum", "exp")]
    assert list(rules_of(ast.parse("z = self.fc1(x); self.save(z)"))) == [RULES["layer"]]
    assert list(rules_of(ast.parse("y = x[idx].reshape(3)"))) == [RULES["index"], RULES["shape"]]
    assert list(rules_of(ast.parse("y = f(x)"))) == []


def test_a_hint_to_an_attempt_says_each_fault_once() -> None:
    right = Gradient("gradient of a", (2,), 16, True)
    wrong = [
        Gradient(f"gradient of {n}", (2,), 0, False, what) for n, what in (("b", "2 times the right one"), ("c", ""), ("d", "transposed"))
    ]
    said = hints.attempt(Verdict("wrong", ("First.",), (right, *wrong)))
    assert said[:2] == ["- The gradient of b is 2 times the right one.", "- The gradient of d is transposed."]
    assert hints.attempt(Verdict("wrong", ("Line 3 cannot be computed.",))) == ["Line 3 cannot be computed."]
