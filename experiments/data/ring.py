"""Points in the plane that lie in heaps on a ring: what a generator has to make, all heaps of it."""

from __future__ import annotations

import numpy as np

from experiments.data.arrays import ArrayData, InputError, Split


class Ring(ArrayData):
    """Heaps of normally scattered points, their centres evenly on a circle of radius 2; each point is in any of them alike.

    Args:
        batch_size: points in a batch; 0 puts all of them into one.
        seed: of the points and of the order of the batches.
        points: to learn from; 1,000 more are held out.
        heaps: how many.
        std: of a heap, in either direction.

    Shapes: x (N, 2).
    """

    numbers = 2
    """Of which a point is made."""

    def __init__(self, batch_size: int = 128, seed: int = 0, points: int = 6400, heaps: int = 8, std: float = 0.2) -> None:
        super().__init__(batch_size, seed)
        if min(points, heaps) < 1 or not std > 0:
            raise InputError(f"--data.points and --data.heaps must be at least 1 and --data.std above 0, got {points}, {heaps} and {std}")
        self.points, self.heaps, self.std = points, heaps, std

    @property
    def centres(self) -> np.ndarray:
        """(heaps, 2)."""
        angle = 2 * np.pi * np.arange(self.heaps) / self.heaps
        return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    @property
    def spread(self) -> float:
        """The root of the mean square of a coordinate, over all points that could be drawn."""
        return float(np.sqrt((self.centres**2).mean() + self.std**2))

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        return Split((self.draw(rng, self.points),), (self.draw(rng, 1000),))

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """So many points, (n, 2)."""
        return self.centres[rng.integers(0, self.heaps, n)] + rng.normal(0, self.std, (n, 2))

    def heap_of(self, x: np.ndarray, within: float = 3.0) -> np.ndarray:
        """The heap of each point, (n,): that of the nearest centre; −1 if it is more than so many std away from that.

        Of points that are drawn from the ring itself e^(−within²/2) are so far away: 1 in 90 for 3.
        """
        distance = np.linalg.norm(x[:, None] - self.centres, axis=2)  # (n, heaps)
        return np.where(distance.min(axis=1) <= within * self.std, distance.argmin(axis=1), -1)
