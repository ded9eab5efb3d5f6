"""What fails in a graph is raised as what eager code raises, with the same text."""

from __future__ import annotations

import pytest
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, IdError, UnknownIdError
from reciperec_layers.graph.graph_errors import check, raised_as_ours, shown_ids

TEXT = "2 of 3 ids: 'a\nb\r\t\"', '\\n', 'é', '\u2028', '\0', '\x7f', '🍲', '[[x]]'"


@pytest.mark.parametrize("error", [ArgumentError, IdError, UnknownIdError])
def test_eager_and_graph_agree(error: type[Exception]):
    def run(number: tf.Tensor) -> tf.Tensor:
        check(number > 0, error, lambda: tf.constant(TEXT))
        return number + 1

    for of_a_kind in (run, tf.function(run)):
        assert int(of_a_kind(tf.constant(1))) == 2
        with pytest.raises(error) as caught, raised_as_ours():
            of_a_kind(tf.constant(-1))
        assert type(caught.value) is error
        assert str(caught.value) == TEXT


def test_other_errors_of_a_graph_pass():
    with pytest.raises(tf.errors.InvalidArgumentError, match="shop"), raised_as_ours():
        tf.debugging.Assert(tf.constant(False), ["shop"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Nothing"), raised_as_ours():
        tf.debugging.Assert(tf.constant(False), ["[[Nothing]] known [[end]]"])


def test_the_text_is_made_only_when_it_is_needed():
    check(tf.constant(True), IdError, lambda: pytest.fail("the text was made"))


@pytest.mark.parametrize(
    ("ids", "text"),
    [([7, 9], "7, 9"), (list(range(7)), "0, 1, 2, 3, 4, ..."), (["é", "b'"], "'é', 'b''")],
    ids=["few", "many", "text"],
)
def test_ids_are_shown_in_a_graph_as_outside_of_it(ids, text):
    shown = tf.function(shown_ids)(tf.constant(ids))
    assert shown.numpy().decode() == text
