"""The networks that judge: a small residual one, or any of torchvision's classification models."""

from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from morelike.judge.errors import JudgeError
from morelike.judge.settings import Judge

SMALL = "small"
GRID = 16  # the stem makes images no larger
LEAST_SIDE = 64  # of torchvision's models, which halve five times
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which their weights were trained on


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut (He et al. 2016), each with a norm over the whole image.

    Not batch norm: the statistics of mixed real and synthetic batches would not fit the real test images, and the
    synthetic ones would be blamed for it.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.GroupNorm(1, channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.GroupNorm(1, channels_out),
        )
        same = channels_in == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×channels_in×H×W to N×channels_out×⌈H/stride⌉×⌈W/stride⌉."""
        return torch.relu_(self.main(x) + self.shortcut(x))


class Small(nn.Module):
    """Stem, two residual blocks, mean over the image, a linear layer. Takes images of any size, odd ones too."""

    def __init__(self, channels: int, side_px: int, width: int, classes: int):
        """Build for images whose longer side is ``side_px``; ``width`` channels at the first level."""
        super().__init__()
        stem, side_px = _halving(channels, width, 5), (side_px + 1) // 2
        while side_px > GRID:
            stem, side_px = [*stem, *_halving(width, width, 3)], (side_px + 1) // 2
        self.layers = nn.Sequential(
            *stem,
            Block(width, 2 * width, 2),
            Block(2 * width, 4 * width, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * width, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map float N×C×H×W in [0, 1] to logits, N×classes."""
        return self.layers((images - 0.5) * 2)


class OfTorchvision(nn.Module):
    """A model of torchvision, for images of any size and number of channels.

    Small images are enlarged to :data:`LEAST_SIDE`, grey ones repeated, and all normalised as for ImageNet.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map float N×C×H×W in [0, 1] to logits, N×classes."""
        side = min(images.shape[2:])
        if side < LEAST_SIDE:
            images = nn.functional.interpolate(images, scale_factor=LEAST_SIDE / side, mode="bilinear", antialias=True)
        outcome = self.model((images.expand(-1, 3, -1, -1) - self.mean) / self.std)
        return getattr(outcome, "logits", outcome)  # some give auxiliary logits beside these while they train


def build(settings: Judge, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a network with random weights, or with torchvision's if ``settings.pretrained``; drawn from torch's seed.

    Args:
        settings: name the network.
        shape: of the images, H, W, C.
        classes: number of classes.

    Raises:
        JudgeError: torchvision has no such classification model.
    """
    height, width, channels = shape
    if settings.network == SMALL:
        return Small(channels, max(height, width), settings.width, classes)
    _refuse_unknown(settings.network)
    model = torchvision.models.get_model(settings.network, weights=None, num_classes=classes)
    if settings.pretrained and (path := weights_path(settings.network)).is_file():
        own = model.state_dict()
        found = torch.load(path, map_location="cpu", weights_only=True)
        fitting = {key: value for key, value in found.items() if key in own and own[key].shape == value.shape}
        model.load_state_dict(own | fitting)
    return OfTorchvision(model)


def missing_weights(settings: Judge) -> str | None:
    """Return a line that says why training begins with random weights although pretrained ones are asked for.

    Raises:
        JudgeError: torchvision has no such classification model.
    """
    if not settings.pretrained:
        return None
    if settings.network == SMALL:
        return "evaluate.pretrained: there are no weights for the small network; name a model of torchvision"
    _refuse_unknown(settings.network)
    path = weights_path(settings.network)
    if path.is_file():
        return None
    return (
        f"evaluate.pretrained: expected the weights of {settings.network} as {path}, found nothing there; "
        "it begins with random weights"
    )


def weights_path(name: str) -> Path:
    """Return where torchvision keeps its newest weights of a model."""
    url = torchvision.models.get_model_weights(name).DEFAULT.url
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def head(model: nn.Module) -> nn.Linear:
    """Return the last linear layer: what goes into it are the features of an image."""
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1]


def _refuse_unknown(name: str) -> None:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise JudgeError(
            f"evaluate.network: expected small or a classification model of torchvision ({', '.join(known[:4])}, ... "
            f"resnet18, ...), got {name!r}"
        )


def _halving(channels_in: int, channels_out: int, side: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, side, 2, side // 2, bias=False)
    return [convolution, nn.GroupNorm(1, channels_out), nn.ReLU(inplace=True)]
