"""What a collector found, as lines for hark's collector `custom`."""

import json
import math
from typing import Any, Dict, List, Mapping, Tuple

from .plugin import Metric, flattened

#: Metrics in one line: the agent takes 512.
MAX_METRICS = 256

#: Facts in one line: the agent takes 64.
MAX_FACTS = 32


def text(line: Mapping[str, Any]) -> str:
    """Returns a line as it is printed."""
    return json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def of_values(name: str, values: Any) -> Tuple[List[Dict[str, Any]], Dict[str, Any]]:
    """Returns the lines of metrics of the collector `name`, and the facts in what it returned.

    Numbers, truth values and `Metric` are metrics, `None` is one without a value, and texts are facts.
    """
    if values is None:
        return [], {}
    if not isinstance(values, Mapping):
        raise TypeError("collect() returned {}, not a mapping".format(type(values).__name__))
    metrics: Dict[str, Dict[str, Any]] = {}
    facts: Dict[str, Any] = {}
    for way, value in flattened(values):
        if isinstance(value, str):
            facts[".".join((name,) + way)] = value
            continue
        instance = ".".join((name,) + way[:-1])
        metrics.setdefault(instance, {})[way[-1]] = metric(way, value)
    lines = []
    for instance, group in metrics.items():
        names = list(group)
        for first in range(0, len(names), MAX_METRICS):
            part = {name: group[name] for name in names[first : first + MAX_METRICS]}
            lines.append({"metrics": part, "instance": instance})
    return lines, facts


def of_facts(facts: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Returns lines with these facts."""
    names = list(facts)
    parts = [names[first : first + MAX_FACTS] for first in range(0, len(names), MAX_FACTS)]
    return [{"facts": {name: facts[name] for name in part}} for part in parts]


def metric(way: Tuple[str, ...], value: Any) -> Any:
    """Returns a value as it stands in a line."""
    if isinstance(value, Metric):
        told: Dict[str, Any] = {"value": number(way, value.value)}
        if value.unit:
            told["unit"] = value.unit
        if value.counter:
            told["kind"] = "counter"
        return told
    return number(way, value)


def number(way: Tuple[str, ...], value: Any) -> Any:
    """Returns a number, or `None` for what is none."""
    if value is None:
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    try:
        # Numbers of other libraries (decimals, arrays of one) as well.
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        kind = type(value).__name__
        raise TypeError("{} is no number but {}".format(".".join(way), kind)) from None
    return found if math.isfinite(found) else None
