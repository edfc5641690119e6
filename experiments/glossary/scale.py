"""The words and signs of the chapter scale."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
    # ---- accumulation ----
    Term("activations", "activations", "self.save(x)", "what is kept of each example for the way back", "accumulation", r"\*activations\*"),
    Term(
        "micro-batch",
        "micro batch",
        "x[i : i + 32]",
        "a part of a batch that goes there and back at once",
        "accumulation",
        "micro-batch(es)?",
    ),
    Term("accumulation", "accumulation", "p.grad += ...", "adding up gradients before a step", "accumulation", r"\*accumulation\*"),
    # ---- recomputation ----
    Term(
        "recomputation", "recomputation", "Recomputed(*blocks)", "to compute again what was not kept", "recomputation", r"\*Recomputation\*"
    ),
    Term("segment", "segment", "Recomputed(*blocks)", "some layers of which only the input is kept", "recomputation", r"\*segments\*"),
    # ---- data parallel ----
    Term("worker", "worker", "rank", "one of several computers or processes that train together", "data_parallel", r"\*worker\*"),
    Term("shard", "shard", "np.array_split(x, W)[rank]", "the part of something that one worker has", "data_parallel", r"\*shard\*"),
    Term("all-reduce", "all reduce", "ring_all_reduce(vectors)", "add up what all have, so that all get the sum", "data_parallel"),
    # ---- tensor parallel ----
    Term("tensor parallel", "tensor parallel", "ParallelMLP(...)", "the matrices themselves are cut", "tensor_parallel", "Tensor parallel"),
    # ---- on a GPU ----
    Term("tile", "tile", "A[:, i : i + 32] @ B[i : i + 32]", "a piece of a long sum that is added up by itself", "on_a_gpu", r"\*tiles\*"),
    Term("TF32", "T F 32", "tf32(x)", "float32 with 11 binary digits, as some GPUs multiply", "on_a_gpu", r"\*TF32\*"),
)
