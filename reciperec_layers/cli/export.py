"""`reciperec export`: a model as a folder that TensorFlow loads without this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reciperec_layers.cli.inputs import attach_queries, encoder_of, load_retrieval_model
from reciperec_layers.cli.options import Debug, Imports, ModelPath, Queries, Sep
from reciperec_layers.cli.output import reported_errors, say
from reciperec_layers.cli.user_modules import import_modules

if TYPE_CHECKING:
    from reciperec_layers.models import RetrievalModel


def export(
    model_path: ModelPath,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write the SavedModel to.")],
    k: Annotated[int, typer.Option("-k", "--k", help="How many candidates the default signature returns.")] = 10,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a folder that was exported before.")] = False,
    queries: Queries = None,
    sep: Sep = None,
    imports: Imports = None,
    debug: Debug = False,
) -> None:
    """Export a model as a SavedModel, which TensorFlow loads without this package."""
    with reported_errors(debug):
        from reciperec_layers.export.bundle_manifest import check_replaceable, read_manifest
        from reciperec_layers.saving.atomic_folders import check_folder_writable

        check_folder_writable(folder, overwrite, check_replaceable)  # before the model is loaded
        import_modules(imports)
        model = load_retrieval_model(model_path)
        assert model.corpus is not None
        if queries is not None:
            attach_queries(model, queries, sep)
        model.export(folder, k=k, overwrite=overwrite)
        taken = list(read_manifest(folder).columns)
        columns = ", ".join(taken)
        say(f"Exported to {folder}: from {columns} to the best {k} of {len(model.corpus)} candidates.")
        for line in _of_times(model, taken):
            say(line)


def _of_times(model: RetrievalModel, taken: Sequence[str]) -> Iterator[str]:
    """Yields a line for each column of times that the model reads: what stands for one that is missing."""
    from reciperec_layers.columns.time_arrays import MISSING_TIME
    from reciperec_layers.features import Time

    now = "now, the newest time of training"
    time = None if model.prior is None else model.prior.time
    if time is not None and time not in taken:
        yield f"It takes no {time}: every query is of {now}."
    for name in taken:
        if name == time or isinstance(encoder_of(model.query_tower, name), Time):
            yield f"{name} {MISSING_TIME} is a missing time, which is {now}."
