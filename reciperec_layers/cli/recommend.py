"""`reciperec recommend`: the best candidates for some queries, with names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reciperec_layers.cli.inputs import (
    ids_as_in,
    load_retrieval_model,
    query_column,
    query_vocabulary,
    read_interactions,
)
from reciperec_layers.cli.options import Debug, Json, ModelPath
from reciperec_layers.cli.output import reported_errors, say, say_json
from reciperec_layers.cli.tables import say_table

if TYPE_CHECKING:
    from reciperec_layers.models import RetrievalModel
    from reciperec_layers.seen import Seen


def recommend(
    model_path: ModelPath,
    ids: Annotated[list[str], typer.Option("--id", help="Id of a query; repeat the option for more.")],
    k: Annotated[int, typer.Option("-k", "--k", help="How many candidates for each query.")] = 10,
    interactions: Annotated[
        Path | None,
        typer.Option(metavar="INTERACTIONS.csv", help="Interactions whose candidates are left out for their queries."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Recommend candidates for queries, the best first."""
    with reported_errors(debug):
        model = load_retrieval_model(model_path)
        assert model.corpus is not None
        exclude = None if interactions is None else _seen(model, interactions)
        # A k above the size of the corpus would make the model warn about padding, which a table does not need.
        queries = _recommendations(model, ids, min(k, len(model.corpus)), exclude)
        notes = []
        if k > len(model.corpus):
            notes.append(f"k={k} is more than the {len(model.corpus)} candidates of the corpus.")
        notes.append(
            "Nothing is left out: seen candidates are known only with --interactions."
            if interactions is None
            else f"Candidates seen in {interactions} are left out."
        )
        if json:
            say_json({"seen_left_out": interactions is not None, "notes": notes, "queries": queries})
            return
        for query in queries:
            _say_query(query, list(model.corpus.names))
        for note in notes:
            say(note)


def _seen(model: RetrievalModel, path: Path) -> Seen:
    from reciperec_layers.data import seen

    assert model.corpus is not None
    return seen(read_interactions(path, model), query_column(model), model.corpus.id_column)


def _recommendations(model: RetrievalModel, ids: list[str], k: int, exclude: Seen | None) -> list[dict[str, Any]]:
    """Returns the id of each query, whether it is known, and its candidates with the corpus columns that were kept."""
    column = query_column(model)
    vocabulary = query_vocabulary(model)
    queries = ids_as_in(vocabulary, list(dict.fromkeys(ids)))
    found = []
    for row, query in enumerate(queries.tolist()):
        frame = model.recommend({column: queries[row : row + 1]}, k, exclude, as_frame=True)
        found.append(
            {
                "id": query,
                "known": None if vocabulary is None else query in vocabulary,
                "recommendations": frame.drop(columns=column).to_dict(orient="records"),
            }
        )
    return found


def _say_query(query: dict[str, Any], names: list[str]) -> None:
    say(f"Recommendations for {query['id']}:")
    if query["known"] is False:
        say("The model does not know this id: these are its recommendations for unknown ids.")
    if not query["recommendations"]:
        say("Nothing is left to recommend.")
    else:
        say()
        rows = [
            (each["rank"], f"{each['score']:.4f}", *(each[name] for name in names)) for each in query["recommendations"]
        ]
        say_table(["rank", "score", *names], rows, text_columns=names)
    say()
