"""The contestants of ``benchmarks/training.py``: the pipeline's own training, and those it is held against."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from morelike.core import compute, settings

PARAMS = settings.read(Path(__file__).resolve().parents[2] / "params.yaml")
WARM_UP = 1  # steps before the clock runs, in every round
SQUARE = 2048  # side of the matrices whose product gives the peak


@dataclass(frozen=True)
class Case:
    """One size of images and one width of the network; ``home`` holds the stores and the PNG files."""

    home: str
    side: int
    channels: int
    width: int
    batch: int


Work = Callable[[int], float]  # steps -> seconds


def timed(step: Callable[[], None], count: int) -> float:
    """Return the seconds that ``count`` steps take, after the first few."""
    for _ in range(WARM_UP):
        step()
    synchronize()
    start = time.perf_counter()
    for _ in range(count):
        step()
    synchronize()
    return time.perf_counter() - start


def synchronize() -> None:
    """Wait for a GPU, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device():
    """Return the GPU, or the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def vae(case: Case):
    """Return the project's VAE, of one class, with the settings of the pipeline."""
    from morelike.models import registry
    from morelike.models.base import ImageSpec

    chosen = registry.settings_of("vae", PARAMS).model_copy(update={"width": case.width})
    return registry.create("vae", ImageSpec(case.side, case.side, case.channels, ("all",)), chosen)


def in_memory(case: Case):
    """Return the train images as float32 N×C×H×W in [0, 1]."""
    import torch

    from morelike.storage.shards import ShardStore

    store = ShardStore(Path(case.home) / "clean")
    return torch.from_numpy(store.read(store.rows("train"))).permute(0, 3, 1, 2).contiguous().float() / 255


def ours(case: Case) -> Work:
    """The pipeline's own training, step by step."""
    from morelike.core import devices
    from morelike.corrupt.settings import Corrupt
    from morelike.models import registry
    from morelike.storage.shards import ShardStore
    from morelike.train.images import ImageTraining
    from morelike.train.settings import Train

    common = PARAMS.section("train", Train)
    chosen = registry.settings_of("vae", PARAMS).model_copy(update={"width": case.width, "budget_images": 10**9})
    stores = [ShardStore(Path(case.home) / name) for name in ("clean", "noisy")]
    recipes = PARAMS.section("corrupt", Corrupt).recipes
    task = ImageTraining("vae", *stores, recipes, [0.25] * case.channels, common, chosen, PARAMS.seed)
    return partial(timed, task.trainer(devices.fabric(common.precision, common.batch_size)).advance)


def bare(case: Case, half: bool, last: bool) -> Work:
    """A hand-written loop on tensors in memory."""
    images, train = in_memory(case).to(device()), bare_step(vae(case), half, last)
    starts = iter(range(10**9))

    def step() -> None:
        start = next(starts) * case.batch % len(images)
        train(images[start : start + case.batch])

    return partial(timed, step)


def bare_step(model, half: bool, last: bool) -> Callable[[object], None]:
    """Return a step of the bare loop: forward, backward, AdamW."""
    import torch

    from morelike.models.base import Batch

    form = torch.channels_last if last else torch.contiguous_format
    model = model.to(device(), memory_format=form)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    labels = torch.zeros(4096, dtype=torch.int64, device=device())

    def step(images) -> None:
        images = images.to(device(), memory_format=form)
        batch = Batch(images, labels[: len(images)], images, images)
        with torch.autocast(device().type, torch.bfloat16, enabled=half):
            loss = model(batch).terms["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def png(case: Case, workers: int) -> Work:
    """A DataLoader over PNG files, and the bare float32 loop."""
    import torch
    from torch.utils.data import DataLoader, RandomSampler
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    from morelike.images.settings import Augment

    ours = PARAMS.section("train.augment", Augment)
    zoom, shift = (1 - ours.scale, 1 + ours.scale), (ours.translate, ours.translate)
    bilinear = v2.InterpolationMode.BILINEAR
    first = [v2.Grayscale()] if case.channels == 1 else []
    moved = [v2.RandomAffine(ours.rotate_deg, shift, zoom, interpolation=bilinear)]
    moved += [v2.ColorJitter(ours.brightness, ours.contrast)]
    to_image, to_float = [v2.ToImage()], [v2.ToDtype(torch.float32, scale=True)]
    order = moved + to_image if case.side < 128 else to_image + moved  # the faster of the two: Pillow or tensors
    dataset = ImageFolder(Path(case.home) / "png", v2.Compose(first + order + to_float))
    train = bare_step(vae(case), half=False, last=False)

    def work(steps: int) -> float:
        wanted = RandomSampler(dataset, replacement=True, num_samples=(WARM_UP + steps) * case.batch)
        pinned = device().type == "cuda"
        batches = iter(DataLoader(dataset, case.batch, sampler=wanted, num_workers=workers, pin_memory=pinned))
        return timed(lambda: train(next(batches)[0]), steps)

    return work


def pythae(case: Case) -> Work:
    """The trainer of pythae, timed from the second batch on: without its set-up, and without what it saves."""
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    class Encoder(BaseEncoder):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            mean, logvar = self.model.encode(x, torch.zeros(len(x), dtype=torch.int64, device=x.device))
            return ModelOutput(embedding=mean, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, z):
            labels = torch.zeros(len(z), dtype=torch.int64, device=z.device)
            return ModelOutput(reconstruction=self.model.decode(z, labels))

    class Clock(TrainingCallback):
        times: list[float]

        def on_train_step_end(self, training_config, **_more):
            synchronize()
            self.times.append(time.perf_counter())

    images, network = in_memory(case), vae(case)
    latent = network.from_latent.in_features - network.embed.embedding_dim
    model = VAE(VAEConfig((case.channels, case.side, case.side), latent), Encoder(network), Decoder(network))

    def work(steps: int) -> float:
        rows = torch.arange((WARM_UP + steps) * case.batch) % len(images)
        config = BaseTrainerConfig(
            output_dir=str(Path(case.home) / "pythae"),
            per_device_train_batch_size=case.batch,
            num_epochs=1,
            optimizer_cls="AdamW",
            optimizer_params={"fused": True},
        )
        clock = Clock()
        clock.times = []
        BaseTrainer(model, BaseDataset(images[rows], torch.zeros(len(rows))), None, config, [clock]).train()
        return clock.times[-1] - clock.times[WARM_UP - 1]

    return work


def product(_case: Case, half: bool) -> Work:
    """Products of large matrices; seconds of the best for every step.

    A convolution may pass this peak where the library that it is in suits the CPU better than that of the product.
    """
    import torch

    a, b = (torch.randn(SQUARE, SQUARE, device=device(), dtype=torch.bfloat16 if half else None) for _ in range(2))
    count = 64 if device().type == "cuda" else 1
    return lambda steps: min(timed(lambda: torch.mm(a, b), count) for _ in range(8)) / count * steps


WORKS = {
    "ours": ours,
    "float32": partial(bare, half=False, last=False),
    "float32, channels_last": partial(bare, half=False, last=True),
    "bf16": partial(bare, half=True, last=False),
    "bf16, channels_last": partial(bare, half=True, last=True),
    "pythae": pythae,
    "PNG": partial(png, workers=0),
    "PNG, workers": partial(png, workers=compute.cores()),
    "peak, float32": partial(product, half=False),
    "peak, bf16": partial(product, half=True),
}
BARE = ("float32", "float32, channels_last", "bf16", "bf16, channels_last")
PNG = ("PNG", "PNG, workers")
SIBLINGS = (BARE, PNG)
ALWAYS = ("ours", "float32", "pythae", "peak, float32", "peak, bf16")
