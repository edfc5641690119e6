"""What rounding does to one step of torch, where two right sides seem to differ by too much.

A sum over many rows has a rounding error, and the more there are the larger it is: torch's batch norm, which adds one number after
the other, may be a hundred times further from the truth than sums in pairs. The truth is what the hand-written side finds in a
wider format: float64 for a run in float32, and for one in float64 NumPy's longdouble, where the machine has one. Where it has
none, torch is compared with itself: on the same batch with its rows in another order, which in exact arithmetic changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from experiments.judge.compare import NOTHING, SMALL, Usual, error, errors, norm
from experiments.judge.convert import to_numpy
from experiments.judge.look import by_autograd, by_hand, objectives
from experiments.judge.noise import SharedNoise, share_hand, share_torch

LIMIT = {"float64": 1e-10, "float32": 1e-4}
"""More than that is not rounding, but a mistake or a decision that has flipped; or the order of the rows matters to what is computed."""

LIMIT_BY_HAND = {"float64": 1e-9, "float32": 1e-4}
"""The same of the hand-written side in its own format against a wider one: a tenth of the ceiling."""

WIDER: dict[str, Any] = {"float64": np.longdouble, "float32": np.float64}
"""The format in which the truth is found."""


def rounding_of_step(twin: Any, module: Any, batch: Any, noise: SharedNoise, micro_batch: int, usual: Usual = NOTHING) -> float:
    """The largest error of a loss or of a gradient that rounding in torch explains; 0 where nothing can be told.

    Args:
        twin: the pair.
        module: its LightningModule, at the weights with which the step began; left as it was.
        batch: of tensors.
        noise: what the module draws from.
        micro_batch: of the noise.
        usual: what the judge measures a small loss and small gradients against.
    """
    names = objectives(twin, module)
    dtype = next(p.dtype for p in module.parameters())
    dtype_name = str(dtype).removeprefix("torch.")
    if np.finfo(WIDER[dtype_name]).eps < np.finfo(dtype_name).eps:
        return max((from_the_truth(twin, module, name, batch, noise, micro_batch, usual) for name in names), default=0.0)
    return rounding_of_sums(twin, module, names, batch, noise, micro_batch)


def from_the_truth(
    twin: Any, module: Any, objective: str, batch: Any, noise: SharedNoise, micro_batch: int, usual: Usual = NOTHING
) -> float:
    """How far either side is from what the hand-written side finds in a wider format; what is no rounding does not count."""
    noise.begin(micro_batch)
    in_torch = loss_and_gradients(twin, module, batch, objective)
    dtype = in_torch[0].dtype.name
    try:
        hand, truth = (pass_by_hand(twin, module, objective, batch, noise, micro_batch, d) for d in (dtype, WIDER[dtype]))
    except Exception:  # a function that knows no such format, or the very mistake that is about to be reported
        return 0.0
    if dtype == "float64":
        return rounding(hand, truth, LIMIT_BY_HAND[dtype], in_torch, truth, LIMIT[dtype], usual)
    double, own = in_double(twin, module, noise)
    own.begin(micro_batch)
    truth_torch = loss_and_gradients(twin, double, tuple(t.double() if t.is_floating_point() else t for t in batch), objective)
    return rounding(hand, truth, LIMIT_BY_HAND[dtype], in_torch, truth_torch, LIMIT[dtype], usual)


Found = tuple[Any, dict[str, Any]]
"""A loss, and gradients by name."""


def pass_by_hand(twin: Any, module: Any, objective: str, batch: Any, noise: SharedNoise, micro_batch: int, dtype: Any) -> Found:
    """Loss and gradients by hand at the module's weights, computed in this format."""
    model, own = twin.by_hand(module, dtype), SharedNoise(noise.seed, noise.rank)
    share_hand(model, own)
    own.begin(micro_batch)
    side = by_hand(model, in_format(to_numpy(tuple(batch)), dtype), objective)
    return side.values["loss"], {name: g for name, g in side.gradients.items() if name.startswith("gradient of ")}


def in_format(batch: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """The arrays of a batch, the floating ones in this format."""
    return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in batch)


def in_double(twin: Any, module: Any, noise: SharedNoise) -> tuple[Any, SharedNoise]:
    """The same torch module in float64, and the noise that it draws, which is the same."""
    double, own = twin.in_torch(module).double(), SharedNoise(noise.seed, noise.rank)
    double.load_state_dict(module.state_dict())
    share_torch(double, own)
    return double, own


def rounding(
    hand: Found, truth: Found, limit_by_hand: float, in_torch: Found, truth_of_torch: Found, limit: float, usual: Usual = NOTHING
) -> float:
    """The larger of the two sides' distances from their truths; a distance beyond its limit is no rounding.

    A side and its own truth share every mistake: none can hide there. Torch in float64 has no truth but that of the hand-written side.
    """
    distances = distance(hand, truth, usual), distance(in_torch, truth_of_torch, usual)
    return max(d if d < most else 0.0 for d, most in zip(distances, (limit_by_hand, limit), strict=True))


def distance(found: Found, truth: Found, usual: Usual = NOTHING) -> float:
    """The largest error of a loss or a gradient, measured as the judge does."""
    dtype = np.asarray(found[0]).dtype
    rounded = {name: np.asarray(g, dtype) for name, g in truth[1].items()}
    of_loss = error(np.asarray(found[0]), np.asarray(truth[0], dtype), usual.loss / SMALL[dtype.name])
    return max([of_loss, *errors(found[1], rounded, max(usual.gradient, norm(rounded.values()))).values()])


ORDERS = 4
"""How many orders of the rows are tried: what one of them shows may by chance be little."""


def rounding_of_sums(twin: Any, module: Any, names: Sequence[str], batch: Any, noise: SharedNoise, micro_batch: int) -> float:
    """The largest error, of a loss and of any gradient, between the rows' own order and others; 0 where the order matters otherwise.

    Args:
        twin: the pair.
        module: its LightningModule; left as it was.
        names: of its losses: methods of a batch.
        batch: of tensors whose first axis counts the same rows.
        noise: what the module draws from; its draws go with the rows.
        micro_batch: of the noise.
    """
    n = len(batch[0]) if batch and batch[0].ndim else 0
    if n < 2 or any(t.ndim == 0 or len(t) != n for t in batch):
        return 0.0
    return max((rounding_of_one(twin, module, objective, batch, noise, micro_batch) for objective in names), default=0.0)


def rounding_of_one(twin: Any, module: Any, objective: str, batch: Any, noise: SharedNoise, micro_batch: int) -> float:
    """The same of one objective."""
    noise.begin(micro_batch)
    loss, gradients = loss_and_gradients(twin, module, batch, objective)
    worst = 0.0
    for i in range(ORDERS):
        order = np.random.Generator(np.random.Philox(key=2, counter=[0, 0, 0, i])).permutation(len(batch[0]))
        noise.begin(micro_batch)
        with noise.in_order(order):
            shuffled = tuple(t[torch.from_numpy(order).to(t.device)] for t in batch)
            loss_too, gradients_too = loss_and_gradients(twin, module, shuffled, objective)
        found = max([error(loss_too, loss), *errors(gradients_too, gradients).values()])
        worst = max(worst, found if found < LIMIT[loss.dtype.name] else 0.0)
    return worst


def loss_and_gradients(twin: Any, module: Any, batch: Any, objective: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Of the parameters."""
    side = by_autograd(module, batch, objective, twin.naming)
    return side.values["loss"], {name: g for name, g in side.gradients.items() if name.startswith("gradient of ")}
