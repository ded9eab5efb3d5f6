"""`reciperec export`: a model as a folder that TensorFlow loads without this package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reciperec_layers.cli.inputs import attach_queries, load_retrieval_model
from reciperec_layers.cli.options import Debug, Imports, ModelPath, Queries, Sep
from reciperec_layers.cli.output import reported_errors, say
from reciperec_layers.cli.user_modules import import_modules


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
        columns = ", ".join(read_manifest(folder).columns)
        say(f"Exported to {folder}: from {columns} to the best {k} of {len(model.corpus)} candidates.")
