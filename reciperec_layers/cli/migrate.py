"""`reciperec migrate`: a checkpoint of TensorFlow Recommenders as a saved model of this package."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reciperec_layers.cli.options import Debug, Sep
from reciperec_layers.cli.output import reported_errors, say
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.saving.atomic_files import check_writable
from reciperec_layers.saving.keras_formats import check_model_format

if TYPE_CHECKING:
    import numpy as np


class Order(StrEnum):
    """How the ids of a vocabulary were ordered."""

    SORTED = "sorted"
    FILE = "file"


def migrate(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="What `save_weights` was given in Keras 2.")],
    query_ids: Annotated[Path, typer.Argument(metavar="QUERIES.csv", help="File with the ids of all trained queries.")],
    candidates: Annotated[Path, typer.Argument(metavar="CANDIDATES.csv", help="File with all trained candidates.")],
    *,
    out: Annotated[Path, typer.Option(help="File to save the model to; must end with .keras.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    query_id: Annotated[str, typer.Option(help="Column of query ids.")] = "user_id",
    candidate_id: Annotated[str, typer.Option(help="Column of candidate ids.")] = "item_id",
    order: Annotated[
        Order,
        typer.Option(help="Order of the ids in the lookups: sorted, as np.unique gives them; or that of the files."),
    ] = Order.SORTED,
    sep: Sep = None,
    debug: Debug = False,
) -> None:
    """Make a model of a checkpoint of TensorFlow Recommenders: two tables of ids."""
    with reported_errors(debug):
        check_model_format(out, None, "migrate")
        check_writable(out, overwrite)
        frames = [_read(path, column, sep) for path, column in ((query_ids, query_id), (candidates, candidate_id))]

        from reciperec_layers.tfrs.migration import migrate as migrated
        from reciperec_layers.tfrs.migration import tables_of_checkpoint
        from reciperec_layers.towers import IdTower

        ids = [_unique(frame[column], order) for frame, column in zip(frames, (query_id, candidate_id), strict=True)]
        widths = {table.shape[1] for table in tables_of_checkpoint(checkpoint).values()}
        if len(widths) != 1:
            fix = "Load the checkpoint into the model that wrote it, and use tfrs.migrate(model)"
            problem = f"the tables of the checkpoint have {len(widths)} widths, and two of one are needed"
            raise ArgumentError(explain("migrate", problem, widths=sorted(widths), fix=fix))
        width = widths.pop()
        model = migrated(
            checkpoint,
            query_tower=IdTower(ids[0], width, feature=query_id),
            candidate_tower=IdTower(ids[1], width, feature=candidate_id),
            candidates=frames[1][[candidate_id]].drop_duplicates(),
        )
        model.save(out, overwrite=overwrite)
        how = "sorted" if order is Order.SORTED else "in the order of the files"
        say(
            f"{len(ids[0]):,} queries and {len(ids[1]):,} candidates, {how}. Which row is whose is not in a checkpoint."
        )
        say(f"Saved to {out}. Next:")
        say(f"  reciperec recommend {out} --id={ids[0][0]}")


def _read(path: Path, column: str, sep: str | None) -> Any:
    from reciperec_layers.data.frames import ids_from_text, read_csv_text_ids

    frame = read_csv_text_ids(path, [column], sep=sep)
    return frame.assign(**{column: ids_from_text(frame[column])})


def _unique(ids: Any, order: Order) -> np.ndarray:
    distinct = ids.drop_duplicates()
    return (distinct.sort_values() if order is Order.SORTED else distinct).to_numpy()
