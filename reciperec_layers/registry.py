"""Registries: map names to classes, registered in code or by entry points of installed distributions."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Generic, TypeVar, overload
from weakref import WeakValueDictionary

from reciperec_layers.errors import ArgumentTypeError, PluginError, RegistrationError, UnknownNameError, explain

__all__ = ["Registration", "Registry"]

_Base = TypeVar("_Base")
_Class = TypeVar("_Class", bound=type)

_LOWER_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Registration:
    """Description of a registered name.

    Args:
        name: The name.
        summary: First line of the class's docstring, or `""` if it has none or cannot be loaded.
        origin: Distribution that provides the class, with its version, such as `"reciperec-bag 1.0"`; or the module
            of the class if the distribution is not known.
        class_path: `"module:Class"`, as in entry points.
        error: Why the class cannot be loaded, or `None`.

    Example:
        >>> bag = Registration("bag", "Mean of words.", "reciperec-bag 1.0", "reciperec_bag:BagTower")
        >>> bag.error is None
        True
    """

    name: str
    summary: str
    origin: str
    class_path: str
    error: str | None = None


class Registry(Generic[_Base]):
    """Maps names to subclasses of a base class, from this package and from others.

    Classes are registered by `register` or by an entry point of the group. Entry points are discovered once per process
    and loaded one by one, when their name is first used, so a broken plugin breaks only its own name. A class has one
    name, a name has one class, and nothing is replaced silently.

    Args:
        kind: What the names stand for, for messages: `"tower"`.
        base: Class from which every registered class derives.
        group: Entry-point group, such as `"reciperec_layers.towers"`. It is also the package of the classes in saved
            files, and the registry enrols itself under it, so that loading a file finds plugins of every kind.
        on_register: Called as `on_register(name, cls)` once per class before it is registered. If it raises, the class
            is not registered.

    Example:
        >>> from reciperec_layers.registry import Registry
        >>> class Greeter:
        ...     "Says hello."
        >>> greeters = Registry("greeter", base=Greeter, group="example.greeters")
        >>> @greeters.register("polite")
        ... class PoliteGreeter(Greeter):
        ...     "Says good morning."
        ...     def __init__(self, title="Dr"):
        ...         self.title = title
        >>> greeters.names()
        ('polite',)
        >>> greeters.create("polite", title="Prof").title
        'Prof'
    """

    def __init__(
        self,
        kind: str,
        *,
        base: type[_Base],
        group: str,
        on_register: Callable[[str, type[_Base]], object] | None = None,
    ) -> None:
        self.kind = kind
        self.base = base
        self.group = group
        self._on_register = on_register
        self._owner = f"{kind} registry"
        self._classes: dict[str, type[_Base]] = {}
        self._offers: dict[str, list[metadata.EntryPoint]] | None = None
        self._loaded: dict[str, metadata.EntryPoint] = {}
        _ENROLLED.setdefault(group, self)

    def register(self, name: str) -> Callable[[_Class], _Class]:
        """Returns a decorator that registers a class under a name and returns the class unchanged.

        A class replaces one of the same module and qualified name, since notebooks run cells again.

        Args:
            name: Lower snake case: `"bag"`, `"bag_of_words"`.

        Raises:
            ArgumentTypeError: The name is not text, or the decorated object is not a subclass of the base.
            RegistrationError: The name is not lower snake case or is taken, or the class has another name already.

        Example:
            >>> ints = Registry("number", base=int, group="example.numbers")
            >>> ints.register("flag")(bool)
            <class 'bool'>
        """
        self._check_new_name(name)

        def decorate(cls: _Class) -> _Class:
            self._add(name, cls)
            return cls

        return decorate

    def names(self) -> tuple[str, ...]:
        """Returns all names, sorted, from code and from entry points. Does not load entry points.

        Example:
            >>> Registry("number", base=int, group="example.numbers").names()
            ()
        """
        return tuple(sorted(self._classes.keys() | self._find_offers().keys()))

    def get(self, name: str) -> type[_Base]:
        """Returns the class of a name. The first call loads its entry point, and no other.

        Raises:
            ArgumentTypeError: The name is not text.
            UnknownNameError: The name is not registered.
            PluginError: The entry point of this name cannot be loaded, is not a subclass of the base, or its name is
                also used by another distribution or by a class registered in code.

        Example:
            >>> ints = Registry("number", base=int, group="example.numbers")
            >>> _ = ints.register("flag")(bool)
            >>> ints.get("flag")
            <class 'bool'>
            >>> ints.get("flags")
            Traceback (most recent call last):
            reciperec_layers.errors.UnknownNameError: ...Did you mean 'flag'? Known names: flag. ...
        """
        self._check_text(name)
        offers = self._find_offers().get(name, [])
        if len(offers) > 1:
            problem = f"{name!r} is offered more than once, by {' and '.join(map(_describe_offer, offers))}"
            raise PluginError(explain(self._owner, problem, fix="Uninstall all but one"))
        for offer in offers:
            if self._loaded.get(name) is not offer:
                self._load(offer)
        if name not in self._classes:
            problem = f"no {self.kind} has this name"
            raise UnknownNameError(explain(self._owner, problem, name=name, fix=self._suggest(name)))
        return self._classes[name]

    def create(self, name: str, /, **options: Any) -> _Base:
        """Creates an object of the class with this name.

        Args:
            name: The name; positional only, so that `name=` can be an option, as for Keras layers.
            **options: Arguments of the class.

        Raises:
            ArgumentTypeError: The class does not take these options; the message lists the accepted ones.

        Example:
            >>> ints = Registry("number", base=int, group="example.numbers")
            >>> @ints.register("rounded")
            ... class Rounded(int):
            ...     def __new__(cls, value, digits=0):
            ...         return super().__new__(cls, round(value, digits))
            >>> ints.create("rounded", value=2.7)
            3
            >>> ints.create("rounded", valeu=2.7)
            Traceback (most recent call last):
            reciperec_layers.errors.ArgumentTypeError: ...Accepted: (value, digits=0).
        """
        cls = self.get(name)
        signature = inspect.signature(cls)
        try:
            signature.bind(**options)
        except TypeError as error:
            problem = f"{name!r} does not take these options: {error}"
            fix = f"Accepted: {_describe_parameters(signature)}"
            raise ArgumentTypeError(explain(self._owner, problem, options=list(options), fix=fix)) from error
        return cls(**options)

    @overload
    def describe(self) -> list[Registration]: ...

    @overload
    def describe(self, name: str) -> Registration: ...

    def describe(self, name: str | None = None) -> list[Registration] | Registration:
        """Describes a name, or all names in order. Loads their entry points.

        A plugin that cannot be loaded is described by its `error`, without affecting the others.

        Raises:
            UnknownNameError: The name is not registered.

        Example:
            >>> ints = Registry("number", base=int, group="example.numbers")
            >>> @ints.register("even")
            ... class Even(int):
            ...     "A number that two divides."
            >>> ints.describe("even").summary
            'A number that two divides.'
        """
        if name is not None:
            return self._describe(name)
        # A plugin may register more names while it is imported, so names are listed again after loading all.
        described = {known: self._describe(known) for known in self.names()}
        return [described.get(known) or self._describe(known) for known in self.names()]

    def name_of(self, cls: type) -> str | None:
        """Returns the name of a class, or `None` if it is not registered.

        Example:
            >>> ints = Registry("number", base=int, group="example.numbers")
            >>> _ = ints.register("flag")(bool)
            >>> ints.name_of(bool), ints.name_of(int)
            ('flag', None)
        """
        return next((name for name, known in self._classes.items() if known is cls), None)

    def distribution_of(self, cls: type) -> tuple[str, str] | None:
        """Returns name and version of the distribution that provides a class, registered or not.

        This is the distribution of the entry point that loaded the class, else of its top-level package. `None` if
        there is none or more than one, as for a script, a notebook or a namespace package.

        Example:
            >>> Registry("number", base=int, group="example.numbers").distribution_of(int) is None
            True
        """
        offer = self._loaded.get(self.name_of(cls) or "")
        return _distribution(offer) if offer else _distribution_of_package(cls.__module__.partition(".")[0])

    def with_distribution(self, config: dict[str, Any], cls: type) -> dict[str, Any]:
        """Returns a config with the distribution that provides a class, for messages about a plugin that is missing.

        Args:
            config: From `get_config` of the class.
            cls: The class.

        Example:
            >>> numbers = Registry("number", base=int, group="example.numbers")
            >>> numbers.with_distribution({"width": 4}, int)
            {'width': 4}
        """
        distribution = self.distribution_of(cls)
        return config if distribution is None else {**config, "distribution": list(distribution)}

    def refresh(self) -> None:
        """Discovers entry points again on next use, for packages installed while the process runs.

        Classes that are registered stay registered.

        Example:
            >>> Registry("number", base=int, group="example.numbers").refresh()
        """
        importlib.invalidate_caches()
        _distribution_of_package.cache_clear()
        self._offers = None

    def _find_offers(self) -> dict[str, list[metadata.EntryPoint]]:
        if self._offers is None:
            offers: dict[str, list[metadata.EntryPoint]] = {}
            for offer in metadata.entry_points(group=self.group):
                offers.setdefault(offer.name, []).append(offer)
            self._offers = offers
        return self._offers

    def _load(self, offer: metadata.EntryPoint) -> None:
        try:
            self._check_new_name(offer.name)
            self._add(offer.name, offer.load())
        except Exception as error:
            problem = f"{offer.name!r} of {_describe_offer(offer)} cannot be used: {_describe_error(error)}"
            raise PluginError(explain(self._owner, problem, fix="Update, repair or uninstall that package")) from error
        self._loaded[offer.name] = offer

    def _add(self, name: str, cls: Any) -> None:
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            problem = f"{name!r} must be a subclass of {_path(self.base)}"
            fix = f"Register a class that derives from {self.base.__name__}"
            raise ArgumentTypeError(explain(self._owner, problem, registered=cls, fix=fix))
        known = self._classes.get(name)
        if known is cls:
            return
        if known is not None and _path(known) != _path(cls):
            problem = f"{name!r} is the name of {_path(known)} and cannot be that of {_path(cls)} too"
            raise RegistrationError(explain(self._owner, problem, fix="Choose another name"))
        other_name = self.name_of(cls)
        if other_name is not None:
            problem = f"{_path(cls)} has the name {other_name!r} and cannot be {name!r} too"
            raise RegistrationError(explain(self._owner, problem, fix="Register a class under one name"))
        if self._on_register is not None:
            self._on_register(name, cls)
        self._classes[name] = cls

    def _describe(self, name: str) -> Registration:
        try:
            cls = self.get(name)
        except PluginError as error:
            offers = self._find_offers()[name]
            origin = ", ".join(" ".join(_distribution(offer)) for offer in offers)
            return Registration(name, "", origin, ", ".join(offer.value for offer in offers), str(error))
        origin = " ".join(self.distribution_of(cls) or (cls.__module__,))
        summary = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]
        return Registration(name, summary, origin, _path(cls))

    def _check_text(self, name: str) -> None:
        if not isinstance(name, str):
            article = "an" if self.kind[0] in "aeiou" else "a"
            fix = f'Give the name of {article} {self.kind} as text, also in `@register("name")`'
            raise ArgumentTypeError(explain(self._owner, "`name` must be a string", name=name, fix=fix))

    def _check_new_name(self, name: str) -> None:
        self._check_text(name)
        if not _LOWER_SNAKE_CASE.fullmatch(name):
            fix = "Use lower-case letters, digits and single underscores, for example 'bag_of_words'"
            raise RegistrationError(explain(self._owner, "`name` must be lower snake case", name=name, fix=fix))

    def _suggest(self, name: str) -> str:
        known = self.names()
        closest = difflib.get_close_matches(name.lower(), known, n=1)
        suggestion = f"Did you mean {closest[0]!r}? " if closest else ""
        listed = ", ".join(known) or "none"
        return f"{suggestion}Known names: {listed}. Import or install the package that provides another"


def without_distribution(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a config without what `Registry.with_distribution` has added, which no constructor takes.

    Args:
        config: The config.

    Example:
        >>> without_distribution({"width": 4, "distribution": ["shop", "1.0"]})
        {'width': 4}
    """
    return {name: value for name, value in config.items() if name != "distribution"}


# Weak, so that registries made by tests are dropped with them. The first registry of a group stays.
_ENROLLED: WeakValueDictionary[str, Registry[Any]] = WeakValueDictionary()


def enrolled_registries() -> dict[str, Registry[Any]]:
    """Returns every live registry by its group, which is also the package of its classes in saved files.

    Example:
        >>> numbers = Registry("number", base=int, group="example.enrolled_numbers")
        >>> enrolled_registries()["example.enrolled_numbers"] is numbers
        True
    """
    return dict(_ENROLLED)


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _distribution(offer: metadata.EntryPoint) -> tuple[str, str]:
    assert offer.dist is not None  # only entry points created by hand have none
    return offer.dist.name, offer.dist.version


@functools.cache
def _distribution_of_package(package: str) -> tuple[str, str] | None:
    if package == "__main__":
        return None
    try:
        # Most distributions have the name of their package. Listing the packages of all distributions takes 0.3 s, and
        # an editable install may list none.
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        names = set(metadata.packages_distributions().get(package, ()))
        if len(names) != 1:
            return None
        found = metadata.distribution(names.pop())
    return found.name, found.version


def _describe_offer(offer: metadata.EntryPoint) -> str:
    return f"{' '.join(_distribution(offer))} (entry point {offer.name} = {offer.value})"


def _describe_error(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first_line}".rstrip(": ")


def _describe_parameters(signature: inspect.Signature) -> str:
    plain = [item.replace(annotation=inspect.Parameter.empty) for item in signature.parameters.values()]
    return str(inspect.Signature(plain))
