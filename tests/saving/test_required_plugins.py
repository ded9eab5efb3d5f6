"""A file finds the plugins of every registry that lives, whatever its kind."""

from __future__ import annotations

import gc

import pytest

from reciperec_layers.errors import PluginError
from reciperec_layers.registry import Registry, enrolled_registries
from reciperec_layers.saving.required_plugins import require_plugins

GROUP = "example.encoders"


@pytest.fixture
def encoders():
    return Registry("encoder", base=int, group=GROUP)


def config_of(name, **inner):
    return {"class_name": "Model", "config": {"parts": [{"registered_name": f"{GROUP}>{name}", "config": inner}]}}


def test_a_new_kind_of_plugin_is_looked_for(encoders):
    encoders.register("flag")(bool)
    require_plugins(config_of("flag"))
    message = "the model needs the encoder 'words' of the package shop 1.2, which is not installed. The file names that"
    with pytest.raises(PluginError, match=message):
        require_plugins(config_of("words", distribution=["shop", "1.2"]))
    with pytest.raises(PluginError, match="needs the encoder 'words', which is not registered"):
        require_plugins(config_of("words"))


def test_other_packages_are_none_of_its_business(encoders):
    require_plugins({"registered_name": "example.unknown>words", "config": {}})
    require_plugins({"registered_name": None, "config": [1, "example.encoders>words"]})


def test_the_first_registry_of_a_group_stays_while_it_lives(encoders):
    other = Registry("encoder", base=int, group=GROUP)
    assert enrolled_registries()[GROUP] is encoders
    assert other.names() == ()


def test_a_registry_that_is_gone_is_forgotten():
    made = Registry("number", base=int, group="example.gone")
    assert enrolled_registries()["example.gone"] is made
    del made
    gc.collect()
    assert "example.gone" not in enrolled_registries()
