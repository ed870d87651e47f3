"""An example: how many files wait in a folder, and how long the oldest has."""

import time
from pathlib import Path

from hark import Metric, MonitorPlugin


class QueueDepth(MonitorPlugin):
    name = "queue_depth"
    interval = 60

    async def collect(self):
        folder = Path(self.config.get("folder", "/var/spool/mail"))
        times = [file.stat().st_mtime for file in folder.iterdir() if file.is_file()]
        oldest = time.time() - min(times) if times else 0.0
        if oldest > 3600:
            self.event("a file has waited for an hour", kind="queue", severity="warning")
        self.check("queue", "warning" if len(times) > 100 else "ok", "{} files".format(len(times)))
        return {"files": len(times), "oldest": Metric(oldest, "s")}
