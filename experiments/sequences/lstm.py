"""A memory with gates: long short-term memory

An LSTM adds two marked numbers of a long sequence; its gates are looked at step by step, and how far its gradient reaches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.adding import Adding
from experiments.data.arrays import ArrayData
from experiments.judge.convert import in_dtype_of, to_torch
from experiments.lesson import Exercise, Mistake, Shorter, Trained, by_size
from experiments.pair import Twin
from experiments.sequences.rnn import draw_gates, draw_reach, error, learned, the_adding_problem
from manual.sequences.lstm import AddingLSTM as Manual
from manual.sequences.lstm import cell, gates
from torch_impl.sequences.lstm import AddingLSTM as Torch
from torch_impl.sequences.lstm import cell as cell_in_torch

Array = np.ndarray

# ---- what is inside ------------------------------------------------------------------------------------


def opened(model: Any, x: Array) -> tuple[Array, Array, Array]:
    """The input gates, the forget gates and the memories after each step of one sequence x (1, T, 2), each (T, H)."""
    rnn = model.rnn
    i: list[Array] = []
    f: list[Array] = []
    cs: list[Array] = []
    h = c = np.zeros((1, rnn.weight_hh_l0.shape[1]), x.dtype)
    for t in range(x.shape[1]):
        z = x[:, t] @ rnn.weight_ih_l0.T + h @ rnn.weight_hh_l0.T + rnn.bias_ih_l0 + rnn.bias_hh_l0
        h, c = cell(z, c)
        for of, value in zip((i, f, cs), (*gates(z)[:2], c), strict=True):
            of.append(value[0])
    return np.array(i), np.array(f), np.array(cs)


@torch.no_grad()
def memory_in_torch(model: Any, x: Array) -> Array:
    """The memories after each step, (T, H), in torch."""
    rnn, cs, steps = model.rnn, [], to_torch((x,))[0]
    h = c = steps.new_zeros(1, rnn.hidden_size)
    for t in range(x.shape[1]):
        z = steps[:, t] @ rnn.weight_ih_l0.T + h @ rnn.weight_hh_l0.T + rnn.bias_ih_l0 + rnn.bias_hh_l0
        h, c = cell_in_torch(z, c)
        cs.append(c[0].numpy())
    return np.array(cs)


def mean_forget_gate(run: Trained) -> float:
    """Over all units and steps, of twenty sequences that were not trained on."""
    return float(np.mean([opened(run.manual, x[None])[1] for x in run.data.split.val[0][:20]]))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> dict[str, Figure]:
    """The gates at each step, what the pair makes of the sequences, and how far its gradients reach."""
    return {
        "gates over time": gates_over_time(manual, torch_module, data),
        "the adding problem": the_adding_problem(manual, torch_module, data),
        "what comes back": what_comes_back(manual, torch_module, data),
    }


def gates_over_time(manual: Any, torch_module: Any, data: ArrayData) -> Figure:
    """Of one sequence: two of the gates of all units, and what the units hold that change most at the marks."""
    x = in_dtype_of(manual, data.split.val[0][:1])
    (i, f, ours), theirs = opened(manual, x), memory_in_torch(torch_module, x)
    return draw_gates(
        "One sequence. Its two marks are the dotted lines. Left: how far each unit's input gate is open at each step (bright: open); "
        "where is it opened at the marks alone? Middle: the forget gates; bright is to keep what the memory holds. Right: the memories "
        "that change most at the marks. Between the marks they should hold what they have taken in. Bands: torch, dashes: by hand.",
        x,
        {"input gates i": i, "forget gates f": f},
        "memory c, three units",
        ours,
        theirs,
    )


def what_comes_back(manual: Any, torch_module: Any, data: ArrayData) -> Figure:
    """How long the gradient is at each step, of a new pair and of this one."""
    return draw_reach(
        "The length of the gradient at step t, on 100 sequences. In a new network gates are about half open, so the gradient is about "
        "halved at each step back: the loss stays level for long, and then falls at once. In this one it should reach step 0. Bands: "
        "torch, dashes: by hand.",
        TWIN,
        manual,
        torch_module,
        data,
    )


# ---- to do ---------------------------------------------------------------------------------------------


SEEN = "a squared error of {:.2g}"
HALF = {"max_epochs": 3}

QUESTIONS = (
    by_size(
        "Who always says 1 has a squared error of 0.167; in thirty steps the RNN came to 0.008. What has the LSTM in twenty, after 600?",
        error,
        *("less than half of the RNN's", 0.004, "about the RNN's", 0.02, "more"),
        seen=SEEN,
        why="What the memory holds passes through no matrix: it is kept as it is, and all that must be learned is when to open the gates.",
        trainer=HALF,
        look_at=("the adding problem", "how near the points are to the line."),
    ),
    by_size(
        "A new network's forget gates are half open. How far are they open in a trained one, on average?",
        mean_forget_gate,
        *("less than half", 0.45, "about half", 0.55, "more than half"),
        seen="{:.2f}, where 1 is open",
        why="A number that is marked early must be held to the end: where a unit holds it, the forget gate must stay open at every step.",
        trainer=HALF,
        look_at=("gates over time", "the middle: which rows are bright throughout?"),
    ),
    by_size(
        "The loss stays level at first. After 200 steps, has it begun to fall?",
        error,
        *("yes, it is below a tenth of 0.167", 0.0167, "yes, but not far", 0.14, "no, it is about 0.167"),
        seen=SEEN,
        why="As long as the gates are half open hardly any gradient comes back from the early mark. It opens them little by little.",
        trainer={"max_epochs": 1},
        look_at=("what comes back", "how much of the gradient of a new network is left at the first step."),
    ),
)


class OtherOrder(Manual):
    """The network, which takes the rows of the weights that it is given for i, g, f and o."""

    def load_state_dict(self, state_dict: Any, *arguments: Any, **settings: Any) -> Any:
        def swapped(p: Any) -> Array:
            i, f, g, o = np.split(np.asarray(p), 4)
            return np.concatenate([i, g, f, o])

        state = {name: swapped(p) if name.startswith("rnn") else p for name, p in state_dict.items()}
        return super().load_state_dict(state, *arguments, **settings)


MISTAKE = Mistake(
    "An LSTM is an LSTM: weights that one library has trained can be loaded into another as they are.",
    lambda run: (
        f"Read in the order i, g, f, o, as TensorFlow's first LSTM had it, torch's weights of order i, f, g, o gave a loss of "
        f"{run.losses[0]:.4f} where torch had {run.torch_losses[0]:.4f}: the two sides part at the first step."
    ),
    lambda run: not run.agree and run.losses[0] != run.torch_losses[0],
    "All four parts have the same shape, so nothing is refused; the forget gate's weights then make what is added. Look the order up.",
    trainer={"max_epochs": 1},
    manual=OtherOrder,
)

TWIN = Twin(
    name="lstm",
    manual=Manual,
    torch=Torch,
    data=Adding,
    learned=learned,
    look_at=("gates over time", "whether input gates open at the marks, and which forget gates stay open."),
    needs=("rnn", "chain_rule"),
    data_args={"steps": 20},
    trainer={"max_epochs": 8, "gradient_clip_val": 1.0},
    shorter=Shorter(trainer=HALF),
    options={"steps": 4},
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("cell_backward", ("Read cell from the bottom up. The new memory reaches the loss in two ways.",)),
        Exercise("Recurrence.backward", ("It is that of rnn; beside dL_dh, dL_dc is handed to the step before.",)),
        Exercise("AddingLSTM.backward", ("Only the last state was read: the gradient of all others begins as 0.",)),
    ),
)

if __name__ == "__main__":
    run("lstm")
