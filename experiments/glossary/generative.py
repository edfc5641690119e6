"""The words and signs of the chapter generative."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
    # ---- a latent plane ----
    Term("VAE", "V A E", "VAE(hidden, latent)", "variational autoencoder: an encoder that says where z may be, and a decoder", "vae"),
    Term("q(z|x)", "q of z given x", "mean, log_var", "the encoder's guess at the posterior of z", "vae", r"q\(z\|x\)"),
    Term("ELBO", "elbo", "-(R + K)", "evidence lower bound: log p(x) is at least that", "vae", r"\*ELBO\*"),
    # ---- a game of two ----
    Term("GAN", "gan", "d_loss, g_loss", "generative adversarial network: two networks, each the other's opponent", "gan"),
    Term("generator", "generator", "g(z)", "the network that makes things of noise", "gan", r"\*generator\*"),
    Term("discriminator", "discriminator", "d(x)", "the network that tells real things from made ones", "gan", r"\*discriminator\*"),
    Term("softplus", "soft plus", "np.log1p(np.exp(s))", "log(1 + eˢ): minus the log of the probability σ(−s)", "gan"),
    Term("equilibrium", "equilibrium", "", "where no player gets anywhere by moving alone", "gan", r"\*equilibrium\*"),
    Term("mode collapse", "mode collapse", "", "a generator makes one kind of thing only", "gan", r"\*mode collapse\*"),
    # ---- a sheet that is bent ----
    Term("normalising flow", "normalising flow", "Flow(couplings)", "a network that can be undone and whose log det is known", "flow"),
    Term("coupling", "coupling", "Coupling(keep, hidden)", "keeps one number, by which it stretches and shifts the other", "flow"),
    Term("log det", "log det", "s.sum()", "the log of the factor by which a step makes a small area larger", "flow"),
    # ---- noise taken away ----
    Term(
        "diffusion model",
        "diffusion model",
        "",
        "it makes things of noise by taking noise away step by step",
        "diffusion",
        r"\*diffusion model\*",
    ),
    Term("ā", "a bar", "kept[t]", "what part of the variance is still the real thing's at time t", "diffusion", "ā"),
    Term("x[t]", "x t", "x", "a real thing x₀ with the noise of time t in it", "diffusion", r"x\[t\]"),
    Term("ε̂", "epsilon hat", "epsilon_hat", "the noise as the network says it is", "diffusion", "ε̂"),
    # ---- energy ----
    Term("energy", "energy", "E", "a number for every picture; where it is low, the picture is probable", "energy", r"\*energy-based"),
    Term("partition function", "partition function", "Z", "the sum of exp(−E) over all there is", "energy"),
    Term("free energy", "free energy", "free_energy(v, W, a, b)", "the energy of a picture, whatever the units are", "energy"),
    Term("Gibbs sampling", "Gibbs sampling", "gibbs(v, u, W, a, b)", "units given pixels, pixels given units, in turn", "energy"),
    Term(
        "contrastive divergence",
        "contrastive divergence",
        "",
        "the gradient of log Z, estimated by dreams that begin at the data",
        "energy",
        r"\*Contrastive divergence\*",
    ),
)
