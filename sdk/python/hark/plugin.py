"""The classes that collectors are made from."""

import inspect
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

Number = Union[int, float]

SEVERITIES = ("info", "unknown", "warning", "critical")
STATUSES = ("ok", "warning", "critical", "unknown")


class Metric:
    """A number with its unit.

    `unit` is a sign such as `%`, `B`, `s`, `ms` or `c` (a counter); `counter` says that the value only grows,
    so that its rate is of interest.
    """

    __slots__ = ("value", "unit", "counter")

    def __init__(self, value: Optional[Number], unit: str = "", counter: bool = False) -> None:
        self.value = value
        self.unit = unit
        self.counter = counter

    def __repr__(self) -> str:
        return "Metric({!r}, {!r}, counter={!r})".format(self.value, self.unit, self.counter)


class Plugin:
    """What both kinds of collectors have.

    `name` and `interval` (seconds) are attributes of the class. A class without a name is called like itself.
    """

    name: str = ""
    interval: float = 300.0

    #: The settings of this collector, from the file given with `--config`. A class with an `__init__` of its
    #: own that takes no arguments works as well.
    config: Mapping[str, Any] = {}

    def __init__(self, config: Optional[Mapping[str, Any]] = None) -> None:
        if config is not None:
            self.config = config

    async def collect(self) -> Any:
        """Returns a mapping from names to values; mappings in it are told by the way to their values."""
        raise NotImplementedError("{} has no collect()".format(type(self).__name__))

    def event(
        self, text: str, kind: str = "message", severity: str = "info", tags: Sequence[str] = ()
    ) -> None:
        """Tells that something happened."""
        if severity not in SEVERITIES:
            raise ValueError("severity is one of {}, not {!r}".format(", ".join(SEVERITIES), severity))
        said: Dict[str, Any] = {"event": text, "kind": kind, "severity": severity}
        if tags:
            said["tags"] = list(tags)
        self._say(said)

    def check(self, name: str, status: str, text: str = "") -> None:
        """Tells what a check of this collector found."""
        if status not in STATUSES:
            raise ValueError("status is one of {}, not {!r}".format(", ".join(STATUSES), status))
        self._say({"check": name, "status": status, "text": text})

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Tells facts about the host; `None` removes one."""
        self._say({"facts": dict(facts)})

    def take_said(self) -> List[Dict[str, Any]]:
        """Returns what was told since the last call. For the runner."""
        said: List[Dict[str, Any]] = self.__dict__.get("_said", [])
        self.__dict__["_said"] = []
        return said

    def _say(self, line: Dict[str, Any]) -> None:
        # Not made in __init__: a class of a user's may have its own, without calling this one.
        said = self.__dict__.setdefault("_said", [])
        if len(said) < MAX_SAID:
            said.append(line)


#: Lines that one collect() may tell beside its values: more is a loop gone wrong.
MAX_SAID = 100


class InfoPlugin(Plugin):
    """Collects once: facts, which are told when they change."""


class MonitorPlugin(Plugin):
    """Collects every `interval` seconds: numbers."""


def kinds_in(namespace: Mapping[str, Any]) -> List[type]:
    """Returns the collectors that are defined in a module, in the order of their definition."""
    module = namespace.get("__name__")
    found = []
    for value in namespace.values():
        is_kind = inspect.isclass(value) and issubclass(value, Plugin)
        # Imported ones, such as the two base classes, are somebody else's.
        if is_kind and value.__module__ == module and not value.__name__.startswith("_"):
            found.append(value)
    return found


def make(kind: type, config: Mapping[str, Mapping[str, Any]]) -> Plugin:
    """Makes a collector of a class with its settings."""
    name = getattr(kind, "name", "") or kind.__name__
    settings = config.get(name, {})
    try:
        inspect.signature(kind).bind(settings)
        takes_config = True
    except TypeError:
        takes_config = False
    made: Plugin = kind(settings) if takes_config else kind()
    made.name = name
    if "interval" in settings:
        made.interval = float(settings["interval"])
    if not made.interval > 0:
        raise ValueError("the interval of {} is not above 0".format(name))
    return made


Flat = Tuple[Tuple[str, ...], Any]


def flattened(values: Mapping[Any, Any], way: Tuple[str, ...] = ()) -> List[Flat]:
    """Returns every value with the names on the way to it. The level `partitions` is left out, as in the
    names of hark's own series."""
    flat: List[Flat] = []
    for key, value in values.items():
        here = way if key == "partitions" and isinstance(value, Mapping) else way + (str(key),)
        if isinstance(value, Mapping):
            if len(here) <= MAX_DEPTH:
                flat.extend(flattened(value, here))
        else:
            flat.append((here, value))
    return flat


#: Mappings in mappings: deeper ones are no names that people read.
MAX_DEPTH = 8
