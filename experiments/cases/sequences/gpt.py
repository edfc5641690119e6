"""Cases of sequences.gpt: the table on the way out, and all that it is made of in a tiny model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from experiments.judge.case import Built, case
from experiments.judge.compare import errors
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.sequences import gpt as by_hand
from torch_impl.sequences import gpt as in_torch

PATH = "sequences.gpt"


@function_case(PATH, "scores", empty=True)
def of_each_place(rng: np.random.Generator, N: int, T: int, D: int, V: int) -> list[np.ndarray]:
    return [rng.normal(size=(N, T, D)), rng.normal(size=(V, D))]


@function_case(PATH, "scores")
def of_one_text(rng: np.random.Generator, T: int, D: int, V: int) -> list[np.ndarray]:
    return [rng.normal(size=(T, D)), rng.normal(size=(V, D))]


@case("gpt.Block", hand=by_hand.Block, reference=in_torch.Block, spread=0.1, least={"D": 3})
def block(rng: np.random.Generator, N: int, T: int, H: int, D: int) -> Built:
    return Built({"n_embd": H * D, "n_head": H}, [rng.normal(size=(N, T, H * D))])


TINY: dict[str, Any] = {"vocabulary": "abcdefg", "n_positions": 6, "n_embd": 8, "n_head": 2, "n_layer": 2}


def judge_tiny(seed: int) -> dict[str, float]:
    """Loss and gradients of two batches of a model whose every size is another, at random weights."""
    import experiments
    from experiments.lockstep.checks import two_by_hand, two_in_torch  # brings Lightning with it

    rng = np.random.default_rng(seed)
    ours, theirs = by_hand.GPT(**TINY, rng=rng), in_torch.GPT(**TINY).double()
    for _, p in ours.named_parameters():
        p += rng.normal(0, 0.4, p.shape)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
    batches = [tuple(rng.integers(0, 7, (2, N, T))) for N, T in ((3, 5), (4, 6))]
    loss, gradient = two_by_hand(ours, batches, "training_step")
    loss_torch, gradient_torch = two_in_torch(experiments.twin("gpt"), theirs, batches, "training_step")
    return {"loss": abs(loss / loss_torch - 1), **errors(gradient, gradient_torch)}


for _name in ("CausalSelfAttention", "MLP", "Block", "GPT"):
    judged_by(f"gpt.{_name}", judge_tiny)
