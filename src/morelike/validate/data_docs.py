"""Great Expectations' own pages about the table of images. They hold run times and load scripts from the network."""

import shutil
import tempfile
from pathlib import Path

import pandas as pd

from morelike.core import files
from morelike.storage import tables
from morelike.validate import expectations
from morelike.validate.settings import FaultRule

SITE = Path("gx/uncommitted/data_docs/local_site")


def build(validated: Path, fault_rules: dict[str, FaultRule], out: Path) -> None:
    """Validate the manifest of ``validated`` once more and write the pages into the folder ``out``, all or nothing.

    ``fault_rules`` are those of the audit; the suite is made from them.
    """
    manifest = tables.read(Path(validated) / "manifest.parquet")
    splits_given = bool(files.read_json(Path(validated) / "summary.json", "splits_given")["splits_given"])
    suite = expectations.suite(fault_rules, sorted(set(manifest["label"])), splits_given)
    with tempfile.TemporaryDirectory() as home, files.written_aside(out) as aside:
        _run(home, manifest, suite)
        shutil.copytree(Path(home) / SITE, aside, dirs_exist_ok=True)


def _run(home: str, manifest: pd.DataFrame, suite: list) -> None:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="file", project_root_dir=home)
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("validate").add_dataframe_asset("images")
    definition = gx.ValidationDefinition(
        name="images",
        data=asset.add_batch_definition_whole_dataframe("all"),
        suite=context.suites.add(gx.ExpectationSuite("images", expectations=suite)),
    )
    form = {"result_format": "SUMMARY", "unexpected_index_column_names": ["file"]}
    checkpoint = gx.Checkpoint(
        name="audit", validation_definitions=[context.validation_definitions.add(definition)], result_format=form
    )
    context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": manifest})
    context.build_data_docs()
