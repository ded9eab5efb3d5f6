"""A model through changes of its candidates, weights, index and file: at any time it answers as plain NumPy does.

One rule takes all steps: with a rule for each, Hypothesis leaves most of them out of an example, and what goes wrong
here needs three or four different ones. Questions are steps too, and not invariants: whatever asks a model brings its
index up to date, and would hide what is stale.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import reciperec_layers as rl

USERS = np.arange(21, 25)
VOCABULARY = np.arange(100, 112)
IDS = np.arange(98, 116)  # some are not in the vocabulary, and share row 0 of the table
DIM = 3
MAX_CANDIDATES = 10
INVERTED_FILE = {"index": "inverted_file", "scored_fraction": 1.0}  # exact
INDEXES = (INVERTED_FILE, "brute_force", "int8", INVERTED_FILE)  # twice: it has most to lose
TOLERANCE = 1e-4

CHANGES = ("append", "remove", "set_candidates", "set_index", "fit", "set_weights", "set_weights_of_queries")
DIRECT_CHANGES = ("set_weights_of_candidates", "assign_variables")
FILES = ("save_and_load", "load_and_compile", "save_weights", "load_weights")
QUESTIONS = ("recommend", "exclude", "search_index", "similar", "embeddings", "evaluate")
STEPS = CHANGES + DIRECT_CHANGES + FILES + QUESTIONS


def table_of(rng, vocabulary):
    """Whole numbers, so that scores are exact and ties are real."""
    return rng.integers(-2, 3, (len(vocabulary) + 1, DIM)).astype(np.float32)


def rows_of(vocabulary, ids):
    known = {item: row for row, item in enumerate(vocabulary.tolist(), start=1)}
    return [known.get(item, 0) for item in np.asarray(ids).tolist()]


def frame(ids):
    return {"recipe_id": np.asarray(ids, np.int64), "note": [f"note {item}" for item in ids]}


def compiled(model):
    model.compile(keras.optimizers.SGD(0.25), metrics=[rl.metrics.TopKAccuracy(k) for k in (1, 2)])
    return model


class States(RuleBasedStateMachine):
    """What the model must have are `ids` and the two tables; answers are computed from them alone."""

    @initialize(size=st.integers(1, MAX_CANDIDATES), index=st.sampled_from(INDEXES))
    def begin(self, size, index):
        self.folder = tempfile.TemporaryDirectory()
        self.index, self.saved = index, None
        self.ids = IDS[::-1][:size].tolist()
        rng = np.random.default_rng(0)
        self.candidate_table, self.query_table = table_of(rng, VOCABULARY), table_of(rng, USERS)
        queries = rl.IdTower(USERS, DIM, feature="user_id")
        candidates = rl.IdTower(VOCABULARY, DIM, feature="recipe_id")
        queries.set_weights([self.query_table])
        candidates.set_weights([self.candidate_table])
        self.model = compiled(
            rl.RetrievalModel(queries, candidates, frame(self.ids), keep_columns=["note"], index=index)
        )

    @rule(step=st.sampled_from(STEPS), seed=st.integers(0, 99))
    def take(self, step, seed):
        getattr(self, step)(np.random.default_rng(seed))

    @invariant()
    def candidates_and_weights_are_those_given(self):
        if not hasattr(self, "folder"):
            return
        assert self.model.corpus.vocabulary.ids.tolist() == self.ids
        assert list(self.model.corpus.columns["note"]) == frame(self.ids)["note"]
        for weights, table in zip(self.model.get_weights(), (self.candidate_table, self.query_table), strict=True):
            np.testing.assert_array_equal(weights, table)

    def teardown(self):
        if not hasattr(self, "folder"):
            return
        try:
            self.recommend(np.random.default_rng(0))
            self.embeddings(None)
        finally:
            self.folder.cleanup()

    # Changes of candidates.

    def append(self, rng):
        left = np.setdiff1d(IDS, self.ids)
        added = rng.permutation(left)[: min(rng.integers(1, 4), MAX_CANDIDATES - len(self.ids))].tolist()
        if added:
            self.model.append_candidates(frame(added))
            self.ids += added

    def remove(self, rng):
        removed = rng.permutation(self.ids)[: min(rng.integers(1, 4), len(self.ids) - 1)].tolist()
        if removed:
            self.model.remove_candidates(removed)
            self.ids = [item for item in self.ids if item not in removed]

    def set_candidates(self, rng):
        self.ids = rng.permutation(IDS)[: rng.integers(1, MAX_CANDIDATES + 1)].tolist()
        self.model.set_candidates(frame(self.ids))

    def set_index(self, rng):
        self.index = INDEXES[rng.integers(len(INDEXES))]
        self.model.set_index(self.index)

    # Changes of weights.

    def fit(self, rng):
        rows = {"user_id": rng.choice(USERS, 4), "recipe_id": rng.choice(VOCABULARY, 4, replace=False)}
        held_out = self._held_out(rng) if rng.integers(2) else None
        before, options = self.candidate_table, {} if held_out is None else {"validation_data": held_out}
        history = self.model.fit(rows, batch_size=4, shuffle=False, verbose=0, **options).history
        self.candidate_table, self.query_table = self.model.get_weights()
        assert not np.array_equal(self.candidate_table, before)
        if held_out is not None:
            self._check_accuracy(held_out, {name: values[0] for name, values in history.items()}, "val_")

    def set_weights(self, rng):
        self.candidate_table, self.query_table = table_of(rng, VOCABULARY), table_of(rng, USERS)
        self.model.set_weights([self.candidate_table, self.query_table])

    def set_weights_of_queries(self, rng):
        self.query_table = table_of(rng, USERS)
        self.model.query_tower.set_weights([self.query_table])

    def set_weights_of_candidates(self, rng):
        self.candidate_table = table_of(rng, VOCABULARY)
        self.model.candidate_tower.set_weights([self.candidate_table])

    def assign_variables(self, rng):
        self.candidate_table = table_of(rng, VOCABULARY)
        self.model.candidate_tower.weights[0].assign(self.candidate_table)

    # Files.

    def save_and_load(self, rng, **options):
        path = Path(self.folder.name) / "model.keras"
        self.model.save(path)
        self.model = keras.models.load_model(path, **options)

    def load_and_compile(self, rng):
        self.save_and_load(rng, compile=False)
        compiled(self.model)

    def save_weights(self, rng):
        self.model.save_weights(Path(self.folder.name) / "model.weights.h5")
        self.saved = self.candidate_table, self.query_table

    def load_weights(self, rng):
        if self.saved is not None:
            self.model.load_weights(Path(self.folder.name) / "model.weights.h5")
            self.candidate_table, self.query_table = self.saved

    # Questions.

    def recommend(self, rng, excluded=()):
        k = self._k(rng)
        scores = self._scores(USERS)
        scores[:, np.isin(self.ids, excluded)] = -np.inf
        options = {"exclude": [excluded] * len(USERS)} if len(excluded) else {}
        found = self.model.recommend({"user_id": USERS}, k, **options)
        self._check_best(*found, scores, k, self._are_whole_numbers())

    def exclude(self, rng):
        self.recommend(rng, rng.choice(IDS, 4).tolist())

    def search_index(self, rng):
        k, index = self._k(rng), self.model.candidate_index()
        assert index.ids.tolist() == self.ids
        found = index.search(self.query_table[1:], k)
        self._check_best(*found, self._scores(USERS), k, self._are_whole_numbers())

    def similar(self, rng):
        k, embeddings = self._k(rng), self._embeddings()
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        unit = np.divide(embeddings, lengths, out=np.zeros_like(embeddings), where=lengths > 0)
        scores = unit @ unit.T
        np.fill_diagonal(scores, -np.inf)
        self._check_best(*self.model.similar(self.ids, k), scores, k, exact=False)

    def embeddings(self, rng):
        found = self.model.candidate_embeddings()
        assert found.index.tolist() == self.ids
        np.testing.assert_array_equal(found.to_numpy(), self._embeddings())

    def evaluate(self, rng):
        held_out = self._held_out(rng)
        self._check_accuracy(held_out, self.model.evaluate(held_out, batch_size=4, verbose=0, return_dict=True))

    # The oracle.

    def _k(self, rng):
        return int(min(rng.integers(1, 4), len(self.ids)))

    def _embeddings(self):
        return self.candidate_table[rows_of(VOCABULARY, self.ids)].astype(np.float64)

    def _scores(self, users):
        return self.query_table[rows_of(USERS, users)].astype(np.float64) @ self._embeddings().T

    def _are_whole_numbers(self):
        """Whether scores have no rounding errors, so that candidates of equal scores are in the corpus's order."""
        return all(np.array_equal(table, np.round(table)) for table in (self.candidate_table, self.query_table))

    def _held_out(self, rng):
        return {"user_id": rng.choice(USERS, 4), "recipe_id": rng.choice(self.ids, 4)}

    def _check_best(self, scores, found, expected, k, exact):
        order = np.argsort(-expected, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(expected, order, axis=1)
        np.testing.assert_allclose(scores, best, rtol=TOLERANCE, atol=TOLERANCE)
        if exact:
            np.testing.assert_array_equal(found, np.where(best > -np.inf, np.asarray(self.ids)[order], -1))
            return
        for row, row_ids in enumerate(found.tolist()):
            known = [item for item in row_ids if item != -1]
            assert len(known) == len(set(known)) == np.isfinite(best[row]).sum()
            own = [expected[row, self.ids.index(item)] for item in known]
            np.testing.assert_allclose(scores[row, : len(known)], own, rtol=TOLERANCE, atol=TOLERANCE)

    def _check_accuracy(self, held_out, found, prefix=""):
        """Where scores are rounded, ties may be broken either way: the rank is from `first` to `last`."""
        scores = self._scores(held_out["user_id"])
        places = np.array([self.ids.index(item) for item in held_out["recipe_id"].tolist()])[:, np.newaxis]
        own = np.take_along_axis(scores, places, axis=1)
        if self._are_whole_numbers():
            ties_before = (scores == own) & (np.arange(len(self.ids)) < places)
            first = last = 1 + (scores > own).sum(axis=1) + ties_before.sum(axis=1)
        else:
            first, last = 1 + (scores > own + TOLERANCE).sum(axis=1), (scores > own - TOLERANCE).sum(axis=1)
        for k in (1, 2):
            accuracy = found[f"{prefix}factorized_top_k/top_{k}_categorical_accuracy"]
            assert np.mean(last <= k) <= accuracy <= np.mean(first <= k)


class TestStates(States.TestCase):
    settings = settings(
        max_examples=16,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],  # a failure has at most 25 steps; making it shorter takes minutes
        suppress_health_check=[HealthCheck.too_slow],
    )


@pytest.mark.saving
@pytest.mark.parametrize(
    ("index", "steps"),
    [
        ("brute_force", "recommend set_weights_of_candidates"),
        ("brute_force", "recommend assign_variables"),
        ("brute_force", "recommend assign_variables append"),
        ("brute_force", "search_index assign_variables remove search_index"),
        ("int8", "similar set_weights_of_candidates similar"),
        (INVERTED_FILE, "recommend set_weights_of_candidates"),
        (INVERTED_FILE, "recommend assign_variables save_and_load"),
        (INVERTED_FILE, "recommend evaluate remove"),
        (INVERTED_FILE, "save_and_load remove"),
        (INVERTED_FILE, "save_and_load append"),
        ("brute_force", "recommend set_weights append remove"),
        ("int8", "recommend fit append remove"),
        (INVERTED_FILE, "recommend evaluate append"),
        (INVERTED_FILE, "save_and_load recommend remove append"),
    ],
)
def test_sequences_that_are_easily_wrong(index, steps):
    states = States()
    states.begin(5, index)
    try:
        for step in steps.split():
            states.take(step, 5)
    finally:
        states.teardown()
