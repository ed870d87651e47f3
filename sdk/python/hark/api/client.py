"""A server, as a program uses it."""

import time
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from .calls import Calls
from .transport import Answer, Query
from .types import Job


class Client(Calls):
    """A hark server.

    `token` is an API token, `fingerprint` the SHA-256 of a certificate that nobody else has signed. What was read is
    remembered by its version, so that reading it again costs a line if it has not changed.
    """

    # Answers remembered: what a program asks again and again is a few lists.
    REMEMBERED = 64

    def __init__(
        self,
        url: str = "http://127.0.0.1:50004",
        token: Optional[str] = None,
        fingerprint: Optional[str] = None,
        timeout: float = 30.0,
        tries: int = 4,
    ) -> None:
        super().__init__(url, token, fingerprint, timeout, tries)
        self._known: Dict[Tuple[str, str], Tuple[str, Any]] = {}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, path: str, query: Optional[Query] = None) -> Any:
        """Returns what is at a path, from memory if the server says that it has not changed."""
        key = (path, repr(sorted((query or {}).items())))
        known = self._known.get(key)
        headers = {"If-None-Match": known[0]} if known else {}
        answer = self.request("GET", path, query, headers=headers)
        if known and answer.status == 304:
            return known[1]
        value = answer.value()
        tag = answer.headers.get("etag")
        if tag:
            if len(self._known) >= self.REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = (tag, value)
        return value

    def version(self, path: str) -> Optional[str]:
        """Returns the version of what is at a path: give it as `if_match` to a write that must not overwrite."""
        return self.request("GET", path).headers.get("etag")

    def pages(self, read: Callable[..., Mapping[str, Any]], *args: Any, **query: Any) -> Iterator[Any]:
        """Yields the items of all pages of a list: `client.pages(client.get_hosts, state="c")`."""
        while True:
            page = read(*args, **query)
            yield from page["items"]
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    def csv(self, path: str, query: Optional[Query] = None) -> str:
        """Returns a list as a table, all pages of it."""
        answer: Answer = self.request("GET", path, {**(query or {}), "format": "csv"})
        return answer.body.decode("utf-8")

    def wait(self, job: Job, seconds: float = 600.0, every: float = 0.5) -> Job:
        """Waits until long work has ended, and returns how."""
        end = time.monotonic() + seconds
        while job["ended_at"] is None:
            if time.monotonic() >= end:
                raise TimeoutError("job {} has not ended within {:g} s".format(job["id"], seconds))
            time.sleep(every)
            job = self.get_jobs_by_id(job["id"])
        return job

    def live(self, *topics: str) -> Iterator[Any]:
        """Yields what changes, beginning with all of it: `client.live("problems", "host:db1")`."""
        return self.stream("/api/0/stream", {"sub": ",".join(topics)})
