"""Mixed precision: training in 16 bits

A network that reads digits is trained in float16, whose range is too short for its gradients: without loss scaling it learns nothing,
with it as much as in float32. The figures show where the gradients lie, how the scale finds itself, and why the weights that are learned
are kept in more digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import Split
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.words import classes_right
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.numerics.rounding import COLOURS
from experiments.pair import Second, Twin
from manual.concept import Batch
from manual.numerics.mixed_precision import MixedPrecision as Manual
from manual.numerics.mixed_precision import rounded_linear_backward, rounded_tanh_backward
from manual.numerics.rounding import RoundedSGD, round_to, spacing
from manual.trainer import Trainer
from torch_impl.numerics.mixed_precision import MixedPrecision as Torch
from torch_impl.numerics.rounding import RoundedSGD as RoundedSGDInTorch

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "float32": (COLOURS["float32"], {"format": "float32", "scaling": False}),
    "bfloat16": (COLOURS["bfloat16"], {"format": "bfloat16", "scaling": False}),
    "float16, loss not scaled": (CATEGORIES[3], {"scaling": False}),
    "float16, loss scaled": (COLOURS["float16"], {"init_scale": 2.0**44, "growth_interval": 5}),
}
"""What is trained for the figures: a colour, and what differs from the defaults."""


class Batches(Digits):
    """scikit-learn's handwritten digits: 1,024 to learn from, in 8 batches of 128 examples; the other 773 are held out.

    Args:
        batch_size: digits in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the batches.
    """

    def __init__(self, batch_size: int = 128, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        split = super().load()
        both = tuple(np.concatenate(arrays) for arrays in zip(split.train, split.val, strict=True))
        return Split(tuple(a[:1024] for a in both), tuple(a[1024:] for a in both))


# ---- training without Lightning, for the figures -----------------------------------------------------


class History(NamedTuple):
    """Of each step: the loss, the scale, and whether the step was skipped."""

    loss: np.ndarray
    scale: np.ndarray
    skipped: np.ndarray


def train_both(batches: list[Batch], **chosen: Any) -> tuple[History, History]:
    """By hand and in torch, from equal weights, one step for each batch."""
    ours, theirs = TWIN.build()
    theirs = Torch(**chosen).double()
    theirs.load_state_dict({**theirs.state_dict(), **{n: torch.from_numpy(p.data.copy()) for n, p in ours.named_parameters()}})
    ours = TWIN.by_hand(theirs)
    return train_by_hand(ours, batches), train_in_torch(theirs, batches)


def train_by_hand(model: Any, batches: list[Batch]) -> History:
    """One step for each batch."""
    trainer, scales = Trainer(), []
    trainer.attach(model)
    model.on_before_optimizer_step = lambda _: scales.append((model.scaler.get_scale(), bool(model.scaler.found_inf)))
    losses = [trainer.train_batch(batch, 0) for batch in batches]
    return History(np.array(losses), *map(np.array, zip(*scales, strict=True)))


@torch.enable_grad()
def train_in_torch(model: Any, batches: list[Batch]) -> History:
    """One step for each batch."""
    optimizer, rows = model.configure_optimizers(), []
    for batch in batches:
        optimizer.zero_grad()
        loss = model.training_step(to_torch(batch), 0)
        loss.backward()
        rows.append((loss.item(), model.scaler._scale.item(), model.scaler.found_inf.item()))
        optimizer.step()
    return History(*map(np.array, zip(*rows, strict=True)))


def in_batches(arrays: tuple[np.ndarray, ...], size: int, epochs: int) -> list[Batch]:
    """The whole batches of these arrays in order, again and again."""
    starts = range(0, len(arrays[0]) - size + 1, size)
    return [tuple(a[i : i + size] for a in arrays) for i in starts] * epochs


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Batches) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    histories = {label: train_both(in_batches(data.split.train, 128, 6), **chosen) for label, (_, chosen) in RUNS.items()}
    return OnDemand(
        {
            "gradients too small for float16": lambda: too_small(data),
            "the same network in four ways": lambda: four_ways(histories),
            "why master weights": lambda: master_weights(manual, torch_module, data),
            "a scale that finds itself": lambda: dynamic_scale(histories["float16, loss scaled"]),
        }
    )


def travelling_gradients(data: Batches, scale: float) -> np.ndarray:
    """Every gradient of the untrained network's first backward pass, as large as it is on its way, and not rounded."""
    x, y = (a[:128] for a in data.split.train)
    model = Manual(format="float64", rng=np.random.default_rng(0))
    model.training_step((x, y), 0)
    _, z1, second = model.restore()
    dL_dz2 = model.loss.backward(scale / model.micro_batches)
    dL_dh, _, _ = rounded_linear_backward(dL_dz2, *second)
    dL_dz1 = rounded_tanh_backward(dL_dh, z1, "float64")
    return np.concatenate([g.ravel() for g in (dL_dz2, dL_dh, dL_dz1)])


def too_small(data: Batches) -> Figure:
    """Where the gradients lie, and where float16 has numbers."""
    scales = {"as they are": (1.0, CATEGORIES[3]), "times 2¹⁶, the first scale of torch.amp": (2.0**16, COLOURS["float16"])}
    travelling = {label: travelling_gradients(data, scale) for label, (scale, _) in scales.items()}
    lost = {label: np.mean(round_to(g, "float16") == 0) for label, g in travelling.items()}
    first, second = lost.values()
    fig, axes = figure(
        "How large the gradients are on their way back through the untrained network: the part of them in each power of two. The loss is a "
        f"mean over 2²⁵ examples, which leaves little for each. Of the gradients as they are {first:.0%} round to 0. Times 2¹⁶ it is "
        f"{second:.1%}. bfloat16 has numbers down to 2⁻¹³³, far to the left.",
        size=(6.8, 3.8),
    )
    ax = axes[0, 0]
    ax.axvspan(-24, -14, color="#dddddd")
    ax.axvspan(-14, 16, color="#f0f0f0")
    for x, words in ((-36, "float16: nothing,\nrounds to 0"), (-19, "float16:\nfew digits"), (1, "float16:\nall 11 digits")):
        ax.text(x, 0.80, words, transform=ax.get_xaxis_transform(), ha="center", va="top", fontsize=8)
    for label, (_, colour) in scales.items():
        g = travelling[label]
        ax.hist(np.log2(np.abs(g)), bins=np.arange(-55, 17), weights=np.full(g.size, 1 / g.size), color=colour, alpha=0.8, label=label)
    ax.set(xlabel="log₂ |gradient|", ylabel="part of all gradients", xlim=(-48, 16), xticks=range(-48, 17, 8))
    ax.set(title="How large the gradients are", ylim=(0, 1.45 * max(bar.get_height() for bar in ax.patches if bar.get_width() == 1)))
    ax.legend(fontsize=8, loc="upper center", ncols=2)
    return fig


def four_ways(histories: Mapping[str, tuple[History, History]]) -> Figure:
    """The loss of each step."""
    skipped = histories["float16, loss scaled"][0].skipped
    fig, axes = figure(
        "The same network on the same batches, with all that it stores in four formats (bands: torch, dashes: by hand; float32 is hidden "
        "under bfloat16). bfloat16, with 8 digits, learns as float32 does with 24. float16 without loss scaling does not move: every "
        "gradient is 0. Scaled it learns too, late because its scale begins too high here, on purpose: "
        f"{skipped.sum()} of the {len(skipped)} steps overflow and are skipped, the first {np.argmin(skipped)} among them.",
        size=(6.6, 3.8),
    )
    ax = axes[0, 0]
    for label, (ours, theirs) in histories.items():
        draw_both(ax, ours.loss, theirs.loss, label, RUNS[label][0])
    ax.set(title="The loss, in four formats", xlabel="step", ylabel="loss", ylim=(0, None))
    ax.legend(fontsize=8, loc="center right")
    return fig


def updates(manual: Manual, data: Batches) -> np.ndarray:
    """lr · gradient of W1, of a batch at the trained weights, not rounded."""
    model = Manual(hidden=len(manual.b1), format="float64", scaling=False, lr=manual.lr)
    for mine, p in zip(model.parameters(), manual.parameters(), strict=True):
        mine.data[...] = p.data
    model.training_step(tuple(a[:128] for a in data.split.train), 0)
    model.backward()
    return manual.lr * model.W1.grad


def master_weights(manual: Manual, torch_module: Torch, data: Batches) -> Figure:
    """How far the stored weights are from the master weights, and how large a step is against their spacing."""
    names = ("float16", "bfloat16")
    step, W1 = updates(manual, data), manual.W1.data
    ratios = {name: np.abs(step / spacing(W1, name)) for name in names}
    lost = {name: np.mean(round_to(round_to(W1, name) + step, name) == round_to(W1, name)) for name in names}
    fig, axes = figure(
        "Left: the weights of the first layer rounded to float16, less the master weights, in units of the last place (band: torch, "
        "dashes: by hand). Right: the last step of each, lr times the gradient, in the same units. What is left of the black line "
        "would mostly change nothing if only the rounded weight was kept: "
        f"{lost['float16']:.0%} of the steps in float16 and {lost['bfloat16']:.0%} in bfloat16. In the master weights they add up.",
        columns=2,
        size=(4.4, 3.6),
    )
    ax = axes[0, 0]
    edges = np.linspace(-0.5, 0.5, 21)
    for W, look in ((to_numpy(torch_module.W1), TORCH), (W1, BY_HAND)):
        off = (round_to(W, "float16") - W) / spacing(W, "float16")
        ax.stairs(np.histogram(off, edges)[0], edges, **{k: v for k, v in look.items() if k != "solid_capstyle"})
    ax.set(title="What rounding changes", xlabel="(rounded − master) / spacing", ylabel="weights", ylim=(0, None))
    ax = axes[0, 1]
    for name in names:
        r = ratios[name][ratios[name] > 0]
        ax.hist(np.log2(r), bins=np.arange(-16, 9, 0.5), color=COLOURS[name], alpha=0.6, label=name)
    ax.axvline(-1, color="black", linewidth=1)
    ax.set(title="How long the steps are", xlabel="log₂ (step / spacing)", ylabel="weights")
    ax.legend(fontsize=8)
    return fig


def learned(run: Trained) -> str:
    """What it reads, and in which format it was trained."""
    scale = "with the loss scaled" if run.manual.scaler.enabled else "with the loss not scaled"
    return f"Trained in {run.manual.format} {scale}, it reads {classes_right(run)} digits that it has not seen; guessing would read 10 %."


# ---- further reading: a scale that finds itself, and equality to the last bit ------------------------------


def dynamic_scale(history: tuple[History, History]) -> Figure:
    """The scale of each step."""
    ours, theirs = history
    fig, axes = figure(
        "The scale of the float16 run of 'the same network in four ways' (band: torch, dashes: by hand). It begins at 2⁴⁴: gradients "
        "overflow, the steps are skipped (crosses) and the scale is halved, until they fit. After 5 steps without overflow it is doubled "
        "(torch.amp waits for 2,000): it keeps knocking at the ceiling, where the fewest gradients are lost.",
        size=(6.6, 3.4),
    )
    ax, skipped = axes[0, 0], np.flatnonzero(ours.skipped)
    draw_both(ax, np.log2(ours.scale), np.log2(theirs.scale), "scale", COLOURS["float16"])
    ax.plot(skipped, np.log2(ours.scale)[skipped], "x", color="black", markersize=8, label="overflow: step skipped")
    ax.set(title="A scale that finds itself", xlabel="step", ylabel="log₂ of the scale")
    ax.legend(fontsize=8)
    return fig


TEXT = """
The two sides agree to the last bit although both round at every turn. Products of two 16-bit numbers are exact in float64, and their sums
nearly so; both sides therefore round the same number, whatever the order in which they added. That the step size is a power of two does the
same for the update.

Things to try:

- `--model.scaling false --model.micro_batches 16384`: a mean over 2²¹ examples. Part of the gradients is above 2⁻²⁵: enough to learn.
- `--model.scaling false --model.micro_batches 65536`: of a mean over 2²³ too few are: it stumbles about and learns badly.
- `--model.growth_interval 2000`: as in torch.amp: the scale stays at 2¹⁶ through all of this run.
"""


# ---- to do ---------------------------------------------------------------------------------------------


READ = ("about as many as by guessing", 0.25, "about half", 0.8, "nine of ten or more")
SEEN, SHORT = "{:.1%} of the held-out digits", {"max_epochs": 6}

QUESTIONS = (
    by_size(
        "scaling = false: float16, and the loss is not scaled. How many of the held-out digits are read after 4 epochs?",
        accuracy,
        *READ,
        seen=SEEN,
        why="The gradients are a mean over 2²⁵ examples, and nearly all are below 2⁻²⁵, half of the smallest float16: they become 0.",
        model={"scaling": False},
        trainer={"max_epochs": 4},
        look_at=("gradients too small for float16", "which part of the gradients lies left of what float16 can hold."),
    ),
    by_size(
        "format = bfloat16 has only 8 binary digits, where float16 has 11. Without any scaling, how many are read after 6 epochs?",
        accuracy,
        *READ,
        seen=SEEN,
        why="bfloat16 has the range of float32: nothing becomes 0, and a gradient that is right in its first two decimal digits is right "
        "enough.",
        model={"format": "bfloat16", "scaling": False},
        trainer=SHORT,
    ),
    by_size(
        "format = float8_e5m2: 3 binary digits, with scaling. How many are read after 6 epochs?",
        accuracy,
        *READ,
        seen=SEEN,
        why="Each gradient is rounded by up to an eighth, now up, now down, and the weights that add them up are kept in more digits.",
        model={"format": "float8_e5m2"},
        trainer=SHORT,
    ),
)


class WeightsInFewDigits(Manual):
    """The network without master weights: they are rounded after each step, as all else is."""

    def configure_optimizers(self) -> RoundedSGD:
        optimizer = RoundedSGD(self.parameters(), lr=self.lr, format=self.format)
        optimizer.param_groups[0]["momentum"] = self.momentum
        return optimizer


class WeightsInFewDigitsInTorch(Torch):
    """The same in torch."""

    def configure_optimizers(self) -> RoundedSGDInTorch:
        optimizer = RoundedSGDInTorch(self.parameters(), lr=self.lr, format=self.format)
        optimizer.param_groups[0]["momentum"] = self.momentum
        return optimizer


MISTAKE = Mistake(
    "If 3 binary digits are enough for activations and gradients, they are enough for the weights.",
    lambda run: (
        f"With the weights, too, in {run.manual.format} and lr = 1/64, {accuracy(run):.0%} of the held-out digits are read after "
        f"{len(run.losses)} steps, and the loss has come from {run.losses[0]:.2f} to {run.losses[-1]:.2f}."
    ),
    lambda run: accuracy(run) < 0.5,
    "A gradient is used once, and the roundings of many go up as often as down. A weight adds up many small steps, and each that is too "
    "small is lost whole.",
    {"format": "float8_e5m2", "lr": 2.0**-6, "scaling": False, "micro_batches": 1},
    trainer=SHORT,
    manual=WeightsInFewDigits,
    torch=WeightsInFewDigitsInTorch,
)

TWIN = Twin(
    name="mixed_precision",
    manual=Manual,
    torch=Torch,
    data=Batches,
    needs=("rounding", "chain_rule", "optimizers", "likelihood"),
    model={"growth_interval": 5},
    trainer={"max_epochs": 20},
    smooth=("not rounded",),  # elsewhere the loss is a staircase, on which a small change does nothing or too much
    variants={
        "not rounded": {"format": "float64"},
        "float32": {"format": "float32", "scaling": False},
        "bfloat16": {"format": "bfloat16", "scaling": False},
        "float16 without loss scaling": {"scaling": False},
        "float16 with a scale that is too large": {"init_scale": 2.0**41, "growth_interval": 2},
    },
    needs_values=dict.fromkeys(
        ["as declared", "not rounded", "float16 with a scale that is too large"],
        "whether a step is taken or skipped, the loss scaler must know whether a gradient overflowed, as torch.amp.GradScaler does",
    ),
    options={"format": "bfloat16", "growth_interval": 2, "micro_batches": Second(1, given={"scaling": False})},
    sgd_lr=0.25,
    figures=figures,
    learned=learned,
    look_at=("the same network in four ways", "the curve that does not fall: float16 with the loss not scaled."),
    text={"things to try": TEXT},
    further=("a scale that finds itself", "things to try"),
    questions=QUESTIONS,
    exercises=(
        Exercise("rounded_tanh_backward", ("Everything that is stored is rounded: what comes in, and what goes out.",)),
        Exercise("rounded_linear_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("mixed_precision")
