"""The registry, with real entry points: small distributions are written into a folder on `sys.path`."""

from __future__ import annotations

import ast
import importlib
import itertools
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import reciperec_layers.registry
from reciperec_layers.errors import ArgumentTypeError, PluginError, RegistrationError, UnknownNameError
from reciperec_layers.registry import Registration, Registry
from tests.site_folder import SiteFolder

GROUP = "greeting.greeters"

# The package that owns the registry, as `reciperec_layers.towers` owns TOWERS.
GREETING = f"""
from reciperec_layers.registry import Registry

class Greeter:
    pass

hooked = []
GREETERS = Registry("greeter", base=Greeter, group={GROUP!r}, on_register=lambda *joined: hooked.append(joined))

@GREETERS.register("plain")
class PlainGreeter(Greeter):
    '''Says hello.

    Always.
    '''
"""

FORMAL = """
from greeting import Greeter

class FormalGreeter(Greeter):
    "Says good morning."
"""

BROKEN = {
    "missing module": ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
    "syntax": ("class Broken(", "SyntaxError: "),
    "any exception": ("raise Exception('first line\\nsecond line')", "Exception: first line."),
    "without a message": ("raise ValueError", "ValueError."),
    "no such class": ("", "AttributeError: "),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteFolder]:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module that a test rewrites would be read from there
    made = SiteFolder(folder, GROUP)
    yield made
    made.forget_modules()


@pytest.fixture
def greeting(site: SiteFolder) -> ModuleType:
    site.install("greeting", "0.1", {"greeting": GREETING})
    return importlib.import_module("greeting")


@pytest.fixture
def greeters(greeting: ModuleType) -> Registry[Any]:
    registry: Registry[Any] = greeting.GREETERS
    registry.refresh()  # distributions are remembered for the whole process, so from the test before
    return registry


def make_class(base: type, qualname: str = "Cell", module: str = "__main__") -> type:
    """A class as a notebook's cell defines it: the same path at every run."""
    return type(qualname, (base,), {"__module__": module, "__qualname__": qualname})


class TestRegister:
    def test_returns_the_class_unchanged(self, greeting: ModuleType, greeters: Registry[Any]) -> None:
        cls = make_class(greeting.Greeter)
        before = dict(vars(cls))
        assert greeters.register("cell")(cls) is cls
        assert dict(vars(cls)) == before
        assert greeters.get("cell") is cls
        assert greeters.names() == ("cell", "plain")

    @pytest.mark.parametrize("name", ["a", "bag2", "bag_of_words", "v2_bag"])
    def test_lower_snake_case_is_a_name(self, greeting: ModuleType, greeters: Registry[Any], name: str) -> None:
        greeters.register(name)(make_class(greeting.Greeter))
        assert name in greeters.names()

    @pytest.mark.parametrize("name", ["", "Bag", "bag-of", "bag of", "_bag", "bag_", "bag__of", "2bag", "bäg", "bag\n"])
    def test_other_names_are_refused(self, greeters: Registry[Any], name: str) -> None:
        with pytest.raises(RegistrationError, match="greeter registry: `name` must be lower snake case") as caught:
            greeters.register(name)
        assert repr(name) in str(caught.value)

    def test_forgotten_parentheses_are_an_error(self, greeting: ModuleType, greeters: Registry[Any]) -> None:
        with pytest.raises(ArgumentTypeError, match=r'`name` must be a string.*@register\("name"\)'):
            greeters.register(make_class(greeting.Greeter))  # type: ignore[arg-type]

    @pytest.mark.parametrize("registered", [int, 3, None, list[int], len], ids=repr)
    def test_a_class_outside_the_base_is_refused(self, greeters: Registry[Any], registered: Any) -> None:
        with pytest.raises(ArgumentTypeError, match="'odd' must be a subclass of greeting:Greeter") as caught:
            greeters.register("odd")(registered)
        assert repr(registered) in str(caught.value)
        assert "odd" not in greeters.names()

    def test_another_class_of_one_name_is_refused_and_both_are_named(
        self, greeting: ModuleType, greeters: Registry[Any]
    ) -> None:
        with pytest.raises(RegistrationError, match=r"'plain' is the name of greeting:PlainGreeter.*__main__:Cell"):
            greeters.register("plain")(make_class(greeting.Greeter))
        assert greeters.get("plain") is greeting.PlainGreeter

    def test_a_second_name_of_one_class_is_refused(self, greeting: ModuleType, greeters: Registry[Any]) -> None:
        with pytest.raises(RegistrationError, match="greeting:PlainGreeter has the name 'plain' and cannot be 'flat'"):
            greeters.register("flat")(greeting.PlainGreeter)
        assert greeters.names() == ("plain",)

    def test_a_class_of_the_same_path_replaces_the_earlier_one(
        self, greeting: ModuleType, greeters: Registry[Any]
    ) -> None:
        first, second = make_class(greeting.Greeter), make_class(greeting.Greeter)
        greeters.register("cell")(first)
        greeters.register("cell")(second)
        assert greeters.get("cell") is second
        assert greeters.name_of(second) == "cell"
        assert greeters.name_of(first) is None

    def test_only_module_and_qualified_name_together_are_the_path(
        self, greeting: ModuleType, greeters: Registry[Any]
    ) -> None:
        greeters.register("cell")(make_class(greeting.Greeter))
        for other in (make_class(greeting.Greeter, module="elsewhere"), make_class(greeting.Greeter, "Outer.Cell")):
            with pytest.raises(RegistrationError, match="'cell' is the name of __main__:Cell"):
                greeters.register("cell")(other)


class TestHook:
    def test_is_called_once_for_each_class(self, greeting: ModuleType, greeters: Registry[Any]) -> None:
        greeting.hooked.clear()
        first, second = make_class(greeting.Greeter), make_class(greeting.Greeter)
        for cls in (first, first, second):
            greeters.register("cell")(cls)
        assert greeters.create("cell") is not greeters.create("cell")
        assert greeting.hooked == [("cell", first), ("cell", second)]

    def test_is_called_once_for_an_entry_point(
        self, site: SiteFolder, greeting: ModuleType, greeters: Registry[Any]
    ) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        greeting.hooked.clear()
        assert greeters.names() == ("formal", "plain")
        assert greeting.hooked == []
        cls = greeters.get("formal")
        assert greeters.get("formal") is cls
        assert greeting.hooked == [("formal", cls)]

    def test_an_exception_keeps_the_class_out(self) -> None:
        def refuse(name: str, cls: type) -> None:
            raise RegistrationError(f"{name} is frozen")

        numbers = Registry("number", base=int, group=GROUP, on_register=refuse)
        with pytest.raises(RegistrationError, match="flag is frozen"):
            numbers.register("flag")(bool)
        assert numbers.names() == ()
        assert numbers.name_of(bool) is None


class TestGet:
    def test_unknown_name_lists_the_known_ones_and_the_closest(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        with pytest.raises(UnknownNameError) as caught:
            greeters.get("FORMALL")
        message = str(caught.value)
        assert message.startswith("greeter registry: no greeter has this name. Received: name='FORMALL'.")
        assert "Did you mean 'formal'? Known names: formal, plain." in message
        assert "formal" not in sys.modules

    def test_unknown_name_without_a_close_one(self, greeters: Registry[Any]) -> None:
        with pytest.raises(UnknownNameError) as caught:
            greeters.get("xyz")
        assert "Did you mean" not in str(caught.value)
        assert "Known names: plain." in str(caught.value)

    def test_unknown_name_in_an_empty_registry(self) -> None:
        with pytest.raises(UnknownNameError, match=r"Known names: none\. Import or install the package"):
            Registry("number", base=int, group="nothing.of.this.name").get("flag")

    @pytest.mark.parametrize("name", [None, 3, ["plain"], int], ids=repr)
    def test_a_name_that_is_not_text(self, greeters: Registry[Any], name: Any) -> None:
        for method in (greeters.get, greeters.create):
            with pytest.raises(ArgumentTypeError, match="greeter registry: `name` must be a string"):
                method(name)

    @pytest.mark.parametrize(("kind", "words"), [("index", "an index"), ("tower", "a tower")])
    def test_the_article_fits_the_kind(self, kind: str, words: str) -> None:
        with pytest.raises(ArgumentTypeError, match=f"Give the name of {words} as text"):
            Registry(kind, base=int, group="example.numbers").get(3)  # type: ignore[arg-type]


class TestCreate:
    @pytest.fixture
    def cards(self) -> Registry[Any]:
        class Card:
            def __init__(self, text: str, *, name: str = "card", **style: int) -> None:
                self.text, self.name, self.style = text, name, style
                if text == "raise":
                    raise TypeError("from inside")

        class Strict(Card):
            def __init__(self, text: str, size: int = 3) -> None:
                super().__init__(text)

        class Bare:
            pass

        cards: Registry[Any] = Registry("card", base=object, group="no.cards")
        for name, cls in {"loose": Card, "strict": Strict, "bare": Bare}.items():
            cards.register(name)(cls)
        return cards

    def test_passes_options_to_the_class(self, cards: Registry[Any]) -> None:
        card = cards.create("loose", text="hi", name="mine", width=3)
        assert (card.text, card.name, card.style) == ("hi", "mine", {"width": 3})

    @pytest.mark.parametrize(
        ("name", "options", "problem", "accepted"),
        [
            ("strict", {"text": "hi", "sise": 4}, "got an unexpected keyword argument 'sise'", "(text, size=3)"),
            ("strict", {"size": 4}, "missing a required argument: 'text'", "(text, size=3)"),
            ("loose", {}, "missing a required argument: 'text'", "(text, *, name='card', **style)"),
            ("bare", {"text": "hi"}, "got an unexpected keyword argument 'text'", "()"),
        ],
    )
    def test_wrong_options_list_the_accepted_ones(
        self, cards: Registry[Any], name: str, options: dict[str, Any], problem: str, accepted: str
    ) -> None:
        with pytest.raises(ArgumentTypeError) as caught:
            cards.create(name, **options)
        expected = f"card registry: '{name}' does not take these options: {problem}. "
        received = f"Received: options={list(options)}. Accepted: {accepted}."
        assert str(caught.value) == expected + received
        assert type(caught.value.__cause__) is TypeError

    def test_a_type_error_from_inside_passes_through(self, cards: Registry[Any]) -> None:
        with pytest.raises(TypeError, match=r"^from inside$") as caught:
            cards.create("strict", text="raise")
        assert type(caught.value) is TypeError


class TestEntryPoints:
    def test_are_loaded_one_by_one_when_asked_for(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        site.install("reciperec-casual", "2.0", {"casual": FORMAL}, "casual = casual:FormalGreeter")
        assert greeters.names() == ("casual", "formal", "plain")
        greeters.get("plain")
        assert {"formal", "casual"}.isdisjoint(sys.modules)
        assert greeters.get("formal").__module__ == "formal"
        assert "casual" not in sys.modules
        assert greeters.names() == ("casual", "formal", "plain")

    def test_a_nested_class_with_extras(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        code = "import greeting\nclass Outer:\n    class Inner(greeting.Greeter): pass"
        site.install("reciperec-nested", "1.0", {"nested": code}, "nested = nested:Outer.Inner [extra]")
        assert greeters.get("nested").__qualname__ == "Outer.Inner"

    def test_are_looked_for_again_by_refresh_only(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        assert greeters.names() == ("plain",)
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        assert greeters.names() == ("plain",)
        greeters.refresh()
        assert greeters.names() == ("formal", "plain")
        cls = greeters.get("formal")
        greeters.refresh()
        assert greeters.distribution_of(cls) == ("reciperec-formal", "1.0")
        assert greeters.get("formal") is cls

    def test_the_module_may_register_the_class_itself(
        self, site: SiteFolder, greeting: ModuleType, greeters: Registry[Any]
    ) -> None:
        code = FORMAL.replace("class", "from greeting import GREETERS\n@GREETERS.register('formal')\nclass")
        site.install("reciperec-formal", "1.0", {"formal": code}, "formal = formal:FormalGreeter")
        cls = greeters.get("formal")
        assert cls is sys.modules["formal"].FormalGreeter
        assert [name for name, joined in greeting.hooked if joined is cls] == ["formal"]

    def test_the_class_may_be_registered_by_an_import_before(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        code = FORMAL.replace("class", "from greeting import GREETERS\n@GREETERS.register('formal')\nclass")
        site.install("reciperec-formal", "1.0", {"formal": code}, "formal = formal:FormalGreeter")
        module = importlib.import_module("formal")
        assert greeters.get("formal") is module.FormalGreeter
        reloaded = importlib.reload(module)
        assert greeters.get("formal") is reloaded.FormalGreeter
        assert greeters.distribution_of(reloaded.FormalGreeter) == ("reciperec-formal", "1.0")

    def test_a_loaded_class_may_be_defined_again(
        self, site: SiteFolder, greeting: ModuleType, greeters: Registry[Any]
    ) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        greeters.get("formal")
        again = make_class(greeting.Greeter, "FormalGreeter", "formal")
        greeters.register("formal")(again)
        assert greeters.get("formal") is again

    def test_the_module_may_register_and_use_several_names(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        code = """
from greeting import GREETERS, Greeter

@GREETERS.register("warm")
class Warm(Greeter): pass

@GREETERS.register("cold")
class Cold(Greeter): pass

assert GREETERS.get("warm") is Warm and GREETERS.get("cold") is Cold and GREETERS.names() == ("cold", "plain", "warm")
"""
        site.install("reciperec-both", "1.0", {"both": code}, "warm = both:Warm")
        assert greeters.names() == ("plain", "warm")
        assert [found.name for found in greeters.describe()] == ["cold", "plain", "warm"]
        assert greeters.distribution_of(greeters.get("warm")) == ("reciperec-both", "1.0")

    @pytest.mark.parametrize(("code", "cause"), BROKEN.values(), ids=BROKEN.keys())
    def test_a_broken_one_breaks_only_its_own_name(
        self, site: SiteFolder, greeters: Registry[Any], code: str, cause: str
    ) -> None:
        site.install("reciperec-broken", "3.1", {"broken": code}, "broken = broken:Broken")
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        assert greeters.names() == ("broken", "formal", "plain")
        assert [greeters.get(name).__name__ for name in ("formal", "plain")] == ["FormalGreeter", "PlainGreeter"]
        with pytest.raises(UnknownNameError):
            greeters.get("brokem")
        for _ in range(2):  # a second call tries again and does not find something half loaded
            with pytest.raises(PluginError) as caught:
                greeters.get("broken")
            message = str(caught.value)
            assert "'broken' of reciperec-broken 3.1 (entry point broken = broken:Broken)" in message
            assert f"cannot be used: {cause}" in message
            assert "\n" not in message
            assert type(caught.value.__cause__).__name__ == cause.partition(":")[0].rstrip(".")

    def test_a_mended_one_loads(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        site.install("reciperec-formal", "1.0", {"formal": "1 / 0"}, "formal = formal:FormalGreeter")
        with pytest.raises(PluginError, match="ZeroDivisionError: division by zero"):
            greeters.get("formal")
        (site.folder / "formal.py").write_text(FORMAL, encoding="utf-8")
        importlib.invalidate_caches()
        assert greeters.get("formal").__name__ == "FormalGreeter"

    def test_ctrl_c_during_an_import_is_not_a_broken_plugin(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        site.install("reciperec-slow", "1.0", {"slow": "raise KeyboardInterrupt"}, "slow = slow:Slow")
        with pytest.raises(KeyboardInterrupt):
            greeters.get("slow")

    @pytest.mark.parametrize("value", ["odd:number", "odd:function", "odd:Foreign", "odd", "greeting:hooked"])
    def test_a_wrong_type_is_refused(self, site: SiteFolder, greeters: Registry[Any], value: str) -> None:
        code = "number = 3\ndef function(): pass\nclass Foreign: pass"
        site.install("reciperec-odd", "1.0", {"odd": code}, f"odd = {value}")
        with pytest.raises(PluginError, match=r"of reciperec-odd 1\.0 .*'odd' must be a subclass of greeting:Greeter"):
            greeters.get("odd")
        assert greeters.describe("odd").error is not None

    @pytest.mark.parametrize("value", ["not a path!", "", ":"])
    def test_a_value_that_is_not_a_path(self, site: SiteFolder, greeters: Registry[Any], value: str) -> None:
        site.install("reciperec-odd", "1.0", {}, f"odd = {value}")
        with pytest.raises(PluginError, match=r"of reciperec-odd 1\.0"):
            greeters.get("odd")
        assert greeters.get("plain").__name__ == "PlainGreeter"

    def test_a_name_that_is_not_snake_case_is_not_even_loaded(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "For-Mal = formal:FormalGreeter")
        with pytest.raises(PluginError, match=r"of reciperec-formal 1\.0 .*`name` must be lower snake case"):
            greeters.get("For-Mal")
        assert "formal" not in sys.modules

    def test_two_distributions_with_one_name(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        for distribution, version in (("reciperec-formal", "1.0"), ("reciperec-other", "2.0")):
            module = distribution.partition("-")[2]
            site.install(distribution, version, {module: FORMAL}, f"formal = {module}:FormalGreeter")
        assert greeters.names() == ("formal", "plain")
        with pytest.raises(PluginError, match="'formal' is offered more than once") as caught:
            greeters.get("formal")
        assert "reciperec-formal 1.0 (entry point formal = formal:FormalGreeter)" in str(caught.value)
        assert "reciperec-other 2.0 (entry point formal = other:FormalGreeter)" in str(caught.value)
        assert {"formal", "other"}.isdisjoint(sys.modules)
        assert greeters.get("plain").__name__ == "PlainGreeter"

    def test_two_versions_of_one_distribution_do_not_conflict(
        self, site: SiteFolder, greeters: Registry[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        (tmp_path / "first").mkdir()
        SiteFolder(tmp_path / "first", GROUP).install("reciperec-formal", "2.0", {}, "formal = formal:FormalGreeter")
        monkeypatch.syspath_prepend(tmp_path / "first")
        assert greeters.distribution_of(greeters.get("formal")) == ("reciperec-formal", "2.0")

    @pytest.mark.parametrize("asked_first", [True, False])
    def test_a_class_registered_in_code_is_not_shadowed(
        self, site: SiteFolder, greeting: ModuleType, greeters: Registry[Any], asked_first: bool
    ) -> None:
        if asked_first:
            assert greeters.get("plain") is greeting.PlainGreeter
            greeters.refresh()
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "plain = formal:FormalGreeter")
        assert greeters.names() == ("plain",)
        with pytest.raises(PluginError, match=r"'plain' of reciperec-formal 1\.0 .* greeting:PlainGreeter") as caught:
            greeters.get("plain")
        assert isinstance(caught.value.__cause__, RegistrationError)
        assert greeters.name_of(greeting.PlainGreeter) == "plain"
        assert greeters.name_of(sys.modules["formal"].FormalGreeter) is None

    def test_a_loaded_one_is_not_shadowed_by_code(
        self, site: SiteFolder, greeting: ModuleType, greeters: Registry[Any]
    ) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        cls = greeters.get("formal")
        with pytest.raises(RegistrationError, match=r"'formal' is the name of formal:FormalGreeter.*__main__:Cell"):
            greeters.register("formal")(make_class(greeting.Greeter))
        assert greeters.get("formal") is cls


class TestDescribe:
    def test_of_one_name(self, greeters: Registry[Any]) -> None:
        expected = Registration("plain", "Says hello.", "greeting 0.1", "greeting:PlainGreeter", None)
        assert greeters.describe("plain") == expected
        with pytest.raises(FrozenInstanceError):
            expected.name = "other"  # type: ignore[misc]

    def test_without_docstring_and_distribution(self, greeting: ModuleType, greeters: Registry[Any]) -> None:
        greeters.register("cell")(make_class(greeting.Greeter))
        assert greeters.describe("cell") == Registration("cell", "", "__main__", "__main__:Cell")

    def test_of_an_unknown_name(self, greeters: Registry[Any]) -> None:
        with pytest.raises(UnknownNameError):
            greeters.describe("plane")
        with pytest.raises(ArgumentTypeError):
            greeters.describe(3)  # type: ignore[call-overload]

    def test_of_all_names_shows_what_is_broken(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        site.install("reciperec-broken", "3.1", {"broken": "1 / 0"}, "broken = broken:Broken")
        for version in ("1", "2"):
            site.install(f"reciperec-twin{version}", version, {}, f"twin = twin{version}:Twin")
        broken, formal, plain, twin = greeters.describe()
        assert formal == Registration("formal", "Says good morning.", "reciperec-formal 1.0", "formal:FormalGreeter")
        assert plain.error is None
        assert (broken.origin, broken.class_path) == ("reciperec-broken 3.1", "broken:Broken")
        assert "ZeroDivisionError: division by zero" in (broken.error or "")
        assert (twin.origin.split(", "), twin.class_path.split(", ")) in [
            ([f"reciperec-twin{number} {number}" for number in order], [f"twin{number}:Twin" for number in order])
            for order in itertools.permutations("12")
        ]
        assert "is offered more than once" in (twin.error or "")


class TestDistributionOf:
    def test_a_class_outside_distributions_has_none(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        (site.folder / "script.py").write_text(FORMAL, encoding="utf-8")
        assert greeters.distribution_of(importlib.import_module("script").FormalGreeter) is None
        assert greeters.distribution_of(make_class(object)) is None
        assert greeters.distribution_of(int) is None

    def test_a_package_named_like_its_distribution(self, greeting: ModuleType, greeters: Registry[Any]) -> None:
        assert greeters.distribution_of(greeting.PlainGreeter) == ("greeting", "0.1")
        assert greeters.distribution_of(greeting.Greeter) == ("greeting", "0.1")

    def test_a_package_of_another_name_than_its_distribution(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, files="formal.py,,\n")
        assert greeters.distribution_of(importlib.import_module("formal").FormalGreeter) == ("reciperec-formal", "1.0")

    def test_a_package_of_two_distributions_has_none(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        for name in ("reciperec-formal", "reciperec-other"):
            site.install(name, "1.0", {"shared": FORMAL}, files="shared.py,,\n")
        assert greeters.distribution_of(importlib.import_module("shared").FormalGreeter) is None

    def test_the_entry_point_tells_when_no_file_is_listed(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        site.install("reciperec-formal", "1.0", {"formal": FORMAL}, "formal = formal:FormalGreeter")
        assert greeters.distribution_of(greeters.get("formal")) == ("reciperec-formal", "1.0")

    def test_refresh_forgets_what_was_found(self, site: SiteFolder, greeters: Registry[Any]) -> None:
        (site.folder / "formal.py").write_text(FORMAL, encoding="utf-8")
        cls = importlib.import_module("formal").FormalGreeter
        assert greeters.distribution_of(cls) is None
        site.install("formal", "4.2", {})
        assert greeters.distribution_of(cls) is None
        greeters.refresh()
        assert greeters.distribution_of(cls) == ("formal", "4.2")


def test_registries_are_independent(greeters: Registry[Any]) -> None:
    other = Registry("greeter", base=greeters.base, group="another.group")
    assert other.names() == ()
    assert greeters.names() == ("plain",)


def test_imports_only_the_standard_library_and_errors() -> None:
    tree = ast.parse(Path(reciperec_layers.registry.__file__).read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    foreign = {module for module in modules if module.partition(".")[0] not in sys.stdlib_module_names}
    assert foreign == {"reciperec_layers.errors"}
