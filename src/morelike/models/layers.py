"""Layers that the models share."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with groups of 8 channels (Wu and He 2018): independent of the batch."""
    return nn.GroupNorm(max(1, channels // 8), channels)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a skip; a condition scales and shifts in between (Dhariwal and Nichol 2021, AdaGN).

    The second convolution starts at zero, so that a fresh block is its skip.
    """

    def __init__(self, channels_in: int, channels: int, condition_dims: int, dropout: float = 0.0):
        super().__init__()
        self.norm_1, self.norm_2 = norm(channels_in), norm(channels)
        self.conv_1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.affine = nn.Linear(condition_dims, 2 * channels)
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()
        self.dropout = nn.Dropout2d(dropout)  # whole channels: cheap to draw, and as good a brake
        nn.init.zeros_(self.conv_2.weight)
        nn.init.zeros_(self.conv_2.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map N×C×H×W and N×D to N×C'×H×W."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        scale, shift = self.affine(condition)[:, :, None, None].chunk(2, 1)
        h = F.silu(self.norm_2(h) * (1 + scale) + shift)
        return self.skip(x) + self.conv_2(self.dropout(h))


class SelfAttention(nn.Module):
    """Attention of every position to every other, with a skip; starts as the identity."""

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.heads, self.norm = heads, norm(channels)
        self.qkv, self.out = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×C×H×W to the same shape."""
        count, channels, height, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(count, 3, self.heads, channels // self.heads, height * width)
        q, k, v = qkv.transpose(3, 4).unbind(1)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(2, 3).reshape(count, channels, height, width))


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples of ``multiple``; crop with :func:`crop`.

    So that a network of stride 2 mirrors any size, odd ones too.
    """
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def crop(x: Tensor, height: int, width: int) -> Tensor:
    """Undo :func:`pad_to_multiple`."""
    return x[..., :height, :width]


def fourier_features(values: Tensor, dims: int) -> Tensor:
    """Return cos and sin of ``values`` (N) at ``dims``/2 frequencies from 1 to 1/10000 of a turn each, N×dims."""
    frequencies = torch.logspace(0, -4, dims // 2, device=values.device) * 100
    angles = values[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], 1)
