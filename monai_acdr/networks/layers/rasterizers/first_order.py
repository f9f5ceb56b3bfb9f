# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Guards for rasterizers with first derivatives only: other derivatives raise an error instead of being zero."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = ["check_reverse_mode", "first_derivative_only"]


def check_reverse_mode(vertices: Tensor, method: str) -> None:
    """Raise an error where a rasterizer is asked for more than its gradient.

    Args:
        vertices: input of the rasterizer.
        method: name of the rasterizer, for the message.

    Raises:
        NotImplementedError: within a transform of ``torch.func``, and for forward-mode derivatives.
    """
    if torch.func.debug_unwrap(vertices) is not vertices or forward_ad.unpack_dual(vertices).tangent is not None:
        raise NotImplementedError(_message(method))


def first_derivative_only(method: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate ``backward`` of an autograd function, whose gradient then has derivatives that raise an error.

    torch's ``once_differentiable`` silently gives a zero derivative where only the saved tensors depend on the
    differentiated input, and where the gradient given to ``backward`` does.

    Args:
        method: name of the rasterizer, for the message.
    """

    def decorate(backward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(backward)
        def guarded(ctx: Any, grad: Tensor) -> Any:
            with torch.no_grad():
                gradient, *others = backward(ctx, grad)
            if torch.is_grad_enabled():
                gradient = _Unknown.apply(gradient, method, grad, *ctx.saved_tensors)
            return gradient, *others

        return guarded

    return decorate


class _Unknown(torch.autograd.Function):
    """Identity of a gradient, which depends on the given tensors in a way that raises an error."""

    @staticmethod
    def forward(ctx, gradient, method, *_tensors):  # type: ignore[no-untyped-def]
        ctx.method = method
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        raise NotImplementedError(_message(ctx.method))


def _message(method: str) -> str:
    return (
        f"Expected first derivatives in reverse mode of rasterizer method {method!r}, outside of torch.func, but got "
        "another derivative or transform: use method='exact', which has second derivatives and forward mode, and with "
        "backend='dense' derivatives of every kind."
    )
