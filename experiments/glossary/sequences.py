"""The words and signs of the chapter sequences."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
    # ---- what comes next ----
    Term("bigram", "bigram", "text[i : i + 2]", "two neighbours in a text", "bigrams", r"\*bigram\*"),
    Term(
        "bits per character",
        "bits per character",
        "loss / np.log(2)",
        "how many yes-or-no questions the next character takes, on average",
        "bigrams",
        r"\*bits per\s+character\*",
    ),
    Term("c[a, b]", "c a b", "count(text, symbols)[a, b]", "how often a is followed by b", "bigrams", r"c\[a, b\]"),
    # ---- words ----
    Term("skip-gram", "skip gram", "game(s, n, negatives)", "to tell real pairs of words from false ones", "word_vectors", r"\*skip-gram"),
    Term("negative", "negative", "k * by_chance(n)", "a false pair, thrown together by chance", "word_vectors", r"\*negative\*"),
    Term("PMI", "p m i", "pmi(n)", "the log of how much more often than by chance two words meet", "word_vectors"),
    # ---- a network with a memory ----
    Term("sequence", "sequence", "x[n]", "what is read step by step: a sentence, a melody", "rnn", r"\*sequence\*"),
    Term("RNN", "R N N", "nn.RNN", "a recurrent network: the same weights at every step, and a state that is handed on", "rnn"),
    Term("state", "state", "h[t]", "the numbers that a recurrent network remembers what it has read by", "rnn", r"\*state\*"),
    Term("h[t]", "h t", "h[:, t]", "the state after step t", "rnn", r"h\[t\]"),
    Term(
        "backpropagation through time",
        "backpropagation through time",
        "",
        "the way back through all steps, last first; a weight's uses add up",
        "rnn",
    ),
    Term("vanishes", "vanishes", "", "of a gradient: nearly nothing of it is left many steps back", "rnn", r"\*vanishes\*"),
    Term("explodes", "explodes", "", "of a gradient: it is huge many steps back", "rnn", r"\*explodes\*"),
    Term("clipping", "clipping", "clip_grad_norm_(parameters, 1.0)", "a gradient that is too long is shortened", "rnn", "[Cc]lipping"),
    # ---- a memory with gates ----
    Term("LSTM", "L S T M", "nn.LSTM", "long short-term memory: a recurrent network with a memory and three gates", "lstm"),
    Term("memory", "memory", "c[t]", "numbers that pass through no matrix from step to step", "lstm", r"\*\*memory\*\*"),
    Term("gate", "gate", "f * c", "numbers between 0 and 1 by which others are multiplied", "lstm", r"\*\*gates\*\*"),
    Term("forget gate", "forget gate", "f", "how much of the memory is kept", "lstm"),
    # ---- two gates ----
    Term("GRU", "G R U", "nn.GRU", "gated recurrent unit: a state that each step replaces in part", "gru"),
    Term("update gate", "update gate", "u", "how much of the state is kept", "gru", r"\*update gate\*"),
    Term("reset gate", "reset gate", "r", "how much of the past what is new may depend on", "gru", r"\*reset gate\*"),
    # ---- attention ----
    Term("token", "token", "x[n, t]", "one of the signs that a sequence is made of, as a number", "attention", r"\*token\*"),
    Term("embedding", "embedding", "nn.Embedding", "a row of numbers for each token, which is learned", "attention", "embeddings?"),
    Term("query", "query", "q", "what a place asks for", "attention"),
    Term("key", "key", "k", "what a place answers to", "attention", r"\*key\*"),
    Term("value", "value", "v", "what a place has to tell", "attention", r"\*value\*"),
    Term(
        "√d_k",
        "root of d k",
        "math.sqrt(d_k)",
        "how the size of a dot product grows with its length: what scores are divided by",
        "attention",
    ),
    Term("causal mask", "causal mask", "is_causal=True", "no place sees what comes after it", "attention"),
    # ---- from one sequence to another ----
    Term("encoder", "encoder", "h, last = encoder(e)", "the network that reads a sequence", "seq2seq", r"\*\*encoder\*\*"),
    Term("decoder", "decoder", "s, _ = decoder(d, last)", "the network that writes one", "seq2seq", r"\*\*decoder\*\*"),
    Term(
        "teacher forcing", "teacher forcing", "", "in training the right symbols are read, not those written", "seq2seq", "Teacher forcing"
    ),
    # ---- which place is where ----
    Term(
        "permutation equivariant",
        "permutation equivariant",
        "f(x[order]) == f(x)[order]",
        "what is shuffled comes out shuffled, and is else the same",
        "positions",
        r"\*permutation equivariant\*",
    ),
    Term("θᵢ", "theta i", "BASE ** (-2 * i / D)", "how far pair i turns from one place to the next", "positions"),
    Term(
        "rotary",
        "rotary",
        "rotate(q, angle)",
        "positions that turn queries and keys, so that scores know only distances",
        "positions",
        r"\*Rotary\*",
    ),
    Term("sinusoidal", "sinusoidal", "sinusoidal(T, D)", "positions as sines and cosines, added to embeddings", "positions"),
    # ---- several heads ----
    Term(
        "head",
        "head",
        "split(x, H)[:, h]",
        "one of several attentions side by side, each with its piece of the numbers",
        "multihead_attention",
        r"\*heads\*",
    ),
    Term(
        "multi-head attention",
        "multi head attention",
        "nn.MultiheadAttention",
        "several heads look, each for itself, and what they find is joined",
        "multihead_attention",
        r"\*Multi-head attention\*",
    ),
    # ---- a transformer block ----
    Term(
        "residual connection",
        "residual connection",
        "x + f(x)",
        "a shortcut: what f makes of x is added to x",
        "transformer",
        r"\*residual connection\*",
    ),
    Term(
        "feed-forward",
        "feed forward",
        "np.maximum(x @ W1.T, 0) @ W2.T",
        "a small network that each place goes through alone",
        "transformer",
        "feed_forward",
    ),
    Term("post-norm", "post norm", "norm(x + f(x))", "the norm behind the sum", "transformer", r"\*post-norm\*"),
    Term("pre-norm", "pre norm", "x + f(norm(x))", "the norm within the shortcut", "transformer", r"\*pre-norm\*"),
    # ---- tokens ----
    Term("byte", "byte", "text.encode()", "a number from 0 to 255: what a computer stores a text as", "tokens", r"\*bytes\*"),
    Term("BPE", "B P E", "tokenizer(text, merges)", "byte-pair encoding: the commonest pair becomes a token, again and again", "tokens"),
    Term("merge", "merge", "merge(word, pair)", "to join two tokens into one wherever they stand side by side", "tokens", r"\*merge\*"),
    # ---- gpt ----
    Term(
        "language model",
        "language model",
        "nn.Module",
        "it gives each token the probability that it comes next",
        "gpt",
        r"\*language model\*",
    ),
    Term(
        "tied weights",
        "tied weights",
        "scores(h, wte.weight)",
        "one table is used twice, and its gradient is a sum",
        "gpt",
        r"Tied weights",
    ),
    Term("warm-up", "warm up", "LinearLR(...)", "the first steps of a training, in which the step size rises", "gpt"),
    Term("n-gram", "n gram", "witten_bell(...)", "n characters in a row; also the model that has counted them", "gpt", r"n-grams?"),
    # ---- a cache ----
    Term("KV cache", "k v cache", "kept.k, kept.v", "the keys and values of the places so far, which are not computed again", "kv_cache"),
    # ---- from probabilities to text ----
    Term("top-k", "top k", "kept(p, keep_top_k(p, k))", "only the k most probable may be drawn", "sampling", r"\*Top-k\*"),
    Term(
        "nucleus",
        "nucleus",
        "kept(p, keep_top_p(p, top_p))",
        "the fewest that together have a given probability",
        "sampling",
        r"\*nucleus\*",
    ),
    Term("greedy", "greedy", "p.argmax(axis=-1)", "the most probable each time", "sampling", r"\*Greedy\*"),
    Term(
        "beam search",
        "beam search",
        "beam_search(model, x, length, width)",
        "goes on with the few most probable beginnings at once",
        "sampling",
        r"\*Beam search\*",
    ),
    # ---- low-rank adapters ----
    Term("LoRA", "lora", "W0 + s * (B @ A)", "a frozen layer, and a change of low rank that learns", "lora", r"\*LoRA\*"),
    Term("adapter", "adapter", "A, B", "a few weights that learn what is added to many frozen ones", "lora", r"\*adapter\*"),
    Term(
        "reduced-rank regression",
        "reduced-rank regression",
        "",
        "least squares, where the matrix may be of no more than some rank",
        "lora",
        r"\*reduced-rank\s+regression\*",
    ),
)
