"""Torch's functions on what somebody's forward was given, in every layout that is usual; and what such a forward often is instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch.nn import functional as F

from experiments.doctor.second.given import Given
from experiments.doctor.second.in_torch.activations import (
    ELEMENTWISE,
    elementwise,
    elementwise_mistakes,
    leaky_relu,
    log_softmax_mistakes,
    softmax,
    softmax_mistakes,
)
from experiments.doctor.second.in_torch.layers import embedding, embedding_mistakes, linear, linear_mistakes, norm, norm_mistakes
from experiments.doctor.second.in_torch.losses import bce, bce_mistakes, cross_entropy, cross_entropy_mistakes, loss, mse_mistakes
from experiments.doctor.second.in_torch.sequences import (
    attention,
    attention_mistakes,
    cosine,
    cosine_mistakes,
    gru_cell,
    lstm_cell,
    rnn_cell,
    rnn_cell_mistakes,
)
from experiments.doctor.second.in_torch.ways import Way
from experiments.doctor.second.in_torch.windows import convolution, convolution_mistakes, pooling, pooling_mistakes

RIGHT: Mapping[str, Callable[[Given], Iterator[Way]]] = {
    **{name: elementwise(name) for name in ELEMENTWISE},
    "leaky_relu": leaky_relu,
    "softmax": softmax(F.softmax),
    "log_softmax": softmax(F.log_softmax),
    "linear": linear,
    "mse_loss": loss(F.mse_loss),
    "l1_loss": loss(F.l1_loss),
    "binary_cross_entropy": bce,
    "cross_entropy": cross_entropy,
    **{name: norm(name) for name in ("layer_norm", "rms_norm", "batch_norm")},
    "conv2d": convolution(2),
    "conv1d": convolution(1),
    "max_pool2d": pooling(F.max_pool2d),
    "avg_pool2d": pooling(F.avg_pool2d),
    "embedding": embedding,
    "scaled_dot_product_attention": attention,
    "cosine_similarity": cosine,
    "rnn_cell": rnn_cell,
    "lstm_cell": lstm_cell,
    "gru_cell": gru_cell,
}
"""By torch's name, how it is called on what was given."""


WRONG: Mapping[str, Callable[[Given], Iterator[Way]]] = {
    **{name: elementwise_mistakes(name) for name in (*ELEMENTWISE, "leaky_relu")},
    "softmax": softmax_mistakes,
    "log_softmax": log_softmax_mistakes,
    "linear": linear_mistakes,
    "mse_loss": mse_mistakes,
    "binary_cross_entropy": bce_mistakes,
    "cross_entropy": cross_entropy_mistakes,
    **{name: norm_mistakes(name) for name in ("layer_norm", "rms_norm", "batch_norm")},
    "conv2d": convolution_mistakes(2),
    "conv1d": convolution_mistakes(1),
    "max_pool2d": pooling_mistakes("max"),
    "avg_pool2d": pooling_mistakes("avg"),
    "embedding": embedding_mistakes,
    "scaled_dot_product_attention": attention_mistakes,
    "cosine_similarity": cosine_mistakes,
    "rnn_cell": rnn_cell_mistakes,
    "lstm_cell": lambda of: lstm_cell(of, mistakes=True),
}
"""By torch's name, what such a function often is instead."""


CALLED: Mapping[str, str] = {
    "sigmoid": "torch.sigmoid",
    "tanh": "torch.tanh",
    "rnn_cell": "torch.nn.RNNCell",
    "lstm_cell": "torch.nn.LSTMCell",
    "gru_cell": "torch.nn.GRUCell",
}
"""Their full names, where they are not torch.nn.functional's."""
