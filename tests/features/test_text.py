"""Text: words, runs of characters, their rows, and what they weigh; against plain Python."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.features import Text
from reciperec_layers.saving.asset import forget_assets

NAMES = ["Apple pie", "Plum pie", "Plum jam", "apple & PLUM pie", "Crème brûlée"]


def words_of(text: str) -> list[str]:
    return "".join(each if unicodedata.category(each)[0] in "LNM" else " " for each in text.lower()).split()


def runs_of(word: str, lengths: range) -> list[str]:
    marked = f"<{word}>"
    return [f"#{marked[at : at + n]}" for n in lengths for at in range(len(marked) - n + 1)]


def tokens_of(encoder: Text, texts: list[str]) -> list[list[str]]:
    return [[token.decode() for token in row] for row in encoder._tokens(tf.constant(texts)).to_list()]


@pytest.fixture(scope="module")
def names() -> Text:
    return Text(NAMES, width=4, num_hash_buckets=3, idf=True, seed=1)


def test_words_in_enough_texts_get_rows_of_their_own_in_order_of_their_counts():
    encoder = Text([*NAMES, "jam jam jam quince"], character_ngrams=None)
    assert encoder.vocabulary is not None
    assert encoder.vocabulary.ids.tolist() == ["pie", "plum", "apple", "jam"]
    assert encoder.vocabulary.counts is not None
    assert encoder.vocabulary.counts.tolist() == [3, 3, 2, 2]  # texts, not occurrences
    assert Text(NAMES, character_ngrams=None, max_size=1).vocabulary.ids.tolist() == ["pie"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Crème BRÛLÉE & I'm", ["crème", "brûlée", "i", "m"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("麻婆豆腐、四川", ["麻婆豆腐", "四川"]),
        ("e\u0301clair", ["e\u0301clair"]),
        ("ÇOK GÜZEL İÇLİ", ["çok", "güzel", "içli"]),
        ("12 eggs-and_ham\n\x00ok", ["12", "eggs", "and", "ham", "ok"]),
        (" \t!?", []),
    ],
)
def test_words_of_any_script(text: str, words: list[str]):
    assert tokens_of(Text(width=1), [text]) == [words]


@given(st.lists(st.text(st.characters(max_codepoint=0x24F), max_size=12), min_size=1, max_size=5))
def test_tokens_are_those_of_plain_python(texts: list[str]):
    texts = [text.replace("İ", "i") for text in texts]
    encoder = SHORT
    expected = []
    for text in texts:
        words = words_of(text)[:6]
        pairs = [" ".join(pair) for pair in pairwise(words)]
        runs = [run for word in words for run in runs_of(word, range(3, 5))]
        expected.append([*words, *pairs, *runs][:6])
    assert tokens_of(encoder, texts) == expected


SHORT = Text(width=2, word_ngrams=2, character_ngrams=(3, 4), max_tokens=6, num_hash_buckets=5)


def test_long_texts_are_cut_but_not_before_their_runs_of_characters():
    encoder = Text(width=2, character_ngrams=3, max_tokens=5)
    assert tokens_of(encoder, ["an apple pie with plum jam", "pie"]) == [
        ["an", "apple", "pie", "with", "plum"],
        ["pie", "#<pi", "#pie", "#ie>"],
    ]


def test_rows_are_those_of_the_vocabulary_and_others_are_hashed(names: Text):
    vocabulary = names.vocabulary
    assert vocabulary is not None
    known = {token: 3 + row for row, token in enumerate(vocabulary.ids)}
    texts = ["Plum pie", "quince", ""]
    prepared = names.prepare(tf.constant(texts))
    assert prepared.dtype == tf.int32
    for tokens, rows in zip(tokens_of(names, texts), prepared.to_list(), strict=True):
        assert len(tokens) == len(rows)
        for token, row in zip(tokens, rows, strict=True):
            assert row == known[token] if token in known else 0 <= row < 3


@pytest.mark.parametrize("combiner", ["mean", "sum", "sqrtn"])
@pytest.mark.parametrize("idf", [True, False])
def test_encodings_are_weighted_sums(combiner: str, idf: bool):
    encoder = Text(NAMES, width=3, num_hash_buckets=2, character_ngrams=None, combiner=combiner, idf=idf, seed=2)
    table = encoder.table.get_weights()[0]
    # pie 3, plum 3, apple 2; the rarest weigh as much as hashed ones
    weights = np.array([1 + np.log(3 / 2)] * 2 + [1, 1, 1 + np.log(3 / 2)]) if idf else np.ones(5)
    rows = [[4, 3, 2], [2, 2], []]
    expected = []
    for each in rows:
        total = (table[each] * weights[each][:, None]).sum(axis=0)
        divisor = {"sum": 1, "mean": weights[each].sum(), "sqrtn": np.sqrt((weights[each] ** 2).sum())}[combiner]
        expected.append(total / divisor if each else np.zeros(3))
    np.testing.assert_allclose(encoder(["apple plum pie", "pie-pie", "..."]), expected, rtol=1e-5, atol=1e-7)


@settings(max_examples=30)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_a_row_is_finite_and_does_not_depend_on_the_others(texts: list[str]):
    together = SHORT(texts).numpy()
    assert np.isfinite(together).all()
    alone = np.concatenate([SHORT([text]).numpy() for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert not together[[not tokens for tokens in tokens_of(SHORT, texts)]].any()


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["pie", None, 300], dtype=object),
        pd.Series(["pie", None, "300"], dtype="string"),
        pd.Series(["pie", None, "300"], dtype="category"),
        ["pie", float("nan"), 300.0],
        np.array([b"pie", b"", b"300"]),
    ],
    ids=["object", "string", "category", "list", "bytes"],
)
def test_what_is_missing_is_empty_and_numbers_are_text(names: Text, column: object):
    read = names.read(column, "test", "title")
    assert read.numpy().tolist() == [b"pie", b"", b"300"]
    assert names.is_known(read).numpy().tolist() == [True, False, True]
    assert not names(column).numpy()[1].any()


def test_text_without_a_word_is_not_known(names: Text):
    known = names.is_known(names.read(["pie", "", " ", "?!", "é", "7", "麻"], "test", "title"))
    assert known.numpy().tolist() == [True, False, False, False, True, True, True]


def test_a_vocabulary_may_be_given():
    encoder = Text(vocabulary=["Pie", "jam"], width=1, num_hash_buckets=1)
    assert encoder.prepare(tf.constant(["Jam PIE x"])).to_list() == [[2, 1, 0]]


def test_runs_of_characters_are_chosen_by_the_data():
    assert Text(NAMES).character_ngrams == (3, 3)
    assert Text(["麻婆豆腐", "apple pie"]).character_ngrams == (2, 3)
    assert Text(["peel the apples and cook them with sugar until they are soft " * 2]).character_ngrams is None
    assert Text(["", None]).character_ngrams is None
    assert Text().character_ngrams is None


def test_texts_that_are_all_empty_leave_hashed_words():
    encoder = Text(pd.Series([None, ""]), width=2, num_hash_buckets=7)
    assert encoder.vocabulary is None
    assert encoder.table.num_rows == 7
    assert encoder(["new"]).shape == (1, 2)


def test_words_do_not_depend_on_the_language_of_the_system(run_python):
    code = "from reciperec_layers.features import Text; print(ascii(Text()._tokens(['TITLE İI']).to_list()))"
    assert run_python(code, LC_ALL="tr_TR.UTF-8", LANG="tr_TR.UTF-8").strip() == "[[b'title', b'ii']]"


@pytest.mark.saving
def test_a_file_brings_vocabulary_and_weights(tmp_path: Path, names: Text):
    model = keras.Sequential([keras.Input((), dtype="string"), names])
    expected = names(NAMES).numpy()
    model.save(tmp_path / "text.keras")
    forget_assets()
    loaded = rl.load_model(tmp_path / "text.keras")
    np.testing.assert_array_equal(loaded(tf.constant(NAMES)), expected)
    module = tf.Module()
    module.encoder = names
    module.serve = tf.function(names.call, input_signature=[names.form])
    tf.saved_model.save(module, str(tmp_path / "exported"))
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(exported.serve(tf.constant(NAMES)), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"character_ngrams": (4, 3)},
            "`character_ngrams` must be an integer in 4 .. 16. Received: character_ngrams=3",
        ),
        ({"character_ngrams": "some"}, "`character_ngrams` must be the shortest and the longest length"),
        ({"combiner": None}, "the tokens of a text must be combined"),
        ({"num_hash_buckets": 0}, "`num_hash_buckets` must be a positive integer"),
    ],
)
def test_options_that_cannot_be(options: dict, problem: str):
    with pytest.raises(ArgumentError, match=problem):
        Text(**options)


def test_columns_that_are_not_text(names: Text):
    with pytest.raises(ArgumentTypeError, match="Text: column 'data' has values of type dict, list"):
        Text(["pie", {}, []])
    with pytest.raises(ArgumentTypeError, match="must have one value per row"):
        names("pie")
    with pytest.raises(ArgumentTypeError, match="must be a tensor of text"):
        names(tf.constant([1]))


def test_lone_surrogates_are_read_as_a_mark_and_warned_of_once():
    said = r"^Text: 1 of 2 values in column 'data' have lone surrogates, at row 1: 'plum \\ud800'; each .* U\+FFFD\.$"
    with pytest.warns(UserWarning, match=said):
        encoder = Text(["plum pie", "plum \ud800"], width=2, character_ngrams=None)
    assert encoder.vocabulary.ids.tolist() == ["plum"]
    assert encoder.read(["plum pie", "plum \ud83d\ude00"], "fit", "name").numpy()[1].decode() == "plum \U0001f600"


def test_many_encoders_are_made_without_a_warning(caplog):
    for _ in range(8):
        Text(["pie with onions", "soup"], width=2)
    assert "retracing" not in caplog.text
