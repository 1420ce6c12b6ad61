# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import socket

from podman import until

# Debian's podman listens on published ports by a descriptor that the monitor holds: nobody else may take the port while
# the container runs, and anybody may once podman knows of its end.


def is_free(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def answer(port):
    try:
        with socket.create_connection(("10.88.0.1", port), timeout=10) as connection:
            return connection.recv(100)
    except OSError:
        return b""


def test_a_published_port_leads_into_the_container(podman):
    podman.background("-p", "8080:80", "box", "nc", "-ll", "-p", "80", "-e", "echo", "hello")
    until(lambda: answer(8080) == b"hello\n", "an answer")


def test_a_published_port_is_free_after_the_exit(podman):
    for _ in range(5):
        container = podman.background("-p", "8080:80", "box", "sleep", "1000")
        assert not is_free(8080)
        podman("kill", container)
        podman.wait(container)
        assert is_free(8080)


def test_a_published_port_is_free_for_the_next(podman):
    for _ in range(5):
        podman("run", "-p", "8080:80", "-p", "8081:81/udp", "box", "true")


def test_restart_with_a_published_port(podman):
    container = podman.background("-p", "8080:80", "box", "sleep", "1000")
    podman("restart", "--time=0", container)
    assert podman.state(container)["Running"]
    assert not is_free(8080)
