"""The case of a student's report: a denoising autoencoder on 10,000 RGB faces of 178x218 pixels, 3 epochs, one command.

The faces are drawn; stores, noisy twins and training are the pipeline's own, with its settings. Printed are minutes,
images per second, the PSNR before and after, and the peak memory of training on a quarter and on all of the images.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from morelike.core import settings

PARAMS = settings.read(Path(__file__).resolve().parents[1] / "params.yaml")
HEIGHT, WIDTH = 218, 178
AT_ONCE = 128  # faces drawn at once
VAL_SHARE = 0.05
STEPS_OF_MEMORY = 30


def main() -> None:
    """Write the faces, measure memory in processes of their own, train, and print what came of it."""
    asked = arguments()
    if asked.memory:
        return print(json.dumps(peak_memory(asked.memory, asked.width, asked.steps)))
    from morelike.corrupt import corrupt
    from morelike.corrupt.settings import Corrupt

    recipes = PARAMS.section("corrupt", Corrupt).recipes
    with tempfile.TemporaryDirectory() as home:
        folders = {}
        for count in sorted({max(1, asked.images // 4), asked.images}):
            folders[count] = Path(home) / str(count)
            start = time.perf_counter()
            write_faces(folders[count] / "clean", count)
            drawn = time.perf_counter()
            corrupt.write_noisy(folders[count] / "clean", folders[count] / "noisy", recipes, 0)
            done = time.perf_counter()
            print(f"{count:,} faces: drawn in {drawn - start:.0f} s, noisy twins in {done - drawn:.0f} s", flush=True)
        for count, folder in folders.items():
            command = [sys.executable, __file__, "--memory", str(folder), "--steps", str(asked.steps)]
            said = subprocess.run(
                [*command, "--width", str(asked.width)], check=True, stdout=subprocess.PIPE, text=True
            )
            peak, speed = json.loads(said.stdout.splitlines()[-1])
            print(f"{count:,} faces, {asked.steps} steps: peak {peak:.2f} GiB, {speed:.2f} images/s", flush=True)
        budget = asked.epochs * asked.images
        print(f"{asked.epochs} epochs, {budget:,} images: about {budget / speed / 60:.0f} minutes", flush=True)
        if not asked.only_memory:
            train(folders[asked.images], asked.width, budget)


def arguments() -> argparse.Namespace:
    """Read the command line; ``--memory`` is for the processes that this script starts itself."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--width", type=int, default=PARAMS.value("models.dae.width"))
    parser.add_argument("--steps", type=int, default=STEPS_OF_MEMORY, help="of the runs that show the memory")
    parser.add_argument("--only-memory", action="store_true", help="leave out the training to the end")
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def task(folder: Path, width: int, budget_images: int = 10**9):
    """Return the pipeline's task: its DAE on the two stores in ``folder``."""
    from morelike.corrupt.settings import Corrupt
    from morelike.models import registry
    from morelike.resize import proof
    from morelike.storage.shards import ShardStore
    from morelike.train.images import ImageTraining
    from morelike.train.settings import Train

    clean, noisy = ShardStore(folder / "clean"), ShardStore(folder / "noisy")
    std = proof.moments(clean, clean.rows("train")[:1024])[1]
    chosen = registry.settings_of("dae", PARAMS).model_copy(update={"width": width, "budget_images": budget_images})
    recipes = PARAMS.section("corrupt", Corrupt).recipes
    return ImageTraining("dae", clean, noisy, recipes, std, PARAMS.section("train", Train), chosen, PARAMS.seed)


def peak_memory(folder: Path, width: int, steps: int) -> tuple[float, float]:
    """Take some steps; return this process's peak memory, GiB, and the images per second after the first step."""
    from morelike.core import devices

    asked = task(folder, width)
    trainer = asked.trainer(devices.fabric(asked.common.precision, asked.common.batch_size))
    trainer.advance()
    start = time.perf_counter()
    for _ in range(steps - 1):
        trainer.advance()
    speed = (steps - 1) * asked.common.batch_size / (time.perf_counter() - start)
    trainer.subject.batches.close()
    return peak_gib(), speed


def peak_gib() -> float:
    """Return the peak memory of this process, GiB."""
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def train(folder: Path, width: int, budget_images: int) -> None:
    """Train to the end, evaluations, states and examples included, and print the figures."""
    from morelike.train import images

    start = time.perf_counter()
    measured = images.train(task(folder, width, budget_images), *(folder / name for name in ("out", "live", "state")))
    seconds, seen = time.perf_counter() - start, measured["images_seen"]
    print(f"{seen:,} images in {seconds / 60:.1f} minutes, all included: {seen / seconds:.2f} images/s")
    print(f"peak of this process {peak_gib():.2f} GiB")
    print(f"PSNR on val: before {measured['psnr_before_db']:.2f} dB, after {measured['psnr_after_db']:.2f} dB")


def write_faces(folder: Path, count: int) -> None:
    """Draw faces into a store, batch by batch, so that no more than a shard is in memory."""
    import numpy as np
    import pandas as pd

    from morelike.storage.shards import ShardWriter

    rng, writer, digests = np.random.default_rng(0), ShardWriter(folder, HEIGHT, WIDTH, 3), []
    for start in range(0, count, AT_ONCE):
        faces = np.stack([face(rng) for _ in range(min(AT_ONCE, count - start))])
        digests += [hashlib.sha256(one).hexdigest() for one in faces]
        writer.append(faces)
    names = [f"faces/{row:06d}.png" for row in range(count)]
    split = np.where(rng.permutation(count) < max(1, VAL_SHARE * count), "val", "train")
    writer.close(pd.DataFrame({"file": names, "label": "faces", "split": split, "sha256": digests}))


def face(rng):
    """Draw one face on a coloured ground: uint8 H×W×3, RGB."""
    import cv2
    import numpy as np

    corners = rng.integers(20, 236, (2, 2, 3)).astype(np.uint8)
    image = cv2.resize(corners, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    skin = np.array([224, 172, 138]) * rng.uniform(0.45, 1.1) + rng.normal(0, 6, 3)
    hair, lips, iris = (tuple(map(int, rng.integers(low, high, 3))) for low, high in ((10, 150), (90, 200), (20, 140)))
    x, y = (int(side / 2 + rng.normal(0, 5)) for side in (WIDTH, HEIGHT))
    wide, high = int(rng.uniform(42, 56)), int(rng.uniform(58, 74))

    def oval(place, axes, colour, turn=0.0, ends=(0, 360), thickness=-1):
        cv2.ellipse(image, place, axes, turn, *ends, tuple(map(int, np.clip(colour, 0, 255))), thickness, cv2.LINE_AA)

    oval((x, y - 14), (wide + 12, high + 10), hair)
    oval((x, y + high), (wide // 2, high // 2), skin * 0.85)
    oval((x, y), (wide, high), skin, rng.normal(0, 4))
    apart, level = int(wide * 0.42), y - int(high * 0.15)
    for eye in (x - apart, x + apart):
        oval((eye, level), (10, 6), (245, 245, 245))
        oval((eye, level), (4, 4), iris)
        oval((eye, level - 14), (12, 4), hair, ends=(180, 360), thickness=2)
    oval((x, y + 10), (5, 11), skin * 0.88)
    oval((x, y + int(high * 0.5)), (int(rng.uniform(12, 24)), int(rng.uniform(3, 9))), lips)
    grain = cv2.resize(rng.normal(0, 6, (28, 23, 3)).astype(np.float32), (WIDTH, HEIGHT))
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.7) + grain, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
