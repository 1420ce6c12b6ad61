# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
"""Commands of podman, and what tests ask about them. Nothing here is quick or slow: only LIMIT ends a wait."""
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time

# Seconds after which something will not happen any more, on any machine.
LIMIT = int(os.environ.get("CT_PODMAN_LIMIT", 120))
QUIET = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.DEVNULL)


def until(condition, what):
    """Polls until condition() is true, and returns it."""
    end = time.monotonic() + LIMIT
    while not (result := condition()):
        assert time.monotonic() < end, f"not within {LIMIT} s: {what}"
        time.sleep(0.02)
    return result


def commands():
    """The command lines of all processes, by pid; that of a zombie is empty."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found[int(pid)] = file.read()
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def monitors():
    """The pids of all monitors that run."""
    return [pid for pid, command in commands().items() if command.split(b"\0")[0] == os.environ["CT_MONITOR"].encode()]


class Podman:
    def __init__(self, *options):
        self.command = ["podman", *options]

    def start(self, *arguments, **streams):
        """A command that goes on while the test does."""
        pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
        return subprocess.Popen([*self.command, *arguments], text=True, **{**pipes, **streams})

    def __call__(self, *arguments, code=0, input="", **how):
        """Runs a command to its end, wants this exit code, and returns what it printed."""
        return self.both(*arguments, code=code, input=input, **how)[0]

    def both(self, *arguments, code=0, input="", **how):
        """The same with (stdout, stderr)."""
        done = subprocess.run([*self.command, *arguments], input=input, capture_output=True, text=True, timeout=LIMIT,
                              **how)
        what = f"podman {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == code, what
        return done.stdout, done.stderr

    def background(self, *arguments):
        """The id of a container that runs detached."""
        return self("run", "--detach", *arguments).strip()

    def inspect(self, container):
        return json.loads(self("container", "inspect", container))[0]

    def state(self, container):
        return self.inspect(container)["State"]

    def wait(self, container):
        return int(self("wait", container))


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, command, rows=24, columns=80):
        self.fd, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)

    def type(self, text):
        os.write(self.fd, text.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text):
        """Reads until `text` has come; it and what was before it are used up."""
        until(lambda: text in self._read(), f"{text!r} on the terminal")
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def code(self):
        """The exit code, once the command has ended; until then somebody has to read."""
        until(lambda: (self._read(), self.process.poll())[1] is not None, "the command ends")
        return self.process.returncode

    def _read(self):
        if select.select([self.fd], [], [], 0.05)[0]:
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:  # EIO: nobody has the other end
                pass
        return self.seen
