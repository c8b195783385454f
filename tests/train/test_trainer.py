"""The trainer is not of images: two players with an optimiser each, sequences, no val loss, batch norm, any shape."""

import json
import os
import signal
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from morelike.core import devices
from morelike.models import registry, saved
from morelike.models.base import ImageModel, ImageSpec, ModelSettings, Outcome, Player
from morelike.models.base import SynthesisSettings as Base
from morelike.storage.shards import ShardStore
from morelike.train import trainer
from morelike.train.checkpoints import Checkpoints
from morelike.train.errors import TrainingError
from morelike.train.images import ImageTraining, train
from morelike.train.loggers import Silent
from morelike.train.schedule import schedule
from tests.training_stores import DAE, RECIPES, VAE, common, model_settings, squares

BUDGET = 480  # 30 steps of 16


class Method(Base):
    """How the generator makes images."""

    method: str = "noise"


class TwoPlayers(ImageModel):
    """A generator with batch norm against a discriminator with dropout."""

    best_by = None
    example_settings = Method()

    def __init__(self, spec: ImageSpec, settings: ModelSettings):
        super().__init__(spec, settings)
        pixels = spec.channels * spec.height * spec.width
        self.generator = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, pixels))
        self.discriminator = nn.Sequential(nn.Linear(pixels, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))

    def players(self):
        return [
            Player("discriminator", list(self.discriminator.parameters()), 2e-3, betas=(0.5, 0.9)),
            Player("generator", list(self.generator.parameters()), 1e-3, betas=(0.0, 0.9), weight_decay=0.0),
        ]

    def forward(self, batch, player: str) -> Outcome:
        fake = torch.sigmoid(self.generator(batch.normal(6)))
        if player == "generator":
            return Outcome({"loss": functional.softplus(-self.discriminator(fake)).mean()})
        real = self.discriminator(batch.images.flatten(1))
        made = self.discriminator(fake.detach())
        loss = functional.softplus(-real).mean() + functional.softplus(made).mean()
        right = (torch.cat([real, -made]) > 0).float().mean()
        return Outcome({"loss": loss, "discriminator_accuracy": right})

    def evaluate(self, batch) -> Outcome:
        return Outcome({})

    def generate(self, labels, noise, settings) -> torch.Tensor:
        return torch.sigmoid(self.generator(noise((6,)))).unflatten(1, (-1, self.spec.height, self.spec.width))


def register(monkeypatch) -> None:
    """Let the registry know the two players."""
    module = type(sys)("morelike.models.two_players")
    module.Model, module.Settings, module.SynthesisSettings = TwoPlayers, ModelSettings, Method
    known = registry.module_of
    monkeypatch.setattr(registry, "module_of", lambda name: module if name == "two_players" else known(name))


@pytest.fixture
def two_players(monkeypatch):
    register(monkeypatch)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return squares(folder / "clean", side=8), squares(folder / "noisy", side=8, noise=0.2)


def of_two_players(stores, budget: int = BUDGET) -> ImageTraining:
    limits = {"discriminator_won": None, "diverged": None}
    settings = ModelSettings(budget_images=budget)
    return ImageTraining("two_players", *stores, RECIPES, [0.3], common(limits), settings, 0)


def everything(out) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def into(folder):
    return folder / "out", folder / "live", folder / "state"


@pytest.mark.parametrize("step", [7, 10, 25])
def test_two_players_stopped_by_a_signal_go_on_bit_for_bit(two_players, stores, tmp_path, step):
    measured = train(of_two_players(stores), *into(tmp_path / "whole"))
    assert measured == {"images_seen": BUDGET}  # no val loss, no reconstruction
    advance = trainer.Trainer.advance

    def interrupted(self, asked=False):
        if self.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "advance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(of_two_players(stores), *into(tmp_path / "stopped"))
    train(of_two_players(stores), *into(tmp_path / "stopped"))
    assert everything(tmp_path / "stopped/out") == everything(tmp_path / "whole/out")


def test_two_players_are_logged_by_their_names_and_make_images(two_players, stores, tmp_path):
    train(of_two_players(stores), *into(tmp_path))
    history = pd.read_csv(tmp_path / "out/history.csv")
    assert {"train_generator_loss", "train_discriminator_loss", "generator_grad_norm"} <= set(history.columns)
    assert {"train_discriminator_accuracy", "discriminator_learning_rate"} <= set(history.columns)
    assert (history["discriminator_learning_rate"] == 2 * history["generator_learning_rate"]).all()
    assert not [column for column in history if column.startswith("val_")]
    assert sorted(path.name for path in (tmp_path / "out/grids").glob("samples*"))
    assert not list((tmp_path / "out/grids").glob("restored*"))
    seen = {line["check"]: line["worst"] for line in json.loads((tmp_path / "out/checks.json").read_text())}
    assert seen["dead_decoder"] is None  # nothing is reconstructed
    assert seen["targets"] is not None


def test_a_player_moves_its_own_parameters_alone(two_players, stores):
    run = of_two_players(stores).trainer(devices.fabric("32-true"))
    batch, _ = run.subject.training(0)
    for player, optimizer in zip(run.players, run.optimizers, strict=True):
        run.gradients(player, optimizer, run.subject.in_parts(batch, 1, 0))
        mine = {id(parameter) for parameter in player.parameters}
        for parameter in run.plain.parameters():
            assert (parameter.grad is not None) == (id(parameter) in mine)
        optimizer.zero_grad(set_to_none=True)


def test_the_statistics_of_batch_norm_are_averaged_with_the_weights(two_players, stores):
    run = of_two_players(stores).trainer(devices.fabric("32-true"))
    for _ in range(3):
        run.advance()
    ours, theirs = (dict(net.named_buffers()) for net in (run.average, run.plain))
    before = {key: value.clone() for key, value in ours.items()}
    trainer.update_average(run.average, run.plain, 0.75)
    for key in ("generator.1.running_mean", "generator.1.running_var"):
        torch.testing.assert_close(ours[key], 0.75 * before[key] + 0.25 * theirs[key])
        assert not torch.equal(before[key], theirs[key])
    assert (
        ours["generator.1.num_batches_tracked"] == theirs["generator.1.num_batches_tracked"] == 6
    )  # two passes a step


def test_a_model_that_names_no_metric_keeps_its_last_weights(two_players, stores, tmp_path):
    train(of_two_players(stores), *into(tmp_path))
    assert saved.checksum(tmp_path / "out") == saved.checksum(tmp_path / "out/last")


def test_a_metric_that_val_does_not_give_is_named(two_players, stores, tmp_path, monkeypatch):
    monkeypatch.setattr(TwoPlayers, "best_by", "loss")
    with pytest.raises(TrainingError, match=r"two_players: expected val to give 'loss', .* None to keep the last"):
        train(of_two_players(stores), *into(tmp_path))


class Tokens:
    """Sequences that count up: a batch is int64 N×T, its rows are their numbers."""

    name, seed, epoch = "tokens", 0, 64

    def training(self, step):
        start = torch.randint(0, 8, (16, 1), generator=torch.Generator().manual_seed(step))
        return (start + torch.arange(12)) % 8, np.arange(16)

    def validation(self):
        yield (torch.arange(8)[:, None] + torch.arange(12)) % 8

    def in_parts(self, batch, processes, rank):
        return list(batch.tensor_split(processes)[rank].split(8))

    def measured(self, part, outcome, network):
        return {}

    def unusable(self, batch):
        return []

    def files(self, rows):
        return [f"line {row}" for row in rows]

    def show(self, average, fabric, loggers, seen):
        """Show nothing."""


class NextToken(nn.Module):
    """A recurrent network that reads a sequence and names the next token."""

    loss_scale, best_by = 1.0, "errors"

    def __init__(self):
        super().__init__()
        self.embed, self.read, self.out = nn.Embedding(8, 16), nn.GRU(16, 32, batch_first=True), nn.Linear(32, 8)

    def players(self):
        return [Player("reader", list(self.parameters()), 1e-2)]

    def forward(self, tokens) -> Outcome:
        logits = self.out(self.read(self.embed(tokens[:, :-1]))[0])
        loss = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        return Outcome({"loss": loss, "errors": (logits.argmax(-1) != tokens[:, 1:]).float().mean()})

    def evaluate(self, tokens) -> Outcome:
        return self(tokens)


def test_sequences_train_by_the_same_trainer_and_the_metric_that_they_name_picks_the_best(tmp_path):
    torch.manual_seed(0)
    shared = common(evaluate_every_images=160, patience=99)
    plan = schedule(960, 16, 16, 0.25)
    run = trainer.Trainer(devices.fabric("32-true"), NextToken(), Tokens(), shared, plan)
    before = trainer.evaluate(run.average, run.subject, run.fabric)
    run.to_the_end(Silent(), Checkpoints(tmp_path, {"of": "tokens"}, plan))
    run.keep_best()
    after = trainer.evaluate(run.average, run.subject, run.fabric)
    assert before["errors"] > 0.6
    assert after["errors"] == run.best_score == 0.0
    assert {"train_loss", "val_loss", "val_errors"} <= set(run.history[-1])


@pytest.mark.parametrize(("name", "settings"), [("vae", VAE), ("dae", DAE)])
def test_colour_images_of_odd_and_unequal_sides_go_through(tmp_path, name, settings):
    sides = {"side": 13, "width": 18, "channels": 3, "per_class": 12}
    clean = squares(tmp_path / "clean", **sides)
    noisy = squares(tmp_path / "noisy", noise=0.2, **sides)
    chosen = model_settings(name, settings | {"budget_images": 96})
    training = ImageTraining(name, clean, noisy, RECIPES, [0.3, 0.3, 0.3], common(evaluate_every_images=48), chosen, 0)
    measured = train(training, *into(tmp_path))
    assert np.isfinite(list(measured.values())).all()
    assert ShardStore(tmp_path / "out/examples").shape == (13, 18, 3)
    assert saved.load(tmp_path / "out").spec.channels == 3
