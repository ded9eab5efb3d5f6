"""`reciperec recommend`: the best candidates for some queries, with names."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reciperec_layers.cli.inputs import (
    attach_queries,
    column_of_ids,
    columns_beside_id,
    find_query_column,
    ids_as_in,
    leading_zeros,
    load_retrieval_model,
    query_vocabulary,
    read_interactions,
    read_queries,
    reads_columns_beside_id,
)
from reciperec_layers.cli.knowledge_texts import text_of_query
from reciperec_layers.cli.options import Debug, Imports, Json, ModelPath, QueryId, Sep
from reciperec_layers.cli.output import reported_errors, say, say_json
from reciperec_layers.cli.tables import say_table
from reciperec_layers.cli.user_modules import import_modules
from reciperec_layers.columns.names import NAME_COLUMNS, find_column
from reciperec_layers.errors import ArgumentError, ColumnError, explain

if TYPE_CHECKING:
    import pandas as pd

    from reciperec_layers.models import RetrievalModel
    from reciperec_layers.seen import Seen
    from reciperec_layers.vocabulary import Vocabulary


def recommend(
    model_path: ModelPath,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Id of a query; repeat the option for more.")] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="QUERIES.csv",
            help="Rows of the columns that the query tower reads, one per query; with --id, what is known of them.",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", help="How many candidates for each query.")] = 10,
    interactions: Annotated[
        Path | None,
        typer.Option(metavar="INTERACTIONS.csv", help="Interactions whose candidates are left out for their queries."),
    ] = None,
    query_id: QueryId = None,
    sep: Sep = None,
    imports: Imports = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Recommend candidates for queries, the best first."""
    with reported_errors(debug):
        import_modules(imports)
        if not ids and queries is None:
            problem, fix = "it is not said for whom", "Name ids by --id, or a file of queries by --queries"
            raise ArgumentError(explain("recommend", problem, fix=fix))
        model = load_retrieval_model(model_path)
        assert model.corpus is not None
        rows = _query_rows(model, ids or [], queries, sep, query_id)
        exclude = None if interactions is None else _seen(model, interactions, sep, query_id, rows)
        # A k above the size of the corpus would make the model warn about padding, which a table does not need.
        found = _recommendations(model, rows, min(k, len(model.corpus)), exclude, query_id or model.query_id_column)
        _add_knowledge(model, rows, found)
        notes = []
        if k > len(model.corpus):
            notes.append(f"k={k} is more than the {len(model.corpus)} candidates of the corpus.")
        notes.append(
            "Nothing is left out: seen candidates are known only with --interactions."
            if interactions is None
            else f"Candidates seen in {interactions} are left out."
        )
        if json:
            say_json({"seen_left_out": interactions is not None, "notes": notes, "queries": found})
            return
        for query in found:
            there: dict[str, Any] = next(iter(query["recommendations"]), {})
            _say_query(query, _shown_columns(model, there), query_vocabulary(model), model)
        for note in notes:
            say(note)


def _query_rows(
    model: RetrievalModel, ids: list[str], path: Path | None, sep: str | None, query_id: str | None
) -> pd.DataFrame:
    """Returns the columns that the query tower reads, of the ids and of the file."""
    import pandas as pd

    from reciperec_layers.data.frames import read_columns

    frames = []
    # A file with nothing but ids names further queries, unless the model could learn more of them from it.
    if (
        ids
        and path is not None
        and (columns_beside_id(model, read_columns(path, sep=sep)) or reads_columns_beside_id(model))
    ):
        attach_queries(model, path, sep)
        path = None
    if ids:
        id_column = column_of_ids(model)
        if id_column is None:
            problem = "the query tower reads several columns, so that an id alone is not enough"
            fix = f"Pass a file with the columns {', '.join(model.query_columns)} by --queries"
            raise ArgumentError(explain("--id", problem, fix=fix))
        known = ids_as_in(query_vocabulary(model), list(dict.fromkeys(ids)))
        frames.append(pd.DataFrame({id_column: known}))
    if path is not None:
        frames.append(read_queries(path, model, sep, query_id))
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def _seen(model: RetrievalModel, path: Path, sep: str | None, query_id: str | None, rows: pd.DataFrame) -> Seen:
    from reciperec_layers.data import seen

    assert model.corpus is not None
    query = find_query_column(model, query_id, rows.columns)
    interactions, _ = read_interactions(path, model, sep, query, features=False)
    return seen(interactions, query, model.corpus.id_column)


def _recommendations(
    model: RetrievalModel, rows: pd.DataFrame, k: int, exclude: Seen | None, query_id: str | None
) -> list[dict[str, Any]]:
    """Returns the row and id of each query, whether it is known, and its candidates as `as_frame` shows them."""
    assert model.corpus is not None
    vocabulary = query_vocabulary(model)
    columns = [name for name in model.query_columns if name in rows]
    named = next((name for name in (query_id, column_of_ids(model)) if name in rows), None)
    features = [name for name in columns if name != named]
    found = []
    for row in range(len(rows)):
        query = rows.iloc[row : row + 1]
        frame = model.recommend(query, k, exclude, as_frame=True)
        value = None if named is None else query[named].iloc[0]
        found.append(
            {
                "row": row + 1,
                "id": value,
                "known": None if vocabulary is None or named is None else value in vocabulary,
                **({"features": _plain(query[features])[0]} if features else {}),
                "recommendations": _plain(
                    frame[["rank", "score", *(name for name in model.corpus.names if name in frame)]]
                ),
            }
        )
    return found


def _shown_columns(model: RetrievalModel, there: Collection[str]) -> list[str]:
    """Returns the columns of the corpus that a table shows: the id, a name, and what only a reader is there for.

    What a tower reads is many columns; `--json` has all but the long ones.
    """
    assert model.corpus is not None
    names, id_column = [name for name in model.corpus.names if name in there], model.corpus.id_column
    shown = {name for name in names if name == id_column or name not in model.candidate_columns}
    with contextlib.suppress(ColumnError):
        shown.add(find_column(names, NAME_COLUMNS))
    return [name for name in names if name in shown] if len(shown) > 1 else names


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows of a frame, with `None` for what is missing."""
    return frame.astype(object).where(frame.notna(), None).to_dict(orient="records")


def _add_knowledge(model: RetrievalModel, rows: pd.DataFrame, found: list[dict[str, Any]]) -> None:
    """Adds what the model knows of each query, behind its id."""
    for query, known in zip(found, model.query_knowledge(rows).itertuples(), strict=True):
        recommendations = query.pop("recommendations")
        query |= {"knowledge": known.knowledge, "known_columns": list(known.known_columns)}
        query["recommendations"] = recommendations


def _say_query(query: dict[str, Any], names: list[str], vocabulary: Vocabulary | None, model: RetrievalModel) -> None:
    features = ", ".join(f"{name}={value}" for name, value in query.get("features", {}).items())
    whom = f"row {query['row']}" if query["id"] is None else query["id"]
    say(f"Recommendations for {whom}{f' ({features})' if features else ''}:")
    reads_ids = 2 in model.query_tower.knowledge_levels
    if text := text_of_query(query["knowledge"], query["known_columns"], reads_ids, model.prior is not None):
        say(text)
    if query["known"] is False and vocabulary is not None and (cause := leading_zeros([query["id"]], vocabulary)):
        say(f"{cause}.")
    if not query["recommendations"]:
        say("Nothing is left to recommend.")
    else:
        say()
        rows = [
            (each["rank"], f"{each['score']:.4f}", *(each[name] for name in names)) for each in query["recommendations"]
        ]
        say_table(["rank", "score", *names], rows, text_columns=names)
    say()
