"""Which accelerator and which precision: decided by what the hardware says of itself, in one place."""

import contextlib
import ctypes
import logging
import os
from functools import cache
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from morelike.core import progress
from morelike.core.errors import MorelikeError

PIXELS_AT_ONCE = 64 * 80 * 80  # through a network with its gradient, on a CPU
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class DeviceError(MorelikeError):
    """Processes or devices that cannot be used as asked."""


def precision(setting: str = "auto") -> str:
    """Return ``32-true``, ``bf16-mixed`` or ``16-mixed``; ``auto`` takes 16 bits where the hardware promises a gain.

    That is a GPU, or a CPU whose flags name bf16.
    """
    if setting != "auto":
        return setting
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "bf16-mixed" if cpu_flags() & {"amx_bf16", "avx512_bf16"} else "32-true"


def memory_format(setting: str = "auto") -> torch.memory_format:
    """Return channels_last where it is faster, on a GPU, with AMX tiles, or in float32; else the plain format.

    Without AMX, a CPU's convolutions of bf16 are faster in the plain format.
    """
    plain = precision(setting) != "32-true" and not torch.cuda.is_available() and "amx_bf16" not in cpu_flags()
    return torch.contiguous_format if plain else torch.channels_last


def fabric(setting: str = "auto", batch_size: int = 1, losses: int = 1) -> Fabric:
    """Return a launched Fabric with the precision of ``setting``, on the best single device.

    Started by ``torchrun``, on as many processes as that has started (DDP), which share out ``batch_size``. Where there
    are several ``losses``, none of them has a gradient for all parameters, which DDP must be told.

    Raises:
        DeviceError: the processes cannot share a batch evenly.
    """
    keep_freed_memory()
    processes, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if batch_size % processes:
        raise DeviceError(
            f"train.batch_size: expected a multiple of torchrun's {processes} processes, got {batch_size}"
        )
    kind = "ddp" if losses == 1 else "ddp_find_unused_parameters_true"
    strategy = {"strategy": kind, "num_nodes": processes // here} if processes > 1 else {}
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # the stages say the precision themselves
    chosen = Fabric(accelerator="auto", devices=here, precision=precision(setting), **strategy)
    chosen.launch()
    return chosen


def compile_parts(model: nn.Module, device: torch.device) -> None:
    """Compile the parts of a model in place (``torch.compile``); where nothing can compile, say so and leave it."""
    try:
        torch.compile(lambda x: x * 2 + 1)(torch.ones(8, device=device))
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        progress.say(f"train.compile: this machine cannot compile ({reason}); training goes on without")
        return
    for part in model.children():
        part.compile()


def parts_of_batch(device: torch.device, images: int, pixels: int) -> int:
    """Return in how many parts a batch goes through a network, so that a training step of large images fits in 2.5 GiB.

    On a GPU in one: its memory is its own, and its speed wants large batches.
    """
    return 1 if device.type != "cpu" else -(-images * pixels // PIXELS_AT_ONCE)


def keep_freed_memory() -> None:
    """Let glibc keep large buffers that are freed instead of handing them back to the system; elsewhere do nothing.

    A step frees and asks for the same buffers as the one before. Handed back, each of over 32 MiB is mapped and
    zeroed anew every time, which took 40% of the time of a step on 2 cores.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)


@cache
def cpu_flags() -> frozenset[str]:
    """Return the instruction sets of the CPU as Linux lists them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
