"""Every section of ``params.yaml`` as a typed, validated model. An unknown key or a bad value is one clear line."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from PIL import ImageColor
from pydantic import ConfigDict, Discriminator, Field

from morelike.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Section(pydantic.BaseModel):
    """A section: unknown keys are refused, values are frozen, NaN and infinities are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(Section):
    """Where the raw images are, and what transparent ones are laid on."""

    raw: str
    background: str

    @pydantic.field_validator("background")
    @classmethod
    def _is_a_colour(cls, value: str) -> str:
        ImageColor.getrgb(value)
        return value

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return ImageColor.getrgb(self.background)[:3]


class DemoData(Section):
    """Images a class in the built-in set."""

    train_common: Count
    train_rare: Count
    val: Count
    test: Count


class Split(Section):
    """Shares of train, val and test."""

    train: Share
    val: Share
    test: Share

    @pydantic.model_validator(mode="after")
    def _sums_to_one(self) -> "Split":
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"the shares must sum to 1, not {self.train + self.val + self.test:g}")
        return self


class Rule(Section):
    """What becomes of one code of the audit, from which limit an image has it, and how many the run may hold."""

    policy: Literal["fail", "quarantine", "fix", "warn", "ignore"]
    limit: float | None = None
    at_most: Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^\d+(\.\d+)?%$")] | None = None


class Validate(Section):
    """Limits on the raw set."""

    split: Split
    max_quarantined_share: Share
    codes: dict[str, Rule]


class Resize(Section):
    """The one form that all images get."""

    width_px: Literal["auto"] | Count
    height_px: Literal["auto"] | Count
    color: Literal["auto", "grey", "rgb"]
    fit: Literal["pad", "crop", "stretch"]
    check_images: Count

    @property
    def size_px(self) -> tuple[int, int] | None:
        """Height and width, None if the images decide."""
        return None if "auto" in (self.height_px, self.width_px) else (self.height_px, self.width_px)


class Gaussian(Section):
    """Additive Gaussian noise; ``std`` of pixels in [0, 1]."""

    kind: Literal["gaussian"]
    std: NotNegative


class SaltAndPepper(Section):
    """A share of the pixels turned black or white, half each."""

    kind: Literal["salt_and_pepper"]
    share: Share


class Speckle(Section):
    """Multiplicative Gaussian noise; ``std`` of the factor."""

    kind: Literal["speckle"]
    std: NotNegative


class Poisson(Section):
    """Photon noise; ``peak`` photons at white."""

    kind: Literal["poisson"]
    peak: Positive


class Blur(Section):
    """Gaussian blur; ``sigma_px`` of the kernel."""

    kind: Literal["blur"]
    sigma_px: Positive


class Jpeg(Section):
    """JPEG artefacts at ``quality`` 1 to 100."""

    kind: Literal["jpeg"]
    quality: Annotated[int, Field(ge=1, le=100)]


class Masking(Section):
    """Squares of ``size_px`` blacked out, up to ``share`` of the area (Vincent et al. 2008, masking noise)."""

    kind: Literal["masking"]
    share: Share
    size_px: Count


NoiseStep = Annotated[Gaussian | SaltAndPepper | Speckle | Poisson | Blur | Jpeg | Masking, Discriminator("kind")]


class Corrupt(Section):
    """Named recipes of noise, each a list of steps."""

    recipes: Annotated[dict[str, Annotated[list[NoiseStep], Field(min_length=1)]], Field(min_length=1)]


class Augment(Section):
    """Classical augmentation: each value is the most that an image is changed by, drawn uniformly."""

    flip: bool
    rotate_deg: Annotated[float, Field(ge=0, le=180)]
    translate: Share
    scale: Annotated[float, Field(ge=0, lt=1)]
    brightness: Share
    contrast: Annotated[float, Field(ge=0, lt=1)]


class Checks(Section):
    """Limits of what is watched while a model trains; None switches a check off."""

    after_images: Annotated[int, Field(ge=0)]
    targets: NotNegative | None
    diverged: Positive | None
    logvar_overflow: Positive | None
    posterior_collapse: NotNegative | None
    dead_decoder: Share | None
    colour_shift: Share | None
    discriminator_won: Share | None
    stuck: NotNegative | None
    overflow_steps: Count | None


class Train(Section):
    """What all models share."""

    batch_size: Count
    class_balance: Share
    warmup_images: Annotated[int, Field(ge=0)]
    cooldown_share: Share
    evaluate_every_images: Count
    patience: Count
    grad_clip_norm: Positive
    ema_halflife_images: NotNegative
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    compile: bool
    grids_every_evaluations: Count
    augment: Augment
    checks: Checks


class Vae(Section):
    """The convolutional VAE."""

    budget_images: Count
    learning_rate: Positive
    width: Annotated[int, Field(ge=8, multiple_of=8)]
    latent_dims: Count
    beta: NotNegative
    beta_warmup_images: NotNegative
    logvar_bound: Positive


class Dae(Section):
    """The denoising autoencoder."""

    budget_images: Count
    learning_rate: Positive
    width: Annotated[int, Field(ge=8, multiple_of=8)]
    patch_px: Literal["auto", 1, 2, 4, 8]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    restore_share: Annotated[float, Field(ge=0, lt=1)]


class Models(Section):
    """One section a model."""

    vae: Vae
    dae: Dae


class SynthesizeVae(Section):
    """How the VAE makes images."""

    method: Literal["aggregate", "prior"]
    temperature: Positive


class SynthesizeDae(Section):
    """How the DAE makes images."""

    method: Literal["variations", "walkback"]
    strength_sigma: Annotated[float, Field(ge=0, le=80)]
    steps: Annotated[int, Field(ge=2)]
    walkback_rounds: Count


class Synthesize(Section):
    """How many new images, and how each model makes them."""

    batch_size: Count
    per_class: Literal["balance"] | Annotated[int, Field(ge=0)]
    at_least: Annotated[int, Field(ge=0)]
    vae: SynthesizeVae
    dae: SynthesizeDae


class Export(Section):
    """What is let into the augmented dataset."""

    mix: dict[Literal["vae", "dae"], Share]
    max_filtered_share: Share
    blank_std: NotNegative
    palette_distance: Positive
    copy_distance: NotNegative

    @pydantic.model_validator(mode="after")
    def _sums_to_one(self) -> "Export":
        if abs(sum(self.mix.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of mix must sum to 1, not {sum(self.mix.values()):g}")
        return self


class Evaluate(Section):
    """The classifiers that judge the new images."""

    seeds: Annotated[int, Field(ge=3)]
    steps: Count
    batch_size: Count
    learning_rate: Positive
    width: Annotated[int, Field(ge=8, multiple_of=8)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    bootstrap: Annotated[int, Field(ge=100)]


class Report(Section):
    """The page."""

    examples: Count


class Candidates(Section):
    """The values that a search may give one parameter: ``choices``, or all from ``low`` to ``high``.

    ``step`` leaves only every so many of a range, ``log`` spreads them evenly over the orders of magnitude.
    """

    choices: Annotated[list[bool | int | float | str | None], Field(min_length=1)] | None = None
    low: int | float | None = None
    high: int | float | None = None
    step: Annotated[int, Field(gt=0)] | Positive | None = None
    log: bool = False

    @pydantic.model_validator(mode="after")
    def _is_one_of_the_two(self) -> "Candidates":
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("either choices, or low and high")
        if self.choices is not None and (self.log or {self.low, self.high, self.step} != {None}):
            raise ValueError("choices alone, or low and high with step or log")
        if self.choices is None and self.low >= self.high:
            raise ValueError("low below high")
        if self.log and (self.low <= 0 or self.step):
            raise ValueError("with log, a low above 0 and no step")
        return self


class Search(Section):
    """What ``python -m flows.search`` tries, and by what it judges."""

    method: Literal["grid", "random", "tpe"]
    trials: Count
    workers: Count
    metric: str
    direction: Literal["minimize", "maximize"]
    pruner: Literal["median", "halving", "none"]
    prune_after_trials: Annotated[int, Field(ge=0)]
    prune_after_evaluations: Annotated[int, Field(ge=0)]
    space: Annotated[dict[str, Candidates], Field(min_length=1)]

    @pydantic.field_validator("metric")
    @classmethod
    def _is_measured_on_val(cls, value: str) -> str:
        if not re.fullmatch(r"reports/metrics/train-\w+\.json:[\w.]+", value):
            raise ValueError(
                "a metric of the val split, FILE:KEY of reports/metrics/train-*.json, such as "
                "reports/metrics/train-dae.json:val_loss; a search must never see the test split"
            )
        return value

    @property
    def metric_file(self) -> str:
        """The file of the metric."""
        return self.metric.partition(":")[0]

    @property
    def metric_key(self) -> str:
        """The key in that file."""
        return self.metric.partition(":")[2]


class Params(Section):
    """The whole of ``params.yaml``."""

    seed: Annotated[int, Field(ge=0)]
    data: Data
    demo_data: DemoData
    validate_: Annotated[Validate, Field(alias="validate")]
    resize: Resize
    corrupt: Corrupt
    train: Train
    models: Models
    synthesize: Synthesize
    export: Export
    evaluate: Evaluate
    report: Report
    search: Search | None = None


def load(path: Path | str = "params.yaml") -> Params:
    """Read and validate ``params.yaml``.

    Raises:
        ParamsError: names the file, the key, what was expected and what was got.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ParamsError(str(path), "the file", "nothing", "a params.yaml in the folder you run in") from error
    return parse(read(text, str(path)), str(path))


def read(text: str, path: str = "params.yaml") -> Any:
    """Return the values in the text of a params file, not validated; ``path`` is named in errors."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(path, "the file", str(error).replace("\n", " "), "valid YAML") from error


def parse(values: Any, path: str = "params.yaml") -> Params:
    """Validate the values of a params file; ``path`` is named in errors."""
    try:
        return Params.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        expected = "no such key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise ParamsError(path, key, first["input"], expected) from error
