"""Autograd: who calls which backward, and when, by hand.

For `chain_rule` somebody looked at forward and typed its lines once more, from the bottom up. A machine can do that if it *remembers*,
while it computes, what each number was made of. That memory is the **graph**. It is made of *nodes*: a node is one step that was computed.
It knows the steps whose results it used, the numbers that it needs to go back, and its own small backward. `loss.backward()` does nothing
but call these backwards, each once, from the loss to the weights. Two rules are enough:

1. **Add up.** A number that was used twice is told twice how much it matters, and adds that up: paths add up.
2. **Wait.** A step goes back only when everybody who used its result has told it: else it passes on too little. An order in which every
   step comes after all that used it is called *topological*; forward's own order, read backwards, is one.

**On paper.** a = 3, b = a · a, c = b + a, y = b · c. Forward: b = 9, c = 12, y = 108. Now back, in the order y, c, b, a:

    y = b · c    tells c:  ∂y/∂c = b = 9      tells b: c = 12      (b must wait: c has used it too)
    c = b + a    tells b:  9                  tells a: 9
    b has heard  12 + 9 = 21 = ∂y/∂b
    b = a · a    tells a:  21 · 3 = 63, and 63 again, for a stands in it twice
    a has heard  9 + 63 + 63 = 135 = ∂y/∂a

    >>> a = Tensor(3.0, requires_grad=True)
    >>> b = a * a
    >>> c = b + a
    >>> y = b * c
    >>> y.backward()
    >>> float(y.data), float(a.grad)
    (108.0, 135.0)
    >>> [node.name for node in reversed(in_order(y.grad_fn))]
    ['MulBackward0', 'AddBackward0', 'MulBackward0', 'AccumulateGrad']

(y = a⁴ + a³, with the slope 4 a³ + 3 a² = 135.) Had b not waited, it would have passed on 12 · 3 twice and forgotten the 9 that came later:
81 in place of 135.

The words are torch's. A *tensor* is an array that may remember; `requires_grad` says that a gradient is wanted; `grad_fn` is the node that
made a tensor. A *leaf* was made by none, and AccumulateGrad, the end of a path, adds to its `.grad`. Further down this engine trains the
network of `chain_rule`, for which nobody types a backward.

Sources: Linnainmaa, Taylor expansion of the accumulated rounding error, BIT 16 (1976), 146; Paszke et al., Automatic differentiation in
PyTorch, NIPS Autodiff workshop (2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter, is_saving
from manual.nn.init import normal

Array = np.ndarray


# ---- the graph -----------------------------------------------------------------------------------


class Node:
    """One step that was computed, and how to go back from it.

    Args:
        backward: from the gradient of the step's result, and what was saved, to that of each of its operands.
        operands: what it was computed from.
        saved: the tensors whose numbers backward needs.
    """

    def __init__(self, backward: Callable[..., tuple[Array, ...]], operands: tuple[Tensor, ...], saved: tuple[Tensor, ...]) -> None:
        self.name = backward.__name__.removesuffix("_backward").title() + "Backward0"
        self.next_functions = tuple(t.node() for t in operands)
        self.shapes = [t.data.shape for t in operands]
        self.backward, self.saved = backward, saved
        self.versions = [t.version for t in saved]

    def __call__(self, dL_dy: Array) -> tuple[Array, ...]:
        """What to tell each operand."""
        expect_unchanged(self)
        found = self.backward(dL_dy, *(t.data for t in self.saved))
        return tuple(fitted(g, shape) for g, shape in zip(found, self.shapes, strict=True))


class AccumulateGrad:
    """Where a path ends: at a leaf, whose gradient it is added to."""

    name, next_functions = "AccumulateGrad", ()

    def __init__(self, leaf: Tensor) -> None:
        self.leaf = leaf

    def __call__(self, dL_dy: Array) -> tuple[()]:
        self.leaf.grad = dL_dy if self.leaf.grad is None else self.leaf.grad + dL_dy
        return ()


def in_order(last: Any) -> list[Any]:
    """Every node that this one leads back to, and itself at the end: each after all those that it leads to.

    A node is met twice: it is put back below those that it leads to, and taken down when they all have been.
    """
    order: list[Any] = []
    met: set[Any] = set()
    stack = [(last, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            order.append(node)
        elif node is not None and node not in met:
            met.add(node)
            stack.append((node, True))
            stack += [(other, False) for other in node.next_functions]
    return order


def walk_back(last: Any, dL_dy: Array) -> None:
    """Call every backward once, the last step's first, and add up what each is told."""
    told = {last: dL_dy}
    for node in reversed(in_order(last)):  # everybody who used its result comes before it
        for other, dL_dx in zip(node.next_functions, node(told.pop(node)), strict=True):
            if other is not None:  # None: nobody asked for that gradient
                told[other] = told[other] + dL_dx if other in told else dL_dx


# ---- tensors -------------------------------------------------------------------------------------


class Tensor:
    """An array that remembers how it was made.

    Args:
        data: numbers of any shape.
        requires_grad: whether ∂L/∂data is wanted. What is computed from such a tensor requires it too.
    """

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.data = np.asarray(data)
        self.requires_grad = requires_grad
        self.grad: Array | None = None  # ∂L/∂data of a leaf, when a backward has reached it
        self.grad_fn: Node | None = None  # the step that made it; None for a leaf
        self.version = 0  # how many times it was changed in place
        self._end = AccumulateGrad(self)

    def node(self) -> Any:
        """Where its gradient goes: to the step that made it, into its own `.grad`, or nowhere (None)."""
        return self.grad_fn or (self._end if self.requires_grad else None)

    def backward(self, dL_dself: Any = None) -> None:
        """Add ∂L/∂leaf to the `.grad` of every leaf that this tensor was made of.

        Args:
            dL_dself: what is already known: ∂L/∂self; 1 for a single number, which is then L itself.
        """
        walk_back(self.node(), first_gradient(self, dL_dself))

    def detach(self) -> Tensor:
        """The same numbers, in the same memory, without a past: no gradient goes back through it."""
        return Tensor(self.data)

    def add_(self, other: Any) -> Tensor:
        """Add in place: see `add_in_place`."""
        return add_in_place(self, as_tensor(other, self))

    def __add__(self, other: Any) -> Tensor:
        return add(self, as_tensor(other, self))

    def __sub__(self, other: Any) -> Tensor:
        return sub(self, as_tensor(other, self))

    def __mul__(self, other: Any) -> Tensor:
        return mul(self, as_tensor(other, self))

    def __matmul__(self, other: Tensor) -> Tensor:
        return mm(self, other)

    def sum(self) -> Tensor:
        """Of all entries."""
        return sum(self)

    def sigmoid(self) -> Tensor:
        """σ of every entry."""
        return sigmoid(self)


def as_tensor(value: Any, like: Tensor) -> Tensor:
    """A tensor as it is; of a number a tensor that nobody asks a gradient of."""
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value, like.data.dtype))


def made(y: Tensor, backward: Callable[..., Any], operands: tuple[Tensor, ...], saved: tuple[Tensor, ...] = ()) -> Tensor:
    """y, remembering the step that made it. Nothing is remembered where no gradient is wanted, and under `no_grad()`."""
    if is_saving() and any(t.node() is not None for t in operands):
        y.grad_fn, y.requires_grad = Node(backward, operands, saved), True
    return y


# ---- steps: each a forward, and right under it its backward ----------------------------------------


def add(a: Tensor, b: Tensor) -> Tensor:
    """a + b; its backward needs no numbers of forward."""
    return made(Tensor(a.data + b.data), add_backward, (a, b))


def add_backward(dL_dy: Array) -> tuple[Array, Array]:
    return dL_dy, dL_dy  # ∂y/∂a = 1, ∂y/∂b = 1


def mul(a: Tensor, b: Tensor) -> Tensor:
    """a b, entry by entry; its backward needs both."""
    return made(Tensor(a.data * b.data), mul_backward, (a, b), saved=(a, b))


def mul_backward(dL_dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return dL_dy * b, dL_dy * a  # ∂y/∂a = b, ∂y/∂b = a


# ---- further reading: the other steps of a network -------------------------------------------------------
#
# What a backward needs is saved, and nothing else: a difference needs no numbers to go back, a product needs
# both, σ only its own result.


def sub(a: Tensor, b: Tensor) -> Tensor:
    """a − b."""
    return made(Tensor(a.data - b.data), sub_backward, (a, b))


def sub_backward(dL_dy: Array) -> tuple[Array, Array]:
    return dL_dy, -dL_dy  # ∂y/∂a = 1, ∂y/∂b = −1


def mm(a: Tensor, b: Tensor) -> Tensor:
    """a @ b. Shapes: (N, I) @ (I, O) = (N, O)."""
    return made(Tensor(a.data @ b.data), mm_backward, (a, b), saved=(a, b))


def mm_backward(dL_dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return dL_dy @ b.T, a.T @ dL_dy  # (N, O) @ (O, I); (I, N) @ (N, O)


def sigmoid(z: Tensor) -> Tensor:
    """σ(z) = 1 / (1 + e⁻ᶻ)."""
    from manual.nn.functional import sigmoid as σ

    a = Tensor(σ(z.data))
    return made(a, sigmoid_backward, (z,), saved=(a,))


def sigmoid_backward(dL_da: Array, a: Array) -> tuple[Array]:
    return (dL_da * a * (1 - a),)  # σ′(z) = a (1 − a)


def sum(x: Tensor) -> Tensor:
    """Of all entries."""
    return made(Tensor(x.data.sum()), sum_backward, (x,))


def sum_backward(dL_dy: Array) -> tuple[Array]:
    return (dL_dy,)  # every entry was added once: `fitted` hands it to all of them


def fitted(dL_dx: Array, shape: tuple[int, ...]) -> Array:
    """A gradient in the shape of its value: what was stretched over rows was used in each and takes the sum; one number goes to all."""
    from manual.nn.functional import sum_to

    return sum_to(np.broadcast_to(dL_dx, np.broadcast_shapes(np.shape(dL_dx), shape)), shape)


# ---- further reading: the network ----------------------------------------------------------------------


class Autograd(Concept):
    """The network of `chain_rule`, 2 → hidden → 1; its backward is the graph's.

    Args:
        hidden: units of the hidden layer.
        gated: whether a hidden unit passes on z1 σ(z1), called SiLU, in place of σ(z1): z1 is then used twice.
        lr: the learning rate (3.0: as in `chain_rule`).
        rng: draws the initial parameters from the standard normal distribution.
        dtype: of the parameters.

    Shapes: x (N, 2), the prediction and the target y (N, 1), W1 (2, hidden), b1 (hidden,), W2 (hidden, 1), b2 (1,).

    Raises:
        ValueError: if hidden is below 1.
    """

    def __init__(
        self, hidden: int = 3, gated: bool = False, lr: float = 3.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"Autograd: hidden must be at least 1, got {hidden}")
        self.gated, self.lr = gated, lr
        rng = rng or np.random.default_rng()
        self.W1 = Parameter(normal((2, hidden), rng=rng, dtype=dtype))
        self.b1 = Parameter(normal((hidden,), rng=rng, dtype=dtype))
        self.W2 = Parameter(normal((hidden, 1), rng=rng, dtype=dtype))
        self.b2 = Parameter(normal((1,), rng=rng, dtype=dtype))

    def leaves(self) -> dict[str, Tensor]:
        """The parameters, as tensors that require a gradient."""
        return {name: Tensor(p.data, requires_grad=True) for name, p in self.named_parameters()}

    def predict(self, x: Array, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> Tensor:
        """The prediction a2, which remembers how it was made."""
        z1 = Tensor(x) @ W1 + b1  # (N, 2) @ (2, hidden) + (hidden,)
        a1 = z1 * z1.sigmoid() if self.gated else z1.sigmoid()
        z2 = a1 @ W2 + b2  # (N, hidden) @ (hidden, 1) + (1,)
        return z2.sigmoid()

    def loss(self, a2: Tensor, y: Array) -> Tensor:
        """½ (a2 − y)², the mean over samples."""
        r = a2 - Tensor(y)
        return (r * r).sum() * (1 / (2 * len(y)))

    def forward(self, x: Array) -> Array:
        """The prediction."""
        return self.predict(x, **self.leaves()).data

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        leaves = self.leaves()
        loss = self.loss(self.predict(x, **leaves), y)
        self.save(loss, leaves)
        self.log("loss/train", loss.data)
        return float(loss.data)

    def backward(self, dL_dloss: float = 1.0) -> None:
        loss, leaves = self.restore()
        self.walk(loss, dL_dloss)
        for name, p in self.named_parameters():
            p.grad += leaves[name].grad

    def walk(self, loss: Tensor, dL_dloss: float) -> None:
        """Fill the `.grad` of every leaf."""
        loss.backward(dL_dloss)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        a2 = self(x)
        self.log("loss/val", self.loss(Tensor(a2), y).data, batch_size=len(x))
        self.log("accuracy/val", np.mean((a2 > 0.5) == (y > 0.5)), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: what is refused ------------------------------------------------------------------


def first_gradient(y: Tensor, dL_dy: Any) -> Array:
    """What y is told to begin with, in its shape and dtype.

    Raises:
        RuntimeError: if nothing that y was made of requires a gradient, or it is no single number and dL_dy is not given.
    """
    if y.node() is None:
        raise RuntimeError("backward: this tensor does not require a gradient, and was made of none that does")
    if dL_dy is None and y.data.size != 1:
        raise RuntimeError(f"backward: of {y.data.size} numbers none is L; say what ∂L/∂self is")
    dL_dy = np.ones_like(y.data) if dL_dy is None else np.asarray(dL_dy, y.data.dtype)
    return np.broadcast_to(dL_dy, y.data.shape)


def add_in_place(x: Tensor, other: Tensor) -> Tensor:
    """Add to x: the numbers of before are gone, which a backward that needs them will notice.

    Raises:
        RuntimeError: for a leaf that requires a gradient: it would no longer be what the gradient is asked of. Under no_grad it may.
    """
    if is_saving() and x.requires_grad and x.grad_fn is None:
        raise RuntimeError("add_: a leaf that requires a gradient must not be changed in place, except under no_grad()")
    x.data += other.data
    x.version += 1
    return made(x, add_backward, (x, other))


def expect_unchanged(node: Node) -> None:
    """Raise RuntimeError if a number that this node's backward needs was changed after forward had used it."""
    for tensor, version in zip(node.saved, node.versions, strict=True):
        if tensor.version != version:
            raise RuntimeError(
                f"{node.name}: a value that its backward needs was changed in place: it has version {tensor.version}, and had {version}"
            )


# ---- further reading: two walks that do not know the order -------------------------------------------


def walk_every_path(node: Any, dL_dy: Array) -> int:
    """Go on at once, wherever a step leads: right, since paths add up, and slow. How often a backward was called: once for each path.

    Where every step uses the one before it twice there are twice as many paths with each: 2ⁿ for n of them.
    """
    calls = 1
    for other, dL_dx in zip(node.next_functions, node(dL_dy), strict=True):
        if other is not None:
            calls += walk_every_path(other, dL_dx)
    return calls


def walk_as_met(last: Any, dL_dy: Array) -> int:
    """Call every backward once, in the order in which the steps are met: quick, and wrong where one is met too early."""
    told, waiting = {last: dL_dy}, [last]
    for node in waiting:  # it grows as it is read
        for other, dL_dx in zip(node.next_functions, node(told[node]), strict=True):
            if other is not None:
                told[other] = told[other] + dL_dx if other in told else dL_dx
                if other not in waiting:
                    waiting.append(other)
    return len(waiting)
