"""Arguments that make no sense are refused by every class of manual.nn and every schedule, with class and argument named."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import manual.optim
from manual import nn
from manual.module import Module, Parameter
from manual.nn.arguments import ANY_INTEGER, AT_LEAST_0, kinds_of
from manual.optim import lr_scheduler

RIGHT: dict[str, dict[str, Any]] = {  # arguments without a default
    "Bilinear": {"in1_features": 3, "in2_features": 4, "out_features": 2},
    "Embedding": {"num_embeddings": 4, "embedding_dim": 3},
    "Fold": {"output_size": 4, "kernel_size": 2},
    "GroupNorm": {"num_groups": 2, "num_channels": 4},
    "Linear": {"in_features": 3, "out_features": 2},
    "MultiheadAttention": {"embed_dim": 4, "num_heads": 2},
    "TransformerDecoderLayer": {"d_model": 4, "nhead": 2},
    "TransformerEncoderLayer": {"d_model": 4, "nhead": 2},
    "Unflatten": {"dim": 1, "unflattened_size": (2, 3)},
    "Upsample": {"size": 3},
    "TransformerEncoder": {"encoder_layer": nn.TransformerEncoderLayer(4, 2), "num_layers": 1},
    "TransformerDecoder": {"decoder_layer": nn.TransformerDecoderLayer(4, 2), "num_layers": 1},
    "CosineAnnealingLR": {"T_max": 5},
    "CosineAnnealingWarmRestarts": {"T_0": 5},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 9},
    "Softmax": {"dim": 0},
    "LogSoftmax": {"dim": 0},
    "Softmin": {"dim": 0},
    "Transformer": {"d_model": 4, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "dim_feedforward": 3},
    "StepLR": {"step_size": 2},
    "ExponentialLR": {"gamma": 0.5},
    "MultiStepLR": {"milestones": [1, 2]},
    "LambdaLR": {"lr_lambda": abs},
    "MultiplicativeLR": {"lr_lambda": abs},
    "SequentialLR": {"schedulers": [], "milestones": []},
}
BY_KIND = {"int": 4, "float": 0.5, "bool": True, "str": "mean"}
WRONG: dict[str, list[Any]] = {
    "bool": [1, 0, "False", 1.0],
    "int": [2.0, "10", True, -1],
    "float": ["0.1", True, math.nan],
    "str": [1],
}


def classes() -> Iterator[type]:
    for value in [*vars(nn).values(), *vars(lr_scheduler).values()]:
        if isinstance(value, type) and issubclass(value, Module | lr_scheduler.LRScheduler) and value.__module__.startswith("manual."):
            yield value


def right(cls: type) -> dict[str, Any]:
    """Arguments that a class can be made with."""
    given = dict(RIGHT.get(cls.__name__, {}))
    for name, p in inspect.signature(cls).parameters.items():
        if p.default is inspect.Parameter.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and name not in given:
            given[name] = SGD() if name == "optimizer" else BY_KIND.get(str(p.annotation), 2)
    return given


def SGD() -> manual.optim.SGD:
    return manual.optim.SGD([Parameter(np.ones(2))], lr=0.1, momentum=0.5)


def wrong() -> Iterator[tuple[type, str, Any]]:
    """Every argument of every class with every value that is of another kind, or out of the range of all of its kind."""
    for cls in classes():
        for name, annotation in kinds_of(cls).items():
            kind = annotation.removesuffix(" | None")
            values = [v for v in WRONG.get(kind, []) if not (v is not True and v == -1 and name in ANY_INTEGER)]
            for value in values + [-1e-3] * (name in AT_LEAST_0):
                yield cls, name, value


@pytest.mark.parametrize("cls", list(dict.fromkeys(c for c, _, _ in wrong())), ids=lambda c: c.__name__)
def test_an_argument_of_another_kind_is_named(cls: type) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if cls.__name__ not in ("SequentialLR", "LRScheduler"):
            cls(**right(cls))  # what is wrong below is wrong alone
        for other, name, value in wrong():
            if other is cls:
                with pytest.raises((TypeError, ValueError), match=rf"^{cls.__name__}: {name} must .*, got "):
                    cls(**right(cls) | {name: value})


def test_missing_and_unknown_arguments_name_the_class() -> None:
    with pytest.raises(TypeError, match=r"Linear: missing a required argument: 'out_features'"):
        nn.Linear(3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"ReLU6: .*unexpected keyword argument 'slope'"):
        nn.ReLU6(slope=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("BatchNorm1d", {"num_features": 3, "eps": 0.0}, "eps must be positive, got 0.0"),
        ("InstanceNorm2d", {"num_features": 3, "eps": 0.0}, "eps must be positive, got 0.0"),
        ("LayerNorm", {"normalized_shape": 3.0}, "normalized_shape must be one integer, got"),
        ("LayerNorm", {"normalized_shape": (3, "2")}, "normalized_shape must be one integer or 2, got"),
        ("RMSNorm", {"normalized_shape": -1}, "normalized_shape must be at least 0, got"),
        ("LayerNorm", {"normalized_shape": 0}, "normalized_shape must not be 0"),
        ("Conv2d", {"in_channels": 2, "out_channels": 2, "kernel_size": "3"}, "kernel_size must be one integer or 2, got '3'"),
    ],
)
def test_sizes_of_several_axes_are_named(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError, NotImplementedError), match=f"{name}: {words}"):
        getattr(nn, name)(**arguments)


def test_what_has_no_entries_is_torchs() -> None:
    ours = nn.Linear(0, 3)
    np.testing.assert_array_equal(ours(np.zeros((2, 0))), np.tile(ours.bias.data, (2, 1)))
    assert ours.backward(np.ones((2, 3))).shape == (2, 0)
    assert ours.bias.grad.tolist() == [2, 2, 2]
    narrow = nn.Linear(3, 0)
    assert narrow(np.zeros((2, 3))).shape == (2, 0)
    assert narrow.backward(np.zeros((2, 0))).tolist() == [[0, 0, 0], [0, 0, 0]]


OPTIMIZERS = [name for name, cls in vars(manual.optim).items() if isinstance(cls, type) and name != "Optimizer"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_option_is_checked_in_constructor_group_and_state(name: str) -> None:
    cls = getattr(manual.optim, name)

    def made() -> Any:
        return cls([Parameter(np.ones((2, 3)))])

    options: list[tuple[str, Any]] = [("lr", "x"), ("lr", -1.0), ("lr", math.nan), ("lr", True)]
    kinds = kinds_of(cls)
    options += [(key, value) for key, value in (("betas", (0.9,)), ("betas", (2, 3)), ("betas", 0.9), ("maximize", 1)) if key in kinds]
    options += [("eps", -1.0)] if "eps" in kinds else []
    for key, value in options:
        words = rf"{name}: {key}.* must .*got"
        with pytest.raises((TypeError, ValueError), match=words):
            cls([Parameter(np.ones((2, 3)))], **{key: value})
        optimizer = made()
        state = optimizer.state_dict()
        state["param_groups"][0][key] = value
        before = optimizer.state_dict()
        with pytest.raises((TypeError, ValueError), match=words):
            optimizer.load_state_dict(state)
        assert optimizer.state_dict()["param_groups"] == before["param_groups"]
        if name != "LBFGS":
            with pytest.raises((TypeError, ValueError), match=words):
                optimizer.add_param_group({"params": [Parameter(np.ones((2, 3)))], key: value})
    for wrong_state in ({}, {"state": {}}, {"param_groups": []}, []):
        with pytest.raises(ValueError, match=f"{name}: (a state_dict must hold|state_dict must have groups)"):
            made().load_state_dict(wrong_state)


@pytest.mark.parametrize("entry", [np.array("x"), np.ones((2, 3)) * 1j, "x", np.array(None)])
def test_a_state_of_other_things_than_numbers_is_refused(entry: Any) -> None:
    optimizer = manual.optim.SGD([Parameter(np.ones((2, 3)))], lr=0.1, momentum=0.5)
    with pytest.raises((TypeError, ValueError), match="momentum_buffer in a state_dict must"):
        optimizer.load_state_dict(optimizer.state_dict() | {"state": {0: {"momentum_buffer": entry}}})


@pytest.mark.parametrize("step", ["x", -1.0, math.nan])
def test_a_counter_that_has_not_counted_is_refused(step: Any) -> None:
    p = Parameter(np.ones(2))
    p.grad = np.ones(2)
    optimizer = manual.optim.Adam([p])
    optimizer.step()
    state = optimizer.state_dict()
    state["state"][0]["step"] = step
    with pytest.raises((TypeError, ValueError), match="step"):
        optimizer.load_state_dict(state)
