"""What each kind of mistake is, in a sentence for a learner."""

from __future__ import annotations

WHAT = {
    "sign": "A sign is flipped",
    "scale": "A constant factor is wrong, or a mean stands for a sum",
    "term": "A term of a sum is missing",
    "mask": "A mask is missing: what was cut off in the forward gets a gradient, or what was not gets none",
    "factor": "A factor is missing, or something is multiplied that should be divided",
    "transpose": "A matrix is transposed that should not be, or is not where it should, or two changed places",
    "axis": "A sum runs over the wrong axis, or is missing",
    "accumulate": "It sets where it should add: what another use has already contributed is lost",
    "saved": "Another of the tensors that forward has saved is taken",
    "stale": "A gradient from an earlier place on the way is taken, as if the steps between had not been made",
    "edge": "A comparison takes in its edge, or no longer does",
    "direction": "A comparison is turned round",
    "condition": "A condition is wrong, so that the other case is computed",
    "extremum": "The smallest stands for the largest, or a bound is missing",
    "call": "A function is left out: what goes into it comes out unchanged",
    "power": "An exponent is wrong",
    "constant": "A number is wrong",
}
"""By the names of the operators, those that are played with."""
