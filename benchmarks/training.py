"""Training against bare PyTorch, against pythae 0.1.2's trainer and against a DataLoader over PNG files.

One run: the same network, batch and number of images for all. Ours is the whole of it: memory-mapped stores,
augmentation, moving average, clipped gradients and every check. The others are:

- float32: a loop of five lines on tensors that are in memory already, and nothing else; the fused AdamW, as ours
- the same in bf16, in channels_last, in both: the fastest of these and float32 is what ours is held against
- pythae: its trainer, with the encoder and the decoder of ours
- PNG: a DataLoader, without and with a worker per core, torchvision's transforms for our augmentation, the float32 loop

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
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from peers import trainers
from peers.trainers import SQUARE, WORKS, Case

from morelike.core import compute

SIZES = {"32x32x1": (32, 1), "64x64x3": (64, 3), "128x128x3": (128, 3)}
IMAGES = {"train": 1024, "val": 64}
MOST_STEPS = 100
SECONDS_PER_ROUND = 0.7  # of the float32 loop: short rounds, and many, find quiet moments of a machine
WORTH = 0.8  # a variant that stays slower than this share of its best sibling is left out of the later rounds
SURE_AFTER = 3  # rounds
SECONDS_PER_CASE = 80  # after which no round is begun but those first ones


def main() -> None:
    """Print a table for every size and width: images per second, the share of the peak, ratios of ours."""
    asked = arguments()
    if asked.work:
        return answer(asked.work, Case(**json.loads(asked.case)))
    for name in asked.sizes:
        with tempfile.TemporaryDirectory() as home:
            write(Path(home), *SIZES[name])
            for width in asked.widths or (trainers.PARAMS.value("models.vae.width"), 8):
                case = Case(home, *SIZES[name], width, trainers.PARAMS.value("train.batch_size"))
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
        steps = 2 if asked.quick else max(2, min(MOST_STEPS, round(SECONDS_PER_ROUND / step)))
        best = dict.fromkeys(peers, float("inf"))
        began = time.monotonic()
        for number in range(asked.rounds):  # in turns, so that a busy moment of the machine falls on all
            for name, peer in peers.items():
                best[name] = min(best[name], ask(peer, steps))
            if number + 1 >= SURE_AFTER:
                if time.monotonic() - began > SECONDS_PER_CASE:
                    break
                worth = {
                    name for names in trainers.SIBLINGS for name in names if best[name] * WORTH < fastest(best, names)
                }
                peers = {name: peer for name, peer in peers.items() if name in worth or name in trainers.ALWAYS}
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


def show(name: str, case: Case, best: dict[str, float], steps: int, rounds: int) -> None:
    """Print the table of a case and the ratios that are wanted."""
    from morelike.core import devices

    (parameters, work), cores = size_of(case), compute.cores()
    peaks = {kind: 2 * SQUARE**3 * steps / best[f"peak, {kind}"] for kind in ("float32", "bf16")}
    print(
        f"\n{name}, width {case.width}: {parameters:,} parameters, {work / 1e6:,.0f} MFLOP per image, "
        f"{steps} steps of {case.batch} per round, at most {rounds} rounds, {cores} cores, {trainers.device().type}"
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
    against = {
        f"bare loop ({min(trainers.BARE, key=best.get)})": (trainers.BARE, 0.95),
        "pythae": (("pythae",), 3),
        "PNG": (trainers.PNG, 5),
    }
    for kind, (names, wanted) in against.items():
        print(f"ours / {kind}: {fastest(best, names) / best['ours']:.2f}, wanted {wanted}", flush=True)


def size_of(case: Case) -> tuple[int, float]:
    """Return the parameters of the network, and the floating-point operations of a step per image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from morelike.models.base import Batch

    model, images = trainers.vae(case), torch.rand(2, case.channels, case.side, case.side)
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
