"""Softmax without overflow, in torch: its own functions are the stable ones, and the naive ones are written out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_impl.module import Concept, mean_of


def naive_softmax(z: Tensor, axis: int = -1) -> Tensor:
    """exp(z) / Σ exp(z)."""
    e = z.exp()
    return e / e.sum(dim=axis, keepdim=True)


def naive_logsumexp(z: Tensor, axis: int = -1) -> Tensor:
    """log Σ exp(z)."""
    return z.exp().sum(dim=axis).log()


def naive_cross_entropy(z: Tensor, c: Tensor) -> Tensor:
    """Mean of −log p at the right class. Shapes: z (N, K), c (N,) integers."""
    return -naive_softmax(z).gather(1, c[:, None]).log().mean()


def softmax(z: Tensor, axis: int = -1) -> Tensor:
    """torch's own."""
    return torch.softmax(z, dim=axis)


def log_softmax(z: Tensor, axis: int = -1) -> Tensor:
    """torch's own."""
    return torch.log_softmax(z, dim=axis)


def logsumexp(z: Tensor, axis: int) -> Tensor:
    """torch's own."""
    return torch.logsumexp(z, dim=axis)


def cross_entropy(z: Tensor, c: Tensor) -> Tensor:
    """torch's own: it takes scores, and the mean of −log p at the right class."""
    return F.cross_entropy(z, c)


FORMS = {"stable": cross_entropy, "naive": naive_cross_entropy}
"""The two forms of the loss: one function on paper."""


class Classifier(Concept):
    """p = softmax(x W + b), trained on the cross-entropy in either form. On paper the forms are one, and so are the two trainings.

    Args:
        features: D, the numbers that are known of each example.
        classes: K, the answers that there are to choose from.
        form: "stable" or "naive".
        lr: the step size.

    Shapes: x (N, D), the scores z (N, K), c (N,) integers, W (D, K), b (K,).

    Raises:
        ValueError: if there is no such form.
    """

    def __init__(self, features: int = 2, classes: int = 3, form: str = "stable", lr: float = 0.4) -> None:
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"Classifier: form must be one of {', '.join(map(repr, FORMS))}, got {form!r}")
        self.save_hyperparameters()
        self.form, self.lr = form, lr
        self.W = nn.Parameter(torch.zeros(features, classes))
        self.b = nn.Parameter(torch.zeros(classes))

    def forward(self, x: Tensor) -> Tensor:
        """The scores z."""
        return x @ self.W + self.b  # (N, D) @ (D, K) + (K,)

    def values(self, x: Tensor) -> dict[str, Tensor]:
        """What the loss is made of, by name. When it is NaN, the first of them that is not finite is named."""
        z = self(x)
        if self.form == "stable":
            return {"z": z, "log p": log_softmax(z)}
        return {"z": z, "exp(z)": z.exp(), "s": z.exp().sum(dim=1), "p": naive_softmax(z)}

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, c = batch
        loss = FORMS[self.form](self(x), c)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, c = batch
        z = self(x)
        self.log("loss/val", FORMS[self.form](z, c), batch_size=len(x))
        self.log("accuracy/val", mean_of(z.argmax(dim=1) == c), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: log-softmax, its digits, second derivatives, and a temperature --------------------


def naive_log_softmax(z: Tensor, axis: int = -1) -> Tensor:
    """The logarithm of that."""
    return naive_softmax(z, axis).log()


def softmax_jacobian(z: Tensor) -> Tensor:
    """∂p[n, k]/∂z[n, j], row by row. Shapes: z (N, K), the result (N, K, K)."""
    return torch.func.vmap(torch.func.jacrev(softmax))(z)


def log_softmax_jvp(z: Tensor, dz: Tensor, axis: int = -1) -> Tensor:
    """How log p moves when z moves along dz."""
    return torch.autograd.functional.jvp(lambda z: log_softmax(z, axis), z, dz)[1]


def log_softmax_jacobian(z: Tensor) -> Tensor:
    """∂log p[n, k]/∂z[n, j], row by row. Shapes: z (N, K), the result (N, K, K)."""
    return torch.func.vmap(torch.func.jacrev(log_softmax))(z)


def logsumexp_hessian(z: Tensor) -> Tensor:
    """∂²y/∂z[n, k] ∂z[n, j], row by row. Shapes: z (N, K), the result (N, K, K)."""
    from functools import partial

    return torch.func.vmap(torch.func.jacrev(torch.func.grad(partial(logsumexp, axis=0))))(z)


def tempered_softmax(z: Tensor, T: Tensor, axis: int = -1) -> Tensor:
    """softmax(z / T)."""
    return torch.softmax(z / T, dim=axis)
