"""Writing without doing all again: the keys and values of a GPT are kept. In Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from torch_impl.sampling import draw
from torch_impl.sequences.gpt import GPT, CausalSelfAttention, scores


def look(q: Tensor, K: Tensor, V: Tensor) -> Tensor:
    """What the newest place finds among all that are kept. Shapes: q (N, n_head, 1, d), K and V (N, n_head, places, d)."""
    return scaled_dot_product_attention(q, K, V)


def attend_last(attn: CausalSelfAttention, x: Tensor, kept: list[Tensor]) -> Tensor:
    """What the newest place finds; its key and value are kept: [K, V], each (N, n_head, places, d)."""
    q, k, v = (part.unflatten(-1, (attn.n_head, -1)).transpose(1, 2) for part in attn.c_attn(x).chunk(3, dim=-1))
    kept[:] = [torch.cat([old, new], dim=2) for old, new in zip(kept, (k, v), strict=True)] if kept else [k, v]
    return attn.c_proj(look(q, kept[0], kept[1]).transpose(1, 2).flatten(2))


class CachedGPT(GPT):
    """A GPT that is trained as ever, and writes with a cache. The arguments are the GPT's."""

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The loss, and a text that is written with the cache."""
        x, target = batch
        self.log("loss/val", self.loss(self(x).flatten(0, 1), target.flatten()), batch_size=len(x))
        if batch_idx == 0:
            more = min(self.sample, self.n_positions + 1 - len(self.prompt))
            tokens, p = self.write([self.vocabulary.index(c) for c in self.prompt], self.uniform((more,)))
            self.log("sample/val", -p.log2().mean())
            self.log_text("sample", "".join(self.vocabulary[token] for token in tokens))

    def empty(self) -> list[list[Tensor]]:
        """What is kept of no place, for each block."""
        return [[] for _ in self.h]

    def place(self, kept: list[list[Tensor]]) -> int:
        """Which place comes next."""
        return kept[0][0].shape[2] if kept[0] else 0

    def next_scores(self, token: int, kept: list[list[Tensor]]) -> Tensor:
        """The scores of what comes after this token, (tokens,)."""
        blocks: Any = self.h
        h = self.wte.weight[token].reshape(1, 1, -1) + self.wpe.weight[self.place(kept)]
        for block, of_block in zip(blocks, kept, strict=True):
            h = h + attend_last(block.attn, block.ln_1(h), of_block)
            h = h + block.mlp(block.ln_2(h))
        return scores(self.ln_f(h), self.wte.weight)[0, 0]

    def write(self, tokens: list[int], u: Tensor) -> tuple[list[int], Tensor]:
        """A text and what follows it, and the probability that each of these tokens had."""
        tokens, found, kept = list(tokens), [], self.empty()
        for token in tokens[:-1]:
            self.next_scores(token, kept)
        for number in u:
            p = self.next_scores(tokens[-1], kept).softmax(dim=-1)
            tokens.append(int(draw(p, number)))
            found.append(p[tokens[-1]])
        return tokens, torch.stack(found)
