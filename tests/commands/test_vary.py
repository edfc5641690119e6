"""Every option of every concept has a second value that both sides heed alike; an option that a side ignores is named."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch

import experiments
import manual
from experiments import curriculum
from experiments.commands.check import check_one
from experiments.commands.second import NoSecondValue, alternatives, defaults, generic
from experiments.commands.vary import ignored_by_the_data, shown, varied
from experiments.pair import Second, Twin
from tests.helpers import configured

NAMES = [e.name for e in curriculum.entries()]
OPTIONS = Namespace(seed=0, dtype="float64", device="cpu")
every_concept = pytest.mark.parametrize("name", NAMES)


def failures(twin: Twin) -> dict[str, str | None]:
    """What is found of each option, by its label."""
    return {label: judge.failure for label, judge, _ in varied(twin, OPTIONS) if not judge.passed}


def ignoring(twin: Twin, option: str) -> Twin:
    """The same pair, whose hand-written side never hears of an option: it always takes the twin's own value."""

    def make(**arguments: Any) -> Any:
        return twin.manual(**{**arguments, option: twin.hyperparameters()[option]})

    return replace(twin, manual=make)  # type: ignore[arg-type]


# ---- every option ------------------------------------------------------------------------------------


@every_concept
def test_both_sides_heed_every_option_alike(name: str) -> None:
    assert failures(experiments.twin(name)) == {}


@every_concept
def test_every_option_has_a_second_value(name: str) -> None:
    twin = experiments.twin(name)
    found = list(alternatives(twin))
    assert [a.option for a in found] == [name for name in twin.hyperparameters() if f"model.{name}" not in twin.links.values()]
    for a in found:
        changed = a.twin.hyperparameters()
        assert changed.pop(a.option) == a.second != a.base.hyperparameters()[a.option]
        assert changed == {o: v for o, v in a.base.hyperparameters().items() if o != a.option}


@every_concept
def test_every_argument_of_the_data_does_something(name: str) -> None:
    assert list(ignored_by_the_data(experiments.twin(name))) == []


@every_concept
def test_what_a_twin_says_of_its_options_is_about_options_that_there_are(name: str) -> None:
    twin = experiments.twin(name)
    known = {*twin.hyperparameters(), *(f"data.{argument}" for argument in defaults(twin.data))}
    assert {*twin.options, *twin.idle} <= known


# ---- a second value ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (bool, True, False),
        (bool, False, True),
        (int, 4, 5),
        (int, 0, 1),
        (float, 0.5, 0.25),
        (Literal["a", "b"], "a", "b"),
        (Literal["a", "b"], "b", "a"),
    ],
)
def test_the_second_value_follows_from_the_type(kind: Any, first: Any, second: Any) -> None:
    found = generic("vectors", "option", kind, first)
    assert found == second
    assert type(found) is type(second)


@pytest.mark.parametrize("first", ["newton", None, (1.0, 2.0), 0.0])
def test_where_no_type_tells_a_second_value_the_twin_must_declare_one(first: Any) -> None:
    with pytest.raises(NoSecondValue, match=r"vectors: no second value is known of option=.*declare one in its Twin, options=\{'option'"):
        generic("vectors", "option", type(first), first)


def test_an_option_without_a_second_value_is_refused() -> None:
    with pytest.raises(NoSecondValue, match="gradients: no second value is known of surface='bowl'"):
        list(alternatives(replace(experiments.twin("gradients"), options={})))


def test_a_check_of_it_fails_and_says_so() -> None:
    found = failures(replace(experiments.twin("gradients"), options={}))
    assert list(found) == ["options"]
    assert str(found["options"]).startswith("gradients: no second value is known of surface='bowl'")


@pytest.mark.parametrize("declared", [0.5, Second(0.5)])
def test_a_second_value_that_is_the_first_is_refused(declared: Any) -> None:
    with pytest.raises(NoSecondValue, match=r"vectors: the second value of lr is its first, 0\.5"):
        list(alternatives(replace(experiments.twin("vectors"), options={"lr": declared})))


def test_an_argument_of_the_data_that_does_nothing_is_found() -> None:
    assert list(ignored_by_the_data(replace(experiments.twin("expectation"), idle={}))) == ["data.seed"]


def test_what_the_data_tell_the_model_is_something_that_they_do() -> None:
    twin = experiments.twin("k_means")  # whose data decide nothing but where the centres begin
    assert list(ignored_by_the_data(replace(twin, links={}))) == ["data.k", "data.start"]


# ---- options that are ignored --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("vectors", "lr", "0.25"),
        ("derivatives", "momentum", "0.45"),
        ("digits_mlp", "dropout", "0.1"),
        ("attention", "causal", "False"),
        ("optimizers", "horizon", "5"),
    ],
)
def test_an_option_that_the_hand_written_side_ignores_is_named(name: str, option: str, value: str) -> None:
    found = failures(ignoring(experiments.twin(name), option))
    assert list(found) == [f"option {option}={value}"]
    assert re.fullmatch(f"{option} is ignored by hand: {value} does what .* does", str(found[f"option {option}={value}"]))


def test_check_fails_for_an_option_that_is_ignored() -> None:
    row, _, found = check_one(ignoring(experiments.twin("vectors"), "lr"), Namespace(**vars(OPTIONS), steps=2))
    assert row["passed"] is False
    assert [failure.sentence for failure in found] == ["option lr=0.25: lr is ignored by hand: 0.25 does what 0.5 does"]


def test_an_option_that_both_sides_ignore_is_named() -> None:
    twin = configured(experiments.twin("vectors"), lambda library, parameters: library.SGD(parameters, lr=0.5))
    assert failures(twin) == {"option lr=0.25": "lr is ignored by hand and in torch: 0.25 does what 0.5 does"}


def test_an_option_that_the_torch_side_ignores_is_named() -> None:
    twin = experiments.twin("vectors")

    class Deaf(twin.torch):  # type: ignore[name-defined, misc]
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.5)

    assert failures(replace(twin, torch=Deaf)) == {"option lr=0.25": "lr is ignored in torch: 0.25 does what 0.5 does"}


def test_an_option_that_is_heeded_by_one_step_only_is_a_fault_of_that_step() -> None:
    """Both sides take another dropout, but the hand-written one a wrong one: nobody ignores anything."""
    twin = experiments.twin("digits_mlp")

    def make(**arguments: Any) -> Any:
        return twin.manual(**{**arguments, "dropout": 2 * arguments["dropout"] - 0.2})

    (label, failure), *others = failures(replace(twin, manual=make)).items()  # type: ignore[arg-type]
    assert (label, others) == ("option dropout=0.1", [])
    assert re.match(r"step 0: the loss differs by", str(failure))


def test_an_idle_option_is_excused_but_only_while_it_is_idle() -> None:
    twin = configured(experiments.twin("vectors"), lambda library, parameters: library.SGD(parameters, lr=0.5))
    assert failures(replace(twin, idle={"lr": "a fixed step size"})) == {}
    excused = replace(experiments.twin("vectors"), idle={"lr": "it is not"})
    assert failures(excused) == {"option lr=0.25": "lr is not idle, as its Twin says: 0.25 does not do what 0.5 does"}


# ---- defaults ------------------------------------------------------------------------------------------


@every_concept
def test_both_sides_have_the_same_defaults(name: str) -> None:
    twin = experiments.twin(name)
    assert list(defaults(twin.manual).items()) == list(defaults(twin.torch).items())
    assert all(value is not inspect.Parameter.empty for value in defaults(twin.torch).values())


def documented() -> Iterator[tuple[str, str, str, Any]]:
    """(class or function, argument, the default that the docstring says, that of the signature) of everything by hand."""
    for module in pkgutil.walk_packages(manual.__path__, "manual."):
        for name, found in inspect.getmembers(importlib.import_module(module.name)):
            if callable(found) and getattr(found, "__module__", None) == module.name:
                for argument, said in re.findall(r"^ +(\w+): .*default:? ([\d.][\d.e-]*\d)", inspect.getdoc(found) or "", re.MULTILINE):
                    yield f"{module.name}.{name}", argument, said, inspect.signature(found).parameters[argument].default


def test_documented_defaults_are_true() -> None:
    found = list(documented())
    assert {"manual.nn.dropout.Dropout", "manual.nn.instancenorm.InstanceNorm2d"} & {name for name, *_ in found}
    assert [(name, argument) for name, argument, said, true in found if float(said) != true] == []


def test_what_is_seen_of_the_data_is_every_array_and_the_first_batch() -> None:
    twin = experiments.twin("ridge")
    data = twin.make_data(batch_size=16)
    found = shown(twin, data)
    assert list(found) == [f"{part} {i}" for part in ("train", "val", "batch") for i in (0, 1)]
    assert [len(found[f"{part} 0"]) for part in ("train", "val", "batch")] == [len(data.split.train[0]), len(data.split.val[0]), 16]
    rows = {bytes(row): y for row, y in zip(data.split.train[0].astype("float32"), data.split.train[1], strict=True)}
    assert all(rows[bytes(row)] == pytest.approx(y) for row, y in zip(found["batch 0"].astype("float32"), found["batch 1"], strict=True))
    assert found["val 1"] is data.split.val[1]
