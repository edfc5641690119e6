"""Cases of manual/sequences/sampling.py: distributions and their ways back; and on both sides what is kept, texts and beams."""

from __future__ import annotations

import numpy as np
import torch

from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.sequences import sampling as by_hand
from torch_impl.sequences import sampling as in_torch

PATH = "sequences.sampling"


@function_case(PATH, "tempered", empty=True)
def scores(rng: np.random.Generator, N: int, V: int) -> Built:
    return Built({}, [rng.normal(size=(N, V))], call={"temperature": 0.7})


@function_case(PATH, "tempered")
def hot_scores(rng: np.random.Generator, N: int, T: int, V: int) -> Built:
    return Built({}, [rng.normal(size=(N, T, V))], call={"temperature": 2.5})


@function_case(PATH, "kept", least={"V": 4})
def some_are_kept(rng: np.random.Generator, N: int, V: int) -> Built:
    keep = rng.random((N, V)) < 0.6
    keep[:, 1] = True
    keep[:, 2] = False
    return Built({}, [rng.uniform(0.1, 1, (N, V))], call={"keep": keep})


@function_case(PATH, "kept", least={"V": 4})
def some_are_kept_at_each_place(rng: np.random.Generator, N: int, T: int, V: int) -> Built:
    keep = rng.random((N, T, V)) < 0.5
    keep[..., 0] = True
    return Built({}, [rng.uniform(0.1, 1, (N, T, V))], call={"keep": keep})


def judge_ways(seed: int) -> dict[str, float]:
    """What is kept of some distributions, and what is drawn from, in some ways."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, (7, 11))
    z[0, 3:6] = z[0, 2]  # some that are as probable as another
    p = by_hand.tempered(z, 1.0)
    found = {}
    for k in (1, 2, 4, 11, 20):
        found[f"top {k}"] = error(by_hand.keep_top_k(p, k), in_torch.keep_top_k(torch.from_numpy(p), k))
    for mass in (0.05, 0.5, 0.93):
        found[f"nucleus {mass}"] = error(by_hand.keep_top_p(p, mass), in_torch.keep_top_p(torch.from_numpy(p), mass))
    for how in ((1.0, 0, 1.0), (0.6, 0, 1.0), (1.7, 3, 1.0), (1.0, 0, 0.7), (0.8, 5, 0.6)):
        found[f"distribution {how}"] = error(by_hand.distribution(z, *how), in_torch.distribution(torch.from_numpy(z), *how))
    return found


def table(x: np.ndarray) -> np.ndarray:
    """Scores for the next of five characters: made up, other ones for each two before."""
    return np.random.default_rng(3).normal(0, 1.5, (5, 5, 5))[x[:, 0], x[:, 1]]


def table_in_torch(x: torch.Tensor) -> torch.Tensor:
    """The same in torch."""
    return torch.from_numpy(table(x.numpy()))


def judge_texts(seed: int) -> dict[str, float]:
    """Texts that both sides write with the same numbers, and what both beams find."""
    rng = np.random.default_rng(seed)
    x, u = rng.integers(0, 5, (6, 2)), rng.random((6, 9))
    found = {}
    for how in ((1.0, 0, 1.0), (0.5, 0, 1.0), (1.0, 2, 1.0), (1.0, 0, 0.6)):
        ours = by_hand.generate(table, x, u, *how)
        theirs = in_torch.generate(table_in_torch, torch.from_numpy(x), torch.from_numpy(u), *how)
        found[f"text {how}"] = error(ours, theirs)
    for width in (1, 3, 40):
        (text, log_p), (text_b, log_p_b) = (
            by_hand.beam_search(table, x[0], 6, width),
            in_torch.beam_search(table_in_torch, torch.from_numpy(x[0]), 6, width),
        )
        found |= {f"beam {width}": error(text, text_b), f"log p {width}": error(np.array(log_p), np.array(log_p_b))}
    return found


judged_by("sampling.kept", judge_ways, judge_texts)

# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT: dict[str, tuple[str, ...]] = {}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
