"""Attention: rows that see nothing, masks of both meanings, huge scores and NaN, state_dict, copies, and bad input."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn

RNG = np.random.default_rng(0)


def torch_of(x: np.ndarray) -> torch.Tensor:
    """A leaf with equal values."""
    return torch.from_numpy(x.copy()).requires_grad_()


def pair(*args: Any, **kwargs: Any) -> tuple[nn.MultiheadAttention, torch.nn.MultiheadAttention]:
    """MultiheadAttention by hand and torch's, with equal random parameters."""
    hand, twin = nn.MultiheadAttention(*args, **kwargs), torch.nn.MultiheadAttention(*args, **kwargs).double()
    for p in hand.parameters():
        p[...] = RNG.normal(0, 0.3, size=p.shape)
    twin.load_state_dict({key: torch.from_numpy(value) for key, value in hand.state_dict().items()})
    return hand, twin


# ---- rows that see nothing, and odd values -------------------------------------------------------


@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.filterwarnings("error")
def test_a_query_that_sees_nothing_receives_nothing_and_sends_nothing(additive: bool) -> None:
    q, k, v = (RNG.normal(size=(2, n, 4)) for n in (3, 5, 5))
    sees = RNG.random((3, 5)) < 0.7
    sees[1] = False
    mask = np.where(sees, 0.0, -np.inf) if additive else sees
    attention = nn.ScaledDotProductAttention()
    y = attention(q, k, v, mask)
    assert not y[:, 1].any()
    assert not attention.weights[:, 1].any()
    dL_dq, *_ = attention.backward(RNG.normal(size=y.shape))
    assert not dL_dq[:, 1].any()
    assert dL_dq[:, 0].any()


@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.filterwarnings("error")
def test_multihead_attention_gives_nan_where_a_query_sees_nothing_as_torch(averaged: bool, additive: bool) -> None:
    hand, twin = pair(6, 2)
    hidden = np.zeros((3, 5), dtype=bool)
    hidden[1] = hidden[0, 2] = True
    mask = np.where(hidden, -np.inf, 0.0) if additive else hidden
    x, memory = RNG.normal(size=(3, 2, 6)), RNG.normal(size=(5, 2, 6))
    leaves = torch_of(x), torch_of(memory)
    outputs = twin(leaves[0], leaves[1], leaves[1], attn_mask=torch.from_numpy(mask), average_attn_weights=averaged)
    ups = [RNG.normal(size=tuple(y.shape)) for y in outputs]
    torch.autograd.backward(outputs, [torch.from_numpy(u) for u in ups])
    found = hand(x, memory, memory, attn_mask=mask, average_attn_weights=averaged)
    assert np.isnan(found[0][1]).all()
    for a, b in zip(found, outputs, strict=True):
        assert error(a, b, nonfinite="match") < 1e-12
    dL_dx, dL_dkey, dL_dvalue = hand.backward(tuple(ups))
    assert error(dL_dx, leaves[0].grad, nonfinite="match") < 1e-12
    assert error(dL_dkey + dL_dvalue, leaves[1].grad, nonfinite="match") < 1e-12
    for name, p in hand.named_parameters():
        assert error(p.grad, dict(twin.named_parameters())[name].grad, nonfinite="match") < 1e-12


def test_boolean_masks_have_opposite_meaning_in_the_two_attentions() -> None:
    x = RNG.normal(size=(4, 6))
    mask = np.tri(4, dtype=bool)
    single = nn.ScaledDotProductAttention()
    single(x, x, x, mask)
    assert single.weights[0, 1:].sum() == 0
    _, weights = nn.MultiheadAttention(6, 1)(x, x, x, attn_mask=mask)
    assert np.isnan(weights[3]).all()
    _, weights = nn.MultiheadAttention(6, 1)(x, x, x, attn_mask=~mask)
    assert weights[0, 1:].sum() == 0


@pytest.mark.parametrize("value", [1e200, np.nan])
def test_huge_scores_and_nan_are_as_in_torch(value: float) -> None:
    q, k, v = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 4)), RNG.normal(size=(5, 2))
    q[1, 2] = value
    leaves = [torch_of(x) for x in (q, k, v)]
    y = torch.nn.functional.scaled_dot_product_attention(*leaves)
    up = RNG.normal(size=(3, 2))
    y.backward(torch.from_numpy(up))
    attention = nn.ScaledDotProductAttention()
    assert error(attention(q, k, v), y, nonfinite="match") < 1e-12
    for a, b in zip(attention.backward(up), leaves, strict=True):
        assert error(a, b.grad, nonfinite="match") < 1e-12


def test_a_mask_that_broadcasts_is_as_in_torch() -> None:
    q, k, v = (RNG.normal(size=(2, 3, n, 4)) for n in (5, 6, 6))
    for shape in ((5, 6), (1, 6), (5, 1), (2, 1, 5, 6), (1, 3, 1, 6)):
        mask = RNG.normal(size=shape)
        y = torch.nn.functional.scaled_dot_product_attention(*map(torch.from_numpy, (q, k, v, mask)))
        assert error(nn.ScaledDotProductAttention()(q, k, v, mask), y) < 1e-12


def test_the_gradient_of_the_output_may_come_alone() -> None:
    layer, x = nn.MultiheadAttention(6, 2), RNG.normal(size=(3, 2, 6))
    output, weights = layer(x, x, x)
    d = RNG.normal(size=output.shape)
    alone = layer.backward(d)
    for none in (None, np.zeros_like(weights)):
        layer(x, x, x)
        for a, b in zip(alone, layer.backward((d, none)), strict=True):
            assert np.array_equal(a, b)
    layer(x, x, x)
    dL_dquery, _, dL_dvalue = layer.backward((np.zeros_like(d), RNG.normal(size=weights.shape)))
    assert dL_dquery.any()
    assert not dL_dvalue.any()


def test_float32_stays_float32() -> None:
    x = RNG.normal(size=(3, 2, 6)).astype(np.float32)
    layer = nn.Transformer(6, 2, 1, 1, 5, 0.2, "gelu", dtype=np.float32)
    y = layer(x, x, tgt_mask=nn.Transformer.generate_square_subsequent_mask(3, dtype=np.float32))
    assert y.dtype == np.float32
    assert {d.dtype for d in layer.backward(y)} == {np.dtype(np.float32)}
    assert {p.grad.dtype for p in layer.parameters()} == {np.dtype(np.float32)}
    assert {w.dtype for w in nn.MultiheadAttention(6, 2, dtype=np.float32)(x, x, x)} == {np.dtype(np.float32)}


# ---- what is held --------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [{}, {"kdim": 5}, {"kdim": 5, "vdim": 7, "bias": False}])
def test_state_dict_keys_and_shapes_are_torchs(sizes: dict[str, Any]) -> None:
    hand, twin = nn.MultiheadAttention(6, 2, **sizes), torch.nn.MultiheadAttention(6, 2, **sizes)
    assert [(k, v.shape) for k, v in hand.state_dict().items()] == [(k, tuple(v.shape)) for k, v in twin.state_dict().items()]


@pytest.mark.parametrize("bias", [True, False])
def test_state_dict_keys_and_shapes_of_the_transformer_are_torchs(bias: bool) -> None:
    sizes: dict[str, Any] = {"d_model": 6, "nhead": 2, "num_encoder_layers": 2, "num_decoder_layers": 1, "dim_feedforward": 5, "bias": bias}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="enable_nested_tensor is True")
        hand, twin = nn.Transformer(**sizes), torch.nn.Transformer(**sizes)
    assert [(k, v.shape) for k, v in hand.state_dict().items()] == [(k, tuple(v.shape)) for k, v in twin.state_dict().items()]


def test_initial_weights_are_xaviers() -> None:
    layer = nn.MultiheadAttention(60, 2, kdim=20, vdim=20, rng=np.random.default_rng(0))
    bound = (6 / 80) ** 0.5
    assert 0.95 * bound < np.abs(layer.k_proj_weight).max() <= bound
    assert not layer.in_proj_bias.any()
    assert not layer.out_proj.bias.any()
    stack = nn.Transformer(20, 2, 2, 1, 60, rng=np.random.default_rng(0))
    bound = (6 / 80) ** 0.5
    for encoder_layer in stack.encoder.layers:
        assert 0.95 * bound < np.abs(encoder_layer.linear1.weight).max() <= bound
    assert not np.array_equal(stack.encoder.layers[0].linear1.weight, stack.encoder.layers[1].linear1.weight)


def test_copies_start_equal_but_draw_noise_of_their_own_and_learn_apart() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 5, dropout=0.5, rng=np.random.default_rng(0))
    stack = nn.TransformerEncoder(layer, 2)
    first, second = stack.layers
    assert np.array_equal(first.linear1.weight, second.linear1.weight)
    assert first.linear1.weight is not second.linear1.weight
    ones = np.ones((40, 50))
    assert not np.array_equal(first.dropout(ones), second.dropout(ones))


def test_a_causal_mask_to_add_is_torchs() -> None:
    mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=np.float32)
    assert error(mask, torch.nn.Transformer.generate_square_subsequent_mask(4), nonfinite="match") == 0


def test_custom_stacks_are_used_as_they_are() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 5, dropout=0.0), 1)
    layer = nn.Transformer(6, 2, 1, 1, 5, custom_encoder=encoder)
    assert layer.encoder is encoder
    assert layer.decoder.num_layers == 1


def test_an_activation_may_be_a_module_and_is_copied() -> None:
    tanh = nn.Tanh()
    layer = nn.TransformerEncoderLayer(6, 2, 5, dropout=0.0, activation=tanh)
    twin = torch.nn.TransformerEncoderLayer(6, 2, 5, dropout=0.0, activation=torch.tanh).double()
    twin.load_state_dict({key: torch.from_numpy(value) for key, value in layer.state_dict().items()})
    x = RNG.normal(size=(3, 2, 6))
    assert error(layer(x), twin(torch_of(x))) < 1e-12
    assert layer.activation is not tanh


# ---- bad input -----------------------------------------------------------------------------------


def zeros(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Arrays of these shapes."""
    return [np.zeros(shape) for shape in shapes]


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (zeros((4,), (5, 4), (5, 2)), {}, r"query must be \(..., length, size\) with query's leading axes \(\), got \(4,\)"),
        (zeros((2, 3, 4), (3, 5, 4), (2, 5, 2)), {}, r"key must be .* with query's leading axes \(2,\), got \(3, 5, 4\)"),
        (zeros((3, 4), (5, 3), (5, 2)), {}, r"key must have query's last axis E = 4, got shape \(5, 3\)"),
        (zeros((3, 4), (5, 4), (6, 2)), {}, r"value must have one row for each of the 5 keys, got shape \(6, 2\)"),
        (zeros((3, 4), (5, 4), (5, 2)), {"attn_mask": np.zeros((3, 4))}, r"attn_mask must broadcast to \(..., L, S\) = \(3, 5\)"),
        (zeros((3, 4), (5, 4), (5, 2)), {"attn_mask": np.zeros((2, 3, 5))}, r"attn_mask must broadcast to \(..., L, S\) = \(3, 5\)"),
        (zeros((3, 4), (5, 4), (5, 2)), {"attn_mask": np.zeros((3, 5)), "is_causal": True}, "attn_mask must be None where is_causal=True"),
    ],
)
def test_wrong_shapes_are_named(inputs: list[np.ndarray], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"ScaledDotProductAttention: {message}"):
        nn.ScaledDotProductAttention()(*inputs, **options)


def test_wrong_kinds_are_named_and_what_is_not_supported_is_refused() -> None:
    attention, x = nn.ScaledDotProductAttention(), np.zeros((3, 4))
    with pytest.raises(TypeError, match="key must have the layer's dtype float64, got float32"):
        attention(x, x.astype(np.float32), x)
    with pytest.raises(TypeError, match="attn_mask must be a boolean array or one of dtype float64, got int64"):
        attention(x, x, x, np.zeros((3, 3), np.int64))
    with pytest.raises(NotImplementedError, match=r"dropout_p must be 0, got 0\.1"):
        attention(x, x, x, dropout_p=0.1)
    with pytest.raises(NotImplementedError, match="enable_gqa=True is not supported"):
        attention(x, x, x, enable_gqa=True)
    for option in ("add_bias_kv", "add_zero_attn"):
        with pytest.raises(NotImplementedError, match=f"{option}=True is not supported"):
            nn.MultiheadAttention(6, 2, **{option: True})
    for sizes in ((6, 4), (6, 0), (0, 2)):
        with pytest.raises(ValueError, match=f"num_heads must divide embed_dim, got num_heads = {sizes[1]}, embed_dim = {sizes[0]}"):
            nn.MultiheadAttention(*sizes)
    with pytest.raises(ValueError, match=r"Dropout: p must lie in 0 … 1, got 1\.5"):
        nn.MultiheadAttention(6, 2, 1.5)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (zeros((6,), (5, 6), (5, 4)), {}, r"query must have 2 or 3 axes, got shape \(6,\)"),
        (zeros((3, 2, 5), (5, 2, 6), (5, 2, 4)), {}, r"axis -1 of query must be embed_dim = 6"),
        (zeros((3, 2, 6), (5, 2, 5), (5, 2, 4)), {}, r"axis -1 of key must be kdim = 6"),
        (zeros((3, 2, 6), (5, 2, 6), (5, 2, 6)), {}, r"axis -1 of value must be vdim = 4"),
        (zeros((3, 2, 6), (5, 6), (5, 4)), {}, r"key must have 3 axes, got shape \(5, 6\)"),
        (zeros((3, 2, 6), (5, 3, 6), (5, 3, 4)), {}, r"key must have the 2 examples of query, got shape \(5, 3, 6\)"),
        (zeros((3, 2, 6), (5, 2, 6), (4, 2, 4)), {}, r"value must have the examples and the length of key \(5, 2\), got shape \(4, 2, 4\)"),
        (zeros((3, 2, 6), (5, 2, 6), (5, 2, 4)), {"is_causal": True}, "is_causal=True only says .* attn_mask must be given, got None"),
        (zeros((3, 2, 6), (5, 2, 6), (5, 2, 4)), {"attn_mask": np.zeros((5, 3))}, r"attn_mask must have shape \(3, 5\) or \(4, 3, 5\)"),
        (zeros((3, 2, 6), (5, 2, 6), (5, 2, 4)), {"key_padding_mask": np.zeros((5, 2))}, r"key_padding_mask must have shape \(2, 5\), got"),
        (zeros((3, 6), (5, 6), (5, 4)), {"key_padding_mask": np.zeros((1, 5))}, r"key_padding_mask must have shape \(5,\), got \(1, 5\)"),
    ],
)
def test_wrong_shapes_of_multihead_attention_are_named(inputs: list[np.ndarray], options: dict[str, Any], message: str) -> None:
    layer = nn.MultiheadAttention(6, 2, vdim=4)
    with pytest.raises(ValueError, match=f"MultiheadAttention: {message}"):
        layer(*inputs, **options)
    layer.check_nothing_saved()


def test_bad_arguments_of_the_transformer_are_named() -> None:
    for cls in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer):
        with pytest.raises(ValueError, match=f"{cls.__name__}: activation must be 'relu', 'gelu' or a Module, got 'tanh'"):
            cls(6, 2, activation="tanh")
        with pytest.raises(NotImplementedError, match=f"{cls.__name__}: activation must be 'relu', 'gelu' or a Module, got <ufunc 'tanh'>"):
            cls(6, 2, activation=np.tanh)
    with pytest.raises(ValueError, match="TransformerEncoder: num_layers must be at least 0, got -1"):
        nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 5), -1)
    layer = nn.Transformer(6, 2, 1, 1, 5)
    for src, tgt, message in (
        (np.zeros((3, 2, 5)), np.zeros((3, 2, 6)), "axis -1 of src must be d_model = 6"),
        (np.zeros((3, 2, 6)), np.zeros((3, 2, 5)), "axis -1 of tgt must be d_model = 6"),
        (np.zeros((3, 2, 6)), np.zeros((3, 4, 6)), r"tgt must have the axes and the examples of src \(3, 2, 6\), got \(3, 4, 6\)"),
        (np.zeros((3, 2, 6)), np.zeros((3, 6)), r"tgt must have the axes and the examples of src \(3, 2, 6\), got \(3, 6\)"),
    ):
        with pytest.raises(ValueError, match=f"Transformer: {message}"):
            layer(src, tgt)
    layer.check_nothing_saved()


@pytest.mark.parametrize(
    ("layer", "stack", "zero"),
    [
        ({}, {}, True),
        ({"activation": "gelu"}, {}, True),
        ({}, {"norm": True}, True),
        ({}, {"enable_nested_tensor": False}, False),
        ({"norm_first": True}, {}, False),
        ({"batch_first": False}, {}, False),
        ({"nhead": 3}, {}, False),
        ({"bias": False}, {}, False),
    ],
)
@pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("lengths", [[5, 3, 1], [5, 5, 5]])
def test_padded_places_are_torchs_in_evaluation(layer: dict[str, Any], stack: dict[str, Any], zero: bool, lengths: list[int]) -> None:
    options = {"d_model": 12, "nhead": 2, "dim_feedforward": 7, "dropout": 0.0, "batch_first": True} | layer
    ours, theirs = (
        side.TransformerEncoder(
            side.TransformerEncoderLayer(**options, **dtype),
            2,
            **stack | ({"norm": side.LayerNorm(12, **dtype)} if "norm" in stack else {}),
        )
        for side, dtype in ((nn, {}), (torch.nn, {"dtype": torch.float64}))
    )
    rng = np.random.default_rng(0)
    ours.load_state_dict({key: rng.normal(0, 0.5, value.shape) for key, value in ours.state_dict().items()})
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in ours.state_dict().items()})
    x, padding = rng.normal(size=(3, 5, 12)), np.arange(5) >= np.array(lengths)[:, None]
    x = x if options["batch_first"] else x.swapaxes(0, 1)
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(x), src_key_padding_mask=torch.from_numpy(padding)).numpy()
    found = ours.eval()(x, src_key_padding_mask=padding)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    if not stack.get("norm"):
        there = found if options["batch_first"] else found.swapaxes(0, 1)
        assert (there[padding] == 0).all() == (zero or not padding.any())
    padded = (padding if options["batch_first"] else padding.T)[..., None]
    leaf, upstream = torch.from_numpy(x).requires_grad_(), rng.normal(size=x.shape)
    kept = upstream * ~padded if zero else upstream  # with gradients torch computes on at padded places
    theirs(leaf, src_key_padding_mask=torch.from_numpy(padding)).backward(torch.from_numpy(kept))
    np.testing.assert_allclose(ours.backward(upstream), leaf.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:The PyTorch API of nested tensors")
def test_padding_that_does_not_come_last_is_torchs_too() -> None:
    ours = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True), 1).eval()
    theirs = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True, dtype=torch.float64), 1).eval()
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in ours.state_dict().items()})
    x, padding = np.random.default_rng(0).normal(size=(1, 3, 4)), np.array([[False, True, False]])
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), src_key_padding_mask=torch.from_numpy(padding)).numpy()
    np.testing.assert_allclose(ours(x, src_key_padding_mask=padding), expected, rtol=1e-9)
