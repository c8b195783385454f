"""Training against bare PyTorch, against pythae 0.1.2's trainer and against a DataLoader over PNG files.

One run: the same network, batch and number of images for all. Ours is the whole of it: memory-mapped stores,
augmentation, moving average, clipped gradients and every check. The others are:

- float32: a loop of five lines on tensors that are in memory already, and nothing else; the fused AdamW, as ours
- the same in bf16, in channels_last, in both: the fastest of these and float32 is what ours is held against
- pythae: its trainer, with the encoder and the decoder of ours
- PNG: a DataLoader, without and with a worker a core, torchvision's transforms for our augmentation, the float32 loop

Each has a process of its own, so that no setting of one serves another; they work in turns.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from morelike.core import compute

PARAMS = Path(__file__).resolve().parents[1] / "params.yaml"
SIZES = {"32x32x1": (32, 1), "64x64x3": (64, 3), "128x128x3": (128, 3)}
IMAGES = {"train": 1024, "val": 64}
WARM_UP = 1  # steps before the clock runs, in every round
MOST_STEPS = 100
SECONDS_A_ROUND = 0.7  # of the float32 loop: short rounds, and many, find quiet moments of a machine
SQUARE = 2048  # side of the matrices whose product gives the peak
WORTH = 0.8  # a variant that stays slower than this share of its best sibling is left out of the later rounds
SURE_AFTER = 3  # rounds
SECONDS_A_CASE = 80  # after which no round is begun but those first ones


@dataclass(frozen=True)
class Case:
    """One size of images and one width of the network; ``home`` holds the stores and the PNG files."""

    home: str
    side: int
    channels: int
    width: int
    batch: int


Work = Callable[[int], float]  # steps -> seconds


def main() -> None:
    """Print a table for every size and width: images a second, the share of the peak, ratios of ours."""
    asked = arguments()
    if asked.work:
        return answer(asked.work, Case(**json.loads(asked.case)))
    from morelike.core import params

    settings = params.load(PARAMS)
    for name in asked.sizes:
        with tempfile.TemporaryDirectory() as home:
            write(Path(home), *SIZES[name])
            for width in asked.widths or (settings.models.vae.width, 8):
                case = Case(home, *SIZES[name], width, settings.train.batch_size)
                measured, steps = measure(case, asked)
                show(name, case, measured, steps, asked.rounds)


def arguments() -> argparse.Namespace:
    """Read the command line; ``--work`` and ``--case`` are for the processes that this script starts itself."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument(
        "--widths", nargs="+", type=int, help="of the network; that of params.yaml, and 8, if not given"
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="one round of two steps, to see that all run")
    parser.add_argument("--work", choices=WORKS, help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.rounds = 1 if asked.quick else asked.rounds
    return asked


def measure(case: Case, asked: argparse.Namespace) -> tuple[dict[str, float], int]:
    """Return the least seconds of each over the rounds, and the steps of a round."""
    with contextlib.ExitStack() as stack:
        peers = {name: stack.enter_context(process(name, case)) for name in WORKS}
        step = min(ask(peers["float32"], 1) for _ in range(2))
        steps = 2 if asked.quick else max(2, min(MOST_STEPS, round(SECONDS_A_ROUND / step)))
        best = dict.fromkeys(peers, float("inf"))
        began = time.monotonic()
        for number in range(asked.rounds):  # in turns, so that a busy moment of the machine falls on all
            for name, peer in peers.items():
                best[name] = min(best[name], ask(peer, steps))
            if number + 1 >= SURE_AFTER:
                if time.monotonic() - began > SECONDS_A_CASE:
                    break
                worth = {name for names in SIBLINGS for name in names if best[name] * WORTH < fastest(best, names)}
                peers = {name: peer for name, peer in peers.items() if name in worth or name in ALWAYS}
    return best, steps


def fastest(best: dict[str, float], names: tuple[str, ...]) -> float:
    """Return the least seconds of some."""
    return min(best[name] for name in names)


@contextlib.contextmanager
def process(name: str, case: Case) -> Iterator[subprocess.Popen]:
    """Start a process that waits for numbers of steps, with as many threads as there are cores."""
    command = [sys.executable, __file__, "--work", name, "--case", json.dumps(asdict(case))]
    threads = {"OMP_NUM_THREADS": str(compute.cores()), "MKL_NUM_THREADS": str(compute.cores())}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (Path(case.home) / f"{name}.log").open("w") as said:  # bars and warnings
        started = subprocess.Popen(command, stderr=said, env=os.environ | threads, **pipes)
        try:
            yield started
            started.stdin.close()
        finally:
            started.kill()
            started.wait()


def ask(peer: subprocess.Popen, steps: int) -> float:
    """Have a process take some steps; return the seconds."""
    print(steps, file=peer.stdin, flush=True)
    answered = peer.stdout.readline()
    if not answered:
        name, case = peer.args[3], json.loads(peer.args[5])
        raise SystemExit(f"{name} has ended:\n{(Path(case['home']) / f'{name}.log').read_text()[-4000:]}")
    return float(answered)


def answer(name: str, case: Case) -> None:
    """Be the process of one contestant: read numbers of steps, write seconds."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what others print goes to the log
    import torch

    torch.set_num_threads(compute.cores())
    work = None
    for line in sys.stdin:
        work = work or WORKS[name](case)
        print(work(int(line)), file=answers, flush=True)


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
    from morelike.core import params
    from morelike.models.base import Form
    from morelike.models.vae import Model

    settings = params.load(PARAMS).models.vae.model_dump() | {"width": case.width}
    return Model(Form(case.side, case.side, case.channels, ("all",)), settings)


def in_memory(case: Case):
    """Return the train images as float32 N×C×H×W in [0, 1]."""
    import torch

    from morelike.storage.shards import ShardStore

    store = ShardStore(Path(case.home) / "clean")
    return torch.from_numpy(store.read(store.rows("train"))).permute(0, 3, 1, 2).contiguous().float() / 255


def ours(case: Case) -> Work:
    """The pipeline's own run, step by step."""
    from morelike.core import devices, params
    from morelike.storage.shards import ShardStore
    from morelike.train.engine import Task

    settings = params.load(PARAMS)
    stores = [ShardStore(Path(case.home) / name) for name in ("clean", "noisy")]
    of_model = settings.models.vae.model_dump() | {"width": case.width, "budget_images": 10**9}
    task = Task("vae", *stores, [0.25] * case.channels, settings.train, of_model, settings.seed)
    run = task.run(devices.fabric(settings.train.precision, settings.train.batch_size))
    return partial(timed, run.advance)


def bare(case: Case, half: bool, last: bool) -> Work:
    """A hand-written loop on tensors in memory."""
    images, train = in_memory(case).to(device()), trainer(vae(case), half, last)
    starts = iter(range(10**9))

    def step() -> None:
        start = next(starts) * case.batch % len(images)
        train(images[start : start + case.batch])

    return partial(timed, step)


def trainer(model, half: bool, last: bool) -> Callable[[object], None]:
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

    from morelike.core import params

    ours = params.load(PARAMS).train.augment
    zoom, shift = (1 - ours.scale, 1 + ours.scale), (ours.translate, ours.translate)
    bilinear = v2.InterpolationMode.BILINEAR
    first = [v2.Grayscale()] if case.channels == 1 else []
    moved = [v2.RandomAffine(ours.rotate_deg, shift, zoom, interpolation=bilinear)]
    moved += [v2.ColorJitter(ours.brightness, ours.contrast)]
    to_image, to_float = [v2.ToImage()], [v2.ToDtype(torch.float32, scale=True)]
    order = moved + to_image if case.side < 128 else to_image + moved  # the faster of the two: Pillow or tensors
    dataset = ImageFolder(Path(case.home) / "png", v2.Compose(first + order + to_float))
    train = trainer(vae(case), half=False, last=False)

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


def show(name: str, case: Case, best: dict[str, float], steps: int, rounds: int) -> None:
    """Print the table of a case and the ratios that are wanted."""
    from morelike.core import devices

    parameters, work = size_of(case)
    peaks = {kind: 2 * SQUARE**3 * steps / best[f"peak, {kind}"] for kind in ("float32", "bf16")}
    print(
        f"\n{name}, width {case.width}: {parameters:,} parameters, {work / 1e6:,.0f} MFLOP an image, "
        f"{steps} steps of {case.batch} a round, at most {rounds} rounds, {compute.cores()} cores, {device().type}"
    )
    print(f"peak of a matrix product: {', '.join(f'{kind} {peak / 1e9:,.0f} GFLOP/s' for kind, peak in peaks.items())}")
    print(f"{'':>24} {'images/s':>9} {'of the peak':>12} {'ours to it':>11}")
    for kind, seconds in best.items():
        if kind.startswith("peak"):
            continue
        of_bf16 = kind.startswith("bf16") or (kind == "ours" and devices.precision() != "32-true")
        speed = steps * case.batch / seconds
        share = speed * work / peaks["bf16" if of_bf16 else "float32"]
        print(f"{kind:>24} {speed:9.0f} {share:12.1%} {seconds / best['ours']:11.2f}")
    against = {f"bare loop ({min(BARE, key=best.get)})": (BARE, 0.95), "pythae": (("pythae",), 3), "PNG": (PNG, 5)}
    for kind, (names, wanted) in against.items():
        print(f"ours / {kind}: {fastest(best, names) / best['ours']:.2f}, wanted {wanted}", flush=True)


def size_of(case: Case) -> tuple[int, float]:
    """Return the parameters of the network, and the floating-point operations of a step, an image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from morelike.models.base import Batch

    model, images = vae(case), torch.rand(2, case.channels, case.side, case.side)
    with FlopCounterMode(display=False) as counter:
        model(Batch(images, torch.zeros(2, dtype=torch.int64), images, images)).terms["loss"].backward()
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() / 2


def write(home: Path, side: int, channels: int) -> None:
    """Write digits on papyrus as a store, their noisy twins as another, and the train split as PNG files."""
    import cv2
    import images
    import numpy as np
    import pandas as pd

    from morelike.storage.shards import ShardWriter

    wanted = sum(IMAGES.values())
    drawn = [cv2.resize(image, (side, side)) for image in images.unlike(images.sources(None), wanted)]
    if channels == 1:
        drawn = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in drawn]
    pixels = np.stack(drawn).reshape(wanted, side, side, channels)
    noise = np.random.default_rng(0).normal(0, 38, pixels.shape)
    files = [f"all/{row:05d}.png" for row in range(wanted)]
    index = pd.DataFrame({"file": files, "label": "all", "split": np.repeat([*IMAGES], [*IMAGES.values()])})
    for name, of_store in (("clean", pixels), ("noisy", (pixels + noise).clip(0, 255).astype(np.uint8))):
        writer = ShardWriter(home / name, side, side, channels)
        writer.append(of_store)
        writer.close(index)
    (home / "png" / "all").mkdir(parents=True)
    for file, image in zip(files[: IMAGES["train"]], drawn, strict=False):
        cv2.imwrite(str(home / "png" / file), image)


if __name__ == "__main__":
    main()
