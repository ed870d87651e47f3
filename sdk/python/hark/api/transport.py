"""One request and its answer: connection, proof, errors, sending again."""

import hashlib
import http.client
import json
import random
import socket
import ssl
import time
import uuid
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union
from urllib.parse import quote, urlencode, urlsplit

Query = Mapping[str, Union[str, int, float, bool, None]]

# What a server that is busy, or starts anew, may answer: the same request may succeed a little later.
AGAIN = (429, 502, 503, 504)


class Problem(Exception):
    """The server did not do what was asked: its problem document (RFC 9457)."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.document = document
        self.type: str = str(document.get("type", ""))
        self.title: str = str(document.get("title", ""))
        self.detail: str = str(document.get("detail", ""))
        self.fields: Dict[str, str] = {
            str(error.get("field", "")): str(error.get("detail", ""))
            for error in document.get("errors", [])
        }
        super().__init__("{}: {}".format(self.title or status, self.detail))


class Changed(Problem):
    """Somebody else has changed the object meanwhile: read it again, then decide."""


class Unreached(Exception):
    """No answer came, however often it was tried."""


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def value(self) -> Any:
        """Returns what JSON says, the text of anything else, and None of nothing."""
        if not self.body:
            return None
        kind = self.headers.get("content-type", "")
        text = self.body.decode("utf-8")
        return json.loads(text) if "json" in kind else text


class Transport:
    """Speaks to one server. Not to be shared between threads; connections are kept open."""

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        fingerprint: Optional[str] = None,
        timeout: float = 30.0,
        tries: int = 4,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected an address such as https://hark.example.net:50004")
        self._secure = parts.scheme == "https"
        self._host: str = parts.hostname
        self._port: int = parts.port or (443 if self._secure else 50004)
        self._base: str = parts.path.rstrip("/")
        self._token = token
        self._fingerprint = (fingerprint or "").replace(":", "").lower()
        self._timeout = timeout
        self._tries = max(1, tries)
        self._connection: Optional[http.client.HTTPConnection] = None

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(
        self,
        method: str,
        path: str,
        query: Optional[Query] = None,
        body: Any = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        """Sends a request, again if no answer comes or the server is busy.

        Each write has a key, so that one that was done is not done again when it is sent again.
        """
        sent: Dict[str, str] = {"Accept": "application/json", **(headers or {})}
        if self._token:
            sent["Authorization"] = "Bearer " + self._token
        data: Optional[bytes] = None
        if body is not None:
            data = json.dumps(body).encode("utf-8")
            sent["Content-Type"] = "application/json"
        if method not in ("GET", "HEAD"):
            sent.setdefault("Idempotency-Key", str(uuid.uuid4()))
        target = self._base + path + _query(query)
        failure: Optional[Exception] = None
        for attempt in range(self._tries):
            if attempt:
                time.sleep(_pause(attempt, failure))
            try:
                answer = self._exchange(method, target, data, sent)
            except ssl.SSLCertVerificationError:
                raise
            except (OSError, http.client.HTTPException) as error:
                self.close()
                failure = error
                continue
            if answer.status in AGAIN and attempt + 1 < self._tries:
                failure = _Busy(answer.headers.get("retry-after", ""))
                continue
            return _good(answer)
        raise Unreached("{}:{} does not answer: {}".format(self._host, self._port, failure))

    def stream(self, path: str, query: Optional[Query] = None) -> Iterator[Any]:
        """Yields what comes as server-sent events, until the server ends it."""
        connection = self._connect()
        try:
            headers = {"Accept": "text/event-stream"}
            if self._token:
                headers["Authorization"] = "Bearer " + self._token
            connection.request("GET", self._base + path + _query(query), headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                _good(Answer(response.status, _headers(response), response.read()))
            data: List[str] = []
            while True:
                line = response.readline()
                if not line:
                    return
                text = line.decode("utf-8").rstrip("\r\n")
                if text.startswith("data:"):
                    data.append(text[5:].lstrip(" "))
                elif not text and data:
                    yield json.loads("\n".join(data))
                    data = []
        finally:
            connection.close()

    def _exchange(
        self, method: str, target: str, data: Optional[bytes], headers: Mapping[str, str]
    ) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request(method, target, body=data, headers=dict(headers))
        response = self._connection.getresponse()
        answer = Answer(response.status, _headers(response), response.read())
        if self._connection.sock is None:
            # The server has closed it: the next one is compared with the fingerprint again.
            self._connection = None
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        context = ssl.create_default_context()
        if self._fingerprint:
            # What is pinned is compared below, byte for byte, before anything is sent.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=context
        )
        connection.connect()
        # It must never open another one by itself, which nobody would have compared.
        connection.auto_open = 0
        if self._fingerprint:
            certificate = connection.sock.getpeercert(binary_form=True) or b""
            found = hashlib.sha256(certificate).hexdigest()
            if found != self._fingerprint:
                connection.close()
                raise ssl.SSLCertVerificationError(
                    "the server's certificate has another fingerprint: " + found
                )
        return connection


class _Busy(Exception):
    """The server said when to come again."""

    def __init__(self, wait: str) -> None:
        self.wait = float(wait) if wait.isdigit() else 0.0
        super().__init__("the server is busy")


def _pause(attempt: int, failure: Optional[Exception]) -> float:
    """Returns how long to wait: as the server says, else twice as long each time, with some chance in it."""
    wait = failure.wait if isinstance(failure, _Busy) else 0.0
    return max(min(wait, 60.0), 0.25 * 2.0**attempt * random.uniform(0.75, 1.25))


def _good(answer: Answer) -> Answer:
    if answer.status < 400:
        return answer
    try:
        document = json.loads(answer.body.decode("utf-8"))
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    raise (Changed if answer.status == 412 else Problem)(answer.status, document)


def _headers(response: http.client.HTTPResponse) -> Dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _query(query: Optional[Query]) -> str:
    pairs: List[Tuple[str, str]] = []
    for name, value in (query or {}).items():
        if value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        pairs.append((name, text))
    return "?" + urlencode(pairs, quote_via=quote) if pairs else ""


def part(value: Union[str, int]) -> str:
    """Writes a value as a part of a path."""
    return quote(str(value), safe="")


def timeout_of(error: Exception) -> bool:
    """Returns whether an error is that nothing came in time."""
    return isinstance(error, socket.timeout)
