"""`python -m hark run FILE_OR_FOLDER`."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from . import __version__, runner


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m hark", description="Collectors for hark in Python.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="runs collectors and prints what they find as JSON lines")
    run.add_argument("path", nargs="+", type=Path, help="a file, or a folder with files")
    run.add_argument("--config", type=Path, help="JSON: settings by the collectors' names")
    run.add_argument("--once", action="store_true", help="collect once and end")
    run.add_argument("--timeout", type=float, default=runner.TIMEOUT, help="seconds for one collect()")
    given = parser.parse_args(arguments)
    config = read_config(parser, given.config)
    for path in given.path:
        if not path.exists():
            parser.error("there is no {}".format(path))
    # What a collector prints by itself must not stand between the lines.
    lines, sys.stdout = sys.stdout, sys.stderr

    def out(text: str) -> None:
        lines.write(text + "\n")
        lines.flush()

    plugins = [plugin for path in given.path for plugin in runner.load(path, config, out)]
    if not plugins:
        print("hark: there is no collector in {}".format(", ".join(map(str, given.path))), file=sys.stderr)
        return 2
    try:
        good = asyncio.run(runner.run(plugins, given.timeout, given.once, out))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The agent has ended. Nothing may be written at the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), lines.fileno())
        return 0
    return 0 if good else 1


def read_config(parser: argparse.ArgumentParser, path: Optional[Path]) -> Dict[str, Any]:
    """Reads the settings; what is wrong ends the program with a sentence."""
    if path is None:
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.error("{}: {}".format(path, error))
    if not isinstance(config, dict) or not all(isinstance(part, dict) for part in config.values()):
        parser.error("{}: settings are objects by the collectors' names".format(path))
    return config


if __name__ == "__main__":
    sys.exit(main())
