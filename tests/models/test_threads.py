"""A model that many threads read while it is new, after it was trained, and while candidates come and go."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import DivergedError, StateError

NUM_THREADS = 16
USERS = np.arange(8)
ITEMS = np.arange(100, 140)
DIM = 4
INDEXES = ("brute_force", {"index": "inverted_file", "scored_fraction": 1.0})


@pytest.fixture(autouse=True)
def threads_take_turns_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def make(index="brute_force", items=ITEMS):
    rng = np.random.default_rng(0)
    queries, candidates = rl.IdTower(USERS, DIM, feature="user_id"), rl.IdTower(ITEMS, DIM, feature="item_id")
    queries.set_weights([rng.normal(size=(len(USERS) + 1, DIM))])
    candidates.set_weights([rng.normal(size=(len(ITEMS) + 1, DIM))])
    return rl.RetrievalModel(queries, candidates, {"item_id": items}, index=index)


def scores_of(model, items=ITEMS):
    """Scores of all candidates by NumPy."""
    candidates, queries = model.get_weights()
    return queries[1:] @ candidates[1 + np.searchsorted(ITEMS, items)].T


def at_once(function, num_threads=NUM_THREADS):
    """Calls a function from many threads that start together, and returns what they got; errors are raised."""
    barrier = threading.Barrier(num_threads)

    def run(number):
        barrier.wait()
        return function(number)

    with ThreadPoolExecutor(num_threads) as pool:
        return list(pool.map(run, range(num_threads)))


def best(model, k=5):
    return ITEMS[np.argsort(-scores_of(model), axis=1)[:, :k]]


@pytest.mark.parametrize("index", INDEXES)
def test_the_first_calls_may_come_at_once(index, monkeypatch):
    model, arranged = make(index), []
    cls = type(model.candidate_index())
    arrange = cls.arrange

    def slowly(self, embeddings, learned):
        arranged.append(len(embeddings))
        time.sleep(0.02)
        return arrange(self, embeddings, learned)

    monkeypatch.setattr(cls, "arrange", slowly)
    model.encode_corpus()
    for _, ids in at_once(lambda number: model.recommend({"user_id": USERS}, 5)):
        np.testing.assert_array_equal(ids, best(model))
    assert arranged == [len(ITEMS)]


def test_the_first_calls_of_a_loaded_model_may_come_at_once(tmp_path):
    make(INDEXES[1]).save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    for _, ids in at_once(lambda number: model.recommend({"user_id": USERS}, 5)):
        np.testing.assert_array_equal(ids, best(model))


@pytest.mark.parametrize("index", INDEXES)
def test_after_training_all_threads_get_one_answer(index):
    model = make(index)
    model.compile(rl.optimizers.Adagrad(0.5))
    rng = np.random.default_rng(1)
    rows = {"user_id": rng.choice(USERS, 32), "item_id": rng.choice(ITEMS, 32)}
    for _ in range(2):
        model.fit(rows, batch_size=32, verbose=0)
        for _, ids in at_once(lambda number: model.recommend({"user_id": USERS}, 5)):
            np.testing.assert_array_equal(ids, best(model))


def test_what_is_read_in_other_ways_may_be_read_at_once():
    model, k = make(), 3
    held_out = {"user_id": USERS, "item_id": ITEMS[:8]}
    scores = scores_of(model)
    ranks = 1 + (scores > scores[np.arange(8), np.arange(8)][:, np.newaxis]).sum(axis=1)
    candidates = model.get_weights()[0][1:]
    unit = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    similarities = unit @ unit.T - 3 * np.eye(len(ITEMS))
    nearest = ITEMS[np.argsort(-similarities, axis=1)[:, :k]]

    def read(number):
        kind = number % 4
        if kind == 0:
            np.testing.assert_array_equal(model.held_out_ranks(held_out), ranks)
        elif kind == 1:
            np.testing.assert_array_equal(model.similar(ITEMS, k)[1], nearest)
        elif kind == 2:
            np.testing.assert_array_equal(model.candidate_embeddings().to_numpy(), candidates)
        else:
            found = model.candidate_index().search(model.query_tower.get_weights()[0][1:], 5)[1]
            np.testing.assert_array_equal(found, best(model))

    at_once(read)


@pytest.mark.parametrize("index", INDEXES)
def test_a_reader_sees_candidates_of_one_moment(index):
    """Candidates are in the order of the corpus where scores are equal, so that an answer tells what the corpus was."""
    initial, extra = ITEMS[:20], ITEMS[20:]
    model = make(index, initial)
    model.query_tower.set_weights([np.zeros((len(USERS) + 1, DIM))])
    model.recommend({"user_id": USERS}, 2)
    states = {tuple(initial)} | {(*initial, item) for item in extra}
    answers, readers = set(), []

    def is_enough():
        return len(answers) > 3 or any(reader.done() for reader in readers)

    def change():
        for item in np.tile(extra, 100):
            if is_enough():
                break
            model.append_candidates({"item_id": [item]})
            model.remove_candidates([item])

    def read(number, writer):
        while not writer.done():
            _, ids = model.recommend({"user_id": USERS[:1]}, 20 + number % 2, exclude=[[initial[0]]])
            answers.add((initial[0], *(item for item in ids[0].tolist() if item != -1)))

    def run():
        with ThreadPoolExecutor(9) as pool:
            writer = pool.submit(change)
            readers.extend(pool.submit(read, number, writer) for number in range(8))
            for each in (writer, *readers):
                each.result()

    with pytest.warns(UserWarning, match="padded"):
        run()
    assert len(answers) > 3
    assert answers <= states
    assert model.corpus.vocabulary.ids.tolist() == initial.tolist() == model.candidate_index().ids.tolist()


def test_candidates_that_many_threads_add_are_all_there():
    model = make(items=ITEMS[:1])
    at_once(lambda number: model.append_candidates({"item_id": [ITEMS[1 + number]]}))
    assert sorted(model.corpus.vocabulary.ids) == ITEMS[: NUM_THREADS + 1].tolist()
    expected = model.candidate_tower.get_weights()[0][1:]
    embeddings = model.candidate_embeddings()
    np.testing.assert_array_equal(embeddings.sort_index().to_numpy(), expected[: NUM_THREADS + 1])


def test_embeddings_that_are_not_finite_are_refused_each_time():
    model = make()
    candidates, queries = model.get_weights()
    model.set_weights([np.full_like(candidates, np.nan), queries])
    for _ in range(2):
        with pytest.raises(DivergedError, match="candidate embeddings are not finite"):
            model.recommend({"user_id": [1]}, 2)
    model.set_weights([candidates, queries])
    np.testing.assert_array_equal(model.recommend({"user_id": USERS}, 5)[1], best(model))


class Pause(keras.callbacks.Callback):
    """Holds training or an evaluation until another thread has tried something."""

    def __init__(self):
        super().__init__()
        self.is_inside, self.may_go_on = threading.Event(), threading.Event()

    def on_test_batch_begin(self, batch, logs=None):
        self.is_inside.set()
        assert self.may_go_on.wait(60)

    on_train_batch_begin = on_test_batch_begin


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_what_would_change_the_same_state_is_refused_while_another_thread_is_at_it(method):
    model, pause = make(), Pause()
    model.compile("sgd")
    rows = {"user_id": USERS, "item_id": ITEMS[:8]}
    expected = model.evaluate(rows, verbose=0, return_dict=True)
    refused = {
        "fit": lambda: model.fit(rows, verbose=0),
        "evaluate": lambda: model.evaluate(rows, verbose=0),
        "train_on_batch": lambda: model.train_on_batch(rows),
        "test_on_batch": lambda: model.test_on_batch(rows),
        "append_candidates": lambda: model.append_candidates({"item_id": [7]}),
        "remove_candidates": lambda: model.remove_candidates([ITEMS[0]]),
        "set_candidates": lambda: model.set_candidates({"item_id": ITEMS[:5]}),
        "set_index": lambda: model.set_index("int8"),
    }
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(getattr(model, method), rows, verbose=0, callbacks=[pause])
        assert pause.is_inside.wait(60)
        for name, call in refused.items():
            with pytest.raises(StateError, match=f"{name}: another thread is in `{method}` of this model"):
                call()
        assert model.recommend({"user_id": USERS}, 5)[1].shape == (8, 5)
        pause.may_go_on.set()
        running.result()
    if method == "evaluate":
        assert model.evaluate(rows, verbose=0, return_dict=True) == expected


def test_a_file_has_candidates_of_one_moment(tmp_path):
    model = make(items=ITEMS[:20])
    is_done = threading.Event()

    def change():
        while not is_done.is_set():
            model.append_candidates({"item_id": [ITEMS[30]]})
            model.remove_candidates([ITEMS[30]])

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change)
        try:
            for number in range(8):
                model.save(tmp_path / f"{number}.keras")
        finally:
            is_done.set()
            changing.result()
    for number in range(8):
        loaded = keras.models.load_model(tmp_path / f"{number}.keras")
        assert loaded.corpus.vocabulary.ids[:20].tolist() == ITEMS[:20].tolist()
