from __future__ import annotations

import pandas as pd
import pytest

from reciperec_layers.data import seen
from reciperec_layers.errors import ArgumentError, ColumnError, IdError


def test_seen_knows_its_columns_and_looks_rows_up_by_query():
    frame = pd.DataFrame({"user_id": ["a", "b", "a"], "recipe_id": [1, 2, 3]}, index=[9, 9, 9])
    found = seen(frame, "user_id", "recipe_id")
    assert (found.query, found.candidate, len(found)) == ("user_id", "recipe_id", 3)
    splits, ids = found.rows(["b", "z", "a"])
    assert (splits.tolist(), ids.tolist()) == ([0, 1, 1, 3], [2, 1, 3])


@pytest.mark.parametrize(
    ("frame", "error", "said"),
    [
        (pd.DataFrame({"user_id": [], "recipe_id": []}), ArgumentError, "seen: at least 1 row is needed"),
        (pd.DataFrame({"user_id": [1], "recipe": [1]}), ColumnError, "seen: there is no column 'recipe_id'"),
        (pd.DataFrame({"user_id": [1.5], "recipe_id": [1]}), IdError, "column 'user_id': ids must be integers or text"),
    ],
)
def test_wrong_frames(frame, error, said):
    with pytest.raises(error, match=said):
        seen(frame, "user_id", "recipe_id")
