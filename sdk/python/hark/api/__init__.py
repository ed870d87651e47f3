"""The API of a hark server in Python.

    from hark.api import Client

    hark = Client("https://hark.example.net:50004", token="hark_…")
    for incident in hark.pages(hark.get_incidents, view="open", sev="critical"):
        hark.post_incidents_ack(incident["id"], {"comment": "on it"})

Each path of the API is a method, called by its method and path, and everything that goes in or comes out has its
type in `hark.api.types`; both are made from the server's own document. Nothing but Python is needed.
"""

from .client import Client
from .transport import Changed, Problem, Unreached

__all__ = ["Changed", "Client", "Problem", "Unreached"]
