"""A service for the tests of the supervisor: the real parent, web process, lock and parent watch,
without a database.

Every process says on standard output what it does, a line each; when all have ended the pipe is at
its end.
"""

import logging
import os
import sys
import threading

from cli.command_errors import CannotStart
from cli.process import web_server
from cli.process.health_check import HealthCheck
from cli.process.listener import listen
from cli.process.parent_watch import on_stop
from cli.process.supervisor import ChildSpec, supervise
from cli.process.worker_lock import worker_lock
from config.settings import load_settings


def say(text):
    os.write(1, f"{text}\n".encode())


def serve(settings, drain_seconds="30", health_seconds="10"):
    health = HealthCheck(interval=float(health_seconds) / 10, timeout=float(health_seconds))
    listener = listen(settings.host, int(os.environ["TINY_PORT"]))
    say(f"port {listener.getsockname()[1]}")
    children = [
        ChildSpec(
            "web", [sys.executable, __file__, "web"], settings.environment(), listener, health
        ),
        ChildSpec("worker", [sys.executable, __file__, "worker"], settings.environment()),
        ChildSpec(
            "catcher", [sys.executable, __file__, "catcher"], settings.environment(), stop_last=True
        ),
    ]
    return supervise(children, log=logging.getLogger("serve"), drain_seconds=float(drain_seconds))


def web(settings):
    web_server.run(settings, "tests.support.tiny_wsgi:app")
    say("web ended")
    web_server.end_process()


def wait_for_the_end(name):
    stop = threading.Event()
    on_stop(stop.set)
    say(f"{name} {os.getpid()}")
    stop.wait()
    say(f"{name} ended")


def worker(settings):
    with worker_lock(settings.data_dir):
        wait_for_the_end("worker")


def catcher(_settings):
    wait_for_the_end("catcher")


if __name__ == "__main__":
    try:
        sys.exit(
            {"serve": serve, "web": web, "worker": worker, "catcher": catcher}[sys.argv[1]](
                load_settings(), *sys.argv[2:]
            )
        )
    except CannotStart as exc:
        print(f"Error: {exc}", file=sys.stderr)
        sys.exit(os.EX_CONFIG)
