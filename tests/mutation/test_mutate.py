"""The engine that tests the tests: it makes the mistakes that it should, notices what is not noticed, and leaves nothing behind."""

from __future__ import annotations

import argparse
import ast
import sys
from types import CodeType

import numpy as np
import pytest
import torch

import manual.nn
from experiments.judge import case
from experiments.mutation import mutate
from experiments.mutation.mutate import Check, Exam, examine
from experiments.source.handwriting import Handwriting, Written, subjects, written_in
from experiments.source.operators import mutants
from manual.module import Module

# ---- which mistakes are made ---------------------------------------------------------------------


def mistakes(*lines: str, parameters: str = "self, dL_dy") -> list[tuple[str, str]]:
    """(operator, the statement with the mistake in it) for every mutant of a function with these lines."""
    body = "\n    ".join(lines)
    tree = ast.parse(f"def backward({parameters}):\n    {body}").body[0]
    return [(m.operator, m.after) for m in mutants("f", tree)]


@pytest.mark.parametrize(
    ("line", "operator", "mistake"),
    [
        ("a = b + c", "sign", "a = b - c"),
        ("a = b - c", "sign", "a = b + c"),
        ("a += b", "sign", "a -= b"),
        ("a = b", "sign", "a = -b"),
        ("a = -b", "sign", "a = b"),
        ("return (a, b)", "sign", "return (a, -b)"),
        ("return {'W': a, 'b': b}", "sign", "return {'W': a, 'b': -b}"),
        ("return a if b else c", "sign", "return a if b else -c"),
        ("a += b", "scale", "a += 2 * b"),
        ("return a", "scale", "return 0.5 * a"),
        ("a = self.f.backward(b)", "scale", "a = self.f.backward(2 * b)"),
        ("a = fastest(f_backward)(b)", "scale", "a = fastest(f_backward)(2 * b)"),
        ("np.add.at(a, i, b)", "scale", "np.add.at(a, i, 2 * b)"),
        ("a = b.sum(axis=0)", "scale", "a = b.mean(axis=0)"),
        ("a = np.mean(b)", "scale", "a = np.sum(b)"),
        ("a = b + c", "term", "a = c"),
        ("a = b - c", "term", "a = -c"),
        ("a = b * c", "factor", "a = b"),
        ("a = b / n", "factor", "a = b"),
        ("a = b / n", "factor", "a = b * n"),
        ("np.multiply(a, b, out=c)", "factor", "np.multiply(a, 1, out=c)"),
        ("a = b * (z > 0)", "mask", "a = b"),
        ("a = b * keep", "mask", "a = b"),
        ("a = np.where(z, b, 0)", "mask", "a = b"),
        ("a = b[p & ~q]", "mask", "a = b[p & q]"),
        ("a = b.T @ c", "transpose", "a = b @ c"),
        ("a = b.T @ c", "transpose", "a = c @ b.T"),
        ("a = b @ c", "transpose", "a = b @ c.T"),
        ("a = b.swapaxes(-1, -2)", "transpose", "a = b"),
        ("a = np.einsum('ni,no->oi', b, c)", "transpose", "a = np.einsum('ni,no->io', b, c)"),
        ("a = b.sum(axis=0)", "axis", "a = b.sum(axis=1)"),
        ("a = b.sum(axis=0)", "axis", "a = b.sum(axis=None)"),
        ("a = b.sum(axis=0)", "axis", "a = b.sum(axis=0, keepdims=True)"),
        ("a = b.sum(axis=0)", "axis", "a = b"),
        ("a = b.sum((0, 2))", "axis", "a = b.sum((0,))"),
        ("a = b.sum(axis=self.dim)", "axis", "a = b.sum(axis=self.dim - 1)"),
        ("p.grad += g", "accumulate", "p.grad = g"),
        ("np.add.at(a, i, b)", "accumulate", "a[i] += b"),
        ("p.grad += g", "delete", "pass"),
        ("dL_dy = dL_dy * b", "delete", "pass"),
        ("dL_dy = dL_dy * b", "inplace", "dL_dy *= b"),
        ("a = np.array(b)", "inplace", "a = b"),
        ("x, y = self.restore(); a = f(x)", "saved", "a = f(y)"),
        ("a = s['m'] + s['v']", "saved", "a = s['v'] + s['v']"),
        ("a = self.weight + self.bias", "saved", "a = self.bias + self.bias"),
        ("x = self.restore()", "stale", "x = self._saved.pop(0)"),
        ("a = reversed(b)", "stale", "a = list(b)"),
        ("a = b[::-1]", "stale", "a = b"),
        ("a = b[x > 0]", "edge", "a = b[x >= 0]"),
        ("a = np.sign(b) * c", "edge", "a = (2.0 * (b >= 0) - 1.0) * c"),
        ("a = b[x > 0]", "direction", "a = b[x < 0]"),
        ("if a is None: a = b", "direction", "if a is not None:"),
        ("if self.training: a = b", "condition", "if not self.training:"),
        ("a = b if c else d", "condition", "a = d"),
        ("a = np.maximum(b, 0)", "extremum", "a = np.minimum(b, 0)"),
        ("a = np.clip(b, 0, 1)", "extremum", "a = b"),
        ("a = np.exp(b)", "call", "a = b"),
        ("a = b ** 2", "power", "a = b"),
        ("a = b ** 2", "power", "a = b ** 3"),
        ("a = b[0]", "constant", "a = b[1]"),
        ("a = 1 - b", "constant", "a = 2 - b"),
        ("a = 0.5 + b", "constant", "a = 1.0 + b"),
    ],
)
def test_the_mistake_is_made(line: str, operator: str, mistake: str) -> None:
    assert (operator, mistake) in mistakes(line)


def test_a_stale_gradient_is_one_that_there_was_before() -> None:
    found = mistakes("dL_dz = dL_dy * m", "dL_dx = dL_dz * n", "dL_dw = f(dL_dx)")
    assert [after for kind, after in found if kind == "stale"] == ["dL_dx = dL_dy * n", "dL_dw = f(dL_dy)", "dL_dw = f(dL_dz)"]


def test_what_only_checks_or_describes_is_left_alone() -> None:
    assert (
        mistakes("'A docstring of 2 lines.'", "expect_size(x, -1, 3)", "assert n == 3", "if n > 3:\n        raise ValueError(f'{n - 1}')")
        == []
    )


def test_every_mistake_is_python_where_arguments_are_unpacked() -> None:
    tree = ast.parse(
        "def f(x, y):\n    a, b = zip(*(g_backward(*part) for part in x))\n    return sum_backward(*a) + np.clip(*b).sum(axis=0)"
    )
    found = mutants("f", tree.body[0])
    assert {m.operator for m in found} >= {"axis", "sign"}
    for mutant in found:
        with mutant.applied() as changed:
            compile(ast.unparse(ast.fix_missing_locations(changed)), "f", "exec")


def test_ids_are_unique_and_stay_when_another_line_comes() -> None:
    def ids(*lines: str) -> list[str]:
        return [m.id for m in mutants("f", ast.parse("def f(x, y):\n    " + "\n    ".join(lines)).body[0])]

    lines = ["a = x * 1 + y * 1", "return a[1] * a[1]"]
    before, after = ids(*lines), ids(lines[0], "x = x / 3", lines[1])
    assert len(set(after)) == len(after)
    assert set(before) < set(after)
    assert "f:factor:x * 1 + y * 1 => x + y * 1:0" in before


# ---- where they are made -------------------------------------------------------------------------


class Doubling(Module):
    """y = 2 x, with helpers."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.save()
        return self.twice(x)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        self.restore()
        return self.twice(self.slope(dL_dy)) / 2

    def twice(self, x: np.ndarray) -> np.ndarray:
        return 2 * x

    def slope(self, x: np.ndarray) -> np.ndarray:
        return checked(x) * 2


class Quadrupling(Doubling):
    """y = 4 x."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return 2 * super().forward(x)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return super().backward(dL_dy) * 2


def checked(x: np.ndarray) -> np.ndarray:
    return x + 0


def countdown(n: int) -> int:
    while n > 0:
        n -= 1
    return n


HERE = {w.name: w for w in written_in(sys.modules[__name__])}
MODULE = __name__.rpartition(".")[2]


def test_helpers_are_mutated_if_only_backwards_call_them() -> None:
    names = {w.name for w in Handwriting([sys.modules[__name__]]).backward_only}
    assert names == {"Doubling.backward", "Quadrupling.backward", "Doubling.slope", f"{MODULE}.checked"}


def test_everything_with_a_backward_is_found() -> None:
    found = {s.name: s for s in subjects()}
    assert {w.name: judges for w, judges in found["Linear"].functions.items()} == {"Linear.backward": ("Linear",)}
    judged = {name for s in found.values() for name in s.judges}
    backwards = {
        n for n, c in vars(manual.nn).items() if isinstance(c, type) and getattr(c, "backward", Module.backward) is not Module.backward
    }
    assert backwards <= judged


def test_code_without_a_mistake_is_the_functions_own() -> None:
    def parts(code: CodeType) -> tuple[object, ...]:  # not the instructions: what is imported is called a little differently
        return code.co_names, code.co_varnames, code.co_freevars, len(code.co_consts), code.co_firstlineno, list(code.co_lines())[-1][2]

    every = [w for s in subjects() for w in s.functions] + [HERE["Quadrupling.backward"]]
    assert [w.name for w in every if parts(mutate.compiled(w.tree, w)) != parts(w.function.__code__)] == []


# ---- whether they are noticed --------------------------------------------------------------------


def fates(written: Written, *checks: Check) -> dict[str, str]:
    """The verdict on every mutant of a function."""
    return {m.id: examine(written, m, Exam(list(checks)))[0] for m in mutants(written.name, written.tree)}


def check_slope(layer: Module, slope: float) -> Check:
    def errors() -> dict[str, float]:
        layer.forget()
        layer(np.array([3.0, 5.0]))
        return {"input": float(np.abs(layer.backward(np.array([0.7, -1.1])) - slope * np.array([0.7, -1.1])).max())}

    return Check("slope", errors)


def test_a_method_that_calls_super_can_be_mutated() -> None:
    verdicts = fates(HERE["Quadrupling.backward"], check_slope(Quadrupling(), 4))
    assert verdicts["Quadrupling.backward:call:super().backward(dL_dy) => dL_dy:0"] == "killed"
    assert "lived" not in verdicts.values()
    assert Quadrupling.backward.__code__ is HERE["Quadrupling.backward"].function.__code__


def test_a_helper_is_changed_for_whoever_calls_it() -> None:
    verdicts = fates(HERE[f"{MODULE}.checked"], check_slope(Doubling(), 2))
    lived = {name.partition(":")[2] for name, verdict in verdicts.items() if verdict == "lived"}
    assert lived == {"sign:return x + 0 => return x - 0:0", "term:return x + 0 => return x:0"}  # and these do compute the same


def test_a_mutant_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate, "PATIENCE", (0.1, 0.0))
    written = HERE[f"{MODULE}.countdown"]
    forever = next(m for m in mutants("countdown", written.tree) if m.after == "n += 1")
    verdict = examine(written, forever, Exam([Check("count", lambda: {"n": float(countdown(3))})]))
    assert verdict == ("killed", "count: did not end")


def softmax_errors(upstream: np.ndarray) -> dict[str, float]:
    """How far Softmax is from torch with this upstream gradient, divided by nothing."""
    x = np.random.default_rng(0).normal(size=upstream.shape)
    layer, leaf = manual.nn.Softmax(dim=1), torch.from_numpy(x.copy()).requires_grad_()
    layer(x)
    torch.softmax(leaf, 1).backward(torch.from_numpy(upstream))
    return {"input": float(np.abs(layer.backward(upstream) - leaf.grad.numpy()).max())}


def test_a_judge_that_feeds_all_ones_lets_mistakes_live() -> None:
    softmax = next(w for s in subjects() for w in s.functions if w.name == "Softmax.backward")
    ones, noise = np.ones((2, 3)), np.random.default_rng(1).normal(size=(2, 3))
    by_ones = fates(softmax, Check("all ones", lambda: softmax_errors(ones)))
    by_noise = fates(softmax, Check("random", lambda: softmax_errors(noise)))
    lived = {name.split(":")[1] for name, verdict in by_ones.items() if verdict == "lived"}
    assert {"sign", "scale", "factor"} <= lived
    assert {name.split(":")[1] for name, verdict in by_noise.items() if verdict == "lived"} == {"stale"}  # one forward has no older one


def test_the_cases_of_linear_notice_every_mistake() -> None:
    original = manual.nn.Linear.backward.__code__
    report = mutate.mutate(["Linear"])
    assert report.passed
    assert {"sign", "scale", "transpose", "axis", "accumulate", "delete", "saved", "stale", "direction"} <= {
        r.mutant.operator for r in report.results
    }
    verdicts = {r.mutant.after: r.verdict for r in report.results}
    assert {"killed", "raised"} <= set(verdicts.values()) <= {"killed", "raised", "equivalent"}
    assert verdicts["self.weight.grad = d_rows.T @ rows"] == "killed"
    assert verdicts["self.weight.grad += d_rows @ rows"] == "raised"
    assert manual.nn.Linear.backward.__code__ is original


def test_both_forms_of_a_pair_are_mutated_and_judged() -> None:
    report = mutate.mutate(["normalization"], seeds=2)
    for form, is_plain in (("standardize_backward", True), ("standardize_backward_fast", False)):
        killed = [r for r in report.results if r.mutant.id.startswith(f"normalization.{form}:") and r.verdict == "killed"]
        assert len(killed) > 10
        assert {"plain forms" in r.why for r in killed} == {is_plain}
    assert report.passed


@pytest.mark.long
def test_a_sample_of_all_mistakes_is_noticed() -> None:
    report = mutate.mutate(sample=100)
    assert len(report.results) == 100
    assert [r.mutant.id for r in report.results if r.verdict == "lived"] == []
    assert report.broken == report.without_case == []


# ---- what is said about it -----------------------------------------------------------------------


def test_a_class_without_a_case_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    mutate.import_all(mutate.experiments.cases)
    monkeypatch.setattr(case, "CASES", [c for c in case.CASES if c.name != "Linear"])
    report = mutate.mutate(["Linear"])
    assert (report.without_case, report.results, report.passed) == (["Linear"], [], False)


def test_a_function_that_no_case_runs_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate, "judge", lambda *_, **__: {"output": 0.0})
    report = mutate.mutate(["Linear"])
    assert (report.without_case, report.results, report.passed) == (["Linear.backward"], [], False)


def test_a_case_that_fails_with_no_mistake_made_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate, "judge", lambda *_, **__: {"output": 0.25})
    report = mutate.mutate(["Linear"])
    assert "output: error 2.5e-01, tolerated 1e-12" in report.broken[0]
    assert not report.passed


def test_a_mutant_that_leaves_something_changed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])  # unchanged, the mutant, both with plain forms, and after it
    monkeypatch.setattr(mutate, "cases_of", lambda names: [])
    monkeypatch.setattr(mutate, "CHECKS", {"Linear": [lambda seed: {"output": next(errors)}]})
    assert "left something changed" in mutate.mutate(["Linear"], sample=1, seeds=1).broken[0]


def test_equivalent_mutants_are_known_by_their_ids_and_stale_ones_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    written = HERE[f"{MODULE}.checked"]
    same = next(m for m in mutants(written.name, written.tree) if m.after == "return x - 0")
    gone = ["Linear.backward:sign:gone => -gone:0", "Gone.backward:sign:x => -x:0"]
    monkeypatch.setattr(mutate, "equivalent", lambda: {same.id: "x − 0 = x + 0", gone[0]: "", gone[1]: ""})
    assert examine(written, same, Exam([check_slope(Doubling(), 2)])) == ("equivalent", "x − 0 = x + 0")
    report = mutate.mutate(["Linear"])
    assert report.stale == [same.id, *gone]
    assert not report.passed


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    mutate.add_arguments(parser)
    return mutate.main(parser.parse_args(arguments))


def test_the_command_prints_a_table_and_says_by_its_status_whether_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("Linear", "--sample", "5") == 0
    assert "Linear" in capsys.readouterr().out
    monkeypatch.setattr(mutate, "judge", lambda *args, **options: dict.fromkeys(case.judge(*args, **options), 0.0))
    assert run("Linear", "--sample", "40") == 1
    out = capsys.readouterr().out
    assert out.count("lived: Linear.backward") > 10
    assert "the same results, to the last bit" in out
    assert run("Linera") == 2
    assert "Linera" in capsys.readouterr().err
