"""Every number of a format, in torch's own bits, for the tests of this chapter."""

from __future__ import annotations

import numpy as np
import torch

from manual.numerics.rounding import FORMATS
from torch_impl.numerics.rounding import DTYPES as DTYPES


def patterns(format: str) -> torch.Tensor:
    """Every number of a format with at most 16 bits, in the order of its bits, NaNs included."""
    bits = 1 + sum(FORMATS[format])
    return torch.arange(2**bits, dtype=torch.int32).to(torch.uint8 if bits == 8 else torch.int16).view(DTYPES[format])


def values(format: str) -> np.ndarray:
    """All finite numbers from 0 up, and ∞, in order."""
    v = patterns(format).double().numpy()[: 2 ** (sum(FORMATS[format]))]
    return v[~np.isnan(v)]


def assert_same_bits(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal to the last bit, the sign of 0 included; a NaN may be any NaN."""
    assert ours.dtype == theirs.dtype
    nan = np.isnan(theirs)
    np.testing.assert_array_equal(np.isnan(ours), nan)
    integers = f"u{ours.itemsize}"
    np.testing.assert_array_equal(ours[~nan].view(integers), theirs[~nan].view(integers))
