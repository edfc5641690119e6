"""An autoencoder: digits through two numbers and back, by hand.

Describe a photograph in two words to somebody who has to draw it again. What is left out is lost, so you learn to say what photographs
differ in. An autoencoder learns that from pictures alone. Nobody says what is on them: the answer that is asked for is the input itself.

    code  = encoder(x)              64 pixels → 256 numbers → ReLU → 2 numbers
    x_hat = decoder(code)           2 numbers → 256 numbers → ReLU → 64 pixels
    L     = mean of (x_hat − x)²    over N pictures of 64 pixels

The two numbers in the middle, the *bottleneck*, are all that the decoder sees. Were there 64 of them, a copy would do, and nothing need be
learned. One meets this wherever much has to be made little: to draw data on paper, to find what is like what, to notice what is unlike all
that was seen (it is rebuilt badly), and in front of models that make pictures, which work on the codes.

**Without ReLU it is PCA.** Then all layers together are one matrix and a shift, and what comes out lies on a plane, for the codes do. No
plane is nearer to the data than that of the first two principal components (see `pca`), so the loss cannot fall below what these leave out,
however many layers there are (`linear=True`). With ReLU the plane may bend, and lie closer to the pictures.

**The way back.** x stands in the loss twice, as what came in and as what is asked for. But only what depends on the weights moves, and that
is x_hat. From there it is the list above, from the bottom up:

    ∂L/∂x_hat = 2 (x_hat − x) / (N · 64)        each pixel's share of a mean of N · 64 squares
    ∂L/∂code                                    64 errors, through the decoder, have become two: how should this code have been?
    ∂L/∂W of the encoder                        and with these two it learns

**On paper.** Pictures of two pixels, a code of one number, and layers of one unit each, without biases. x = (3, 1). The encoder keeps the
first pixel, the decoder paints both pixels alike:

    code = 1 · 3 + 0 · 1 = 3         x_hat = (1 · 3, 1 · 3) = (3, 3)         L = ((3 − 3)² + (3 − 1)²) / 2 = 2

    ∂L/∂x_hat = 2 · (0, 2) / 2 = (0, 2)
    ∂L/∂W_d   = (0 · 3, 2 · 3) = (0, 6)          error times code: the second weight should be smaller
    ∂L/∂code  = 0 · 1 + 2 · 1 = 2                this code should be smaller
    ∂L/∂W_e   = 2 · (3, 1) = (6, 2)              so should both weights that made it

A code of 2 would give (2, 2), errors of (−1, 1), and ∂L/∂code = −1 + 1 = 0: of all that this decoder can paint (2, 2) is nearest to (3, 1).
(ReLU lets all of these pass, for they are above 0. There are two more weights, of 1, that change nothing.)

    >>> encoder, decoder, loss = Layers(2, 1, 1), Layers(1, 1, 2), nn.MSELoss()
    >>> for layers, first, last in ((encoder, [[1, 0]], [[1]]), (decoder, [[1]], [[1], [1]])):
    ...     layers.fc1.weight[...], layers.fc2.weight[...] = first, last
    ...     layers.fc1.bias[...] = layers.fc2.bias[...] = 0
    >>> x = np.array([[3.0, 1.0]])
    >>> code = encoder(x)
    >>> x_hat = decoder(code)
    >>> code.tolist(), x_hat.tolist(), float(loss(x_hat, x))
    ([[3.0]], [[3.0, 3.0]], 2.0)
    >>> dL_dcode = decoder.backward(loss.backward())
    >>> dL_dx = encoder.backward(dL_dcode)
    >>> decoder.fc2.weight.grad.tolist(), dL_dcode.tolist(), encoder.fc1.weight.grad.tolist()
    ([[0.0], [6.0]], [[2.0]], [[6.0, 2.0]])

Sources: Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", Science 313; Baldi and Hornik 1989
(without bends it is PCA).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module


class Layers(Module):
    """Two linear layers with a ReLU between them: one half of an autoencoder.

    Args:
        inputs: numbers that come in.
        hidden: numbers between the layers.
        outputs: numbers that go out.
        linear: whether the ReLU is left out.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, inputs), y (N, outputs).
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        linear: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden, rng=rng, dtype=dtype)
        self.act = nn.Identity() if linear else nn.ReLU()
        self.fc2 = nn.Linear(hidden, outputs, rng=rng, dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        z = self.fc1(x)
        h = self.act(z)
        y = self.fc2(h)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        dL_dh = self.fc2.backward(dL_dy)
        dL_dz = self.act.backward(dL_dh)
        dL_dx = self.fc1.backward(dL_dz)
        return dL_dx


class Autoencoder(Concept):
    """64 → hidden → latent → hidden → 64, squared error and Adam.

    Args:
        latent: numbers of a code.
        hidden: units between pixels and code, on either way.
        linear: whether the ReLUs are left out; it then finds the plane of the principal components.
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: a batch is (x,), x and x_hat (N, 64), the code (N, latent).

    Raises:
        ValueError: if latent or hidden is below 1.
    """

    def __init__(
        self,
        latent: int = 2,
        hidden: int = 256,
        linear: bool = False,
        lr: float = 3e-3,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(latent, hidden) < 1:
            raise ValueError(f"Autoencoder: latent and hidden must be at least 1, got {latent} and {hidden}")
        self.lr = lr
        rng = rng or np.random.default_rng()
        self.encoder = Layers(64, hidden, latent, linear, rng=rng, dtype=dtype)
        self.decoder = Layers(latent, hidden, 64, linear, rng=rng, dtype=dtype)
        self.loss = nn.MSELoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The pictures, squeezed and rebuilt."""
        code = self.encoder(x)
        x_hat = self.decoder(code)
        return x_hat

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        x_hat = self(x)
        loss = self.loss(x_hat, x)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dx_hat = self.loss.backward(dL_dloss)  # (N, 64)
        dL_dcode = self.decoder.backward(dL_dx_hat)  # (N, latent): all that the encoder is told
        self.encoder.backward(dL_dcode)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", self.loss(self(x), x), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
