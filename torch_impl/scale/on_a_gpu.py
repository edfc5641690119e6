"""On a GPU: the same network, wherever it is, in Lightning.

Nothing here says where it runs: `--trainer.accelerator gpu` moves weights and batches. Tensors made in a step are to be made on
`self.device`, or from one that is there (`x.new_zeros(3)`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


def tiled_product(A: Tensor, B: Tensor, tile: int) -> Tensor:
    """A B; the tiles are the device's own affair. Shapes: A (N, K), B (K, M), the result (N, M)."""
    return A @ B


class OnAGPU(Concept):
    """64 → hidden → 10 with ReLU, softmax cross-entropy and Adam.

    Args:
        hidden: units of the hidden layer.
        tile: for the side by hand; torch's device has tiles of its own.
        lr: Adam's step size.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises ValueError for a hidden or tile below 1.
    """

    def __init__(self, hidden: int = 64, tile: int = 16, lr: float = 1e-3) -> None:
        super().__init__()
        if min(hidden, tile) < 1:
            raise ValueError(f"OnAGPU: hidden and tile must be at least 1, got {hidden} and {tile}")
        self.save_hyperparameters()
        self.lr = lr
        self.fc1 = nn.Linear(64, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        return self.fc2(self.relu(self.fc1(x)))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(z2.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
