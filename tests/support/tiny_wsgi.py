"""A WSGI application for the tests of the web process: it says which process answers and how often
its supervisor asked, and can be held in flight.
"""

import json
import os
import socket

asked = []


def app(environ, start_response):
    if environ["PATH_INFO"] == "/healthz":
        asked.append(environ)
    if environ["PATH_INFO"] == "/held":
        with socket.create_connection(("127.0.0.1", int(os.environ["TINY_GATE"]))) as gate:
            gate.recv(1)
    body = json.dumps(
        {"pid": os.getpid(), "environ": sorted(environ), "asked": len(asked)}
    ).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]
