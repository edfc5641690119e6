"""Transfer: what was learned on some digits serves for others. Layers frozen, or fine-tuned, in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def own_scores(z: Tensor, group: Tensor) -> Tensor:
    """The scores of each image's own group. Shapes: z (N, 2K), group (N,) zeros and ones, the result (N, K)."""
    return z.unflatten(1, (2, -1))[torch.arange(len(z), device=z.device), group]


class Body(nn.Module):
    """Two convolutions. Shapes: x (N, 1, 8, 8), the features (N, 16 · channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, kernel_size=3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.flatten = nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        h1 = self.relu1(self.conv1(x))
        h2 = self.relu2(self.conv2(h1))
        return self.flatten(self.pool(h2))


class Transfer(Concept):
    """A body of two convolutions and a linear head; softmax cross-entropy among an image's own five digits, plain gradient descent.

    Args:
        channels: of each convolution.
        frozen: whether new digits, 5 to 9, leave the body as it is.
        lr: the length of a step, per gradient.

    Shapes: x (N, 1, 8, 8), the prediction (N, 10), the target (N,) integers 0 to 9.
    """

    def __init__(self, channels: int = 8, frozen: bool = True, lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.frozen, self.lr = frozen, lr
        self.body = Body(channels)
        self.head = nn.Linear(16 * channels, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        return self.head(self.body(x))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        group = y // 5
        h = self.body(x)
        if self.frozen:
            h = torch.where((group == 0)[:, None], h, h.detach())
        loss = self.loss(own_scores(self.head(h), group), y - 5 * group)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The loss, and what part of the old and of the new digits is told from the others of its group."""
        x, y = batch
        group = y // 5
        own = own_scores(self(x), group)
        right = own.argmax(dim=1) == y - 5 * group
        self.log("loss/val", self.loss(own, y - 5 * group), batch_size=len(x))
        self.log("old/val", part(right, group == 0), batch_size=len(x))
        self.log("new/val", part(right, group == 1), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def part(right: Tensor, of: Tensor) -> Tensor:
    """What part of these is right; 0 if there are none. Shapes: (N,) booleans."""
    return (right & of).sum() / of.sum().clamp(min=1)
