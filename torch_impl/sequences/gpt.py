"""A GPT: GPT-2's architecture, which writes text a token at a time. With torch.nn in Lightning."""

from __future__ import annotations

import math
import string
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from torch_impl.module import Concept
from torch_impl.noise import Uniform
from torch_impl.sampling import draw


def scores(x: Tensor, table: Tensor) -> Tensor:
    """How well each place fits each token. Shapes: x (..., D), table (tokens, D), the result (..., tokens)."""
    return x @ table.T


class CausalSelfAttention(nn.Module):
    """Several heads of attention, in which no place sees those after it."""

    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for part in self.c_attn(x).chunk(3, dim=-1))
        y = scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a small network for each place alone; each normalised before, and added to what was there."""

    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_embd, n_head)
        self.ln_2 = nn.LayerNorm(n_embd)
        c_fc, c_proj = nn.Linear(n_embd, 4 * n_embd), nn.Linear(4 * n_embd, n_embd)
        self.mlp = nn.Sequential(OrderedDict(c_fc=c_fc, act=nn.GELU("tanh"), c_proj=c_proj))

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.attn(self.ln_1(h))
        return h + self.mlp(self.ln_2(h))


class GPT(Concept):
    """GPT-2, trained to foretell the next character. The arguments are those of the twin by hand."""

    def __init__(
        self,
        vocabulary: str = string.printable,
        n_positions: int = 64,
        n_embd: int = 64,
        n_head: int = 4,
        n_layer: int = 2,
        lr: float = 1e-2,
        warmup: int = 100,
        steps: int = 1200,
        prompt: str = "\n",
        sample: int = 200,
    ) -> None:
        super().__init__()
        if n_embd % n_head or not 0 < warmup < steps:
            raise ValueError(
                f"GPT: n_head must divide n_embd, and warmup lie between 0 and steps, got {n_head}, {n_embd}, {warmup} and {steps}"
            )
        self.save_hyperparameters()
        self.vocabulary, self.n_positions, self.prompt, self.sample = vocabulary, n_positions, prompt, sample
        self.lr, self.warmup, self.steps = lr, warmup, steps
        self.wte, self.wpe = nn.Embedding(len(vocabulary), n_embd), nn.Embedding(n_positions, n_embd)
        self.h = nn.ModuleList(Block(n_embd, n_head) for _ in range(n_layer))
        self.ln_f = nn.LayerNorm(n_embd)
        self.loss = nn.CrossEntropyLoss()
        self.uniform = Uniform()
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * n_layer) if name.endswith("c_proj.weight") else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of what comes next, at every place."""
        h = self.wte(x) + self.wpe(torch.arange(x.shape[1], device=x.device))
        for block in self.h:
            h = block(h)
        return scores(self.ln_f(h), self.wte.weight)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, target = batch
        loss = self.loss(self(x).flatten(0, 1), target.flatten())
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, target = batch
        loss = self.loss(self(x).flatten(0, 1), target.flatten())
        self.log("loss/val", loss, batch_size=len(x))
        self.log("bits/val", loss / math.log(2), batch_size=len(x))
        if batch_idx == 0:
            write(self)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, betas=(0.9, 0.95), weight_decay=0.1)
        rise = LinearLR(optimizer, 1 / self.warmup, 1.0, self.warmup)
        fall = CosineAnnealingLR(optimizer, self.steps - self.warmup, 0.1 * self.lr)
        both = SequentialLR(optimizer, [rise, fall], [self.warmup])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": both, "interval": "step"}}


# ---- further reading: a text at each validation --------------------------------------------------------


def write(model: GPT) -> None:
    """Log a text, and how surprising it was to its own writer, in bits per character."""
    prompt = torch.tensor([model.vocabulary.index(c) for c in model.prompt], device=model.device)
    tokens, p = continued(model, prompt, model.uniform((model.sample,)))
    model.log("sample/val", -p.log2().mean())
    model.log_text("sample", "".join(model.vocabulary[token] for token in tokens))


def continued(model: GPT, tokens: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """A text and what follows it, drawn by inverse CDF; and the probability that each token had."""
    found = []
    for number in u:
        p = model(tokens[None, -model.n_positions :])[0, -1].softmax(dim=-1)
        token = draw(p, number)
        tokens = torch.cat([tokens, token[None]])
        found.append(p[token])
    return tokens, torch.stack(found)
