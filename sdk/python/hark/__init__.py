"""Collectors for hark in Python.

A collector is a class:

    from hark import MonitorPlugin

    class Queue(MonitorPlugin):
        name = "queue"
        interval = 60

        async def collect(self):
            return {"length": 17, "oldest_seconds": 4.5}

and `python -m hark run queue.py` prints what it collects as the lines that hark's collector `custom` reads.
"""

from .plugin import InfoPlugin, Metric, MonitorPlugin, Plugin

__all__ = ["InfoPlugin", "Metric", "MonitorPlugin", "Plugin"]
__version__ = "0.1.0"
