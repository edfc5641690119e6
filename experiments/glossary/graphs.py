"""The words and signs of the chapter graphs."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
    # ---- a graph network ----
    Term("edge", "edge", "(i, j)", "a tie between two nodes", "gcn", r"\*edges\*"),
    Term("adjacency matrix", "adjacency matrix", "A[i, j]", "1 where i and j are tied, else 0", "gcn", r"\*adjacency\s+matrix\*"),
    Term("self-loop", "self-loop", "A + np.eye(N)", "a tie of a node to itself", "gcn", r"\*self-loop\*"),
    Term("Â", "A hat", "normalized(A)", "the ties and self-loops, over the roots of both ends' numbers of them", "gcn", "Â"),
    Term("GCN", "G C N", "A_hat @ linear(h)", "graph convolutional network: each node adds up its neighbours", "gcn"),
    Term(
        "semi-supervised", "semi-supervised", "", "a few examples have labels, and the others are there too", "gcn", r"\*semi-supervised\*"
    ),
    Term("oversmoothing", "oversmoothing", "", "after many layers all nodes are alike", "gcn", "[Oo]versmoothing"),
    # ---- attention over neighbours ----
    Term(
        "graph attention",
        "graph attention",
        "alpha @ r",
        "each edge has a weight that depends on both of its ends",
        "gat",
        "[Gg]raph attention",
    ),
    Term("αᵢ", "alpha i", "softmax(s)", "the parts of the tellers in what i hears; they add up to 1", "gat", "αᵢ"),
    Term("LeakyReLU", "leaky relu", "nn.LeakyReLU(0.2)", "x above 0, and a fifth of x below", "gat", r"\*LeakyReLU\*"),
    Term("static attention", "static attention", "leaky(u @ a)", "all askers prefer the same teller", "gat", r"static form"),
    Term("dynamic attention", "dynamic attention", "leaky(u) @ a", "whom an asker prefers depends on the asker", "gat", r"dynamic form"),
    # ---- messages along edges ----
    Term("source", "source", "edges[0]", "the node that an edge leads from", "message_passing", r"source\[e\]"),
    Term("target", "target", "edges[1]", "the node that an edge leads to", "message_passing", r"target\[e\]"),
    Term("round", "round", "layer(h, edges)", "each node hears from its neighbours once", "message_passing", r"A round has"),
    Term("add up", "add up", "np.add.at(total, index, values)", "sums of the rows that have the same index", "message_passing", "add_up"),
)
