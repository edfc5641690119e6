"""What a layer prints as: what its twin in torch prints as, to the letter."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import experiments.cases
import manual.nn
from experiments.judge.case import CASES, Case, Pair, draw_sizes
from experiments.source.handwriting import import_all
from manual.module import Module, Parameter

import_all(experiments.cases)

OTHER_WORDS = {
    r"NonDynamicallyQuantizableLinear\(": "Linear(",  # a Linear, which quantization is to leave alone
    r"\[torch.(float64|DoubleTensor) of": "[float64 of",  # a ParameterList says the one, a ParameterDict the other
    r"\n *\(weight_dropout\): .*": "",  # which a case gives to torch's attention so that both sides draw alike: torch has a function there
}
"""What torch prints, and what stands there by hand."""

COMPOSED = {"CTCLoss-ctc_through_log_softmax": "two modules by hand, one class with a function in torch"}
"""Cases whose two sides are not of the same modules."""

LAYERS = sorted({c.name for c in CASES if hasattr(torch.nn, c.name)})


def printed(module: Any) -> str:
    """Its repr, where a class that a case has made has the name of the library's own that it inherits from."""
    text = repr(module)
    for inside in module.modules() if isinstance(module, torch.nn.Module) else [m for _, m in module.named_modules()]:
        own = next(c for c in type(inside).__mro__ if c.__module__.startswith(("manual.nn.", "torch.nn.", "manual.module")))
        text = text.replace(f"{type(inside).__name__}(", f"{own.__name__}(")
    return text


def in_our_words(text: str) -> str:
    """What torch prints, in the words by hand."""
    for theirs, ours in OTHER_WORDS.items():
        text = re.sub(theirs, ours, text)
    return text


def as_torch_has_it(case: Case) -> Case:
    """The case with torch's own class as the twin, also where another is judged that draws or computes otherwise."""
    return replace(case, reference=None, prepare=None) if case.hand is None else case


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_prints_as_torchs(name: str) -> None:
    for case in [c for c in CASES if c.name == name and str(c) not in COMPOSED]:
        pair = Pair(as_torch_has_it(case), draw_sizes(case, np.random.default_rng(0)), 0)
        assert printed(pair.hand) == in_our_words(printed(pair.torch)), case


def test_the_layers_are_all_that_torch_has_too() -> None:
    twins = {n for n, c in vars(manual.nn).items() if isinstance(c, type) and issubclass(c, Module) and hasattr(torch.nn, n)}
    assert twins - set(LAYERS) == {"ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}  # they compute nothing: below
    assert set(COMPOSED) <= {str(c) for c in CASES}


def row(nn: Any) -> list[Any]:
    """Layers of which some neighbours look alike."""
    return [nn.Linear(2, 3), nn.Linear(2, 3), nn.ReLU(), nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Tanh()), nn.Sequential(nn.Tanh())]


def encoder(nn: Any, **options: Any) -> Any:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 5, **options), 3)


def parameters(nn: Any) -> list[Any]:
    """Parameters of several shapes, and what is none."""
    make = Parameter if nn is manual.nn else lambda a: torch.nn.Parameter(torch.from_numpy(a))
    return [make(np.ones((2, 3))), make(np.ones(4)), make(np.array(1.0)), "text", None]


def changed(layer: Any, **attributes: Any) -> Any:
    """The layer, once something was set anew."""
    for name, value in attributes.items():
        setattr(layer, name, value)
    return layer


BUILT = [
    lambda nn: nn.Conv1d(2, 4, 3, padding="same", groups=2, bias=False),
    lambda nn: nn.Conv1d(2, 4, [3], padding="valid", dilation=2),
    lambda nn: nn.Conv2d(2, 4, (3, 2), (1, 2), (0, 1), (1, 1)),
    lambda nn: nn.ConvTranspose1d(2, 4, 3, 2, output_padding=1),
    lambda nn: nn.ConvTranspose2d(2, 4, 3, (2, 3), 1, (0, 1), bias=False),
    *(lambda nn, pool=pool: getattr(nn, pool)(3, 2) for pool in ("AvgPool1d", "MaxPool1d", "MaxUnpool1d")),
    *(lambda nn, pool=pool: getattr(nn, pool)((3,), (2,)) for pool in ("AvgPool1d", "MaxPool1d", "MaxUnpool1d")),
    *(lambda nn, pool=pool: getattr(nn, pool)(3) for pool in ("AvgPool1d", "AvgPool2d", "MaxPool1d", "MaxPool2d", "MaxUnpool2d")),
    *(lambda nn, pool=pool: getattr(nn, pool)((3, 2), [1, 2], 1) for pool in ("AvgPool2d", "MaxPool2d", "MaxUnpool2d")),
    *(lambda nn, size=size: nn.AdaptiveAvgPool2d(size) for size in (3, (3, None), [2, 3], None)),
    lambda nn: nn.AdaptiveMaxPool1d(3, return_indices=True),
    lambda nn: nn.Unfold(3, padding=(1, 0)),
    lambda nn: nn.Fold([4, 5], (2, 3), stride=2),
    lambda nn: nn.ZeroPad2d(1),
    lambda nn: nn.CircularPad1d((1, 2)),
    lambda nn: nn.ConstantPad2d((1, 0, 2, 1), -1.5),
    lambda nn: nn.Upsample((4, 5)),
    lambda nn: nn.Upsample(4, mode="bilinear", align_corners=True),
    lambda nn: nn.Upsample(scale_factor=2),
    lambda nn: nn.Upsample(scale_factor=(2, 1.5), mode="bilinear"),
    lambda nn: nn.Unflatten(1, (2, -1)),
    lambda nn: nn.LayerNorm(3, bias=False),
    lambda nn: nn.LayerNorm([3, 4], elementwise_affine=False),
    lambda nn: nn.RMSNorm((3,), 1e-3),
    lambda nn: nn.GroupNorm(2, 4, affine=False),
    lambda nn: nn.BatchNorm1d(3, momentum=None, affine=False, track_running_stats=False),
    lambda nn: nn.BatchNorm2d(3, bias=False),
    lambda nn: nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
    lambda nn: nn.Embedding(5, 3, padding_idx=-1),
    lambda nn: nn.EmbeddingBag(5, 3, mode="sum", padding_idx=0),
    lambda nn: nn.RNN(2, 3, nonlinearity="relu", bias=False),
    lambda nn: nn.LSTM(2, 3, 2, False, True, 0.5, True),
    lambda nn: nn.GRU(2, 3, dropout=0),
    lambda nn: nn.RNNCell(2, 3, bias=False, nonlinearity="relu"),
    lambda nn: nn.GRUCell(2, 3, bias=False),
    lambda nn: nn.GELU("tanh"),
    lambda nn: nn.PReLU(4),
    lambda nn: nn.Softmax2d(),
    lambda nn: nn.Bilinear(2, 3, 4, bias=False),
    lambda nn: nn.CrossEntropyLoss(ignore_index=3, reduction="sum"),
    lambda nn: nn.MultiheadAttention(6, 2, 0.5, bias=False, kdim=3),
    lambda nn: encoder(nn, batch_first=True),
    lambda nn: encoder(nn, activation=nn.GELU("tanh"), bias=False),
    lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 5, activation="gelu"), 1, nn.LayerNorm(6)),
    lambda nn: nn.Transformer(6, 2, 2, 1, 5),
    lambda nn: nn.Sequential(),
    lambda nn: nn.Sequential(OrderedDict(first=nn.ReLU(), rest=nn.Sequential(*row(nn)))),
    lambda nn: nn.Sequential(nn.ModuleList(row(nn)), nn.ModuleList()),
    lambda nn: nn.ModuleList(row(nn)[:1]),
    lambda nn: nn.ModuleDict({"a": nn.ModuleDict(), "b": nn.ModuleList(row(nn))}),
    *(lambda nn, n=n: nn.ParameterList(parameters(nn)[:n]) for n in (0, 1, 5)),
    *(lambda nn, n=n: nn.ParameterDict(dict(zip("vwxyz", parameters(nn)[:n], strict=False))) for n in (0, 1, 5)),
    lambda nn: nn.Sequential(nn.ParameterList(parameters(nn)), nn.Identity()),
    lambda nn: changed(nn.Dropout(), p=0.25),
    lambda nn: changed(nn.Linear(2, 3), bias=None),
    lambda nn: changed(nn.ELU(), alpha=2),
]  # fmt: skip
"""What the cases do not build: arguments in each of the forms that they may have, and what holds other things."""


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize("i", range(len(BUILT)))
def test_what_is_built_alike_prints_alike(i: int) -> None:
    assert repr(BUILT[i](manual.nn)) == in_our_words(repr(BUILT[i](torch.nn)))


@pytest.mark.parametrize("said", ["", "one=1", "one=1\ntwo=2"])
def test_a_class_says_more_of_itself_in_extra_repr(said: str) -> None:
    texts = []
    for nn, base in ((manual.nn, Module), (torch.nn, torch.nn.Module)):
        own = type("Own", (base,), {"extra_repr": lambda self: said})
        full = own()
        full.child, full.other, full.nothing = nn.ModuleList([own(), own()]), nn.ReLU(), None
        texts.append([repr(own()), repr(full)])
    assert texts[0] == texts[1]
