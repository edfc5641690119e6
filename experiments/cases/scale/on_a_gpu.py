"""Cases of scale.on_a_gpu: a product in tiles, a layer made of it, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.scale import on_a_gpu as by_hand

PATH = "scale.on_a_gpu"


@function_case(PATH, "tiled_product", empty=True)
def uneven_tiles(rng: np.random.Generator, N: int, K: int, M: int) -> Built:
    return Built({}, [rng.normal(size=(N, K)), rng.normal(size=(K, M))], call={"tile": 2})


def layer(in_features: int, out_features: int, *, dtype: Any) -> by_hand.TiledLinear:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.TiledLinear(in_features, out_features, 2, dtype=dtype)


@case("on_a_gpu.TiledLinear", empty=True, hand=layer, reference=torch.nn.Linear)
def in_tiles(rng: np.random.Generator, N: int, I: int, O: int) -> Built:
    return Built({"in_features": I, "out_features": O}, [rng.normal(size=(N, I))])


judged_by("on_a_gpu.OnAGPU", partial(judge_concept, "on_a_gpu"))


# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT = {
    "larger tiles are another order of the same sum": (
        "on_a_gpu.TiledLinear.backward:scale:tiled_product_backward(dL_dy, x, self.weight.T, self.tile) => "
        "tiled_product_backward(dL_dy, x, self.weight.T, 2 * self.tile):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
