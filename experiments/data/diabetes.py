"""Diabetes: ten measurements of 442 people, and how far the disease had gone a year later (Efron et al., 2004)."""

from __future__ import annotations

import numpy as np

from experiments.data.arrays import ArrayData, Split, split_at_random, standardise

FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
"""Body mass index, blood pressure, and six of blood serum: cholesterol, LDL, HDL, cholesterol/HDL, log of triglycerides, sugar."""

SPELLED_OUT = (
    "age", "sex", "bmi: body mass", "bp: blood pressure",
    "s1: cholesterol", "s2: LDL", "s3: HDL", "s4: cholesterol/HDL", "s5: triglycerides", "s6: sugar",
)  # fmt: skip
"""The same for those who see them for the first time."""


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    """x (442, 10) in its own units, and y (442, 1), the disease's progression, 25 to 346."""
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True, scaled=False)
    return x, y[:, None]


class Diabetes(ArrayData):
    """The diabetes data, standardised; a fifth is held out. All of the rest is one batch, so that every step sees the same bowl.

    Args:
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the rows.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        return standardise(split_at_random(diabetes(), 0.2, self.seed))
