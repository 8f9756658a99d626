"""Serve a WSGI application on a core exactly as `storywire serve` does: ``python -m
benchmarks.web_process module:name``.
"""

import sys

from cli.process import web_server
from config.logging import set_up_logging
from config.settings import load_settings

if __name__ == "__main__":
    settings = load_settings()
    set_up_logging(settings, "web")
    web_server.run(settings, sys.argv[1])
    web_server.end_process()
