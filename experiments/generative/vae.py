"""A variational autoencoder: digits from two numbers, and a bound on how probable they are

Digits in black and white are encoded as places of a plane and decoded from them; the bound that is trained is held against log p(x) itself,
added up over the plane. Where all is linear the bound is reached, and what is found is PCA.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.data.digits import Digits
from experiments.data.iris import iris
from experiments.drawing.colours import AMOUNT, CATEGORIES, NEGATIVE, POSITIVE
from experiments.drawing.figure import BY_HAND, TORCH, draw_both, figure
from experiments.drawing.walk import walk
from experiments.drawing.written import label_lines
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.generative.vae import VAE as Manual
from manual.generative.vae import LinearVAE, drawn, log_evidence, log_likelihood_of_pca
from manual.module import no_grad
from manual.nn.functional import logsumexp, sigmoid, softplus
from torch_impl.generative.vae import VAE as Torch
from torch_impl.generative.vae import LinearVAE as LinearVAEInTorch

STEP, REACH = 0.1, 4.5
"""Of the grid that log p(x) is added up on; beyond it the prior has 1e-5 of its weight."""


class InkOrNone(Digits):
    """scikit-learn's digits in black and white: 64 pixels, 1 where at least half of the ink is that there can be; a fifth is held out.

    Args:
        batch_size: digits in a batch.
        seed: of the split and of the order of the batches.
    """

    def __init__(self, batch_size: int = 128, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        split = super().load()
        return Split(*(((x >= 0.5).astype(np.float64), c) for x, c in (split.train, split.val)))


# ---- what is measured, on both sides -----------------------------------------------------------------


def encode(side: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """μ and log var of q(z|x), in float64."""
    if isinstance(side, Manual):
        with no_grad():
            mean, log_var = side.encode(x.astype(next(side.parameters()).dtype))
        return mean.astype(np.float64), log_var.astype(np.float64)
    with torch.no_grad():
        both = side.encode(torch.from_numpy(x).to(next(side.parameters())))
    mean, log_var = (a.cpu().double().numpy() for a in both)
    return mean, log_var


def decode(side: Any, z: np.ndarray) -> np.ndarray:
    """The logits at these points, in float64."""
    if isinstance(side, Manual):
        with no_grad():
            return side.decoder(z.astype(next(side.parameters()).dtype)).astype(np.float64)
    with torch.no_grad():
        logits: torch.Tensor = side.decoder(torch.from_numpy(z).to(next(side.parameters())))
    return logits.cpu().double().numpy()


def grid() -> np.ndarray:
    """Points of the plane, (G, 2)."""
    line = np.arange(-REACH, REACH + STEP / 2, STEP)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def at_each(logits: np.ndarray, x: np.ndarray) -> np.ndarray:
    """log p(x|z) of each image for the logits of each z. Shapes: logits (G, 64), x (N, 64), the result (N, G)."""
    return x @ logits.T - softplus(logits).sum(axis=1)  # (N, 64) @ (64, G)


def evidence(side: Any, x: np.ndarray) -> np.ndarray:
    """log p(x) of each image, added up over the plane, (N,)."""
    return log_evidence(at_each(decode(side, grid()), x), grid(), STEP**2)


def bounds(side: Any, x: np.ndarray, draws: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """The ELBO of each image, and the nearer bound of importance weights (Burda et al. 2016), from so many draws of z, (N,) each."""
    mean, log_var = encode(side, x)
    epsilon = np.random.default_rng(0).standard_normal((draws, *mean.shape))
    z = drawn(mean, log_var, epsilon)
    logits = decode(side, z.reshape(-1, z.shape[-1])).reshape(draws, *x.shape)
    log_p = (x * logits - softplus(logits)).sum(axis=2)
    weights = log_p + (epsilon**2 - z**2 + log_var).sum(axis=2) / 2  # log p(x|z) p(z) / q(z|x)
    K = (mean**2 + np.exp(log_var) - 1 - log_var).sum(axis=1) / 2
    return log_p.mean(axis=0) - K, logsumexp(weights, axis=0) - np.log(draws)


def pulls(manual: Manual, x: np.ndarray, draws: int = 100) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """μ of each image, and where R and K would have it go: −∂R/∂μ, averaged over draws, and −∂K/∂μ, (N, D) each."""
    mean, log_var = encode(manual, x)
    by_R = np.zeros(mean.shape)
    for epsilon in np.random.default_rng(0).standard_normal((draws, *mean.shape)):
        logits = manual.decoder(drawn(mean, log_var, epsilon).astype(x.dtype))
        by_R -= manual.decoder.backward(sigmoid(logits) - x) / draws
    manual.zero_grad()
    return mean, by_R, -mean


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> dict[str, Figure]:
    """The plane, the bound and the pulls, where z has two numbers; and the linear one."""
    always = {"it is PCA": it_is_pca()}
    if manual.latent != 2:
        return always
    return {
        "the latent plane": the_latent_plane(manual, torch_module, data),
        "the bound": the_bound(manual, torch_module, data),
        "two pulls": two_pulls(manual, data),
        **always,
    }


def the_latent_plane(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """Where the held-out digits lie, and what is drawn everywhere."""
    x, c = data.split.val
    mean, _ = encode(manual, x)
    apart = np.abs(mean - encode(torch_module, x)[0]).max()
    fig, axes = figure(
        "Left: where the encoder puts digits that were held out (μ, by hand; torch is never farther off than "
        f"{apart:.0e}). Nobody told it which digit is which. Right: what the decoder makes of places all over the plane, each pixel as "
        "dark as it is probable to be black. Find a 0 on the left and look at the same place on the right; walk from it to a 1.",
        columns=2,
        size=(4.9, 4.7),
    )
    left, right = axes[0]
    reach = 3.0
    for digit in range(10):
        left.plot(
            *mean[c == digit].T, marker=f"${digit}$", linestyle="none", color=CATEGORIES[digit % 5], markersize=5, markeredgewidth=0.3
        )
    left.set(title="held-out digits: μ", xlim=(-reach, reach), ylim=(-reach, reach), xlabel="first number of z", ylabel="second", aspect=1)
    places, side = np.linspace(-reach, reach, 15), 8
    points = np.stack(np.meshgrid(places, places[::-1]), axis=-1).reshape(-1, 2)
    pictures = sigmoid(decode(manual, points)).reshape(15, 15, side, side).transpose(0, 2, 1, 3).reshape(15 * side, 15 * side)
    edge = reach + (places[1] - places[0]) / 2
    right.imshow(pictures, cmap="Greys", vmin=0, vmax=1, extent=(-edge, edge, -edge, edge))
    right.set(title="what is decoded there", xlabel="first number of z")
    return fig


def the_bound(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """Of each held-out digit the bound and what it bounds; and one posterior with its q."""
    x, c = data.split.val
    found = {name: (evidence(side, x), *bounds(side, x)) for name, side in (("by hand", manual), ("torch", torch_module))}
    exact, elbo, weighted = (of.mean() for of in found["by hand"])
    one = int(np.argsort(exact - found["by hand"][1])[len(x) // 2]) if len(x) else 0
    fig, axes = figure(
        "Left: log p(x) of each held-out digit, added up over the plane, and below it the bound (large: torch, small: by hand). On "
        f"average {exact:.2f}, and at least {elbo:.2f} by the ELBO; {weighted:.2f} by the bound of importance weights. Right: for one "
        f"digit, a {c[one]}, the posterior (bright: likely) and q (one and two standard deviations). What is in one alone is the gap.",
        columns=2,
        size=(4.7, 4.1),
    )
    left, right = axes[0]
    for name, size, look in (("torch", 7, TORCH["color"]), ("by hand", 2.5, BY_HAND["color"])):
        left.plot(*found[name][:2], "o", color=look, markersize=size, label=name, linewidth=0)
    ends = [found["by hand"][0].min(), found["by hand"][0].max()]
    left.plot(ends, ends, color="black", linewidth=0.8, label="no gap")
    left.set(title="each held-out digit, in nats", xlabel="log p(x)", ylabel="ELBO")
    left.legend(fontsize=8)
    posterior_and_q(right, manual, x[one : one + 1])
    right.set(title=f"where was this {c[one]}?", xlabel="first number of z", ylabel="second")
    return fig


def posterior_and_q(ax: Any, manual: Manual, x: np.ndarray) -> None:
    """The posterior of one image over the plane, and the ellipses of its q."""
    z = grid()
    log_joint = at_each(decode(manual, z), x)[0] - (z**2).sum(axis=1) / 2
    density = np.exp(log_joint - log_joint.max())
    n = round(len(z) ** 0.5)
    (mean,), (log_var,) = encode(manual, x)
    sd = np.exp(log_var / 2)
    ax.imshow(density.reshape(n, n), cmap=AMOUNT, origin="lower", extent=(-REACH, REACH, -REACH, REACH), aspect="auto")
    for many in (1, 2):
        ax.add_patch(Ellipse(tuple(mean), *(2 * many * sd), fill=False, edgecolor=BY_HAND["color"], linewidth=1.5))
    around = max(6 * sd.max(), 0.5)
    ax.set(xlim=(mean[0] - around, mean[0] + around), ylim=(mean[1] - around, mean[1] + around))


def two_pulls(manual: Manual, data: ArrayData) -> Figure:
    """Which way each term would move the places of some digits."""
    x = data.split.train[0][:60].astype(next(manual.parameters()).dtype)
    mean, by_R, by_K = pulls(manual, x)
    against = np.sum(by_R * by_K) / max(np.linalg.norm(by_R) * np.linalg.norm(by_K), 1e-12)
    fig, axes = figure(
        "Sixty digits that were learned from, and which way either term of the loss would move their μ. Violet: K, always towards the "
        "middle. Orange: R, mostly away from it, to where this image is told from others. In training the two come to a balance: the "
        f"cosine between them, over all digits, is {against:.2f}; −1 would be exactly opposite.",
        size=(5.6, 5.0),
    )
    ax = axes[0, 0]
    for pull, colour, name in ((by_K, NEGATIVE, "K"), (by_R, POSITIVE, "R")):
        ax.quiver(*mean.T, *(0.4 * pull.T), color=colour, angles="xy", scale_units="xy", scale=1, width=0.004, label=name)
    ax.plot(*mean.T, "o", color="black", markersize=2.5)
    ax.plot(0, 0, "+", color="black", markersize=12)
    ax.set(title="−∂R/∂μ and −∂K/∂μ", xlabel="first number of z", ylabel="second", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
    ax.legend(fontsize=9, loc="upper left")
    return fig


# ---- further reading: where all is linear --------------------------------------------------------------


def centred_iris() -> np.ndarray:
    """The irises' four lengths less their means, (150, 4)."""
    x, _ = iris()
    return x - x.mean(axis=0)


@cache
def linear(steps: int = 400) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The weights of the linear one after each step, by hand and in torch."""
    ours = LinearVAE(epochs=steps, rng=np.random.default_rng(1))
    return walk(ours, LinearVAEInTorch(epochs=steps), (centred_iris(),), steps)


def elbo_at(weights: dict[str, np.ndarray], step: int) -> float:
    """The linear one's ELBO with the weights of this step."""
    model = LinearVAE()
    model.load_state_dict({name: of[step] for name, of in weights.items()})
    loss = model.training_step((centred_iris(),), 0)
    model.forget()
    return -loss


def it_is_pca() -> Figure:
    """How far the bound is below the likelihood of probabilistic PCA; and the axes that are found."""
    x = centred_iris()
    best, sides = log_likelihood_of_pca(x, 2), linear()
    steps = np.unique(np.geomspace(1, 400, 60).astype(int))
    last = [best - elbo_at(side, -1) for side in sides]
    fig, axes = figure(
        "The irises' four lengths from two numbers, with no bends. Left: how far the ELBO is below the largest log-likelihood that "
        f"probabilistic PCA can have, {best:.4f} nats: in the end {max(map(abs, last)):.0e}. Right: the columns of V (bars: torch broad, "
        "by hand narrow) are the axes of PCA (crosses), each √(eigenvalue − noise) long.",
        columns=2,
        size=(5.0, 3.7),
    )
    left, right = axes[0]
    ours, theirs = (np.stack([steps, [max(best - elbo_at(side, k), 1e-16) for k in steps]]) for side in sides)
    draw_both(left, ours, theirs, "ELBO", CATEGORIES[0])
    left.set(title="below PCA's log-likelihood, in nats", xlabel="step", yscale="log")
    label_lines(left)
    axis = axes_of_pca(x)
    for k in range(2):
        ours_k, theirs_k = (side["decoder.weight"][-1] for side in sides)
        column = int(np.argmax(np.abs(ours_k.T @ axis[:, k])))
        sign = np.sign(ours_k[:, column] @ axis[:, k])
        at = np.arange(4) + 5 * k
        right.bar(at, sign * theirs_k[:, column], width=0.8, color=TORCH["color"], label="torch" if k == 0 else None)
        right.bar(at, sign * ours_k[:, column], width=0.35, color=BY_HAND["color"], label="by hand" if k == 0 else None)
        right.plot(at, axis[:, k], "x", color="black", label="PCA" if k == 0 else None)
    right.axhline(0, color="black", linewidth=0.8)
    right.set(title="the two columns of V", xticks=(1.5, 6.5), ylabel="cm")
    right.set_xticklabels(("first axis", "second axis"))
    right.legend(fontsize=8)
    return fig


def axes_of_pca(x: np.ndarray, latent: int = 2) -> np.ndarray:
    """The best V of probabilistic PCA but for signs: eigenvectors, √(eigenvalue − noise) long (Tipping and Bishop, eq. 7), (M, latent)."""
    eigenvalues, vectors = np.linalg.eigh(x.T @ x / len(x))
    noise = eigenvalues[: len(eigenvalues) - latent].mean()
    order = np.argsort(eigenvalues)[::-1][:latent]
    return vectors[:, order] * np.sqrt(eigenvalues[order] - noise)


# ---- to do ---------------------------------------------------------------------------------------------


def gap(run: Trained) -> float:
    """How far the ELBO is below log p(x) of the held-out digits, on average."""
    x, _ = run.data.split.val
    return float((evidence(run.manual, x) - bounds(run.manual, x)[0]).mean())


SHORT: dict[str, Any] = {"model": {"epochs": 15}, "trainer": {"max_epochs": 15}}

QUESTIONS = (
    by_size(
        "The encoder may say anything of a digit with two numbers, and pays for it. How much does z tell in the end: what is K?",
        lambda run: run.metrics["kl/val"],
        *("nothing: about 0 nats", 0.5, "1 to 5 nats: one of 3 to 150 places", 5, "over 10 nats: one of 20,000 places"),
        seen="{:.2f} nats",
        why="On a plane that must look like the prior from afar there is room for a dozen places that can be told apart.",
        look_at=("the latent plane", "how many places there are where another digit is drawn."),
        **SHORT,
    ),
    by_size(
        "The loss is minus a bound on log p(x). By how much is log p(x) itself larger, for held-out digits?",
        gap,
        *("not at all", 0.02, "less than one nat", 1, "several nats"),
        seen="{:.2f} nats on average",
        why="The gap is how far q is from the posterior. That is nearly normal where one place explains an image, and q is normal.",
        look_at=("the bound", "which digits lie far below the line, and what their q misses."),
        **SHORT,
    ),
    by_size(
        "beta = 10: to tell z costs ten times as much. What becomes of K?",
        lambda run: run.metrics["kl/val"],
        *("nearly 0", 0.3, "a tenth to a half of what it was", 1.5, "about what it was"),
        seen="{:.2g} nats",
        why="What z could tell would save R less than it costs. So q is the prior for every x, and the decoder draws the mean digit.",
        model={"beta": 10.0, "epochs": 15},
        trainer={"max_epochs": 15},
        look_at=("two pulls", "which of the two terms would win if violet were ten times as long."),
    ),
)

MISTAKE = Mistake(
    "K only makes the reconstruction worse. Leave it out: beta = 0.",
    lambda run: (
        f"The reconstruction of held-out digits costs {run.metrics['reconstruction/val']:.1f} nats, but K has grown to "
        f"{run.metrics['kl/val']:.1f}: the bound is at {-run.metrics['loss/val']:.1f}, and log p(x) itself at "
        f"{evidence(run.manual, run.data.split.val[0]).mean():.1f}. Had each pixel its own fixed probability, it would be "
        f"{of_pixels_alone(run.data):.1f}."
    ),
    lambda run: run.metrics["kl/val"] > 8 and evidence(run.manual, run.data.split.val[0]).mean() < -22.5,
    "Without K the encoder puts the digits far apart, where the prior never looks. What is drawn from the prior is then no digit, and "
    "the digits that there are have become improbable.",
    model={"beta": 0.0, "epochs": 15},
    trainer={"max_epochs": 15},
)


def of_pixels_alone(data: ArrayData) -> float:
    """log p of a held-out digit where each pixel is black as often as it is in those learned from, whatever the others are."""
    (x, _), (x_val, _) = data.split.train, data.split.val
    p = (x.sum(axis=0) + 1) / (len(x) + 2)
    return float((x_val @ np.log(p) + (1 - x_val) @ np.log(1 - p)).mean())


def learned(run: Trained) -> str:
    """The bound and its terms, and what it bounds."""
    x, _ = run.data.split.val
    said = (
        f"A held-out digit costs {run.metrics['reconstruction/val']:.2f} nats once z is told, and z {run.metrics['kl/val']:.2f}: log p(x) "
        f"is at least {-run.metrics['loss/val']:.2f} on average."
    )
    if run.manual.latent == 2:
        said += f" Added up over the plane it is {evidence(run.manual, x).mean():.2f}."
    return said + f" Pixels that know nothing of each other have {of_pixels_alone(run.data):.2f}."


TWIN = Twin(
    name="vae",
    manual=Manual,
    torch=Torch,
    data=InkOrNone,
    needs=("digits_mlp", "expectation", "bayes", "information"),
    trainer={"max_epochs": 60},
    variants={"half of K": {"beta": 0.5, "latent": 3, "hidden": 17}},
    options={"epochs": 3},
    figures=figures,
    learned=learned,
    look_at=("the latent plane", "whether a digit on the left is what is decoded at its place on the right."),
    further=("it is PCA",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("kl_backward", ("Each entry has a term of its own: ½ (μ² + e^log_var − 1 − log_var), over N.",)),
        Exercise("drawn_backward", ("z is μ plus something, so it moves as μ does. And e^(½ log_var)?",)),
        Exercise("VAE.terms_backward", ("Every line of `terms` has one line here, in the opposite order.",)),
    ),
)

if __name__ == "__main__":
    run("vae")
