"""The columns of `bench`: loops that compute what is computed by hand, all the products that there are, known peaks, and slopes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import manual.nn
from experiments.bench import command as bench
from experiments.bench import growth
from experiments.bench.growth import FACTORS, GROWTH, draw_growth, measure_growth, slope
from experiments.bench.loops import LOOPS, by_loops, mlp
from experiments.bench.memory import peak_by_hand, peak_by_torch
from experiments.bench.products import alone
from experiments.bench.works import WORKS
from experiments.judge.compare import error
from manual.module import Parameter
from manual.nn.faster import FASTER
from manual.optim import Adam
from tests.helpers import command

SMALL: dict[str, dict[str, int]] = {
    "mlp": {"N": 3, "I": 4, "H": 5, "O": 2, "L": 2},
    "cross_entropy": {"N": 5, "C": 3},
    "max_pool2d": {"N": 2, "C": 3, "H": 4},
    "batch_norm2d": {"N": 2, "C": 3, "H": 4},
    "layer_norm": {"N": 4, "D": 5},
    "lstm": {"T": 3, "N": 2, "H": 4, "L": 1},
    "attention": {"N": 2, "T": 4, "D": 3},
    "embedding": {"N": 7, "V": 4, "D": 3},
    "adam": {"P": 6},
}


# ---- loops ---------------------------------------------------------------------------------------


def layer(module: manual.nn.Module, x: Any, dL_dy: Any, **weights: Any) -> tuple[Any, ...]:
    """y, ∂L/∂x and the gradients of the weights that are given."""
    module.load_state_dict({**module.state_dict(), **{name: np.array(value) for name, value in weights.items()}})
    y = module(np.array(x))
    several = isinstance(y, tuple)
    dL_dx = module.backward((np.array(dL_dy), None) if several else np.array(dL_dy))
    gradients = dict(module.named_parameters())
    return y[0] if several else y, dL_dx, *(gradients[name].grad for name in weights)


def mlp_by_hand(x: Any, Ws: Any, bs: Any, dL_dy: Any) -> tuple[Any, ...]:
    nn = manual.nn
    linears = [nn.Linear(len(W[0]), len(W)) for W in Ws]
    net = nn.Sequential(*[m for linear in linears for m in (linear, nn.ReLU())][:-1])
    weights = {}
    for i, (W, b) in enumerate(zip(Ws, bs, strict=True)):
        weights |= {f"{2 * i}.weight": W, f"{2 * i}.bias": b}
    y, dL_dx, *gradients = layer(net, x, dL_dy, **weights)
    return y, dL_dx, *gradients[::2], *gradients[1::2]


def by_hand(name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """What `manual` finds, given what the loops are given."""
    nn = manual.nn
    if name == "mlp":
        return mlp_by_hand(*arguments)
    if name == "cross_entropy":
        loss = nn.CrossEntropyLoss()
        return loss(*map(np.array, arguments)), loss.backward()
    if name == "max_pool2d":
        return layer(nn.MaxPool2d(2), *arguments)
    if name in ("batch_norm2d", "layer_norm"):
        x, weight, bias, dL_dy = arguments
        return layer((nn.BatchNorm2d if name == "batch_norm2d" else nn.LayerNorm)(len(weight)), x, dL_dy, weight=weight, bias=bias)
    if name == "lstm":
        x, W_ih, W_hh, b_ih, b_hh, dL_dhs = arguments
        lstm = nn.LSTM(len(W_ih[0]), len(W_hh[0]))
        return layer(lstm, x, dL_dhs, weight_ih_l0=W_ih, weight_hh_l0=W_hh, bias_ih_l0=b_ih, bias_hh_l0=b_hh)[:-1]
    if name == "attention":
        attend, (q, k, v, dL_dy) = nn.ScaledDotProductAttention(), map(np.array, arguments)
        return attend(q, k, v, is_causal=True), *attend.backward(dL_dy)
    if name == "embedding":
        x, W, dL_dy = arguments
        y, _, dL_dW = layer(nn.Embedding(len(W), len(W[0])), x, dL_dy, weight=W)
        return y, dL_dW
    p, g = (np.array(a) for a in arguments)
    parameter = Parameter(p)
    parameter.grad = g
    optimizer = Adam([parameter])
    optimizer.step()
    return parameter.data, optimizer.state[0]["exp_avg"], optimizer.state[0]["exp_avg_sq"]


def flat(values: Any) -> list[np.ndarray]:
    """Arrays, those of lists of matrices each by itself."""
    try:
        return [np.array(values, float)]
    except ValueError:
        return [array for value in values for array in flat(value)]


@pytest.mark.parametrize("name", LOOPS)
def test_the_loops_compute_what_is_computed_by_hand(name: str) -> None:
    loops, given = LOOPS[name]
    loops = mlp if name == "mlp" else loops  # that of the column goes on to Adam's step
    expected = [a for value in by_hand(name, given(**SMALL[name])) for a in flat(value)]
    found = [a for value in loops(*given(**SMALL[name])) for a in flat(value)]
    for ours, loop in zip(expected, found, strict=True):
        assert error(loop, ours) <= 1e-12


def test_the_loops_of_the_network_take_its_adam_step_too() -> None:
    loops, given = LOOPS["mlp"]
    x, Ws, bs, dL_dy = given(**SMALL["mlp"])
    before = flat(Ws) + flat(bs)
    loops(x, Ws, bs, dL_dy)
    moved = [np.abs(a - b) for a, b in zip(before, flat(Ws) + flat(bs), strict=True)]
    assert all(np.all((m < 1.001e-3) & ((m > 0.999e-3) | (m == 0))) for m in moved)  # by lr, but where a hidden unit was off for all
    assert np.mean(np.concatenate([m.ravel() for m in moved]) > 0) > 0.5


def test_every_work_of_one_formula_has_loops_and_those_of_a_convolution_are_its_plain_form(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {name for name in WORKS if by_loops(name, dict(SMALL.get(name, {})), lambda: None) is None}
    assert networks == {"digits_cnn", "transformer", "gpt"}
    assert set(LOOPS) == set(WORKS) - networks - {"conv2d"}
    run: list[Any] = []
    for plain, fast in FASTER.items():
        monkeypatch.setitem(FASTER, plain, lambda *args, fast=fast: (run.append(fast), fast(*args))[1])
    step, _ = WORKS["conv2d"].build(N=1, I=1, O=2, H=3)
    loops = by_loops("conv2d", {}, step)
    assert loops
    loops()
    assert run == []
    step()
    assert run


# ---- products ------------------------------------------------------------------------------------

TINY: dict[str, dict[str, int]] = {
    "mlp": {"N": 3, "I": 4, "H": 5, "O": 2, "L": 3},
    "conv2d": {"N": 2, "I": 3, "O": 4, "H": 5},
    "digits_cnn": {"N": 3, "C": 2},
    "transformer": {"N": 2, "T": 3, "D": 8, "L": 2},
    "gpt": {"N": 2, "T": 3, "D": 8, "L": 2},
}


@pytest.mark.parametrize("name", TINY)
def test_the_products_are_those_that_torch_counts(name: str) -> None:
    work = WORKS[name]
    assert work.products
    _, by_torch = work.build(**TINY[name])
    by_torch()
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        by_torch()
    assert sum(2 * batch * m * k * n for batch, m, k, n in work.products(**TINY[name])) == counter.get_total_flops()


def test_attention_and_lstm_have_the_products_of_their_formulas() -> None:
    attention, lstm = WORKS["attention"].products, WORKS["lstm"].products
    assert attention
    assert lstm
    assert sum(np.prod(p) for p in attention(N=2, T=5, D=3)) == 2 * 6 * 5 * 5 * 3
    assert (
        sum(np.prod(p) for p in lstm(T=3, N=2, H=5, L=2)) == 2 * 6 * (3 * 2) * 5 * 20
    )  # y, ∂L/∂W and ∂L/∂x, of the input and of the state


def test_they_are_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    step = alone([(2, 3, 4, 5), (1, 3, 1, 2)])
    shapes: list[Any] = []
    monkeypatch.setattr(np, "matmul", lambda a, b, out: shapes.append((a.shape, b.shape, out.shape)))
    step()
    assert shapes == [((2, 3, 4), (2, 4, 5), (2, 3, 5)), ((1, 3, 1), (1, 1, 2), (1, 3, 2))]


# ---- memory --------------------------------------------------------------------------------------


def test_the_peak_of_a_step_is_what_it_holds_at_a_time() -> None:
    def numpy() -> None:
        a = np.ones(10_000)
        a = a + 1
        del a
        np.ones(5_000)

    def in_torch() -> None:
        a = torch.ones(10_000, dtype=torch.float64)
        a = a + 1
        del a
        torch.ones(5_000, dtype=torch.float64)

    assert 160_000 <= peak_by_hand(numpy) <= 162_000
    assert 160_000 <= peak_by_torch(in_torch) <= 162_000


ABOVE = {
    ("cross_entropy", "own"): 2.2,  # 3.8 kB in torch: here Python's own objects are half of it
    ("layer_norm", "own"): 2.2,  # 34 kB in torch: one array of products more, which a few rows at a time would cost more time than it holds
    ("gpt", "own"): 1.7,  # GELU's gates are kept, and the weights of attention, which torch makes again on the way back
    ("gpt", "larger"): 1.5,
}
"""Steps that hold more than 1.2 times what torch holds, how much more at most, and what it is."""


@pytest.mark.parametrize("label", ["own", "larger"])
@pytest.mark.parametrize("name", WORKS)
def test_a_step_holds_at_most_a_fifth_more_than_torchs(name: str, label: str) -> None:
    hand, in_torch = WORKS[name].build(**getattr(WORKS[name], label))
    for step in (hand, in_torch) * 2:
        step()
    times = peak_by_hand(hand) / peak_by_torch(in_torch)
    assert times <= ABOVE.get((name, label), 1.2)
    assert times > 1.2 or (name, label) not in ABOVE, "this entry is needed no more"


# ---- how it grows --------------------------------------------------------------------------------


def test_a_slope_is_the_power() -> None:
    assert slope([1, 2, 4], [3.0, 12.0, 48.0]) == pytest.approx(2)
    assert slope([10, 20, 30], [5.0, 10.0, 15.0]) == pytest.approx(1)


def test_every_work_grows_in_sizes_of_its_own() -> None:
    assert set(GROWTH) == set(WORKS)
    for name, growths in GROWTH.items():
        for of in growths:
            assert of.size in of.sizes
            assert set(of.sizes) == set(WORKS[name].own)
            assert of.power in FACTORS
    assert {size for growths in GROWTH.values() for size, *_ in growths} >= {"N", "T", "D", "H", "C", "L"}


def test_a_row_says_whether_the_power_is_that_of_the_theory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "timed", lambda *steps, rounds: [[f**p, f**p, 9.0] for f, p in zip((1, 2, 4, 8), powers, strict=True)])
    powers: Any = [1.1] * 4
    (row,) = measure_growth("adam")
    assert row["within"]
    assert row["power"] == pytest.approx(1.1)
    powers = [1.2] * 4
    (row,) = measure_growth("adam")
    assert not row["within"]
    assert row["grown"] == [250_000, 500_000, 1_000_000, 2_000_000]


ROWS: list[dict[str, Any]] = [
    {"name": "a", "size": size, "grown": [1, 2, 4], "sizes": {"M": 3}, "power": power, "theory": 1, "within": power < 1.15}
    | {"power_torch": 1.0, "seconds": [1.0, 2.0, 4.0], "seconds_torch": [2.0, 4.0, 8.0]}
    for size, power in (("N", 1.0), ("D", 1.4))
]


def test_the_table_says_which_rows_are_not_as_foretold(capsys: pytest.CaptureFixture[str]) -> None:
    growth.show_growth(bench.Console(), ROWS)
    out = capsys.readouterr().out
    assert "a      N 1…4" in out
    assert "1.40 !" in out
    assert "further than 0.15 from the theory: a D\n" in out


def test_the_figure_has_a_panel_for_each_work_and_lines_of_both_sides() -> None:
    fig = draw_growth(ROWS)
    (ax,) = fig.axes
    assert ax.get_title() == "a"
    assert [line.get_ydata().tolist() for line in ax.lines] == [[2, 4, 8], [1, 2, 4]] * 2
    assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 2, 4]] * 4
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["N 1.00", "D 1.40"]
    assert "torch" in fig.caption


@pytest.mark.long
def test_the_command_leaves_a_figure_with_its_caption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = command("bench", "--grow", "adam")
    assert status == 0
    assert "P 250000…2000000" in out
    assert "figure: runs/bench/growth.png" in out
    assert (tmp_path / "runs/bench/growth.png").stat().st_size > 5000
    assert "by hand" in (tmp_path / "runs/bench/growth.txt").read_text(encoding="utf-8")


def test_a_row_has_all_columns(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = command("bench", "--json", "attention")
    assert status == 0
    own, larger = (json.loads(line) for line in out.splitlines())
    assert own["ratio_products"] < own["ratio"]
    assert own["times_loops"] > 10
    assert larger["times_loops"] is None
    assert own["peak_bytes"] > 64 * 16 * 16 * 4
    bench.show(bench.Console(), [own, {**larger, "ratio_products": None}])
    shown = capsys.readouterr().out
    assert f"the products of NumPy are by {bench.blas()}\n" in shown
    *_, row = [line for line in shown.splitlines() if line.strip()]
    assert row.split()[-3:] == ["N16", "T32", "D64"]


def test_the_blas_of_numpy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    of_scipy = {"user_api": "blas", "internal_api": "mkl", "version": "2025.0", "filepath": "/scipy.libs/mkl.so"}
    of_numpy = {
        "user_api": "blas",
        "internal_api": "openblas",
        "version": "0.3.31",
        "architecture": "Haswell",
        "filepath": "/numpy.libs/openblas.so",
    }
    monkeypatch.setattr(bench, "threadpool_info", lambda: [{"user_api": "openmp"}, of_scipy, of_numpy])
    assert bench.blas() == "openblas 0.3.31 for Haswell"
    monkeypatch.setattr(bench, "threadpool_info", lambda: [{"user_api": "openmp"}, of_scipy])
    assert bench.blas() == "mkl 2025.0 for any processor"
    monkeypatch.setattr(bench, "threadpool_info", lambda: [{"user_api": "openmp"}])
    assert bench.blas() == "an unknown BLAS"
