"""A gated recurrent unit

A GRU, which has two gates and no memory beside its state, adds two marked numbers of a long sequence; its gates are looked at step by
step, and how far its gradient reaches.
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
from experiments.sequences.rnn import SEEN, draw_gates, draw_reach, error, learned, the_adding_problem
from manual.sequences.gru import AddingGRU as Manual
from manual.sequences.gru import cell, gates
from torch_impl.sequences.gru import AddingGRU as Torch

Array = np.ndarray

# ---- what is inside ------------------------------------------------------------------------------------


def opened(model: Any, x: Array) -> tuple[Array, Array, Array]:
    """The reset gates, the update gates and the states after each step of one sequence x (1, T, 2), each (T, H)."""
    rnn = model.rnn
    rs: list[Array] = []
    us: list[Array] = []
    hs: list[Array] = []
    h = np.zeros((1, rnn.weight_hh_l0.shape[1]), x.dtype)
    for t in range(x.shape[1]):
        z_x, z_h = x[:, t] @ rnn.weight_ih_l0.T + rnn.bias_ih_l0, h @ rnn.weight_hh_l0.T + rnn.bias_hh_l0
        h = cell(z_x, z_h, h)
        for of, value in zip((rs, us, hs), (*gates(z_x, z_h)[:2], h), strict=True):
            of.append(value[0])
    return np.array(rs), np.array(us), np.array(hs)


@torch.no_grad()
def state_in_torch(model: Any, x: Array) -> Array:
    """The states after each step, (T, H), in torch."""
    return model.rnn(to_torch((x,))[0])[0][0].numpy()


def mean_update_gate(run: Trained) -> float:
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
    (r, u, ours), theirs = opened(manual, x), state_in_torch(torch_module, x)
    return draw_gates(
        "One sequence. Its two marks are the dotted lines. Left: how far each unit's reset gate is open at each step (bright: open). "
        "Middle: the update gates; bright is to keep the state as it is, dark to take in what is new: where is it dark at the marks "
        "alone? Right: the states that change most at the marks. They should hold it in between. Bands: torch, dashes: by hand.",
        x,
        {"reset gates r": r, "update gates u": u},
        "state h, three units",
        ours,
        theirs,
    )


def what_comes_back(manual: Any, torch_module: Any, data: ArrayData) -> Figure:
    """How long the gradient is at each step, of a new pair and of this one."""
    return draw_reach(
        "The length of the gradient at step t, on 100 sequences. In a new network gates are about half open, so the gradient shrinks at "
        "each step back, and thirty steps back hardly anything is left. In this one the update gates keep it; it should reach step 0. "
        "Bands: torch, dashes: by hand.",
        TWIN,
        manual,
        torch_module,
        data,
    )


# ---- to do ---------------------------------------------------------------------------------------------


def weights(run: Trained) -> float:
    """Of the recurrent layer: how many times as many as an RNN's of the same size."""
    H = run.manual.rnn.weight_hh_l0.shape[1]
    return sum(p.size for p in run.manual.rnn.parameters()) / (H * (2 + H + 2))


HALF = {"max_epochs": 2}

QUESTIONS = (
    by_size(
        "Thirty steps, 400 of training. The RNN came to a squared error of 0.02 by then; who always says 1 has 0.167. What has the GRU?",
        error,
        *("less than a quarter of the RNN's", 0.005, "about the RNN's", 0.04, "more"),
        seen=SEEN,
        why="Where the update gate is nearly 1 the state is handed on as it is, and its gradient too: an early mark teaches as much.",
        trainer=HALF,
        look_at=("the adding problem", "how near the points are to the line."),
    ),
    by_size(
        "How many times as many numbers does the GRU learn as an RNN with as large a state?",
        weights,
        *("as many", 1.5, "twice as many", 2.5, "three times as many", 3.5, "four times as many"),
        seen="{:.3g} times as many",
        why="r, u and n each have a W_ih, a W_hh and two biases of their own. An LSTM, with a gate more, has four times as many.",
        trainer=HALF,
    ),
    by_size(
        "A new network's update gates are half open. How far are they open in a trained one, on average?",
        mean_update_gate,
        *("less than half", 0.45, "about half", 0.55, "more than half"),
        seen="{:.2f}, where 1 keeps the state as it is",
        why="A number that is marked early must be held to the end, up to 29 steps: a unit that holds it must keep nearly all at each.",
        trainer=HALF,
        look_at=("gates over time", "the middle: which rows are bright but for the marks?"),
    ),
)


class OtherWayRound(Manual):
    """The network as many papers write it: u is the part that is new."""

    def load_state_dict(self, state_dict: Any, *arguments: Any, **settings: Any) -> Any:
        def turned(p: Any) -> Array:
            r, u, n = np.split(np.asarray(p), 3)
            return np.concatenate([r, -u, n])  # σ(−z) = 1 − σ(z)

        state = {name: turned(p) if name.startswith("rnn") else p for name, p in state_dict.items()}
        return super().load_state_dict(state, *arguments, **settings)


MISTAKE = Mistake(
    "u is the update gate, so u is how much of the state is new: h[t] = u n + (1 − u) h[t−1], as in many papers.",
    lambda run: (
        f"With u and 1 − u exchanged, torch's weights gave a loss of {run.losses[0]:.4f} where torch had {run.torch_losses[0]:.4f}: "
        "the two sides part at the first step."
    ),
    lambda run: not run.agree and run.losses[0] != run.torch_losses[0],
    "Each is right in itself, for σ(−z) = 1 − σ(z), and either can be trained. But weights of the one do something else in the other.",
    trainer={"max_epochs": 1},
    manual=OtherWayRound,
)

TWIN = Twin(
    name="gru",
    manual=Manual,
    torch=Torch,
    data=Adding,
    learned=learned,
    look_at=("gates over time", "which update gates are shut at the marks, and open in between."),
    needs=("lstm",),
    trainer={"max_epochs": 5, "gradient_clip_val": 1.0},
    shorter=Shorter(trainer=HALF),
    options={"steps": 4},
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("cell_backward", ("Read cell from the bottom up. q is multiplied by r before tanh, so r and q each get the other.",)),
        Exercise("Recurrence.backward", ("The state before was used twice: in the mixture, and in z_h. Its gradients add up.",)),
        Exercise("AddingGRU.backward", ("Only the last state was read: the gradient of all others begins as 0.",)),
    ),
)

if __name__ == "__main__":
    run("gru")
