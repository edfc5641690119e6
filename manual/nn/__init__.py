"""Layers, losses and initialisers: the hand-written twins of torch.nn, under torch's own names."""

from manual.nn import init as init
from manual.nn.linear import Linear as Linear
