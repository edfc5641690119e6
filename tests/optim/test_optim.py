"""The optimizers: equal to torch's at every step (the cases), state exchanged with torch, and what bad input gets."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

import manual.optim
from experiments.cases.optim.lbfgs import judge_line_search, judge_stopping
from experiments.cases.optim.optimizer import judge_adafactor_far_out, judge_bfloat16
from experiments.judge.case import failures
from experiments.judge.compare import ONE_STEP, error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.optimizer_case import OPTIMIZER_CASES, judge_nonfinite, judge_optimizer
from manual.module import Parameter

NAMES = [name for name, value in vars(manual.optim).items() if inspect.isclass(value) and value is not manual.optim.Optimizer]
BY_NAME = {case.name: case for case in OPTIMIZER_CASES}


def parameters(dtype: Any = "float64", shapes: tuple[tuple[int, ...], ...] = ((3, 5), (7,), (4, 3, 2))) -> list[Parameter]:
    rng = np.random.default_rng(0)
    return [Parameter(rng.normal(size=shape).astype(dtype)) for shape in shapes]


def feed(params: list[Parameter], seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for p in params:
        g = rng.normal(size=tuple(p.shape))
        p.grad = g.astype(p.dtype) if isinstance(p, Parameter) else torch.from_numpy(g).to(p.dtype)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("case", "dtype"), [(c, d) for c in OPTIMIZER_CASES for d in c.dtypes], ids=str)
def test_parameters_and_state_equal_torchs_at_every_step(case: Any, dtype: Any, seed: int) -> None:
    assert not failures(judge_optimizer(case, seed, dtype), ONE_STEP[dtype])


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_prints_as_torchs(name: str) -> None:
    for case in [c for c in OPTIMIZER_CASES if c.name == name]:
        hand = case.build(manual.optim, parameters(shapes=case.shapes))
        reference = case.build(torch.optim, [torch.nn.Parameter(to_torch(p.data)) for p in parameters(shapes=case.shapes)])
        assert repr(hand) == repr(reference), case


def test_what_a_schedule_puts_into_a_group_is_printed_too() -> None:
    texts = []
    for optim, params in ((manual.optim, parameters()), (torch.optim, [torch.nn.Parameter(to_torch(p.data)) for p in parameters()])):
        optimizer = optim.SGD([{"params": params[:1], "lr": 0.25}, {"params": params[1:]}], lr=0.5)
        optim.lr_scheduler.StepLR(optimizer, 3)
        texts.append(repr(optimizer))
    assert texts[0] == texts[1]
    assert texts[0].count("initial_lr: ") == 2


@pytest.mark.parametrize("case", [c for c in OPTIMIZER_CASES if not c.closure], ids=str)
def test_nan_and_infinity_go_where_torchs_go(case: Any) -> None:
    assert not failures(judge_nonfinite(case, 0), ONE_STEP["float64"])


@pytest.mark.parametrize("seed", range(3))
def test_adafactor_bears_what_is_too_small_or_infinite_as_torch_does(seed: int) -> None:
    assert not failures(judge_adafactor_far_out(seed), ONE_STEP["float64"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("judge", [judge_line_search, judge_stopping])
def test_lbfgs_searches_and_stops_where_torchs_does(judge: Callable[[int], dict[str, float]], seed: int) -> None:
    assert not failures(judge(seed), ONE_STEP["float64"])


@pytest.mark.parametrize("name", NAMES)
def test_constructor_is_torchs_and_a_case_judges_it(name: str) -> None:
    hand, reference = inspect.signature(getattr(manual.optim, name)), inspect.signature(getattr(torch.optim, name))
    assert [(p.name, p.kind, p.default) for p in hand.parameters.values()] == [
        (p.name, p.kind, p.default) for p in reference.parameters.values()
    ]
    assert name in BY_NAME


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("LBFGS", "Muon")])
def test_a_checkpoint_of_torch_is_continued_by_hand_and_the_other_way_round(name: str) -> None:
    hand_p = parameters()
    torch_p = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in hand_p]
    reference = getattr(torch.optim, name)(torch_p, lr=0.05)
    for step in range(7):
        feed(torch_p, step)
        reference.step()
    file = io.BytesIO()
    torch.save({"optimizer": reference.state_dict(), "weights": torch_p}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    reference.load_state_dict(saved["optimizer"])  # torch, too, goes on from the file: loading turns float32 counters into float64
    loaded = to_numpy(saved)
    for p, values in zip(hand_p, loaded["weights"], strict=True):
        p.data[...] = values
    hand = getattr(manual.optim, name)(hand_p)  # lr comes with the state
    hand.load_state_dict(loaded["optimizer"])
    for step in range(7, 12):
        for optimizer, params in ((hand, hand_p), (reference, torch_p)):
            feed(params, step)
            optimizer.step()
    again = getattr(torch.optim, name)(torch_p)
    again.load_state_dict(to_torch(hand.state_dict()))
    for step in range(12, 17):
        for optimizer, params in ((hand, hand_p), (again, torch_p)):
            feed(params, step)
            optimizer.step()
    assert max(error(a.data, b) for a, b in zip(hand_p, torch_p, strict=True)) < 1e-13


def test_muon_as_it_is_agrees_with_torchs_to_bfloat16() -> None:
    for seed in range(3):
        assert not failures(judge_bfloat16(seed), 0)
    shape = (48, 80)  # sums so long that rounding may fall to the other side
    p, g = (np.random.default_rng(i).normal(size=shape) for i in (0, 1))
    a, b = Parameter(p), torch.nn.Parameter(torch.from_numpy(p.copy()))
    a.grad, b.grad = g, torch.from_numpy(g.copy())
    manual.optim.Muon([a], lr=1, weight_decay=0).step()
    torch.optim.Muon([b], lr=1, weight_decay=0).step()
    assert error(p - a.data, p - b.detach().numpy()) < 0.02
    assert np.linalg.svd(p - a.data, compute_uv=False) == pytest.approx(1, abs=0.35)  # about orthogonal


def test_large_parameters_are_updated_in_blocks_with_the_same_result() -> None:
    def run(block: int) -> Any:
        p = Parameter(np.random.default_rng(0).normal(size=(300, 251)))
        optimizer = manual.optim.AdamW([p], lr=0.1, amsgrad=True)
        with mock.patch.object(manual.optim.optimizer, "BLOCK", block):
            for step in range(3):
                feed([p], step)
                optimizer.step()
        return p.data, optimizer.state[0]["max_exp_avg_sq"]

    assert manual.optim.optimizer.BLOCK < 300 * 251
    for a, b in zip(run(manual.optim.optimizer.BLOCK), run(10**9), strict=True):
        assert np.array_equal(a, b)


# ---- what step does, and leaves alone --------------------------------------------------------------


def test_step_changes_the_array_itself() -> None:
    (p,) = parameters(shapes=((3, 5),))
    array, before = p.data, p.data.copy()
    optimizer = manual.optim.SGD([p], lr=0.1)
    feed([p])
    optimizer.step()
    assert p.data is array
    assert np.array_equal(array, before - 0.1 * p.grad)


def test_a_parameter_without_gradient_is_skipped_even_by_decay() -> None:
    a, b, fixed = parameters()
    fixed.requires_grad = False
    before = b.data.copy(), fixed.data.copy()
    optimizer = manual.optim.AdamW([a, b, fixed], weight_decay=0.5)
    feed([a])
    fixed.grad += np.ones(fixed.shape)
    optimizer.step()
    assert np.array_equal(b.data, before[0])
    assert np.array_equal(fixed.data, before[1])
    assert list(optimizer.state) == [0]


def test_zero_grad_forgets_or_clears() -> None:
    a, b, _ = params = parameters()
    optimizer = manual.optim.SGD(params)
    feed([a, b])
    optimizer.zero_grad(set_to_none=False)
    assert [p.has_grad for p in params] == [True, True, False]
    assert not a.grad.any()
    optimizer.zero_grad()
    assert not any(p.has_grad for p in params)


def test_numpy_numbers_do_not_turn_float32_into_float64() -> None:
    for name in NAMES:
        params = parameters("float32", ((3, 5), (4, 2)))
        optimizer = getattr(manual.optim, name)(params, lr=np.float64(0.1))
        for group in optimizer.param_groups:
            group["lr"] = np.float64(0.05)
            group.update({"betas": (np.float64(0.9), np.float64(0.95))} if "betas" in group else {})
        for step in range(2):
            feed(params, step)
            optimizer.step(lambda: np.float64(3.0)) if name == "LBFGS" else optimizer.step()
        arrays = [
            a for s in optimizer.state.values() for v in s.values() for a in (v if isinstance(v, list) else [v]) if hasattr(a, "dtype")
        ]
        assert {a.dtype for a in arrays} <= {np.dtype("float32")}, name
        assert {p.dtype for p in params} == {np.dtype("float32")}, name


def test_state_is_copied_out_and_in() -> None:
    params = parameters()
    optimizer = manual.optim.Adam(params)
    feed(params)
    optimizer.step()
    saved = optimizer.state_dict()
    kept = saved["state"][0]["exp_avg"].copy()
    other = manual.optim.Adam(params)
    other.load_state_dict(saved)
    for o in (optimizer, other):
        feed(params, 2)
        o.step()
    assert np.array_equal(saved["state"][0]["exp_avg"], kept)
    assert float(saved["state"][0]["step"]) == 1


def test_adam_saved_is_adamw_when_adamw_loads_it() -> None:
    params = parameters()
    adamw = manual.optim.AdamW(params)
    adamw.load_state_dict(manual.optim.Adam(params, weight_decay=0.3).state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"] is True
    assert adamw.param_groups[0]["weight_decay"] == 0.3


def test_groups_names_and_options() -> None:
    a, b, c = parameters()
    optimizer = manual.optim.SGD([{"params": a}, {"params": iter([b]), "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [c], "momentum": 0.9})
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5, 0.1]
    assert [g["momentum"] for g in optimizer.param_groups] == [0, 0, 0.9]
    assert [g["params"] for g in optimizer.state_dict()["param_groups"]] == [[0], [1], [2]]
    named = manual.optim.SGD([("first", a), ("second", b)])
    assert named.state_dict()["param_groups"][0]["param_names"] == ["first", "second"]


def test_a_state_dict_of_an_older_torch_is_understood() -> None:
    params = parameters()
    optimizer = manual.optim.Adam(params)
    feed(params)
    optimizer.step()
    old = optimizer.state_dict()
    for flag in ("foreach", "fused", "capturable", "differentiable", "maximize", "decoupled_weight_decay"):
        del old["param_groups"][0][flag]
    for state in old["state"].values():
        state["step"] = 1
    optimizer.load_state_dict(old)
    assert optimizer.state[0]["step"].dtype == np.float32
    assert optimizer.param_groups[0]["maximize"] is False


def test_lbfgs_finds_the_minimum_of_rosenbrocks_valley() -> None:
    for search in (None, "strong_wolfe"):
        p = Parameter([-1.2, 1.0])
        optimizer = manual.optim.LBFGS([p], lr=1 if search else 0.05, max_iter=100, max_eval=400, line_search_fn=search)

        def closure(p: Parameter = p) -> Any:
            x, y = p.data
            p.grad = np.array([-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)])
            return 100 * (y - x * x) ** 2 + (1 - x) ** 2

        for _ in range(1 if search else 20):
            optimizer.step(closure)
        assert p.data == pytest.approx([1, 1], abs=1e-3)


# ---- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        *((name, {"lr": -0.1}, f"{name}: lr must be at least 0, got -0.1") for name in NAMES),
        *((name, {"lr": float("nan")}, "lr must be a number, got nan") for name in ("SGD", "Adam")),
        *(
            (name, {"betas": (1.0, 0.9)}, r"betas\[0\] must be in \[0, 1\), got 1.0")
            for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")
        ),
        *(
            (name, {"betas": (0.9, -0.5)}, r"betas\[1\] must be in \[0, 1\), got -0.5")
            for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")
        ),
        *(
            (name, {"eps": -1}, "eps must be at least 0")
            for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta")
        ),
        *((name, {"weight_decay": -1}, "weight_decay must be") for name in NAMES if name not in ("Rprop", "LBFGS")),
        *((name, {"momentum": -1}, "momentum must be at least 0") for name in ("SGD", "RMSprop", "Muon")),
        ("SGD", {"nesterov": True}, "nesterov needs momentum > 0 and dampening = 0, got momentum=0"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening=0.1"),
        ("RMSprop", {"alpha": -1}, "alpha must be at least 0"),
        ("Adafactor", {"eps": (-1.0, 1e-3)}, r"eps\[0\] must be at least 0, got -1.0"),
        ("Adafactor", {"eps": (None, -1e-3)}, r"eps\[1\] must be at least 0, got -0.001"),
        ("Adafactor", {"eps": 1e-3}, "eps must be a pair, None or a number, and a number, got 0.001"),
        ("Adafactor", {"beta2_decay": 0.1}, "beta2_decay must be at most 0, got 0.1"),
        ("Adafactor", {"d": 0.9}, "d must be at least 1, got 0.9"),
        ("Adafactor", {"weight_decay": -1}, "weight_decay must be at least 0"),
        ("Adagrad", {"lr_decay": -1}, "lr_decay must be at least 0"),
        ("Adagrad", {"initial_accumulator_value": -1}, "initial_accumulator_value must be at least 0"),
        ("Adadelta", {"rho": 1.5}, r"rho must be in \[0, 1\], got 1.5"),
        ("NAdam", {"momentum_decay": -1}, "momentum_decay must be at least 0"),
        ("Rprop", {"etas": (1.1, 1.2)}, "etas must be 0 < η⁻ < 1 < η⁺"),
        ("LBFGS", {"line_search_fn": "armijo"}, "line_search_fn must be None or 'strong_wolfe', got 'armijo'"),
        ("Muon", {"adjust_lr_fn": "other"}, "adjust_lr_fn must be"),
        ("Muon", {"ns_steps": 100}, "ns_steps must be below 100"),
        ("Muon", {"ns_coefficients": (1.0, 2.0)}, "ns_coefficients must be 3 numbers"),
    ],
)
def test_options_out_of_range_are_named(name: str, options: dict[str, Any], words: str) -> None:
    params = parameters(shapes=((3, 5),))
    with pytest.raises(ValueError, match=words):
        getattr(manual.optim, name)(params, **options)
    if name != "LBFGS":
        with pytest.raises(ValueError, match=words):
            getattr(manual.optim, name)([{"params": params, **options}])


@pytest.mark.parametrize("flag", ["foreach", "fused", "capturable", "differentiable"])
def test_what_only_torch_can_do_is_refused(flag: str) -> None:
    with pytest.raises(NotImplementedError, match=f"Adam: {flag} must be None or False, got True"):
        manual.optim.Adam(parameters(), **{flag: True})


def test_bad_parameters_are_named() -> None:
    a, b, _ = parameters()
    SGD = manual.optim.SGD
    with pytest.raises(ValueError, match="at least one Parameter, got none"):
        SGD([])
    with pytest.raises(ValueError, match=r"only once, got one of shape \(3, 5\) twice"):
        SGD([a, b, a])
    with pytest.raises(ValueError, match="only once"):
        SGD([{"params": [a]}, {"params": [b, a]}])
    with pytest.raises(TypeError, match="got one Parameter"):
        SGD(a)
    with pytest.raises(TypeError, match="params must be Parameters, got ndarray"):
        SGD([a.data])
    with pytest.raises(TypeError, match="a parameter group must be a dict, got list"):
        SGD([a]).add_param_group([b])
    with pytest.raises(ValueError, match="names or none, got 1 names for 2"):
        SGD([("a", a), b])
    with pytest.raises(ValueError, match="named parameters or none"):
        SGD([{"params": [("a", a)]}, {"params": [b]}])
    with pytest.raises(ValueError, match=r"Muon: every parameter must have 2 axes, got shape \(7,\)"):
        manual.optim.Muon([a, b])
    with pytest.raises(ValueError, match="LBFGS: params must be one group"):
        manual.optim.LBFGS([{"params": [a]}, {"params": [b]}])
    with pytest.raises(TypeError, match="LBFGS: step needs a closure"):
        manual.optim.LBFGS([a]).step()


def adam_state(change: Callable[..., Any]) -> Any:
    """An Adam that has made a step, and its state with something wrong in it."""
    params = parameters()
    optimizer = manual.optim.Adam(params)
    feed(params)
    optimizer.step()
    state = optimizer.state_dict()
    change(state)
    return optimizer, state


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s["state"][1].pop("exp_avg_sq"), "state of parameter 1 lacks exp_avg_sq"),
        (lambda s: s["state"][2].update(exp_avg=np.zeros((2, 3))), r"exp_avg of parameter 2 must have shape \(4, 3, 2\), got \(2, 3\)"),
        (lambda s: s["state"][0].update(step=np.ones(2)), r"step of parameter 0 must have shape \(\), got \(2,\)"),
        (lambda s: s["state"].update({7: {}}), r"holds state of \[7\], which are in none of its groups"),
        (lambda s: s["param_groups"][0]["params"].pop(), r"must have groups of \[3\] parameters, got \[2\]"),
        (lambda s: s["param_groups"].append({"params": []}), r"must have groups of \[3\] parameters, got \[3, 0\]"),
        (lambda s: s["param_groups"][0].pop("betas"), r"param_groups\[0\] of the state_dict lacks betas: saved by another optimizer"),
    ],
)
def test_a_state_that_does_not_fit_is_named_and_nothing_is_loaded(change: Callable[..., Any], words: str) -> None:
    optimizer, state = adam_state(change)
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=words):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert all(np.array_equal(after["state"][i][k], v) for i, s in before["state"].items() for k, v in s.items())


def test_tensors_in_a_state_are_refused() -> None:
    optimizer, state = adam_state(lambda s: s["state"][0].update(exp_avg=torch.zeros(3, 5)))
    with pytest.raises(TypeError, match="exp_avg in a state_dict must be an array or a number, got Tensor"):
        optimizer.load_state_dict(state)


def test_lbfgs_refuses_a_state_of_other_size() -> None:
    optimizer = manual.optim.LBFGS(parameters())
    state = optimizer.state_dict()
    state["state"] = {0: {"d": np.zeros(5), "n_iter": 1}}
    with pytest.raises(ValueError, match=r"LBFGS: d must have shape \(46,\), got \(5,\)"):
        optimizer.load_state_dict(state)
