"""The doctor: right code is not accused, of wrong code the line, the fault and the mend are named; and nothing else is done to a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.doctor.reading.patient import Unreadable
from experiments.doctor.visit import visited
from experiments.doctor.ward import TooLong, ask
from tests.doctor.planted import changed_line
from tests.doctor.sources import FAULTS, LAYERS, ONE_OUTPUT, SOURCES
from tests.helpers import command


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", SOURCES)
def test_right_code_is_right(name: str, seed: int) -> None:
    (finding,) = visited(SOURCES[name], seed=seed)
    assert finding.trouble is None
    assert finding.faults == ()
    assert len(finding.gradients) >= 2
    assert all(g.right and g.digits > 7 for g in finding.gradients)
    assert finding.right


@pytest.mark.parametrize(("name", "right", "wrong", "said", "mend"), FAULTS, ids=[f"{f[0]}: {f[2]}" for f in FAULTS])
def test_of_wrong_code_the_line_the_fault_and_the_mend_are_named(name: str, right: str, wrong: str, said: str | None, mend: str) -> None:
    source = SOURCES[name].replace(right, wrong)
    assert source != SOURCES[name]
    line = changed_line(source, SOURCES[name])
    (finding,) = visited(source)
    assert not finding.right
    assert [f.line for f in finding.faults] == [line], "this line, and none that only inherited"
    (fault,) = finding.faults
    assert said is None or said in (fault.what or "")
    assert fault.mend is not None
    assert mend in fault.mend.after
    lines = source.splitlines()
    lines[line - 1] = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())] + fault.mend.after
    (mended,) = visited("\n".join(lines))
    assert mended.right


def test_two_wrong_lines_are_both_found_in_one_visit() -> None:
    source = SOURCES["network"].replace("(z1 > 0)", "(h - 1)").replace("(p - y) / n", "(p - y)")
    (finding,) = visited(source)
    assert [f.label for f in finding.faults] == ["grad_z2", "grad_z1"]


def test_layers_are_examined_one_by_one_and_together() -> None:
    assert [(f.name, f.right) for f in visited(LAYERS)] == [("Linear", True), ("ReLU", True), ("Sigmoid", True), ("Network", True)]
    wrong = list(visited(LAYERS.replace("self.x <= 0", "self.x < 5")))
    assert [(f.name, f.right) for f in wrong] == [("Linear", True), ("ReLU", False), ("Sigmoid", True), ("Network", False)]
    (fault,) = wrong[1].faults
    assert "[self.x < 5]" in fault.text
    assert fault.mend is not None
    assert fault.mend.after == "dx[self.x <= 0] = 0"


def test_a_factor_and_an_output_whose_derivative_was_forgotten_are_both_named() -> None:
    source = (
        ONE_OUTPUT.replace("2 * (guess", "(guess").replace("        dL_dz2 = dL_dguess * (z2 > 0)\n", "").replace("dL_dz2", "dL_dguess")
    )
    (finding,) = visited(source)
    factor, *masks = finding.faults
    assert (factor.label, factor.what) == ("dL_dguess", "1/2 times the right one")
    assert [f.label for f in masks] == ["dL_dW2", "dL_db2", "dL_dh"]
    assert all(f.mend is not None and "dL_dguess * (z2 > 0)" in f.mend.after for f in masks)


@pytest.mark.parametrize(
    "line",
    ["np.maximum(x, 0)", "np.abs(x)", "np.maximum(x, -x)", "x * (np.random.rand(*x.shape) > 0.5)"],
)
def test_nobody_is_accused_at_a_kink_or_for_chance(line: str) -> None:
    local = {"np.maximum(x, 0)": "(x > 0)", "x * (np.random.rand(*x.shape) > 0.5)": "mask"}.get(line, "np.sign(x)")
    mask = "    mask = np.random.rand(*x.shape) > 0.5\n    out = x * mask\n"
    source = (
        "import numpy as np\ndef forward(v):\n    x = np.round(v)\n"  # whole numbers: x is exactly 0 in places
        + (mask if local == "mask" else f"    out = {line}\n")
        + "    return out, (x, "
        + ("mask" if local == "mask" else "out")
        + ")\n"
        f"def backward(dout, cache):\n    x, {'mask' if local == 'mask' else 'out'} = cache\n    dx = dout * {local}\n    return dx\n"
    ).replace("def forward(v):\n    x = np.round(v)", "def forward(x):\n    x = x * 1.0")
    (finding,) = visited(source)
    assert finding.trouble is None
    assert finding.right


def test_what_is_right_and_looks_wrong_is_explained_where_it_applies() -> None:
    said = {name: " ".join(next(iter(visited(SOURCES[name]))).notes) for name in ("flat", "class", "columns", "network", "cache")}
    assert "a * (1 - a) is right: a is the output a of the activation" in said["flat"]
    assert "the derivative of tanh is 1 − a²" in said["class"]
    assert "under cross-entropy it cancels" in said["columns"]
    assert "under cross-entropy it cancels" in said["network"]
    assert said["cache"] == ""


# ---- what cannot be examined -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "no pair of a forward and a backward was found"),
        ("def forward(x):\n    return x * 2\ndef backward(x):\n    return 2 * x\n", "Name it with --loss"),
        (
            "def forward(x):\n    return x * 2\ndef backward(dout):\n    q = dout * 2\n    return {'q': q}\n",
            "nothing that backward names or returns is known as the gradient of a value of forward",
        ),
        ("def forward(x):\n    raise ValueError('never')\ndef backward(dout):\n    return dout\n", "ValueError: never"),
    ],
)
def test_what_cannot_be_examined_is_said(source: str, said: str) -> None:
    def trouble() -> str:
        try:
            (finding,) = visited(source)
        except Unreadable as why:
            return str(why)
        assert not finding.right
        return str(finding.trouble)

    assert said in trouble()


def test_a_file_runs_by_itself_and_may_only_compute(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    nasty = SOURCES["cache"].replace("    out = x @ w + b", f"    open({str(victim)!r}, 'w').write('!')\n    out = x @ w + b")
    answer = ask({"source": nasty}, 30)
    assert not victim.exists()
    assert "PermissionError" in answer["findings"][0]["trouble"]
    talks = SOURCES["cache"].replace("    out = x @ w + b", "    print('hello')\n    out = x @ w + b")
    answer = ask({"source": talks}, 30)
    assert answer["findings"][0]["right"]
    assert "hello" in answer["printed"]
    with pytest.raises(TooLong, match=r"within 3 s"):
        ask({"source": SOURCES["cache"].replace("    out = x @ w + b", "    while True: pass")}, 3)


# ---- the command -------------------------------------------------------------------------------------------


def test_the_command_says_it_in_words_and_in_json_and_leaves_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SOURCES["cache"].replace("x.T @ dout", "x.T @ dout * 2"))
    before = file.read_bytes()
    status, out, err = command("doctor", str(file))
    assert (status, err) == (DISAGREE, "")
    assert "mine.py, line 12: what came into this line was right, what it computes is not." in out
    assert "dw is 2 times the right one." in out
    assert "+ dw = " in out
    status, out, _ = command("doctor", str(file), "--json", "--input", "x=(4, 6)")
    assert status == DISAGREE
    (finding,) = json.loads(out)["findings"]
    assert finding["gradients"][0]["shape"] == [4, 6]
    assert file.read_bytes() == before
    file.write_text(SOURCES["cache"])
    status, out, err = command("doctor", str(file))
    assert (status, err) == (AGREE, "")
    assert "affine_forward and affine_backward: right" in out


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    status, out, err = command("doctor", str(tmp_path / "nowhere.py"))
    assert (status, out) == (BAD_INPUT, "")
    assert err == f"error: {tmp_path / 'nowhere.py'}: No such file or directory\n"
    file = tmp_path / "mine.py"
    file.write_text("def forward(:")
    assert command("doctor", str(file), "--input", "x=many")[0] == BAD_INPUT
    status, out, _ = command("doctor", str(file))
    assert status == BAD_INPUT
    assert out.startswith("line 1: ")
