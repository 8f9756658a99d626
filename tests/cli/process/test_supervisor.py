import logging
import os
import signal
import socket
import sys

import psutil
import pytest

from cli.command_errors import CannotStart
from cli.process.listener import listen
from cli.process.supervisor import ChildSpec, restart_delay, supervise
from cli.process.worker_lock import worker_lock
from tests.support.running_site import eventually

ENDED = "(all processes have ended)"


def test_restarts_come_later_and_later_up_to_half_a_minute():
    assert [restart_delay(deaths) for deaths in (1, 2, 3, 4, 5, 6, 7, 5000)] == [
        1,
        2,
        4,
        8,
        16,
        30,
        30,
        30,
    ]


def test_a_port_in_use_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CannotStart,
            match=rf"^Port {port} on 127\.0\.0\.1 is in use; choose another with STORYWIRE_PORT\.$",
        ):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_one_sentence(host):
    with pytest.raises(
        CannotStart,
        match=(
            rf"^Cannot listen on {host} port 8000 \([^()]+\); change STORYWIRE_HOST or"
            r" STORYWIRE_PORT\.$"
        ),
    ):
        listen(host, 8000)


@pytest.mark.processes
def test_sigterm_answers_what_is_in_flight_and_exits_0(start_service, held_call, gate):
    service = start_service()
    service.started()
    call = held_call(service)
    service.send(signal.SIGTERM)
    assert service.hear() == "worker ended"
    service.wait_until_refused()
    gate.let_go()
    assert "pid" in call.answer()
    assert service.hear_until(ENDED) == ["web ended", "catcher ended", ENDED]
    assert service.result() == (0, "")


@pytest.mark.processes
def test_an_idle_connection_does_not_hold_up_the_end(start_service):
    service = start_service()
    with socket.create_connection(("127.0.0.1", service.started()["port"])) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        service.send(signal.SIGTERM)
        assert service.result() == (0, "")


@pytest.mark.processes
def test_ctrl_c_reaches_the_supervisor_alone_and_drains_once(start_service):
    service = start_service()
    service.started()
    service.get()
    os.killpg(service.process.pid, signal.SIGINT)
    assert sorted(service.hear_until(ENDED)) == sorted(
        ["web ended", "worker ended", "catcher ended", ENDED]
    )
    assert service.result() == (0, "")


@pytest.mark.processes
def test_children_that_receive_many_stop_signals_still_drain(start_service, held_call, gate):
    """As under a service manager that signals every process, while the supervisor signals its
    children too.
    """
    service = start_service()
    children = service.started()
    web = service.get()["pid"]
    call = held_call(service)
    service.send(signal.SIGTERM)
    assert service.hear() == "worker ended"
    for _ in range(10):
        os.kill(web, signal.SIGTERM)
        os.kill(children["catcher"], signal.SIGTERM)
        service.send(signal.SIGTERM)
    gate.let_go()
    assert "pid" in call.answer()
    assert service.result() == (0, "")


@pytest.mark.processes
def test_a_second_ctrl_c_kills_at_once(start_service, held_call):
    service = start_service()
    service.started()
    held_call(service)
    service.send(signal.SIGINT)
    assert service.hear() == "worker ended"
    service.send(signal.SIGINT)
    assert service.hear() == ENDED
    code, said = service.result()
    assert code == 1
    assert said.startswith("killed while draining: web, ")


@pytest.mark.processes
def test_a_drain_has_an_end(start_service, held_call):
    service = start_service(drain_seconds=0.5)
    service.started()
    held_call(service)
    service.send(signal.SIGTERM)
    assert service.hear_until(ENDED)[-1] == ENDED
    assert service.result() == (1, "killed while draining: web, catcher\n")


@pytest.mark.processes
def test_no_process_outlives_a_killed_supervisor(start_service):
    service = start_service()
    service.started()
    service.get()
    service.send(signal.SIGKILL)
    assert sorted(service.hear_until(ENDED)) == sorted(
        ["web ended", "worker ended", "catcher ended", ENDED]
    )


@pytest.mark.slow
@pytest.mark.processes
def test_not_even_a_process_that_hangs_outlives_a_killed_supervisor(start_service, held_call):
    service = start_service()
    service.started()
    held_call(service)
    service.send(signal.SIGKILL)
    # and web never said so
    assert sorted(service.hear_until(ENDED)) == sorted(["worker ended", "catcher ended", ENDED])


@pytest.mark.processes
def test_a_killed_web_process_is_replaced_and_callers_wait_meanwhile(start_service):
    service = start_service()
    service.started()
    first = service.get()["pid"]
    os.kill(first, signal.SIGKILL)
    assert service.get()["pid"] != first
    service.send(signal.SIGTERM)
    assert service.result() == (0, "web ended with -9; it restarts in 1 s\n")


@pytest.mark.processes
def test_a_frozen_web_process_is_replaced_on_the_same_port_and_callers_wait_meanwhile(
    start_service,
):
    service = start_service(health_seconds=2)
    service.started()
    eventually(
        lambda: service.get()["asked"] > 0,
        what="an answer to the question that may take as long as a start",
    )
    first = service.get()["pid"]
    os.kill(first, signal.SIGSTOP)
    eventually(
        lambda: psutil.Process(first).status() == psutil.STATUS_STOPPED,
        what="the stop of all threads",
    )
    second = service.get()["pid"]
    assert second != first
    service.send(signal.SIGTERM)
    code, said = service.result()
    assert code == 0
    assert said.startswith(
        "web did not answer /healthz 3 times in a row; it is killed\nweb ended with -9; it restarts"
        " in 1 s\n"
    )


@pytest.mark.processes
def test_a_killed_worker_is_replaced_and_gets_its_lock(start_service):
    service = start_service()
    first = service.started()["worker"]
    os.kill(first, signal.SIGKILL)
    name, second = service.hear().split()
    assert name == "worker"
    assert int(second) != first


@pytest.mark.processes
def test_a_child_that_cannot_start_ends_the_service_with_its_sentence(start_service, tmp_path):
    with worker_lock(tmp_path):
        service = start_service()
        code, said = service.result()
    assert code == os.EX_CONFIG
    assert said.startswith(
        f"Error: Another worker (process {os.getpid()}) is already using {tmp_path}. "
    )
    assert said.count("\n") == 1
    assert service.hear_until(ENDED)[-1] == ENDED


@pytest.mark.processes
def test_a_second_service_on_the_same_port_ends_with_one_sentence(start_service):
    port = start_service().started()["port"]
    assert start_service(port=port).result() == (
        os.EX_CONFIG,
        f"Error: Port {port} on 127.0.0.1 is in use; choose another with STORYWIRE_PORT.\n",
    )


@pytest.mark.processes
def test_requests_do_not_carry_the_settings(start_service):
    service = start_service()
    service.started()
    names = service.get()["environ"]
    assert "PATH_INFO" in names
    assert "TINY_GATE" in names  # the environment is there, so its secrets would be
    assert not [name for name in names if name.startswith(("STORYWIRE_", "_STORYWIRE_"))]


@pytest.fixture
def signals_blocked_by_whoever_started_us():
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@pytest.mark.processes
@pytest.mark.usefixtures("signals_blocked_by_whoever_started_us")
def test_a_child_that_dies_young_is_started_until_it_stays(tmp_path):
    """In this process: the first two deaths are counted, the third start asks the supervisor to
    stop.
    """
    script = f"""
import os, pathlib, signal
count = pathlib.Path({str(tmp_path)!r}, "starts")
starts = len(count.read_text()) + 1 if count.exists() else 1
count.write_text("x" * starts)
if starts == 3:
    os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()
raise SystemExit(starts)
"""
    assert (
        supervise(
            [ChildSpec("child", [sys.executable, "-c", script])], log=logging.getLogger("test")
        )
        == 0
    )
    assert (tmp_path / "starts").read_text() == "xxx"
