"""Cases: the functions of several variables of calculus.gradients, and its dense layer."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_trajectory
from experiments.judge.central import along, jacobian
from experiments.judge.derivative_case import derivative_case
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.calculus.gradients import SURFACES, dense, dense_backward, sphere

PATH = "calculus.gradients"


def points(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.normal(size=(2, N))]


def one_point(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(size=2)]


for _surface in SURFACES:
    function_case(PATH, _surface, empty=True, repeat=False)(points)
    function_case(PATH, _surface, repeat=False)(one_point)


@function_case(PATH, "sphere", empty=True)
def places_on_the_globe(rng: np.random.Generator, N: int) -> Any:
    return [rng.normal(size=(2, N))]


@function_case(PATH, "dense")
def one_example(rng: np.random.Generator, I: int, O: int) -> Any:
    return [rng.normal(size=I), rng.normal(0, 0.5, (I, O)), rng.normal(0, 0.5, O)]


# ---- Jacobians, Hessians and their products ------------------------------------------------------------


def hessian_of(surface: str) -> None:
    """The case of one surface's Hessian."""

    def anywhere(rng: np.random.Generator) -> list[Any]:
        return [rng.normal(size=2)]

    slope = partial(SURFACES[surface].backward, 1.0)
    derivative_case(PATH, f"{surface}_hessian", by_differences=lambda p: jacobian(slope, p))(anywhere)


for _surface in SURFACES:
    hessian_of(_surface)


@derivative_case(PATH, "sphere_jacobian", by_differences=lambda p: jacobian(sphere, p))
def one_place(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(size=2)]


@derivative_case(PATH, "sphere_jvp", by_differences=lambda p, dp: along(sphere, (p,), (dp,)))
def one_place_and_direction(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(size=2), rng.normal(size=2)]


def jacobians_of_dense(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> Any:
    """Of y with respect to x, W and b, by central differences."""
    return jacobian(lambda x: dense(x, W, b), x), jacobian(lambda W: dense(x, W, b), W), jacobian(lambda b: dense(x, W, b), b)


@derivative_case(PATH, "dense_jacobian", by_differences=jacobians_of_dense)
def a_layer(rng: np.random.Generator) -> list[Any]:
    return one_example(rng, 3, 5)


@derivative_case(PATH, "dense_jvp", by_differences=lambda *six: along(dense, six[:3], six[3:]))
def a_layer_and_directions(rng: np.random.Generator) -> list[Any]:
    return [*one_example(rng, 3, 5), *one_example(rng, 3, 5)]


@derivative_case(PATH, "dense_hvp", by_differences=lambda dL_dy, *six: along(partial(dense_backward, dL_dy), six[:3], six[3:]))
def an_upstream_a_layer_and_directions(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(size=5), *one_example(rng, 3, 5), *one_example(rng, 3, 5)]


judged_by("gradients.Newton", partial(judge_trajectory, "gradients"))


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "a vector has no transpose, and a dot product is the same both ways": (
        "gradients.dense_backward:transpose:dL_dx = dL_dz @ W.T => dL_dx = dL_dz.T @ W.T:0",
        "gradients.dense_jvp:transpose:dx @ W + x @ dW => dx.T @ W + x @ dW:0",
        "gradients.dense_jvp:transpose:dx @ W + x @ dW => dx @ W + x.T @ dW:0",
        "gradients.dense_hvp:transpose:dL_dz @ dW.T => dL_dz.T @ dW.T:0",
        "gradients.dense_hvp:transpose:d_dL_dz @ W.T => d_dL_dz.T @ W.T:0",
    ),
    "only the square of y is used": ("gradients.dense_jvp:sign:dense(x, W, b) => -dense(x, W, b):0",),
    "the batch is not read: two forwards before one backward save the same point": (
        "gradients.Descent.backward:stale:self.restore() => self._saved.pop(0):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
