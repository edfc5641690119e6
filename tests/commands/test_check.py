"""What `check` looks at: at random weights, with a factor for each loss, with the seed that it is given; and what its status says."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from rich.status import Status

import experiments
from experiments.commands.check import unusable
from experiments.commands.status import AGREE, DISAGREE
from experiments.judge.compare import error
from experiments.lockstep.checks import at_random, one_step
from experiments.pair import Twin
from tests.helpers import broken, command

NAMES = ("hidden_layer", "one_weight", "digits_mlp")


def wrong(twin: Twin) -> Twin:
    """The same pair with a loss by hand that is a little too large."""

    def enlarge(model: Any) -> None:
        right = model.training_step
        model.training_step = lambda batch, batch_idx: right(batch, batch_idx) * (1 + 1e-6)

    return broken(twin, enlarge)


def check(monkeypatch: pytest.MonkeyPatch, faulty: set[str], *options: str) -> tuple[int, list[dict[str, Any]], str]:
    twins = {name: wrong(experiments.twin(name)) if name in faulty else experiments.twin(name) for name in NAMES}
    monkeypatch.setattr(experiments, "twin", twins.__getitem__)
    status, out, err = command("check", *NAMES, "--steps", "2", "--json", *options)
    return status, [json.loads(line) for line in out.splitlines()], err


@pytest.mark.parametrize("faulty", [set(), *({name} for name in NAMES), set(NAMES)], ids=lambda names: " ".join(sorted(names)) or "none")
def test_it_agrees_only_if_every_pair_does(faulty: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    status, rows, err = check(monkeypatch, faulty)
    assert status == (DISAGREE if faulty else AGREE)
    assert [row["name"] for row in rows] == list(NAMES)
    assert {row["name"] for row in rows if not row["passed"]} == faulty
    assert set(re.findall(r"^(\w+): ", err, re.MULTILINE)) == faulty


def test_a_fault_in_one_variant_alone_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_without_momentum(model: Any) -> None:
        if model.momentum == 0:
            right = model.training_step
            model.training_step = lambda batch, batch_idx: right(batch, batch_idx) * (1 + 1e-6)

    twin = broken(experiments.twin("linear_regression"), only_without_momentum)
    monkeypatch.setattr(experiments, "twin", lambda name: twin)
    status, out, err = command("check", "linear_regression", "--steps", "2")
    assert status == DISAGREE
    assert "DISAGREE" in out
    assert set(re.findall(r"^linear_regression: (.*?): ", err, re.MULTILINE)) == {
        f"plain gradient descent, {what}" for what in ("one step", "own optimizer")
    }


def test_every_concept_is_checked_if_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments import curriculum

    chosen = [curriculum.entry(name) for name in NAMES]
    monkeypatch.setattr(curriculum, "entries", lambda: chosen)
    status, out, _ = command("check", "--steps", "1", "--json")
    assert (status, [json.loads(line)["name"] for line in out.splitlines()]) == (AGREE, list(NAMES))


def test_while_it_works_it_says_which_concept_of_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Status, "update", lambda self, words: said.append(words))
    assert command("check", "one_weight", "chain_rule", "--steps", "1")[0] == AGREE
    assert said == ["one_weight (1 of 2)", "chain_rule (2 of 2)"]


def test_fifty_steps_in_float64_on_the_cpu_unless_said_otherwise() -> None:
    rows = []
    for options in ((), ("--steps", "50"), ("--steps", "49")):
        status, out, _ = command("check", "one_weight", "--json", *options)
        assert status == AGREE
        rows.append(json.loads(out))
    assert (rows[0]["dtype"], rows[0]["device"]) == ("float64", "cpu")
    trajectories = 1 + len(experiments.twin("one_weight").variants) + 1  # of each variant, and by plain gradient descent
    assert rows[0]["steps"] == rows[1]["steps"] == rows[2]["steps"] + trajectories


# ---- one step --------------------------------------------------------------------------------------------


def watched(name: str, look: Callable[[Any], None], seed: int = 0) -> None:
    """`check`'s one step of a concept whose hand-written models are looked at as they are made."""
    one_step(broken(experiments.twin(name), look), None, Namespace(seed=seed, dtype="float64", device="cpu"))


def steps_taken(name: str, seed: int = 0) -> list[tuple[str, Any, dict[str, np.ndarray]]]:
    """("forward", batch, weights) and ("backward", factor, weights), in order."""
    taken: list[tuple[str, Any, dict[str, np.ndarray]]] = []

    def look(model: Any) -> None:
        forward, backward = model.training_step, model.backward

        def training_step(batch: Any, batch_idx: int) -> Any:
            taken.append(("forward", batch, model.state_dict()))
            return forward(batch, batch_idx)

        def walk_back(dL_dloss: float = 1.0) -> None:
            taken.append(("backward", dL_dloss, model.state_dict()))
            backward(dL_dloss)

        model.training_step, model.backward = training_step, walk_back

    watched(name, look, seed)
    return taken


@pytest.mark.parametrize("name", ["one_weight", "hidden_layer", "digits_cnn"])
def test_no_weight_is_the_one_that_training_begins_with_none_is_0_and_none_is_1(name: str) -> None:
    ours, _ = experiments.twin(name).build(0)
    initial = dict(ours.named_parameters())
    kind, _, weights = steps_taken(name)[0]
    assert kind == "forward"
    for key, p in initial.items():
        assert np.all(weights[key] != p.data), key
        assert np.all((weights[key] != 0) & (weights[key] != 1)), key
        assert len(set(weights[key].ravel().tolist())) == p.data.size, key


def test_parameters_that_are_to_be_0_are_0_on_both_sides() -> None:
    """So that a case can look at a kink, which random numbers never hit."""
    pair = at_random(experiments.twin("hidden_layer"), None, Namespace(seed=0, dtype="float64", device="cpu", zero=("W1", "elsewhere")))
    assert not pair.ours.W1.data.any()
    assert not pair.theirs.hidden.weight.any()
    assert pair.ours.W2.data.all()


@pytest.mark.parametrize("name", ["hidden_layer", "digits_cnn", "vectors"])
def test_two_batches_of_two_sizes_go_forward_before_either_goes_back_and_each_with_a_factor_of_its_own(name: str) -> None:
    taken = [(kind, what) for kind, what, _ in steps_taken(name)]
    assert [kind for kind, _ in taken][:4] == ["forward", "forward", "backward", "backward"]
    first, second = (what for kind, what in taken[:2])
    assert len(first[0]) > len(second[0]) > 0
    factors = [what for kind, what in taken[2:4]]
    assert len({abs(f) for f in factors} | {0, 1}) == 4
    assert min(factors) < 0


def test_the_seed_is_that_of_the_weights_and_of_the_data() -> None:
    first, again, other = (steps_taken("digits_mlp", seed) for seed in (0, 0, 1))
    for (_, a, w), (_, b, v), (_, c, u) in zip(first[:2], again[:2], other[:2], strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        assert not np.array_equal(a[0], c[0])
        assert all(np.array_equal(w[key], v[key]) for key in w)
        assert all(error(w[key], u[key]) > 0.1 for key in w)


def test_rows_of_the_data_are_what_is_learned_from() -> None:
    data = experiments.twin("hidden_layer").make_data(seed=0)
    (_, first, _), (_, second, _) = steps_taken("hidden_layer")[:2]
    n = len(first[0])
    for a, b, rows in zip(first, second, data.split.train, strict=True):
        assert np.array_equal(a, rows[:n])
        assert np.array_equal(b, rows[n : n + len(b)])


# ---- its trajectory ----------------------------------------------------------------------------------------


def test_a_wrong_step_size_shows_on_the_concepts_own_optimizer_and_a_constant_factor_on_plain_descent() -> None:
    from experiments.commands.check import judged

    twin = experiments.twin("digits_mlp")
    options = Namespace(seed=0, dtype="float64", device="cpu", steps=3)

    def slower(model: Any) -> None:
        model.lr *= 0.999

    def passed(pair: Twin) -> list[bool]:
        return [judge.passed for *_, judge, _ in judged(pair, options)]

    assert passed(twin) == [True, True, True]
    assert passed(broken(twin, slower)) == [True, False, True]
    assert passed(replace(twin, sgd_lr=0.5)) == [True, True, True]


@pytest.mark.parametrize("devices", [0, 2])
def test_a_device_is_usable_if_this_machine_has_it(devices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    lacking = f"--device {{}}: this machine has {devices} CUDA device(s)"
    expected = {"cpu": None, "cuda": None if devices else lacking, "cuda:1": None if devices else lacking, "cuda:2": lacking}
    expected |= dict.fromkeys(("meta", "gpu", "cuda:x", ""), "--device {}: expected cpu, cuda or cuda:N")
    assert {device: unusable(device) for device in expected} == {device: said and said.format(device) for device, said in expected.items()}
