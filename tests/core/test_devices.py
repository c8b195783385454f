import pytest
import torch

from morelike.core import devices
from morelike.models import vae
from morelike.models.base import Batch, ImageSpec
from tests.training_stores import VAE, model_settings


def a_model():
    torch.manual_seed(0)
    return vae.Model(ImageSpec(8, 8, 1, ("a",)), model_settings("vae", VAE))


def loss_of(model):
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return model(Batch(images, torch.zeros(4, dtype=torch.long), images, images)).terms["loss"].item()


def test_where_nothing_can_compile_it_is_said_and_training_goes_on(monkeypatch, capsys):
    def broken(function):
        raise RuntimeError("Failed to find C compiler.\nPlease specify one.")

    expected = loss_of(a_model())
    monkeypatch.setattr(torch, "compile", broken)
    model = a_model()
    devices.compile_parts(model, torch.device("cpu"))
    assert "this machine cannot compile (Failed to find C compiler.)" in capsys.readouterr().out
    assert loss_of(model) == expected


def test_a_compiled_model_has_the_names_and_the_loss_of_a_plain_one(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda part, *_: compiled.append(part))
    model, plain = a_model(), a_model()
    devices.compile_parts(model, torch.device("cpu"))
    assert model.encoder in compiled
    assert model.decoder in compiled
    assert list(model.state_dict()) == list(plain.state_dict())
    assert loss_of(model) == loss_of(plain)


@pytest.mark.parametrize(
    ("cuda", "bf16", "flags", "expected", "form"),
    [
        (True, True, (), "bf16-mixed", torch.channels_last),
        (True, False, (), "16-mixed", torch.channels_last),
        (False, False, ("amx_bf16",), "bf16-mixed", torch.channels_last),
        (False, False, ("avx512_bf16",), "bf16-mixed", torch.contiguous_format),
        (False, False, ("avx2",), "32-true", torch.channels_last),
    ],
)
def test_precision_and_memory_format_are_the_fastest_of_the_hardware(monkeypatch, cuda, bf16, flags, expected, form):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(devices, "cpu_flags", lambda: frozenset(flags))
    assert devices.precision("auto") == expected
    assert devices.memory_format("auto") == form
    assert devices.precision("32-true") == "32-true"
