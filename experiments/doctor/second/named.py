"""What a function says by its name that it computes: softmax of softmax_forward, of SoftmaxLayer and of my_softmax."""

from __future__ import annotations

import re
from collections.abc import Mapping

FILLING = re.compile(
    r"^(forward|fwd|layer|naive|fast|numpy|np|my|op|func|function|fn|vectorized|vectorised|loops?|manual|simple|stable|stably|numerically|"
    r"activation|act|module|node|gate|block|scratch|step0|calc|compute|computes?|the|of|from|v\d+|\d+)$"
)
"""Words that say nothing of what is computed."""

NAMES: Mapping[str, str] = {
    "relu": r"re_?lu|rectifier|rectified_linear(_unit)?",
    "leaky_relu": r"(leaky_re_?lu|lrelu|leaky)",
    "sigmoid": r"sigmoid|logistic|sig|sigm",
    "tanh": r"tanh|hyperbolic_tangent",
    "gelu": r"gelu",
    "silu": r"silu|swish",
    "softplus": r"soft_?plus",
    "elu": r"elu",
    "mish": r"mish",
    "softsign": r"soft_?sign",
    "softmax": r"soft_?max(_row|_rows|_batch|_2d)?|row_softmax",
    "log_softmax": r"log_?soft_?max",
    "linear": r"affine|linear|dense|fc|fully_connected|inner_product",
    "mse_loss": r"mse(_loss|_cost)?|mean_squared?_error(_loss)?|l2_loss|squared_error|squared_loss|quadratic(_loss|_cost)",
    "l1_loss": r"l1(_loss)?|mae(_loss)?|mean_absolute_error",
    "binary_cross_entropy": r"bce(_loss)?|binary_?cross_?entropy(_loss)?|log_?loss|(bce_)?with_logits(_loss)?|bce_with_logits(_loss)?",
    "cross_entropy": (
        r"cross_?entropy(_loss|_cost)?|ce(_loss)?|soft_?max_(loss|cross_?entropy(_loss|_with_logits)?|with_loss|ce)|"
        r"soft_?max_and_cross_?entropy|categorical_?cross_?entropy(_loss)?|xent|nll(_loss)?|negative_log_likelihood"
    ),
    "layer_norm": r"layer_?norm(alization)?|ln",
    "rms_norm": r"rms_?norm",
    "batch_norm": r"(spatial_)?batch_?norm(alization)?(1d|2d)?|bn",
    "conv2d": r"(depth_?wise_?)?conv(2d|olution|olutional|_2d|olution_2d)?|convolve2d|depth_?wise",
    "conv1d": r"conv_?1d|convolution_?1d|temporal_conv",
    "max_pool2d": r"max_?pool(ing)?(_?2d)?",
    "avg_pool2d": r"(avg|average|mean)_?pool(ing)?(_?2d)?",
    "embedding": r"(word_)?embed(ding)?s?(_lookup)?|lookup(_table)?",
    "scaled_dot_product_attention": r"(scaled_)?(dot_product_)?attention|sdpa|self_attention|attend|attn",
    "cosine_similarity": r"cos(ine)?_?sim(ilarity)?",
    "rnn_cell": r"(vanilla_)?rnn_?(cell|step|cell_step|step_cell)|elman(_cell|_step)?",
    "lstm_cell": r"lstm_?(cell|step|cell_step|step_cell|unit)",
    "gru_cell": r"gru_?(cell|step|cell_step|step_cell|unit)",
}
"""By torch's name, how people call it."""


def operation(name: str) -> str | None:
    """Torch's name of what is called so: softmax of softmax_forward, SoftmaxLayer and my_softmax; None if nothing is known that is.

    A name that has a word more is another thing: attention of softmax_attention is none.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_").split("_")
    plain = "_".join(w for w in words if w and not FILLING.match(w))
    whole = "_".join(words)
    for of in (whole, plain):
        found = next((op for op, pattern in NAMES.items() if of and re.fullmatch(pattern, of.replace("__", "_"))), None)
        found = found or next((op for op, pattern in NAMES.items() if of and re.fullmatch(pattern, of.replace("_", ""))), None)
        if found:
            return found
    return None


def names_an_operation(source: str, file: str) -> bool:
    """Whether a file, or something that it defines, is called by what it computes."""
    return any(map(operation, [file, *re.findall(r"^\s*(?:def|class) (\w+)", source, re.MULTILINE)]))
