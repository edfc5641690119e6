"""Cases of sequences.kv_cache: a GPT that is given its text place after place, and one that is given it at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.module import no_grad
from manual.sequences import kv_cache as by_hand
from torch_impl.sequences import kv_cache as in_torch


@function_case("sequences.kv_cache", "look")
def one_among_many(rng: np.random.Generator, N: int, H: int, T: int, D: int) -> list[np.ndarray]:
    return [rng.normal(size=(N, H, 1, D)), *rng.normal(size=(2, N, H, T, D))]


TINY: dict[str, Any] = {"vocabulary": "abcdefg", "n_positions": 6, "n_embd": 8, "n_head": 2, "n_layer": 2, "sample": 5, "prompt": "c"}


def tiny(seed: int) -> tuple[by_hand.CachedGPT, in_torch.CachedGPT]:
    """Both sides at the same random weights."""
    rng = np.random.default_rng(seed)
    ours, theirs = by_hand.CachedGPT(**TINY, rng=rng), in_torch.CachedGPT(**TINY).double()
    for _, p in ours.named_parameters():
        p += rng.normal(0, 0.4, p.shape)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
    return ours, theirs


def judge_places(seed: int) -> dict[str, float]:
    """The scores at each place of a text: by hand with the cache, in torch with the cache, and in torch at once."""
    ours, theirs = tiny(seed)
    text = np.random.default_rng(seed).integers(0, 7, 6)
    kept, kept_torch, errors = ours.empty(), theirs.empty(), {}
    with no_grad(), torch.no_grad():
        whole = theirs(torch.from_numpy(text[None]))[0]
        for t, token in enumerate(text.tolist()):
            found = ours.next_scores(token, kept)
            errors[f"place {t}"] = error(found, whole[t])
            errors[f"place {t}, cached in torch"] = error(found, theirs.next_scores(token, kept_torch))
    return errors


def judge_attend_last(seed: int) -> dict[str, float]:
    """What each place of two texts finds, one place after the other, and what is found in torch at once."""
    ours, theirs = tiny(seed)
    x = np.random.default_rng(seed).normal(size=(2, 5, 8))
    blocks: list[Any] = [ours.h[1], theirs.h[1]]
    attn, attn_torch = (block.attn for block in blocks)
    kept = by_hand.Kept()
    with no_grad(), torch.no_grad():
        whole = attn_torch(torch.from_numpy(x))
        found = [by_hand.attend_last(attn, x[:, t : t + 1], kept) for t in range(5)]
    return {f"what place {t} finds": error(y, whole[:, t : t + 1]) for t, y in enumerate(found)}


judged_by("kv_cache.attend_last", judge_attend_last)
