#!/usr/bin/env python3
"""hark's small agent: one file, Python 3.8 or newer, nothing else.

For hosts where the binary does not run. It brings what it measures to the server over HTTPS, signed with a
key of its own (docs/protocol.md, section 8), under the names that the binary uses. What cannot be brought now
waits on the disk.

    hark_mini.py --token TOKEN          joins (the line that the page shows), then works
    hark_mini.py                        works
    hark_mini.py SERVER -d              as a daemon, with the secret in the settings
    hark_mini.py -b                     tells that the host has booted, and ends
    hark_mini.py -m TEXT                tells something, and ends
"""

import argparse
import base64
import binascii
import collections
import contextlib
import hashlib
import hmac
import http.client
import json
import logging
import logging.handlers
import math
import os
import platform
import queue
import re
import select
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Set, Tuple

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

VERSION = "mini 0.1.0"
LOG = logging.getLogger("hark_mini")

HTTPS_PORT = 50004
#: The old tools' port for datagrams: in old settings it stands for "the usual ports".
OLD_UDP_PORT = 50003

REPORT = "/api/0/agent/report"
CONFIGURATION = "/api/0/agent/configuration"
NEWS = "/api/0/agent/news"
ORDER = "/api/0/agent/order"
ENROL = "/api/0/agents/enrol"

#: How long one request may take. The server answers once everything is on its disk.
PATIENCE = 20.0
#: How long the server is asked to hold a question for news: less than a request may take.
NEWS_SECONDS = 15
#: How much later than it expires an order is still carried out: this clock may be ahead of the server's,
#: which hands out none that has expired by its own.
MAX_AHEAD = 600.0
#: Output of an action that is told.
MAX_OUTCOME = 700
#: Bound on an answer of the server.
MAX_ANSWER = 1 << 20
#: Samples and bytes of one report: below what the server takes (1000 and 512 KiB).
MAX_SAMPLES = 400
MAX_REPORT = 300_000
#: Sets, and series of a set, that the server takes.
MAX_SETS = 64
MAX_SET = 120
#: Items of one report: what the server can tell from a second copy.
MAX_ITEMS = 64
#: Items that wait: beyond it the oldest are given up.
MAX_WAITING_ITEMS = 2000
#: One file of the spool, and how much all of them may take if the settings say nothing.
SEGMENT = 256 * 1024
SPOOL_BYTES = 16 << 20
SPOOL_SECONDS = 7 * 86400
#: Output of a program: the rest is left out.
MAX_OUTPUT = 64 * 1024
#: Time for one program of another, if the settings say nothing.
PROGRAM_SECONDS = 30.0
#: Looks at work at the same time, and their results that wait.
MAX_LOOKS = 16
#: The longest fact, and text of an event or result, in bytes.
MAX_FACT = 64
MAX_EVENT = 900
MAX_RESULT = 4000
#: Wait after a failure: doubled up to the second.
FIRST_RETRY, LAST_RETRY = 5.0, 300.0


class Wrong(Exception):
    """A person's mistake, in a sentence that says the way out."""


class Away(Exception):
    """The server cannot be reached, or cannot take it now."""


class Refused(Exception):
    """The server answered, and not with success."""

    def __init__(self, status: int, text: str, highest: Optional[int] = None) -> None:
        super().__init__("{} ({})".format(text, status))
        self.status = status
        self.highest = highest


# Words and numbers.


def seconds(value: Any, name: str) -> float:
    """Reads a duration: a number of seconds, or a text such as `90s`, `5m`, `1h`, `2d`."""
    units = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    found = re.match(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$", str(value))
    if isinstance(value, bool) or not found:
        raise Wrong("{}: {!r} is no duration such as 30, `30s` or `5m`".format(name, value))
    return float(found.group(1)) * units[found.group(2) or ""]


def cut(text: str, most: int) -> str:
    """Returns the text without control characters, at most so many bytes long."""
    text = "".join(c if c >= " " or c == "\n" else " " for c in text).strip()
    return text.encode("utf-8")[:most].decode("utf-8", "ignore")


def write_whole(path: Path, text: str) -> None:
    """Replaces a file so that after a power cut there is the old or the new one."""
    beside = path.with_name(path.name + ".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(str(beside), flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(beside), str(path))


def read_json(path: Path) -> Dict[str, Any]:
    """Reads an object of a file of one's own; what is missing or broken is empty."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        LOG.warning("%s cannot be read: %s", path, error)
        return {}
    return found if isinstance(found, dict) else {}


# Keys (docs/protocol.md, sections 2 and 8).


def extract(salt: bytes, key: bytes) -> bytes:
    """HKDF-Extract of RFC 5869 with SHA-256."""
    return hmac.new(salt, key, hashlib.sha256).digest()


def expand(prk: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-Expand for at most 32 bytes."""
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()[:length]


def simple_identity(secret: bytes, name: str) -> Tuple[str, bytes]:
    """Returns number and key of a host among those who share a secret."""
    prk = extract(b"hark v1 simple", secret)
    number = expand(prk, b"hark v1 agent id " + name.encode(), 8)
    return number.hex(), expand(prk, b"hark v1 agent key " + name.encode())


def tag(key: bytes, method: str, path: str, number: int, digest: str) -> str:
    """Returns the proof that a request is ours."""
    signing = expand(extract(b"hark v1 https", key), b"hark v1 request")
    text = "{}\n{}\n{}\n{}".format(method, path, number, digest)
    return hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()


def read_token(text: str) -> Tuple[str, List[str]]:
    """Returns the fingerprint and the servers in a token."""
    text = text.strip().lower()
    if not text.startswith("hark-"):
        raise Wrong("a token begins with `hark-`: copy the line of the page or of `hark enroll`")
    body = text[5:].upper()
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError):
        data = b""
    whole, check = data[:-4], data[-4:]
    if len(whole) < 50 or binascii.crc32(whole) != int.from_bytes(check, "big"):
        raise Wrong("the token is not whole: copy it again")
    if whole[0] != 1:
        raise Wrong("the token is of version {}: take a newer hark_mini.py".format(whole[0]))
    return whole[17:49].hex(), whole[49:].decode("ascii", "replace").split(",")


# Settings.


class Settings:
    """What the file and the command line say. Keys of the old client's file are taken as they are."""

    KEYS = (
        "server", "port", "hb_port", "https_port", "interval", "name", "plugins", "token", "secret",
        "secret_file", "fingerprint", "ca_file", "data", "log", "spool_bytes", "spool_age", "actions",
    )  # fmt: skip

    def __init__(self, found: Dict[str, Any]) -> None:
        unknown = sorted(set(found) - set(self.KEYS))
        if unknown:
            raise Wrong("unknown key `{}`: known are {}".format(unknown[0], ", ".join(self.KEYS)))
        port = found.get("https_port")
        if port is None:
            port = found.get("port", found.get("hb_port", HTTPS_PORT))
            port = HTTPS_PORT if port == OLD_UDP_PORT else port
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise Wrong("port: {!r} is no port".format(port))
        servers = found.get("server", [])
        servers = [servers] if isinstance(servers, str) else servers
        if not isinstance(servers, list) or not all(isinstance(s, str) for s in servers):
            raise Wrong("server: a name or address, or a list of them, is expected")
        self.servers = [place(server, port) for server in servers]
        self.interval = seconds(found.get("interval", 30), "interval")
        if not 1 <= self.interval <= 3600:
            raise Wrong("interval: between 1 s and 1 h is expected")
        self.interval_is_own = "interval" in found
        self.name = found.get("name") or socket.gethostname()
        self.plugins = found.get("plugins")
        plugins = self.plugins
        if plugins is not None and not (
            isinstance(plugins, dict) and all(isinstance(p, dict) for p in plugins.values())
        ):
            raise Wrong("plugins: an object of objects by the plugins' names is expected")
        self.token = found.get("token")
        self.secret = found.get("secret")
        if self.secret is None and found.get("secret_file"):
            try:
                self.secret = Path(found["secret_file"]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise Wrong("secret_file: {}".format(error)) from None
        fingerprint = found.get("fingerprint")
        self.fingerprint = re.sub("[: ]", "", fingerprint).lower() if fingerprint else None
        if self.fingerprint and not re.match("^[0-9a-f]{64}$", self.fingerprint):
            raise Wrong("fingerprint: the SHA-256 of the server's certificate has 64 digits")
        self.ca_file = found.get("ca_file")
        self.data = Path(found.get("data") or Path.home() / ".hark-mini").expanduser()
        self.log = found.get("log")
        self.spool_bytes = int(found.get("spool_bytes", SPOOL_BYTES))
        self.spool_age = seconds(found.get("spool_age", SPOOL_SECONDS), "spool_age")
        self.actions = read_actions(found.get("actions", {}))


def read_actions(found: Any) -> Dict[str, Tuple[List[str], float]]:
    """Returns the programs, and their times, that operators may have run here, by name."""
    expected = "actions: an object like {\"restart\": {\"run\": [\"/bin/program\"], \"timeout\": 30}} is expected"
    if not isinstance(found, dict):
        raise Wrong(expected)
    actions = {}
    for name, action in found.items():
        words = action.get("run") if isinstance(action, dict) else None
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise Wrong(expected)
        if not os.path.isabs(words[0]) or not re.match(r"^[A-Za-z0-9._-]{1,64}$", name):
            raise Wrong("actions: `{}` needs a plain name, and the whole path of a program".format(name))
        actions[name] = (words, seconds(action.get("timeout", PROGRAM_SECONDS), "timeout"))
    return actions


def place(server: str, port: int) -> Tuple[str, int]:
    """Reads `host`, `host:port`, `[v6]:port` or a bare IPv6 address."""
    found = re.match(r"^\[([^\]]+)\](?::(\d+))?$", server) or re.match(r"^([^:]+)(?::(\d+))?$", server)
    if not found:
        return server, port
    return found.group(1), int(found.group(2) or port)


def load_settings(path: Optional[Path], given: Dict[str, Any]) -> Settings:
    """Reads the settings; the command line wins."""
    found: Dict[str, Any] = {}
    file = path or Path.home() / ".hbc.json"
    if path or file.exists():
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Wrong("{}: {}".format(file, error)) from None
        if not isinstance(found, dict):
            raise Wrong("{}: an object is expected".format(file))
    found.update({key: value for key, value in given.items() if value is not None})
    try:
        return Settings(found)
    except Wrong as error:
        raise Wrong("{}: {}".format(file, error) if path or file.exists() else str(error)) from None


# The server.


class Pinned(http.client.HTTPSConnection):
    """A connection that says nothing before the server has shown the certificate that it must have."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, fingerprint: Optional[str]) -> None:
        super().__init__(host, port, timeout=PATIENCE, context=context)
        self.fingerprint = fingerprint

    def connect(self) -> None:
        super().connect()
        if self.fingerprint is None:
            return
        assert isinstance(self.sock, ssl.SSLSocket)
        shown = hashlib.sha256(self.sock.getpeercert(True) or b"").hexdigest()
        if not hmac.compare_digest(shown, self.fingerprint):
            self.close()
            raise ssl.SSLError("the server has another certificate than the one that was pinned")


class Server:
    """The servers that one agent may ask, tried in turn."""

    def __init__(
        self, places: Sequence[Tuple[str, int]], fingerprint: Optional[str], ca_file: Optional[str]
    ) -> None:
        if not places:
            raise Wrong("no server: give one, or a token with --token")
        self.places = list(places)
        self.fingerprint = fingerprint
        self.context = ssl.create_default_context(cafile=ca_file)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if fingerprint:
            # The fingerprint says more than a name and a date: addresses change, clocks are wrong.
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE

    def copy(self) -> "Server":
        """Returns the same servers for another thread."""
        other = Server(self.places, self.fingerprint, None)
        other.context = self.context
        return other

    def ask(
        self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]
    ) -> Tuple[Dict[str, Any], float]:
        """Returns the answer and how long it took. Raises `Away` or `Refused`."""
        last: Exception = Away("no server")
        for host, port in list(self.places):
            try:
                answer = self.ask_one(host, port, method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                last = Away("{}:{}: {}".format(host, port, error))
                continue
            # Whoever answers is asked first from now on.
            self.places.remove((host, port))
            self.places.insert(0, (host, port))
            return answer
        raise last

    def ask_one(
        self, host: str, port: int, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]
    ) -> Tuple[Dict[str, Any], float]:
        with contextlib.closing(Pinned(host, port, self.context, self.fingerprint)) as connection:
            connection.connect()
            began = time.monotonic()
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            took = time.monotonic() - began
            text = response.read(MAX_ANSWER)
        try:
            found = json.loads(text.decode("utf-8"))
        except ValueError:
            found = {}
        if not isinstance(found, dict):
            found = {}
        if response.status == 200:
            return found, took
        said = cut(str(found.get("detail") or found.get("title") or response.reason), 300)
        if response.status == 429 or response.status >= 500:
            raise Away("{}:{}: {} ({})".format(host, port, said, response.status))
        highest = response.getheader("Hark-Highest")
        raise Refused(response.status, said, int(highest) if highest and highest.isdigit() else None)


class Home:
    """The folder with what must outlive the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (path / "inbox").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Wrong("data: {}".format(error)) from None
        self.locked: Any = None

    def lock(self) -> bool:
        """Takes the folder for this process; false if another has it."""
        self.locked = open(str(self.path / "lock"), "w")
        if fcntl is None:
            return True
        try:
            fcntl.flock(self.locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def leave(self, event: Dict[str, Any]) -> None:
        """Leaves an event for the process that has the folder."""
        name = "{}-{}.json".format(time.time_ns(), os.getpid())
        write_whole(self.path / "inbox" / name, json.dumps(event))

    def left(self) -> List[Dict[str, Any]]:
        """Takes what others left."""
        found = []
        for file in sorted((self.path / "inbox").glob("*.json"))[:MAX_ITEMS]:
            event = read_json(file)
            if event:
                found.append(event)
            file.unlink()
        return found


class Identity:
    """Who this agent is: its number and its key, and the number of its last request."""

    def __init__(self, home: Home, agent: str, key: bytes, host: Optional[str]) -> None:
        self.home = home
        self.agent = agent
        self.key = key
        self.host = host
        self.number = int(read_json(home.path / "number.json").get("number", 0))
        self.numbering = threading.Lock()

    def next_number(self) -> int:
        """Returns a number that was never used; it is on the disk before it is."""
        with self.numbering:
            self.number = max(int(time.time() * 1000), self.number + 1)
            write_whole(self.home.path / "number.json", json.dumps({"number": self.number}))
            return self.number

    def headers(self, method: str, path: str, body: bytes) -> Dict[str, str]:
        """Signs a request."""
        number = self.next_number()
        digest = hashlib.sha256(body).hexdigest()
        text = "Hark agent={},number={},digest={},tag={}".format(
            self.agent, number, digest, tag(self.key, method, path, number, digest)
        )
        return {"Authorization": text + (",host=" + self.host if self.host else "")}


def identify(home: Home, settings: Settings) -> Tuple[Identity, Server]:
    """Finds out who we are: by the shared secret, by what a token gave before, or by a token now."""
    if settings.secret:
        agent, key = simple_identity(settings.secret.encode(), settings.name)
        server = Server(settings.servers, settings.fingerprint, settings.ca_file)
        return Identity(home, agent, key, settings.name), server
    path = home.path / "identity.json"
    stored = read_json(path)
    token = settings.token
    mark = hashlib.sha256(token.strip().lower().encode()).hexdigest() if token else stored.get("token")
    if not stored or stored.get("token") != mark:
        if not token:
            raise Wrong("this host has not joined: give a token (--token), or a `secret` in the settings")
        stored = dict(join(token, settings), token=mark)
        write_whole(path, json.dumps(stored))
    try:
        key = bytes.fromhex(stored["key"])
        places = settings.servers or [place(text, HTTPS_PORT) for text in stored["servers"]]
        server = Server(places, stored["fingerprint"], None)
        return Identity(home, stored["agent"], key, None), server
    except (KeyError, TypeError, ValueError):
        raise Wrong("{} is broken: join again with a new token".format(path)) from None


def join(token: str, settings: Settings) -> Dict[str, Any]:
    """Joins with a token: the server learns the key that is made here."""
    fingerprint, servers = read_token(token)
    server = Server([place(text, HTTPS_PORT) for text in servers], fingerprint, None)
    key = os.urandom(32)
    request = {
        "token": token.strip(),
        "name": settings.name,
        "key": base64.b64encode(key).decode(),
        "facts": os_info(),
    }
    body = json.dumps(request).encode()
    answer, _ = server.ask("POST", ENROL, body, {"Content-Type": "application/json"})
    LOG.info("joined as %s", settings.name)
    return {"agent": answer["agent_id"], "key": key.hex(), "fingerprint": fingerprint, "servers": servers}


# What waits on the disk.


class Samples:
    """Samples that could not be brought: lines in files, the oldest first, bounded in bytes and age."""

    def __init__(self, folder: Path, limit: int, age: float) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self.limit = limit
        self.age = age
        self.lost = 0
        numbers = [int(file.stem) for file in folder.glob("*.jsonl") if file.stem.isdigit()]
        self.numbers: List[int] = sorted(numbers)
        self.offset = 0
        cursor = read_json(folder / "cursor.json")
        if self.numbers and cursor.get("segment") == self.numbers[0]:
            self.offset = int(cursor.get("offset", 0))

    def file(self, number: int) -> Path:
        return self.folder / "{:010}.jsonl".format(number)

    def put(self, samples: Sequence[Dict[str, Any]]) -> None:
        """Keeps samples; they are on the disk when this returns."""
        if not samples:
            return
        if not self.numbers or self.size(self.numbers[-1]) >= SEGMENT:
            self.numbers.append(self.numbers[-1] + 1 if self.numbers else 1)
        text = "".join(json.dumps(sample, separators=(",", ":")) + "\n" for sample in samples)
        data = text.encode("utf-8")
        with open(str(self.file(self.numbers[-1])), "ab") as file:
            if file.tell() and not self.ends_whole(self.numbers[-1]):
                # The end of a line was lost with the power.
                file.write(b"\n")
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        while len(self.numbers) > 1 and sum(map(self.size, self.numbers)) > self.limit:
            with open(str(self.file(self.numbers[0])), "rb") as file:
                self.lost += file.read().count(b"\n")
            LOG.warning("the spool is full: %d of the oldest samples were given up so far", self.lost)
            self.drop_first()

    def size(self, number: int) -> int:
        try:
            return self.file(number).stat().st_size
        except OSError:
            return 0

    def ends_whole(self, number: int) -> bool:
        with open(str(self.file(number)), "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def oldest(self) -> Tuple[List[Dict[str, Any]], int]:
        """Returns some of the oldest samples, and where they end."""
        while self.numbers:
            found, end = self.some()
            if found:
                return found, end
            if end < self.size(self.numbers[0]):
                self.forget(end)
                continue
            self.drop_first()
        return [], 0

    def some(self) -> Tuple[List[Dict[str, Any]], int]:
        found: List[Dict[str, Any]] = []
        end, room = self.offset, MAX_REPORT
        sets = set()
        youngest = time.time() - self.age
        try:
            with open(str(self.file(self.numbers[0])), "rb") as file:
                file.seek(self.offset)
                for line in file:
                    sample = read_sample(line)
                    if sample is not None and sample["at"] >= youngest:
                        sets.add(json.dumps(sample["series"]))
                        room -= len(line)
                        if len(found) >= MAX_SAMPLES or len(sets) > MAX_SETS or (found and room < 0):
                            break
                        found.append(sample)
                    end += len(line)
        except OSError as error:
            LOG.warning("the spool cannot be read: %s", error)
        return found, end

    def forget(self, end: int) -> None:
        """Forgets what `oldest` gave: it is on the server's disk."""
        self.offset = end
        if end >= self.size(self.numbers[0]):
            self.drop_first()
            return
        cursor = {"segment": self.numbers[0], "offset": end}
        # Lost, it costs that some are brought twice, and the server knows them.
        write_whole(self.folder / "cursor.json", json.dumps(cursor))

    def drop_first(self) -> None:
        with contextlib.suppress(OSError):
            self.file(self.numbers[0]).unlink()
        self.numbers.pop(0)
        self.offset = 0


def read_sample(line: bytes) -> Optional[Dict[str, Any]]:
    """Reads a line of the spool; a torn one is none."""
    try:
        found = json.loads(line.decode("utf-8"))
        good = isinstance(found["at"], (int, float)) and len(found["series"]) == len(found["values"])
    except (ValueError, KeyError, TypeError):
        return None
    return found if good else None


class Items:
    """Results, events and facts that are to be applied once: numbered, in one small file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        stored = read_json(path)
        if stored.get("epoch"):
            self.epoch = int(stored["epoch"])
            self.next = int(stored["next"])
            self.waiting: Deque[Dict[str, Any]] = collections.deque(stored["items"])
        else:
            self.epoch, self.next, self.waiting = int(time.time() * 1000), 1, collections.deque()

    def put(self, items: Sequence[Dict[str, Any]]) -> None:
        """Numbers items and keeps them; they are on the disk when this returns."""
        if not items:
            return
        for item in items:
            self.waiting.append(dict(item, number=self.next))
            self.next += 1
        while len(self.waiting) > MAX_WAITING_ITEMS:
            # Facts are told again at the next start, results at the next look; events are lost.
            self.waiting.popleft()
        self.save()

    def oldest(self) -> List[Dict[str, Any]]:
        return list(self.waiting)[:MAX_ITEMS]

    def forget(self, items: Sequence[Dict[str, Any]]) -> None:
        if items:
            last = items[-1]["number"]
            while self.waiting and self.waiting[0]["number"] <= last:
                self.waiting.popleft()
            self.save()

    def save(self) -> None:
        kept = {"epoch": self.epoch, "next": self.next, "items": list(self.waiting)}
        write_whole(self.path, json.dumps(kept))


# What is measured. A series is [collector, instance, metric, unit, is counter, decimals].

Series = List[Any]
Values = List[Tuple[Series, Optional[float]]]


def gauge(collector: str, instance: str, metric: str, unit: str, decimals: int) -> Series:
    return [collector, instance, metric, unit, False, decimals]


def counter(collector: str, instance: str, metric: str, unit: str) -> Series:
    return [collector, instance, metric, unit, True, 0]


def share(part: float, whole: float) -> Optional[float]:
    return 100.0 * part / whole if whole > 0 else None


def read_text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(MAX_OUTPUT)


class Found:
    """What one look brought."""

    def __init__(self, values: Optional[Values] = None) -> None:
        self.values: Values = values or []
        self.items: List[Dict[str, Any]] = []
        self.facts: Dict[str, str] = {}

    def result(
        self, check: str, status: str, text: str, began: float, took: float, following: Optional[float] = None
    ) -> None:
        """Keeps a result. The server misses the next if it stays out for longer than `following`; at 0 it comes
        when there is something to say."""
        found: Dict[str, Any] = {
            "check": cut(check, 200),
            "status": status,
            "text": cut(text, MAX_RESULT),
            "began_at_unix_s": began,
            "took_seconds": round(took, 3),
        }
        if following is not None:
            found["next_seconds"] = following
        self.items.append({"result": found})


class Plugin:
    """Something that is looked at now and then."""

    name = ""
    #: Seconds between two looks; none is each heartbeat.
    every: Optional[float] = None
    #: Whether it waits for other programs, and so must not be waited for.
    slow = False
    options: Tuple[str, ...] = ()

    def __init__(self, options: Dict[str, Any]) -> None:
        known = ("interval", "enabled") + self.options
        unknown = sorted(set(options) - set(known))
        if unknown:
            known_text = ", ".join(known)
            raise Wrong("plugins.{}: unknown key `{}`: known are {}".format(self.name, unknown[0], known_text))
        if "interval" in options:
            self.every = seconds(options["interval"], "plugins.{}.interval".format(self.name))

    def look(self) -> Found:
        raise NotImplementedError


class OsInfo(Plugin):
    name = "os_info"
    every = 3600.0

    def look(self) -> Found:
        found = Found()
        found.facts = dict(os_info(), agent_version=VERSION)
        return found


def os_info() -> Dict[str, str]:
    """Facts on system, kernel, distribution and machine."""
    system = platform.uname()
    facts = {"os": system.system, "kernel": system.release, "arch": system.machine}
    facts["hostname"] = socket.gethostname()
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        with contextlib.suppress(OSError):
            words = dict(
                line.split("=", 1) for line in read_text(path).splitlines() if "=" in line and line[0] != "#"
            )
            name = words.get("PRETTY_NAME") or words.get("NAME", "")
            facts["distribution"] = name.strip("\"'")
            facts["distribution_version"] = words.get("VERSION_ID", "").strip("\"'")
            break
    if "distribution" not in facts and system.system == "Darwin":
        facts["distribution"] = "macos"
        facts["distribution_version"] = platform.mac_ver()[0]
    facts["cpu_count"] = str(os.cpu_count() or "")
    with contextlib.suppress(OSError, ValueError):
        facts["memory_mb"] = str(meminfo(read_text("/proc/meminfo"))["MemTotal"] // 1024)
    return {name: cut(value, MAX_FACT) for name, value in facts.items() if value}


class Cpu(Plugin):
    name = "cpu_monitor"

    def __init__(self, options: Dict[str, Any]) -> None:
        super().__init__(options)
        self.before: Optional[List[int]] = None

    def look(self) -> Found:
        values: Values = []
        with contextlib.suppress(OSError):
            values += self.shares(cpu_times(read_text("/proc/stat")))
        values.append((gauge(self.name, "", "cpu_count", "", 0), os.cpu_count()))
        with contextlib.suppress(OSError, AttributeError):
            for metric, load in zip(("load_1min", "load_5min", "load_15min"), os.getloadavg()):
                values.append((gauge(self.name, "", metric, "", 2), load))
        with contextlib.suppress(OSError):
            count = sum(1 for name in os.listdir("/proc") if name.isdigit())
            values.append((gauge(self.name, "", "processes", "", 0), count))
            running = read_text("/proc/loadavg").split()[3].split("/")[0]
            values.append((gauge(self.name, "", "processes_running", "", 0), float(running)))
        return Found(values)

    def shares(self, now: List[int]) -> Values:
        # A counter that goes back counts as one that stood still.
        before, self.before = self.before, now
        spent = [max(0, b - a) for a, b in zip(before or now, now)]
        user, nice, system, idle, iowait, irq, softirq, steal = spent
        whole = sum(spent)
        shares = {
            "cpu_percent": whole - idle - iowait,
            "user_percent": user + nice,
            "system_percent": system + irq + softirq,
            "iowait_percent": iowait,
            "steal_percent": steal,
        }
        return [(gauge(self.name, "", name, "percent", 1), share(n, whole)) for name, n in shares.items()]


def cpu_times(text: str) -> List[int]:
    """Reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal."""
    fields = [int(field) for field in text.split("\n", 1)[0].split()[1:9]]
    return fields + [0] * (8 - len(fields))


class Memory(Plugin):
    name = "memory_monitor"

    def look(self) -> Found:
        found = meminfo(read_text("/proc/meminfo"))
        total = found["MemTotal"]
        cached = sum(found.get(name, 0) for name in ("Buffers", "Cached", "SReclaimable"))
        available = min(found.get("MemAvailable", found.get("MemFree", 0) + cached), total)
        swap, swap_free = found.get("SwapTotal", 0), found.get("SwapFree", 0)
        used, swap_used = total - available, max(0, swap - swap_free)
        values: Values = [
            (gauge(self.name, "", "percent", "percent", 1), share(used, total)),
            (gauge(self.name, "", "swap_percent", "percent", 1), share(swap_used, swap) or 0.0),
        ]
        sizes = {
            "total_mb": total, "available_mb": available, "used_mb": used, "cached_mb": cached,
            "swap_total_mb": swap, "swap_used_mb": swap_used,
        }  # fmt: skip
        values += [(gauge(self.name, "", name, "mebibytes", 1), kb / 1024) for name, kb in sizes.items()]
        return Found(values)


def meminfo(text: str) -> Dict[str, int]:
    """Reads /proc/meminfo in KiB."""
    found = re.findall(r"^(\w+):\s+(\d+)", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


class Disk(Plugin):
    name = "disk_monitor"
    slow = True
    options = ("exclude",)

    def __init__(self, options: Dict[str, Any]) -> None:
        super().__init__(options)
        self.exclude = options.get("exclude", [])

    def look(self) -> Found:
        code, text, _ = run_program(["df", "-lkP"], PROGRAM_SECONDS)
        if code is None:
            raise OSError("df did not end")
        values: Values = []
        unreal: Set[str] = set()
        with contextlib.suppress(OSError):
            unreal = unreal_mounts(read_text("/proc/self/mounts"))
        for mount, total, used, free in df(text):
            if mount in self.exclude or mount in unreal:
                continue
            values += [
                (gauge(self.name, mount, "percent", "percent", 1), share(used, used + free)),
                (gauge(self.name, mount, "free_gb", "gibibytes", 2), free / 1048576),
                (gauge(self.name, mount, "free_mb", "mebibytes", 0), free / 1024),
                (gauge(self.name, mount, "total_gb", "gibibytes", 2), total / 1048576),
            ]
        return Found(values)


#: File systems that hold nothing: in memory, of the kernel, images.
UNREAL = re.compile(r"^(tmpfs|devtmpfs|udev|none|shm|devfs|map .*|run|dev|proc|efivarfs|/dev/loop\d+)$")


#: Types of file systems that live on a disk though their source is no device, and of images, which are always full.
ON_DISK = {"bcachefs", "btrfs", "jffs2", "ubifs", "zfs"}
IMAGES = {"cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"}

#: Files that container programs bind from the machine below.
BOUND = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}


def unreal_mounts(text: str) -> Set[str]:
    """Reads `/proc/self/mounts`: where file systems are that are on no disk of this machine, as the binary tells."""
    unreal: Set[str] = set()
    for line in text.splitlines():
        words = [re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), word) for word in line.split(" ")]
        if len(words) < 3:
            continue
        source, mount, kind = words[:3]
        is_real = kind in ON_DISK or source.startswith("/dev/") or (kind == "overlay" and mount == "/")
        # Of several at one place the last one covers the others.
        if is_real and kind not in IMAGES and mount not in BOUND:
            unreal.discard(mount)
        else:
            unreal.add(mount)
    return unreal


def df(text: str) -> Iterator[Tuple[str, int, int, int]]:
    """Reads `df -kP`: mount, total, used and free in KiB. An overlay is the root of a container."""
    seen = set()
    for line in text.splitlines()[1:]:
        found = re.match(r"^(.+?)\s+(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s+(/.*)$", line)
        if not found:
            continue
        device, mount = found.group(1), found.group(5)
        total, used, free = (int(found.group(n)) for n in (2, 3, 4))
        if total == 0 or used + free <= 0 or UNREAL.match(device) or (device == "overlay" and mount != "/"):
            continue
        # The same file system in several places counts once.
        if device.startswith("/") and device in seen:
            continue
        seen.add(device)
        yield mount, total, used, max(0, free)


class Network(Plugin):
    name = "network_monitor"
    options = ("exclude",)

    def __init__(self, options: Dict[str, Any]) -> None:
        super().__init__(options)
        exclude = options.get("exclude", ["lo", "veth*", "ifb*", "dummy*"])
        pattern = "|".join(re.escape(name).replace(r"\*", ".*") for name in exclude)
        self.exclude = re.compile("^({})$".format(pattern)) if exclude else None
        self.before: Dict[str, Tuple[float, Tuple[int, ...]]] = {}

    def look(self) -> Found:
        values: Values = []
        now = time.monotonic()
        counts = net_dev(read_text("/proc/net/dev"))
        with contextlib.suppress(OSError):
            values.append((gauge(self.name, "", "connections", "", 0), established()))
        for name, count in counts.items():
            if self.exclude and self.exclude.match(name):
                continue
            rates: List[Optional[float]] = [None] * 4
            before = self.before.get(name)
            if before and now > before[0]:
                steps = [max(0, b - a) for a, b in zip(before[1], count)]
                rates = [step / (now - before[0]) for step in steps]
            self.before[name] = (now, count)
            received, sent, errors, dropped = count
            values += [
                (counter(self.name, name, "received_bytes", "bytes"), received),
                (counter(self.name, name, "sent_bytes", "bytes"), sent),
                (gauge(self.name, name, "receive_rate", "bytes_per_second", 0), rates[0]),
                (gauge(self.name, name, "send_rate", "bytes_per_second", 0), rates[1]),
                (counter(self.name, name, "errors_total", ""), errors),
                (counter(self.name, name, "dropped_total", ""), dropped),
                (gauge(self.name, name, "error_rate", "per_second", 2), rates[2]),
                (gauge(self.name, name, "drop_rate", "per_second", 2), rates[3]),
            ]
            with contextlib.suppress(OSError):
                state = read_text("/sys/class/net/{}/operstate".format(name)).strip()
                up = 1.0 if state in ("up", "unknown") else 0.0
                values.append((gauge(self.name, name, "up", "", 0), up))
        self.before = {name: before for name, before in self.before.items() if name in counts}
        return Found(values)


def net_dev(text: str) -> Dict[str, Tuple[int, int, int, int]]:
    """Reads /proc/net/dev: bytes received and sent, errors and drops of both directions."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        if len(fields) >= 12:
            n = [int(field) for field in fields]
            found[name.strip()] = (n[0], n[8], n[2] + n[10], n[3] + n[11])
    return found


def established() -> Optional[float]:
    """Reads the number of open TCP connections from /proc/net/snmp."""
    lines = [line.split() for line in read_text("/proc/net/snmp").splitlines() if line.startswith("Tcp:")]
    if len(lines) < 2 or "CurrEstab" not in lines[0]:
        return None
    return float(lines[1][lines[0].index("CurrEstab")])


class Ping(Plugin):
    name = "ping_monitor"
    every = 60.0
    slow = True
    options = ("hosts", "count")

    def __init__(self, options: Dict[str, Any]) -> None:
        super().__init__(options)
        self.hosts = options.get("hosts", [])
        good = isinstance(self.hosts, list) and all(
            # A name that begins with a dash would be an option of ping's.
            isinstance(host, str) and re.match(r"^[0-9A-Za-z][0-9A-Za-z.:%_-]*$", host)
            for host in self.hosts
        )
        if not good:
            raise Wrong("plugins.ping_monitor.hosts: a list of names or addresses is expected")
        self.count = int(options.get("count", 3))

    def look(self) -> Found:
        values: Values = []
        for host in self.hosts:
            times = ping_times(run_program(self.command(host), 5.0 + 2 * self.count)[1])
            lost = share(self.count - min(len(times), self.count), self.count)
            mean = sum(times) / len(times) if times else None
            values += [
                (gauge(self.name, host, "rtt_ms", "milliseconds", 3), mean),
                (gauge(self.name, host, "loss_percent", "percent", 1), lost),
                (gauge(self.name, host, "up", "", 0), 1.0 if times else 0.0),
            ]
        return Found(values)

    def command(self, host: str) -> List[str]:
        if os.name == "nt":
            return ["ping", "-n", str(self.count), host]
        return ["ping", "-n", "-c", str(self.count), host]


def ping_times(text: str) -> List[float]:
    """Reads the round trips that ping prints, whatever the system."""
    return [float(found) for found in re.findall(r"(?:time|Zeit|temps|tiempo)[=<]\s?([\d.]+)\s?ms", text)]


STATUSES = ("ok", "warning", "critical", "unknown")
#: Worse ones first.
WORST = ("critical", "unknown", "warning", "ok")


class Nagios(Plugin):
    name = "nagios_runner"
    every = 300.0
    slow = True
    options = ("commands", "timeout")

    def __init__(self, options: Dict[str, Any]) -> None:
        super().__init__(options)
        self.timeout = seconds(options.get("timeout", PROGRAM_SECONDS), "plugins.nagios_runner.timeout")
        self.commands: List[Tuple[str, List[str]]] = []
        commands = options.get("commands", [])
        if not isinstance(commands, list):
            raise Wrong("plugins.nagios_runner.commands: a list is expected")
        for command in commands:
            line = command.get("command") if isinstance(command, dict) else command
            try:
                words = line if isinstance(line, list) else shlex.split(line)
                name = command.get("name") if isinstance(command, dict) else None
                self.commands.append((name or os.path.basename(words[0]), words))
            except (AttributeError, TypeError, ValueError, IndexError):
                text = "plugins.nagios_runner.commands: {!r} is no command line, nor {{name, command}}"
                raise Wrong(text.format(command)) from None

    def look(self) -> Found:
        found = Found()
        began = time.time()
        worst, names = "ok", []
        for name, words in self.commands:
            at, start = time.time(), time.monotonic()
            code, text, errors = run_program(words, self.timeout)
            took = time.monotonic() - start
            status = STATUSES[code] if code is not None and 0 <= code <= 3 else "unknown"
            if code is None:
                text = "did not end within {:g} s".format(self.timeout)
            output, values = perfdata(text)
            found.result(name, status, output or cut(errors, 300) or "no output", at, took)
            exit_code = float(code) if code is not None else None
            found.values.append((gauge(self.name, name, "exit_code", "", 0), exit_code))
            for label, value, unit, is_counter in values:
                decimals = 6 if unit == "seconds" else 3
                found.values.append(([self.name, name, label, unit, is_counter, decimals], value))
            if status != "ok":
                names.append("{} {}".format(name, status))
            worst = min(worst, status, key=WORST.index)
        if self.commands:
            text = ", ".join(names) or "all {} are ok".format(len(self.commands))
            found.result(self.name, worst, text, began, time.time() - began)
        return found


#: Units of plugins, as the binary takes them, and by how much to multiply. Plugins count bytes by 1024.
UNITS = {
    "": ("", 1.0, False), "%": ("percent", 1.0, False), "c": ("", 1.0, True),
    "s": ("seconds", 1.0, False), "ms": ("milliseconds", 1.0, False), "us": ("seconds", 1e-6, False),
    "B": ("bytes", 1.0, False), "KB": ("bytes", 2.0**10, False), "kB": ("bytes", 2.0**10, False),
    "MB": ("bytes", 2.0**20, False), "GB": ("bytes", 2.0**30, False), "TB": ("bytes", 2.0**40, False),
    "PB": ("bytes", 2.0**50, False),
}  # fmt: skip


def perfdata(text: str) -> Tuple[str, List[Tuple[str, float, str, bool]]]:
    """Splits a plugin's output into its text and its values: label, value, unit, whether a counter."""
    lines, data = [], []
    for number, line in enumerate(text.splitlines()):
        before, bar, after = line.partition("|")
        lines.append(before.strip())
        if bar:
            data.append(after)
            if number > 0:
                # After the bar of a later line everything is values.
                data.extend(text.splitlines()[number + 1 :])
                break
    found = []
    pattern = r"(?:'((?:[^']|'')+)'|([^\s=']+))=(-?\d+(?:\.\d+)?)([^\s;\d.]*)"
    for quoted, bare, value, unit in re.findall(pattern, " ".join(data))[:MAX_SET]:
        label = cut(quoted.replace("''", "'") or bare, 100)
        word, times, is_counter = UNITS.get(unit, ("", 1.0, False))
        found.append((label, float(value) * times, word, is_counter))
    return "\n".join(lines).strip(), found


def run_program(words: Sequence[str], limit: float) -> Tuple[Optional[int], str, str]:
    """Runs a program without a shell. Returns its exit code, none if it was killed after `limit` seconds, and
    the beginnings of what it printed."""
    began = time.monotonic()
    environment = dict(os.environ, LC_ALL="C")
    try:
        process = subprocess.Popen(
            list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, start_new_session=os.name == "posix",
        )  # fmt: skip
    except OSError as error:
        return 3, "{} cannot be run: {}".format(words[0], error.strerror), ""
    kept: Dict[int, bytes] = {}
    try:
        if os.name == "posix":
            drain(process, kept, began + limit)
        else:
            out, errors = process.communicate(timeout=limit)
            kept = {0: out, 1: errors}
        code: Optional[int] = process.wait(max(0.1, began + limit - time.monotonic()))
    except subprocess.TimeoutExpired:
        code = None
    finally:
        # What it started goes with it.
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            elif process.poll() is None:
                process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
    texts = [kept.get(n, b"")[:MAX_OUTPUT].decode("utf-8", "replace") for n in (0, 1)]
    return code, texts[0], texts[1]


def drain(process: "subprocess.Popen[bytes]", kept: Dict[int, bytes], end: float) -> None:
    """Reads what a program prints until it closes both; keeps the beginning, so that the rest costs nothing."""
    assert process.stdout and process.stderr
    open_pipes = {process.stdout.fileno(): 0, process.stderr.fileno(): 1}
    while open_pipes:
        left = end - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(process.args, 0)
        for pipe in select.select(list(open_pipes), [], [], left)[0]:
            data = os.read(pipe, 65536)
            if not data:
                del open_pipes[pipe]
                continue
            which = open_pipes[pipe]
            if len(kept.get(which, b"")) < MAX_OUTPUT:
                kept[which] = kept.get(which, b"") + data


PLUGINS: Sequence[type] = (OsInfo, Cpu, Memory, Disk, Network, Ping, Nagios)
#: Those that run if the settings name none. The others need to be told what to look at.
BY_DEFAULT = ("os_info", "cpu_monitor", "memory_monitor", "disk_monitor", "network_monitor")
#: What the binary calls the same.
ALIASES = {
    "cpu": "cpu_monitor", "load": "cpu_monitor", "memory": "memory_monitor", "disk": "disk_monitor",
    "network": "network_monitor", "os_info": "os_info",
}  # fmt: skip


def make_plugins(own: Optional[Dict[str, Any]], given: Dict[str, Any]) -> List[Plugin]:
    """Makes the plugins: those of the host's own settings, else the usual ones; `given` says from afar how
    often, and which are off. What is run is for the host's own settings alone."""
    known = {kind.name: kind for kind in PLUGINS}  # type: ignore[attr-defined]
    wanted = own if own is not None else {name: {} for name in BY_DEFAULT}
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise Wrong("plugins: there is no `{}`: known are {}".format(unknown[0], ", ".join(known)))
    made = []
    for name, options in wanted.items():
        both = dict(given.get(name, {}), **options)
        if both.get("enabled", True):
            made.append(known[name](both))
    return made


def read_given(text: str) -> Tuple[Optional[float], Dict[str, Dict[str, Any]]]:
    """Reads what the server gives: the interval, and for plugins that this agent has, interval and on or off.
    The rest is for agents that have more."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise Wrong("an object is expected")
    interval = found.get("interval")
    if interval is not None:
        interval = seconds(interval, "interval")
        if not 1 <= interval <= 3600:
            raise Wrong("interval: between 1 s and 1 h is expected")
    plugins: Dict[str, Dict[str, Any]] = {}
    for name, options in (found.get("collectors") or {}).items():
        if name not in ALIASES or not isinstance(options, dict):
            continue
        taken = plugins.setdefault(ALIASES[name], {})
        if "interval" in options:
            seconds(options["interval"], "collectors.{}.interval".format(name))
            taken["interval"] = options["interval"]
        # The load is a collector of its own there: switching it off leaves the processor on.
        if "enabled" in options and name != "load":
            taken["enabled"] = bool(options["enabled"])
    return interval, plugins


def is_written(text: str) -> bool:
    """Says whether somebody has written settings for this agent. The server gives its limits on processors and
    memory of itself; this agent does not go by them, and a check of every host that says so would be noise."""
    return bool(text) and set(json.loads(text)) != {"marks"}


# The agent.


class Agent:
    """Looks, keeps and brings."""

    def __init__(self, home: Home, settings: Settings, identity: Identity, server: Server) -> None:
        self.home = home
        self.settings = settings
        self.identity = identity
        self.server = server
        self.samples = Samples(home.path / "spool", settings.spool_bytes, settings.spool_age)
        self.items = Items(home.path / "items.json")
        self.interval = settings.interval
        self.plugins: List[Plugin] = []
        self.due: Dict[str, float] = {}
        self.busy: Dict[str, bool] = {}
        self.found: "queue.Queue[Tuple[str, float, Found]]" = queue.Queue(MAX_LOOKS * 4)
        self.facts: Dict[str, str] = {}
        self.trip: Optional[float] = None
        self.revision = 0
        self.order = int(read_json(home.path / "order.json").get("order", 0))
        self.stop = threading.Event()
        self.wake = threading.Event()
        self.told: Dict[str, Any] = {}
        self.failures = 0
        self.quiet_until = 0.0
        self.last_trouble = ""

    def begin(self) -> None:
        """Takes the settings that the server gave before."""
        given = read_json(self.home.path / "given.json")
        interval: Optional[float] = None
        plugins: Dict[str, Dict[str, Any]] = {}
        if given.get("text"):
            try:
                interval, plugins = read_given(given["text"])
                self.revision = int(given["revision"])
            except (Wrong, ValueError, KeyError) as error:
                LOG.warning("what the server gave before is not taken: %s", error)
        self.take(interval, plugins)

    def take(self, interval: Optional[float], plugins: Dict[str, Dict[str, Any]]) -> None:
        """Works by these settings from now on; the host's own lie on top."""
        made = make_plugins(self.settings.plugins, plugins)
        if interval is not None and not self.settings.interval_is_own:
            self.interval = interval
        else:
            self.interval = self.settings.interval
        before = {plugin.name: plugin for plugin in self.plugins}
        # One that goes on keeps what it compares with.
        for plugin in made:
            if isinstance(plugin, (Cpu, Network)) and plugin.name in before:
                plugin.before = getattr(before[plugin.name], "before")
        self.plugins = made
        # When each is due was reckoned by the settings before.
        self.due = {}

    # Looking.

    def look(self) -> None:
        """Looks at everything that is due. What waits for other programs reports when it has ended."""
        now = time.monotonic()
        for plugin in self.plugins:
            every = plugin.every or self.interval
            # Half an interval early is still this heartbeat's.
            if self.due.get(plugin.name, now) > now + min(every, self.interval) / 2:
                continue
            self.due[plugin.name] = now + every
            if not plugin.slow:
                self.look_at(plugin, every)
            elif not self.busy.get(plugin.name) and sum(self.busy.values()) < MAX_LOOKS:
                self.busy[plugin.name] = True
                threading.Thread(target=self.look_at, args=(plugin, every), daemon=True).start()

    def look_at(self, plugin: Plugin, every: float) -> None:
        try:
            found = plugin.look()
            self.last_trouble = self.last_trouble if plugin.slow else ""
        except Exception as error:  # A look that fails is no end of the others.
            trouble = "{}: {}: {}".format(plugin.name, type(error).__name__, error)
            (LOG.debug if trouble == self.last_trouble else LOG.warning)("cannot look: %s", trouble)
            self.last_trouble = trouble
            return
        finally:
            self.busy[plugin.name] = False
        for item in found.items:
            if "result" in item:
                item["result"].setdefault("next_seconds", every)
        with contextlib.suppress(queue.Full):
            self.found.put_nowait((plugin.name, time.time(), found))

    def collect(self) -> List[Dict[str, Any]]:
        """Returns the samples that were found since the last call; keeps results and facts."""
        samples: List[Dict[str, Any]] = []
        items: List[Dict[str, Any]] = [{"event": event} for event in self.home.left()]
        while True:
            try:
                _, at, found = self.found.get_nowait()
            except queue.Empty:
                break
            samples += samples_of(found.values, at)
            items += found.items
            new = {name: value for name, value in found.facts.items() if self.facts.get(name) != value}
            if new:
                self.facts.update(new)
                items.append({"facts": new})
        self.items.put(items)
        return samples

    # Bringing.

    def beat(self) -> None:
        """One heartbeat: looks, brings the present, then as much of the past as there is time for."""
        began = time.monotonic()
        self.look()
        samples = self.collect()
        if not self.bring_present(samples):
            return
        while self.samples.numbers and time.monotonic() - began < self.interval / 2:
            if self.stop.is_set() or not self.bring_past():
                break

    def bring_present(self, samples: List[Dict[str, Any]]) -> bool:
        """Brings a heartbeat with samples and what waits of items; keeps them if that fails."""
        if time.monotonic() < self.quiet_until:
            self.samples.put(samples)
            return False
        items = self.items.oldest()
        report = self.report(self.interval, samples, [], items)
        stored = self.bring(report)
        if stored is None:
            self.samples.put(samples)
            return False
        self.items.forget(items)
        if not stored.get("samples_stored", False):
            self.samples.put(samples)
            return False
        self.take_news(stored)
        return True

    def bring_items(self) -> None:
        """Brings what waits of items, between two heartbeats."""
        self.samples.put(self.collect())
        items = self.items.oldest()
        if items and self.bring(self.report(0, [], [], items)) is not None:
            self.items.forget(items)

    # News.

    def take_news(self, news: Dict[str, Any]) -> None:
        """Takes other settings and an order, if there are some."""
        revision, order = news.get("config_revision", 0), news.get("order", 0)
        if isinstance(revision, int) and revision != self.revision:
            self.fetch_configuration(revision)
        if isinstance(order, int) and order > self.order:
            self.fetch_order(order)

    def hear_news(self, server: Server) -> None:
        """Asks for news as long as the agent works: a question is held until there is some."""
        failures = 0
        while not self.stop.is_set():
            path = "{}?config_revision={}&order={}&wait_seconds={}".format(
                NEWS, self.revision, self.order, NEWS_SECONDS
            )
            try:
                news, took = self.signed("GET", path, None, server)
                failures = 0
            except (Away, Refused) as error:
                if isinstance(error, Refused) and error.status == 404:
                    return  # An older server: each heartbeat's answer says it as well.
                failures += 1
                LOG.debug("no news: %s", error)
                self.stop.wait(min(FIRST_RETRY * 2 ** min(failures - 1, 10), LAST_RETRY))
                continue
            if news.get("config_revision") != self.revision or news.get("order", 0) > self.order:
                self.told = news
                self.wake.set()
                # The loop fetches it; until then the same would be heard again.
                self.stop.wait(1.0)
            elif took < 1:
                # The server holds no more questions: what it has comes with the heartbeats.
                self.stop.wait(float(NEWS_SECONDS))

    def fetch_order(self, number: int) -> None:
        """Takes an order. It is noted on the disk before anything is run, so that nothing is run twice."""
        try:
            given, _ = self.signed("GET", "{}?number={}".format(ORDER, number), None)
        except (Away, Refused) as error:
            LOG.warning("an order cannot be fetched: %s", error)
            return
        self.order = number
        write_whole(self.home.path / "order.json", json.dumps({"order": number}))
        if not given.get("text"):
            return  # It has expired meanwhile.
        refused = ""
        action = ""
        try:
            order = json.loads(given["text"])
            action, expires = str(order["action"]), float(order["expires"]) / 1000
            if time.time() > expires + MAX_AHEAD:
                refused = "it came too late"
            elif action not in self.settings.actions:
                refused = "this host offers no action `{}`".format(action)
        except (ValueError, KeyError, TypeError):
            refused = "it is of a kind that this agent does not know"
        if refused:
            LOG.warning("order %d is not carried out: %s", number, refused)
            self.tell_outcome(number, None, refused)
            return
        LOG.info("order %d: %s", number, action)
        threading.Thread(target=self.obey, args=(number, action), daemon=True).start()

    def offered(self) -> str:
        """Returns the names of what can be ordered, as many as a fact holds."""
        names = ""
        for name in sorted(self.settings.actions):
            longer = (names + " " + name).strip()
            if len(longer) > MAX_FACT:
                LOG.warning("not all actions are offered: their names are too long")
                break
            names = longer
        return names

    def obey(self, number: int, action: str) -> None:
        words, limit = self.settings.actions[action]
        code, out, errors = run_program(words, limit)
        said = (out + errors).strip()
        if code is None:
            said = (said + "\nended after {:g} s".format(limit)).strip()
        elif code < 0:
            said = (said + "\nended by signal {}".format(-code)).strip()
        self.tell_outcome(number, code if code is not None and 0 <= code <= 255 else None, said)

    def tell_outcome(self, number: int, code: Optional[int], text: str) -> None:
        found = Found()
        found.items.append({"outcome": {"order": number, "exit": code, "text": cut(text, MAX_OUTCOME)}})
        self.found.put(("", time.time(), found))
        self.wake.set()

    def bring_past(self) -> bool:
        """Brings some of what waits; true if there may be more."""
        samples, end = self.samples.oldest()
        if not samples:
            return False
        stored = self.bring(self.report(0, [], samples, []))
        if stored is None or not stored.get("samples_stored", False):
            return False
        self.samples.forget(end)
        return True

    def report(
        self,
        interval: float,
        samples: Sequence[Dict[str, Any]],
        backlog: Sequence[Dict[str, Any]],
        items: Sequence[Dict[str, Any]],
    ) -> Dict[str, Any]:
        sets: Dict[str, int] = {}
        listed = {
            name: [
                {
                    "set": sets.setdefault(json.dumps(sample["series"]), len(sets)),
                    "taken_at_unix_s": sample["at"],
                    "values": sample["values"],
                }
                for sample in some
            ]
            for name, some in (("samples", samples), ("backlog", backlog))
        }
        keys = ("collector", "instance", "metric", "unit", "counter", "decimals")
        series = [[dict(zip(keys, one)) for one in json.loads(text)] for text in sets]
        report: Dict[str, Any] = {
            "interval_seconds": interval,
            "sets": series,
            "epoch": self.items.epoch,
            "items": list(items),
        }
        report.update(listed)
        if self.trip is not None and interval:
            report["round_trip_seconds"] = self.trip
        return report

    def bring(self, report: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """Brings a report; returns the answer, or none if it is to be brought again."""
        try:
            answer, took = self.signed("POST", REPORT, report)
        except Away as error:
            self.failed(str(error))
            return None
        except Refused as error:
            if error.status in (400, 413, 422):
                # It will never be taken: keeping it would keep everything after it.
                LOG.error("a report is given up: %s", error)
                return {"samples_stored": True, "config_revision": self.revision}
            self.failed(str(error))
            return None
        if self.failures:
            LOG.info("the server is there again")
        self.failures = 0
        held = answer.get("held_seconds", 0.0)
        self.trip = max(0.0, took - held) if isinstance(held, (int, float)) else None
        return answer

    def failed(self, why: str) -> None:
        self.failures += 1
        if self.failures == 1 or self.failures & (self.failures - 1) == 0:
            LOG.warning("cannot bring it (%d times now): %s", self.failures, why)
        wait = min(FIRST_RETRY * 2 ** min(self.failures - 1, 10), LAST_RETRY)
        # Not longer than a heartbeat at first: the server may only have been restarted.
        self.quiet_until = time.monotonic() + (wait if self.failures > 3 else 0)

    def signed(
        self, method: str, path: str, report: Optional[Dict[str, Any]], server: Optional[Server] = None
    ) -> Tuple[Dict[str, Any], float]:
        """Sends a signed request; takes a greater number once if the server knows this one."""
        for attempt in (1, 2):
            body = b""
            if report is not None:
                report["sent_at_unix_s"] = round(time.time(), 3)
                body = json.dumps(report, separators=(",", ":"), allow_nan=False).encode()
            headers = self.identity.headers(method, path, body)
            if report is not None:
                headers["Content-Type"] = "application/json"
            try:
                return (server or self.server).ask(method, path, body or None, headers)
            except Refused as error:
                if attempt == 2 or error.highest is None:
                    raise
                LOG.debug("the server knows a higher number of this agent: taking a greater one")
                with self.identity.numbering:
                    self.identity.number = max(self.identity.number, error.highest)
        raise AssertionError("the second attempt returns or raises")

    def fetch_configuration(self, revision: int) -> None:
        """Takes the settings that the server gives. What is wrong in them is told, and the ones before go on."""
        if revision:
            try:
                given, _ = self.signed("GET", CONFIGURATION, None)
            except (Away, Refused) as error:
                LOG.warning("the configuration cannot be fetched: %s", error)
                return
        else:
            given = {"revision": 0, "text": ""}
        found = Found()
        # There once the check was told, which then says how it goes on.
        told = self.home.path / "told"
        # Whatever comes of it, this revision is not asked for again.
        self.revision = int(given.get("revision", revision))
        text = str(given.get("text", ""))
        try:
            self.take(*(read_given(text) if text else (None, {})))
        except (Wrong, ValueError, TypeError) as error:
            LOG.warning("the server's settings are refused: %s", error)
            found.result("agent configuration", "warning", str(error), time.time(), 0, 0)
            write_whole(told, "")
        else:
            LOG.info("works by revision %d of the server's settings", self.revision)
            write_whole(self.home.path / "given.json", json.dumps(given))
            if told.exists() or is_written(text):
                write_whole(told, "")
                found.result("agent configuration", "ok", "as the server says", time.time(), 0, 0)
        self.items.put(found.items)

    # Events.

    def tell(self, kind: str, text: str) -> None:
        self.items.put([{"event": event(kind, text)}])

    def tell_boot(self) -> None:
        """Tells a boot that was not told yet."""
        booted = boot_time()
        path = self.home.path / "boot.json"
        told = read_json(path).get("booted", 0)
        # The kernel's number moves by a second with the clock.
        if booted is not None and abs(booted - told) > 60:
            self.tell("boot", "host booted")
            write_whole(path, json.dumps({"booted": booted}))

    def run(self) -> None:
        """Works until it is told to stop."""
        self.tell_boot()
        self.items.put([{"facts": {"actions": self.offered()}}])
        hearing = threading.Thread(target=self.hear_news, args=(self.server.copy(),), daemon=True)
        hearing.start()
        due = time.monotonic()
        while not self.stop.is_set():
            self.beat()
            due = max(due + self.interval, time.monotonic())
            # Programs that end meanwhile have their samples in the next heartbeat.
            while not self.stop.is_set() and self.wake.wait(max(0.0, due - time.monotonic())):
                self.wake.clear()
                before = self.interval
                news, self.told = self.told, {}
                self.take_news(dict({"config_revision": self.revision}, **news))
                self.bring_items()
                if self.interval != before:
                    break
        self.tell("shutdown", "agent ends")
        self.quiet_until = 0.0
        self.bring_present(self.collect())


def samples_of(values: Values, at: float) -> List[Dict[str, Any]]:
    """Puts values into samples of at most as many series as a set has."""
    samples = []
    for first in range(0, len(values), MAX_SET):
        part = values[first : first + MAX_SET]
        numbers = [None if v is None or not math.isfinite(v) else float(v) for _, v in part]
        samples.append({"at": round(at, 3), "series": [series for series, _ in part], "values": numbers})
    return samples


def event(kind: str, text: str) -> Dict[str, Any]:
    return {"at_unix_s": round(time.time(), 3), "kind": kind, "text": cut(text, MAX_EVENT)}


def boot_time() -> Optional[int]:
    try:
        found = re.search(r"^btime (\d+)", read_text("/proc/stat"), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None


def tell_once(home: Home, settings: Settings, kind: str, text: str) -> int:
    """Tells one event: through the agent that runs, or by itself."""
    if not home.lock():
        home.leave(event(kind, text))
        return 0
    identity, server = identify(home, settings)
    agent = Agent(home, settings, identity, server)
    agent.tell(kind, text)
    items = agent.items.oldest()
    answer = agent.bring(agent.report(0, [], [], items))
    if answer is None:
        print("hark_mini: kept for later, as the server cannot be reached", file=sys.stderr)
        return 1
    agent.items.forget(items)
    return 0


def daemonize() -> None:
    """Detaches from the terminal."""
    for _ in range(2):
        if os.fork():
            os._exit(0)
        with contextlib.suppress(OSError):
            os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def start_log(verbose: bool, daemon: bool, file: Optional[str]) -> None:
    """Logs to standard error; a daemon to its file, or to syslog."""
    handler: logging.Handler = logging.StreamHandler()
    if file:
        handler = logging.handlers.RotatingFileHandler(file, maxBytes=1 << 20, backupCount=3)
    elif daemon and os.path.exists("/dev/log"):
        handler = logging.handlers.SysLogHandler("/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON)
    text = "hark_mini[%(process)d]: %(levelname)s %(message)s"
    syslog = isinstance(handler, logging.handlers.SysLogHandler)
    handler.setFormatter(logging.Formatter(text if syslog else "%(asctime)s " + text))
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG if verbose else logging.INFO)


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="hark_mini.py", description="hark's small agent.")
    parser.add_argument("server", nargs="?", help="name or address, with :port")
    parser.add_argument("-c", "--config", type=Path, help="settings (~/.hbc.json)")
    parser.add_argument("-d", "--daemon", action="store_true", help="detach")
    parser.add_argument("-b", "--boot", action="store_true", help="tell that the host has booted, and end")
    parser.add_argument("-m", "--message", metavar="TEXT", help="tell something, and end")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    parser.add_argument("--token", help="join with this token")
    parser.add_argument("--name", help="the host's name")
    parser.add_argument("--data", help="folder for what must be kept (~/.hark-mini)")
    parser.add_argument("--interval", help="time between two heartbeats")
    parser.add_argument("--version", action="version", version=VERSION)
    given = parser.parse_args(arguments)
    words = {name: getattr(given, name) for name in ("server", "token", "name", "data", "interval")}
    try:
        settings = load_settings(given.config, words)
        start_log(given.verbose, given.daemon, settings.log)
        home = Home(settings.data)
        if given.boot or given.message is not None:
            kind, text = ("boot", "host booted") if given.boot else ("message", given.message)
            return tell_once(home, settings, kind, text)
        make_plugins(settings.plugins, {})
        if given.daemon:
            # Joining and mistakes are told where the command was given; the lock is the daemon's.
            identify(home, settings)
            if not hasattr(os, "fork"):
                raise Wrong("-d: this system cannot detach; run it as a service")
            daemonize()
        if not home.lock():
            raise Wrong("another hark_mini.py works with {}".format(settings.data))
        identity, server = identify(home, settings)
        agent = Agent(home, settings, identity, server)
        agent.begin()
    except Wrong as error:
        LOG.error("%s", error)
        print("hark_mini: {}".format(error), file=sys.stderr)
        return 2
    except (Away, Refused) as error:
        print("hark_mini: cannot join: {}".format(error), file=sys.stderr)
        return 1
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: (agent.stop.set(), agent.wake.set()))
    agent.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
