"""Plain text: what a terminal would obey becomes visible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.cli.output import plain


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    shown = plain(text)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000 for char in shown)
    assert not set(shown) & set("\u2028\u2029\u202e\u2066")


@given(st.text(alphabet="abc [/b]<>é汉\\"))
def test_other_text_is_as_it_is(text):
    assert plain(text) == text
