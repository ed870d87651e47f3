"""Runs collectors and prints what they find."""

import asyncio
import importlib.util
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

from . import lines
from .plugin import InfoPlugin, Plugin, kinds_in, make

#: Files that one folder may hold: more is a wrong folder.
MAX_FILES = 256

#: The longest text of an error that is told.
MAX_ERROR = 500

#: A collect() that takes longer has failed. It may also be given by `--timeout`.
TIMEOUT = 60.0

#: How often an info collector looks whether its facts have changed.
INFO_EVERY = 3600.0

Print = Callable[[str], None]


def load(path: Path, config: Mapping[str, Mapping[str, Any]], out: Print) -> List[Plugin]:
    """Returns the collectors in a file, or in the files of a folder. What cannot be loaded is told in a line
    and is no reason not to run the others."""
    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.glob("*.py") if not f.name.startswith(("_", ".")))[:MAX_FILES]
    plugins: List[Plugin] = []
    for number, file in enumerate(files):
        try:
            plugins.extend(make(kind, config) for kind in kinds_in(module(file, number)))
        except (Exception, SystemExit) as error:
            failed(file.stem, error, out)
    names = [plugin.name for plugin in plugins]
    for name in sorted({name for name in names if names.count(name) > 1}):
        # Their values would overwrite one another.
        failed(name, ValueError("there are several collectors called {}".format(name)), out)
    return [plugin for plugin in plugins if names.count(plugin.name) == 1]


def module(file: Path, number: int) -> Dict[str, Any]:
    """Runs a file as a module of its own and returns its names."""
    spec = importlib.util.spec_from_file_location("hark_plugin_{}_{}".format(number, file.stem), str(file))
    if spec is None or spec.loader is None:
        raise ImportError("{} is no Python file".format(file))
    made = importlib.util.module_from_spec(spec)
    # Classes look their module up there (dataclasses, for one).
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return vars(made)


def failed(name: str, error: BaseException, out: Print) -> None:
    """Tells that a collector has failed: a line for the agent, the whole story for its log."""
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    text = "{}: {}".format(type(error).__name__, error) if str(error) else type(error).__name__
    out(lines.text({"check": name, "status": "unknown", "text": text[:MAX_ERROR]}))


class Running:
    """A collector at work."""

    def __init__(self, plugin: Plugin, timeout: float, out: Print) -> None:
        self.plugin = plugin
        self.timeout = timeout
        self.out = out
        self.told: Dict[str, Any] = {}

    async def once(self) -> bool:
        """Collects once. Returns true if that went well."""
        plugin = self.plugin
        try:
            values = await asyncio.wait_for(collect(plugin), self.timeout)
            metrics, facts = lines.of_values(plugin.name, values)
            if isinstance(plugin, InfoPlugin):
                facts.update(numbers(metrics))
                metrics = []
            # Told whole or not at all: a line that cannot be written is an error as any other.
            texts = [lines.text(line) for line in metrics]
            texts += [lines.text(line) for line in plugin.take_said()]
            new = {name: value for name, value in facts.items() if self.told.get(name) != value}
            texts += [lines.text(line) for line in lines.of_facts(new)]
        except asyncio.CancelledError:
            raise
        except asyncio.TimeoutError:
            plugin.take_said()
            error = TimeoutError("collect() took longer than {:g} s".format(self.timeout))
            failed(plugin.name, error, self.out)
            return False
        except (Exception, SystemExit) as error:
            plugin.take_said()
            failed(plugin.name, error, self.out)
            return False
        for text in texts:
            self.out(text)
        self.told.update(new)
        self.out(lines.text({"check": plugin.name, "status": "ok", "text": "collected"}))
        return True

    async def for_ever(self) -> None:
        """Collects at every interval. Those that were missed, as in a suspended machine, are not made up for."""
        is_info = isinstance(self.plugin, InfoPlugin)
        every = INFO_EVERY if is_info else self.plugin.interval
        due = time.monotonic()
        while True:
            await self.once()
            due = max(due + every, time.monotonic())
            await asyncio.sleep(due - time.monotonic())


async def collect(plugin: Plugin) -> Any:
    """Calls collect(), which may also be an ordinary function."""
    found = plugin.collect()
    return (await found) if hasattr(found, "__await__") else found


def numbers(metrics: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Returns the numbers of an info collector as facts."""
    facts: Dict[str, Any] = {}
    for line in metrics:
        for name, value in line["metrics"].items():
            value = value["value"] if isinstance(value, dict) else value
            facts["{}.{}".format(line["instance"], name)] = value
    return facts


async def run(plugins: Sequence[Plugin], timeout: float, once: bool, out: Print) -> bool:
    """Runs collectors side by side; returns once all have collected if `once`, else never."""
    running = [Running(plugin, timeout, out) for plugin in plugins]
    if once:
        return all(await asyncio.gather(*(one.once() for one in running)))
    await asyncio.gather(*(one.for_ever() for one in running))
    return True
