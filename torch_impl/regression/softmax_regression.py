"""Which of many: softmax regression, in Lightning. Cross-entropy is torch's, the gradients and the Hessian are autograd's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_impl.module import Concept, mean_of


def cross_entropy(z: Tensor, c: Tensor) -> Tensor:
    """Mean of −log p at the right class. Shapes: z (N, K), c (N,) integers."""
    return F.cross_entropy(z, c)


def one_hot(c: Tensor, classes: int) -> Tensor:
    """1 at each row's class, 0 elsewhere. Shapes: c (N,), the result (N, K)."""
    return F.one_hot(c, classes)


def loss(x: Tensor, c: Tensor, W: Tensor, b: Tensor, alpha: float = 0.0) -> Tensor:
    """L = cross-entropy + alpha/2 · ΣW². Shapes: x (N, D), c (N,), W (D, K), b (K,)."""
    z = x @ W + b  # (N, D) @ (D, K) + (K,)
    return cross_entropy(z, c) + alpha / 2 * (W**2).sum()


class SoftmaxRegression(Concept):
    """p = softmax(x W + b), fitted by gradient descent with momentum.

    Args:
        features: D, the numbers that are known of each example.
        classes: K, the answers that there are to choose from.
        alpha: the price of long weights; scikit-learn's C is 1 / (alpha N).
        lr: the step size. The digits' pixels vary little (0 to 1, less their mean), which makes L flat: it can be large.
        momentum: how much of the last step is kept.

    Shapes: x (N, D), the prediction z (N, K), c (N,) integers, linear.weight (K, D), which is Wᵀ, linear.bias (K,).

    Raises:
        ValueError: if alpha is negative.
    """

    def __init__(self, features: int = 64, classes: int = 10, alpha: float = 0.003, lr: float = 5.0, momentum: float = 0.9) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"SoftmaxRegression: alpha must be at least 0, got {alpha}")
        self.save_hyperparameters()
        self.alpha, self.lr, self.momentum = alpha, lr, momentum
        self.linear = nn.Linear(features, classes)
        nn.init.normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.cross_entropy = nn.CrossEntropyLoss()  # takes scores, and softmax is in it

    def forward(self, x: Tensor) -> Tensor:
        """The scores z; the answer is the class of the largest."""
        return self.linear(x)  # (N, D) to (N, K)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, c = batch
        L = self.cross_entropy(self(x), c) + self.alpha / 2 * (self.linear.weight**2).sum()
        self.log("loss/train", L)
        return L

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, c = batch
        z = self(x)
        self.log("loss/val", self.cross_entropy(z, c), batch_size=len(x))
        self.log("accuracy/val", mean_of(z.argmax(dim=1) == c), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: how the probabilities answer to the scores, and how the loss curves -------------


def softmax_jacobian(z: Tensor) -> Tensor:
    """∂p[n, k]/∂z[n, j], row by row. Shapes: z (N, K), the result (N, K, K)."""
    return torch.func.vmap(torch.func.jacrev(lambda row: row.softmax(dim=0)))(z)


def hessian(x: Tensor, W: Tensor, b: Tensor, alpha: float = 0.0) -> Tensor:
    """∂²L/∂q² with q = [W; b] as one long row, by differentiating twice. Shapes: x (N, D), the result ((D+1) K, (D+1) K)."""
    K = len(b)
    c = torch.zeros(len(x), dtype=torch.int64)  # any classes: they have no part in the second derivatives
    gradient = torch.func.grad(lambda q: loss(x, c, q[:-K].reshape(-1, K), q[-K:], alpha))
    return torch.func.jacrev(gradient)(torch.cat([W.reshape(-1), b]))
