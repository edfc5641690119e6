"""Ten layers of sigmoid, tanh, ReLU, GELU and SiLU: which let the gradient through, and units that die, in Lightning."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from torch_impl.module import Concept

Activation = Literal["sigmoid", "tanh", "relu", "gelu", "silu"]

ACTIVATIONS: dict[str, Any] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}

GAINS = {"sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "gelu": math.sqrt(2), "silu": math.sqrt(2)}
"""How large weights begin: their standard deviation is gain/√fan_in."""


class DeepMLP(Concept):
    """64 → width → ... → width → 10 with an activation after each hidden layer, softmax cross-entropy and plain gradient descent.

    Args:
        activation: one of ACTIVATIONS.
        depth: how many hidden layers.
        width: units of each.
        lr: the step size.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if there is no such activation, or no layer.
    """

    def __init__(self, activation: Activation = "relu", depth: int = 10, width: int = 64, lr: float = 0.05) -> None:
        super().__init__()
        if activation not in get_args(Activation):
            raise ValueError(f"DeepMLP: activation must be one of {', '.join(map(repr, ACTIVATIONS))}, got {activation!r}")
        if min(depth, width) < 1:
            raise ValueError(f"DeepMLP: depth and width must be at least 1, got {depth} and {width}")
        self.save_hyperparameters()
        self.lr = lr
        self.layers = nn.ModuleList(nn.Linear(width if k else 64, width) for k in range(depth))
        self.activation = ACTIVATIONS[activation]()
        self.last = nn.Linear(width, 10)
        self.loss = nn.CrossEntropyLoss()
        for layer in (*self.layers, self.last):
            gain = 1.0 if layer is self.last else GAINS[activation]
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
            nn.init.zeros_(layer.bias)

    def hidden(self, x: Tensor) -> list[Tensor]:
        """The pixels, and what each hidden layer makes of them."""
        h = [x]
        for layer in self.layers:
            h.append(self.activation(layer(h[-1])))
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        return self.last(self.hidden(x)[-1])

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Beside loss and accuracy: the share of hidden units that are 0 for every one of these digits."""
        x, y = batch
        h = self.hidden(x)
        scores = self.last(h[-1])
        self.log("loss/val", self.loss(scores, y), batch_size=len(x))
        self.log("accuracy/val", (scores.argmax(dim=1) == y).to(x.dtype).mean(), batch_size=len(x))
        self.log("dead/val", dead(h[1:]), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def dead(h: list[Tensor]) -> Tensor:
    """The share of units, over all layers, that are 0 for every example."""
    return torch.stack([(a == 0).all(dim=0) for a in h]).to(h[0].dtype).mean()


@torch.enable_grad()
def lengths(model: DeepMLP, x: Tensor, y: Tensor) -> Tensor:
    """‖∂L/∂h‖ of each example at each layer, (depth + 1, N): what hooks on the layers see go by."""
    found: list[Tensor] = []
    layers: Any = (*model.layers, model.last)
    hooks = [layer.register_full_backward_hook(lambda _, dL_dh, __: found.append(dL_dh[0].norm(dim=1))) for layer in layers]
    model.loss(model(x.clone().requires_grad_()), y).backward()
    for hook in hooks:
        hook.remove()
    model.zero_grad()
    return torch.stack(found[::-1])
