"""Registered names are taken once, and nested objects are made of their configs."""

from __future__ import annotations

import keras
import pytest

from reciperec_layers.errors import RegistrationError
from reciperec_layers.saving.keras_names import deserialize_nested, register_name, serializable


def make_class(name: str, qualified: str | None = None) -> type[keras.layers.Layer]:
    cls = type(name, (keras.layers.Layer,), {})
    cls.__qualname__ = qualified or name
    return cls


def test_a_class_gets_the_package_name():
    cls = serializable(make_class("Tasted"))
    assert keras.saving.get_registered_name(cls) == "reciperec_layers>Tasted"
    assert keras.saving.get_registered_object("reciperec_layers>Tasted") is cls


def test_another_class_of_the_name_is_refused_and_the_first_stays():
    first = serializable(make_class("Salted"))
    with pytest.raises(RegistrationError, match=r"`reciperec_layers>Salted` is the name of another class.*elsewhere"):
        serializable(make_class("Salted", "elsewhere.Salted"))
    assert keras.saving.get_registered_object("reciperec_layers>Salted") is first


def test_a_notebook_may_run_a_cell_again():
    register_name(make_class("Stirred"), "stirred", "tests")
    again = register_name(make_class("Stirred"), "stirred", "tests")
    assert keras.saving.get_registered_object("tests>stirred") is again


def test_nested_objects_are_made_and_made_ones_kept():
    dense = keras.layers.Dense(3)
    stored = keras.saving.serialize_keras_object(dense)
    made = deserialize_nested({"one": stored, "many": [stored, 7], "made": dense, "plain": {"a": 1}, "none": None})
    assert made["one"].units == made["many"][0].units == 3
    assert made["many"][1] == 7
    assert made["made"] is dense
    assert made["plain"] == {"a": 1}
    assert made["none"] is None
