"""Methods of a model that only one thread may be in."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from reciperec_layers.errors import StateError
from reciperec_layers.training.one_at_a_time import OneAtATime


def in_another_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def enter(busy, method, brief=False):
    with busy.doing(method, "RetrievalModel", brief):
        return method


def test_another_thread_is_refused_until_the_first_has_left():
    busy = OneAtATime()
    with busy.doing("fit", "RetrievalModel"):
        assert enter(busy, "evaluate") == "evaluate"
        with pytest.raises(StateError, match="RetrievalModel.evaluate: another thread is in `fit` of this model"):
            in_another_thread(lambda: enter(busy, "evaluate"))
    assert in_another_thread(lambda: enter(busy, "evaluate")) == "evaluate"


def test_an_error_leaves_nothing_behind():
    busy = OneAtATime()
    with pytest.raises(ZeroDivisionError), busy.doing("fit", "RetrievalModel"):
        1 / 0  # noqa: B018
    assert in_another_thread(lambda: enter(busy, "fit")) == "fit"


def test_a_brief_method_is_waited_for():
    busy, order = OneAtATime(), []

    def late():
        with busy.doing("append", "RetrievalModel", brief=True):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with busy.doing("remove", "RetrievalModel", brief=True):
            waiting = pool.submit(late)
            time.sleep(0.05)
            order.append("first")
        waiting.result()
    assert order == ["first", "second"]


def test_a_brief_method_does_not_wait_for_a_long_one():
    busy = OneAtATime()
    with busy.doing("fit", "RetrievalModel"):
        assert enter(busy, "append", brief=True) == "append"
        with pytest.raises(StateError, match="RetrievalModel.append: another thread is in `fit` of this model"):
            in_another_thread(lambda: enter(busy, "append", brief=True))


def test_many_brief_methods_take_turns():
    busy, inside = OneAtATime(), []

    def enter_often(number):
        for _ in range(200):
            with busy.doing("append", "RetrievalModel", brief=True):
                inside.append(number)
                assert inside == [number]
                inside.pop()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter_often, range(8)))
