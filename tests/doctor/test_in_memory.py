"""The doctor of classes and of objects that are in memory."""

import numpy as np
import pytest

from experiments.doctor import doctor


class Mixing:
    """A layer in float32."""

    def __init__(self, n: int, m: int) -> None:
        self.w = np.random.default_rng(0).normal(size=(n, m)).astype(np.float32)
        self.b = np.zeros(m, dtype=np.float32)
        self.both = [self.w, self.b]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x w + b."""
        self.x = x
        return self.x @ self.w + self.b

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Of all three."""
        self.dw = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.w.T


class Averaging(Mixing):
    """Its bias has a gradient that is wrong."""

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Of all three."""
        self.dw = self.x.T @ dout
        self.db = dout.mean(axis=0)
        return dout @ self.w.T


@pytest.mark.parametrize("cls", [Mixing, Averaging])
def test_an_object_is_examined_as_its_class_is_and_in_float64(cls: type[Mixing]) -> None:
    it = cls(4, 6)
    of_object, of_class = doctor(it.forward, it.backward), doctor(cls)
    for found in (of_object, of_class):
        assert [g.value for g in found.gradients if not g.right] == ([] if cls is Mixing else ["self.b"])
        assert all(g.digits > 8 for g in found.gradients if g.right)
        assert "float32" in " ".join(found.notes)
        assert [f.text for f in found.faults] == ([] if cls is Mixing else ["self.db = dout.mean(axis=0)"])
    assert it.w.dtype == np.float32  # it is a copy that was widened


def test_a_matrix_that_a_constructor_makes_is_not_square() -> None:
    (w,) = [g for g in doctor(Mixing).gradients if g.value == "self.w"]
    assert len(set(w.shape)) == 2
