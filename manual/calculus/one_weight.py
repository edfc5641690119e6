"""One weight, one slope, one step: the gentlest complete training loop, by hand.

If you failed pre-calculus: nothing here needs more than multiplying and adding. Somebody wrote down ten purchases of apples, x kilograms
for y euros, and we want the price of one kilogram, w. The guess for a purchase is ŷ (say y hat) = w x. A neural network is the same
thing with millions of numbers in the place of this one weight w, and each of them is found as w is found here. How bad the guesses are
is one number, the loss L: the mean (add up, divide by how many) of the squares (ŷ − y)², each error times itself. It depends on w
alone, so it can be drawn: a curve with one lowest point. We stand on that curve and cannot see it; what we can compute is how steep it
is where we stand. In the figure "down the curve" the straight lines are these slopes: they lie flatter and flatter until nothing is left
to descend.

    ŷ = w x                         forward: the guess
    L = mean of (ŷ − y)²            loss: how bad it is
    ∂L/∂w                           backward: how fast L grows when w grows. This is the slope
    w ← w − lr · ∂L/∂w              the step: ← puts a new number in the place of the old

**The slope.** Let w grow by a tiny ε (epsilon), for one purchase. Then ŷ grows by ε x, and the square of r = ŷ − y grows to

    (r + ε x)² = r² + 2 r x ε + x² ε²

which is 2 r x more for each unit of ε: the last term, tiny times tiny, vanishes beside the other. In two pieces, as backward takes it:
r² grows by 2 r for each unit of ŷ, ŷ grows by x for each unit of w, and rates multiply. L is the mean over N purchases, and its slope
is the mean of theirs. With [n] for the purchase of number n, and Σₙ for the sum over all n:

    ∂L/∂ŷ[n] = 2 (ŷ[n] − y[n]) / N
    ∂L/∂w    = Σₙ ∂L/∂ŷ[n] x[n]                    w was used for every purchase, so all of them have a say

**On paper.** Two purchases, 1 kilogram for 3 euros and 2 kilograms for 4, and w = 1 for a first guess:

    x   y   ŷ = w x   ŷ − y   (ŷ − y)²   ∂L/∂ŷ = 2 (ŷ − y)/2   ∂L/∂ŷ · x
    1   3      1       −2        4               −2                −2
    2   4      2       −2        4               −2                −4
                             L = 8/2 = 4                      ∂L/∂w = −6

With lr = 0.1 the step is w ← 1 − 0.1 · (−6) = 1.6. There ŷ − y is −1.4 and −0.8, and L = (1.96 + 0.64)/2 = 1.3: lower than 4. In Python:

    >>> x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    >>> values = forward(x, w=1.0)
    >>> float(loss(**values, y=y))
    4.0
    >>> float(backward(x, y, **values, w=1.0)["w"])
    -6.0
    >>> train(x, y, w=1.0, lr=0.1, steps=1).tolist()
    [1.0, 1.6]

**Why minus.** A slope above 0 says that L grows with w: so w must shrink. A slope below 0 says that L shrinks when w grows: so w must
grow. Either way it is minus the slope. Near the lowest point it is nearly 0, and the steps become short by themselves.

**What lr does.** lr, the learning rate, turns a slope into a length. The slope itself grows evenly with w, by c = 2 · mean of x²
(`curvature`), and is 0 at the best weight w* (`best_weight`). So ∂L/∂w = c (w − w*), and a step makes

    w − w* ← (1 − lr · c) (w − w*)

    lr below 1/c        lands nearer, on the same side
    lr = 1/c            arrives in one step
    1/c < lr < 2/c      lands nearer, on the other side
    lr = 2/c            jumps to and fro for ever
    lr above 2/c        lands farther away, every time: the loss explodes

A network has no such formula for its lr, because c is another for each weight and at every place; but these are the pictures to
remember. (Nobody would train one weight in practice: `best_weight` has it at once. But every line of this file is still there in the
largest network.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import StraightLine
from manual.module import Parameter


def forward(x: np.ndarray, w: Any) -> dict[str, np.ndarray]:
    """The guess for every purchase. Shapes: x (N,), w one number, y_hat (N,)."""
    y_hat = w * x
    return {"y_hat": y_hat}


def loss(y_hat: np.ndarray, y: np.ndarray) -> Any:
    """How bad the guesses are: the mean square of what they are off by."""
    return ((y_hat - y) ** 2).mean()


def backward(x: np.ndarray, y: np.ndarray, y_hat: np.ndarray, w: Any) -> dict[str, Any]:
    """How fast the loss grows with each guess, and, the slope, with w."""
    dL_dy_hat = 2 * (y_hat - y) / len(y)  # (N,): of each guess
    dL_dw = (dL_dy_hat * x).sum()  # (N,) times (N,), summed over the purchases: one number
    return {"y_hat": dL_dy_hat, "w": dL_dw}


def train(x: np.ndarray, y: np.ndarray, w: Any, lr: float, steps: int) -> np.ndarray:
    """The whole of training: guess, slope, step, again and again.

    Args:
        x, y: (N,) each.
        w: where to begin.
        lr: the learning rate.
        steps: how many.

    Returns:
        w before the first step and after each: (steps+1,).
    """
    path = [w]
    for _ in range(steps):
        values = forward(x, w)
        slope = backward(x, y, **values, w=w)["w"]
        w = w - lr * slope
        path.append(w)
    return np.array(path)


def curvature(x: np.ndarray) -> Any:
    """How fast the slope grows with w: c = 2 · mean of x². Shape: x (N,)."""
    return 2 * (x**2).mean()


def best_weight(x: np.ndarray, y: np.ndarray) -> Any:
    """The lowest point, without training: Σ 2 (w x − y) x / N = 0 gives w* = Σ x y / Σ x².

    Args:
        x, y: (N,) each.

    Raises:
        ValueError: if every x is 0 (or there is none): then ŷ is 0 for every w, and all are equally good.
    """
    if not x.any():
        raise ValueError(f"best_weight: x must have an entry that is not 0, got {len(x)} entries, none of which is")
    return (x * y).sum() / (x**2).sum()


class OneWeight(StraightLine):
    """ŷ = w x, fitted by plain gradient descent.

    Args:
        lr: the learning rate; it must stay below 2/c, which is 0.649 for the apples.
        rng: draws the first w from the standard normal distribution: somewhere near 0. Any w would do: the curve has one lowest point.
        dtype: of w.

    Shapes: x (N,), y (N,), w one number.
    """

    def __init__(self, lr: float = 0.2, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__(forward, loss, backward)
        rng = rng or np.random.default_rng()
        self.lr = lr
        self.w = Parameter(np.array(rng.standard_normal(), dtype))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)  # w ← w − lr · ∂L/∂w
