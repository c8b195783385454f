"""Which accelerator and which precision: decided by what the hardware says of itself, in one place."""

from functools import cache
from pathlib import Path

import torch
from lightning_fabric import Fabric


def precision(setting: str = "auto") -> str:
    """Return ``32-true`` or ``bf16-mixed``; ``auto`` takes bf16 where the GPU or the CPU's flags promise a gain."""
    if setting != "auto":
        return setting
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if cpu_flags() & {"amx_bf16", "avx512_bf16"} else "32-true"


def memory_format() -> torch.memory_format:
    """Return channels_last where tensor cores or AMX tiles like it, the plain format elsewhere."""
    fast = torch.cuda.is_available() or "amx_bf16" in cpu_flags()
    return torch.channels_last if fast else torch.contiguous_format


def fabric(setting: str = "auto") -> Fabric:
    """Return a launched Fabric on the best single device with the precision of ``setting``."""
    chosen = Fabric(accelerator="auto", devices=1, precision=precision(setting))
    chosen.launch()
    return chosen


@cache
def cpu_flags() -> frozenset[str]:
    """Return the instruction sets of the CPU as Linux lists them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
