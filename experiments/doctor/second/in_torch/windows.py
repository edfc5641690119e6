"""What goes over an image, or a sequence, window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from torch import Tensor
from torch.nn import functional as F

from experiments.doctor.second.given import Given
from experiments.doctor.second.in_torch.ways import Way, attempt, layer, only


def convolution(dims: int) -> Callable[..., Iterator[Way]]:
    """With any stride, padding and dilation that gives such a shape; the channels in the second axis, or the last."""

    def ways(of: Given, flip: bool = False, twist: bool = False) -> Iterator[Way]:
        x, W, b = layer(of)
        function: Callable[..., Tensor] = F.conv2d if dims == 2 else F.conv1d
        for how, image, kernel, back in layouts(x, W, dims):
            kernel = kernel.flip(dims=tuple(range(-dims, 0))) if flip else kernel.transpose(-1, -2) if twist else kernel
            groups = image.shape[1] // kernel.shape[1] if kernel.shape[1] and image.shape[1] % kernel.shape[1] == 0 else 0
            if not groups or kernel.shape[0] % groups or (b is not None and b.numel() not in (1, kernel.shape[0])):
                continue
            bias = b.reshape(-1).expand(kernel.shape[0]) if b is not None else None
            for stride, padding, dilation in product((1, 2, 3), (0, 1, 2), (1, 2)):
                called = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
                out = attempt(function, image, kernel, bias, **called)
                if out is not None:
                    said = ", ".join(f"{n}={v}" for n, v in called.items() if v != (0 if n == "padding" else 1))
                    yield f"{how}{f' with {said}' if said else ''}".strip(), back(out)

    return ways


def layouts(x: Tensor, W: Tensor, dims: int) -> Iterator[tuple[str, Tensor, Tensor, Callable[[Tensor], Tensor]]]:
    """(how, the images and the kernels as torch takes them, the way back)."""
    if x.ndim == W.ndim == dims + 2:
        yield "", x, W, lambda t: t
        last = (*range(2, dims + 2), 1, 0)
        kernel = W.permute(tuple(last.index(i) for i in range(dims + 2)))
        yield "with the channels in the last axis", x.movedim(-1, 1), kernel, lambda t: t.movedim(1, -1)
        yield "with the channels in the last axis", x.movedim(-1, 1), W, lambda t: t.movedim(1, -1)
    elif x.ndim == W.ndim == dims:
        yield "of one channel", x[None, None], W[None, None], lambda t: t[0, 0]
    elif x.ndim == dims + 1 and W.ndim == dims + 2:
        yield "of one example", x[None], W, lambda t: t[0]
    elif x.ndim == dims + 2 and W.ndim == dims + 1:
        yield "of each channel by itself", x, W[:, None], lambda t: t


def convolution_mistakes(dims: int) -> Callable[[Given], Iterator[Way]]:
    """What a convolution is instead."""

    def ways(of: Given) -> Iterator[Way]:
        plain = convolution(dims)
        _, _, b = layer(of)
        bare = Given({n: t for n, t in of.of.items() if t is not b})
        found = [("computed with the kernel flipped, which torch does not do", plain(of, flip=True))]
        found += [("computed with the kernel transposed", plain(of, twist=True))] * (dims == 2)
        found += [("computed without the bias", plain(bare))] * (b is not None)
        for what, outs in found:
            yield from ((f"{what} ({how})" if how else what, out) for how, out in outs)

    return ways


def pooling(function: Callable[..., Tensor]) -> Callable[[Given], Iterator[Way]]:
    """With any window, stride and padding that gives such a shape."""

    def ways(of: Given) -> Iterator[Way]:
        x = only(of)
        images = [("", x, lambda t: t)] if x.ndim > 2 else [("", x[None], lambda t: t[0])]
        if x.ndim == 4:
            images.append(("with the channels in the last axis", x.movedim(-1, 1), lambda t: t.movedim(1, -1)))
        for (how, image, back), size, stride in product(images, (2, 3, 4), (1, 2, 3)):
            out = attempt(function, image, size, stride)
            if out is not None and out.numel():
                yield f"{how} with kernel_size={size}, stride={stride}".strip(), back(out)

    return ways


def pooling_mistakes(name: str) -> Callable[[Given], Iterator[Way]]:
    """The other way to pool, the sum, the smallest."""

    def ways(of: Given) -> Iterator[Way]:
        others: dict[str, Callable[..., Tensor]] = {
            "the sum of each window, not its mean": lambda i, k, s: k * k * F.avg_pool2d(i, k, s),
            "the smallest of each window": lambda i, k, s: -F.max_pool2d(-i, k, s),
            "the mean of each window": F.avg_pool2d,
            "the largest of each window": F.max_pool2d,
            "divided by the side of the window, not by the number of its entries": lambda i, k, s: k * F.avg_pool2d(i, k, s),
        }
        for what, function in others.items():
            yield from ((what, out) for _, out in pooling(function)(of))

    return ways
