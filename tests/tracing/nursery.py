"""Child processes in a blink: forked from one process that has everything imported, which takes seconds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

# It forks twice: the first child waits for the second, and says how it ended.
_CODE = """
import json, os, socket, sys
import deltalake, polars, pyarrow.parquet, uvicorn
import uvicorn.lifespan.on, uvicorn.loops.auto, uvicorn.protocols.http.auto, uvicorn.protocols.websockets.auto
import syscard.system
from syscard_tracing import erase, grpc_door, lake, receiver, roller

def run(request):
    sys.argv = ["-c", *request["arguments"]]
    try:
        exec(compile(request["code"], "<child>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        if not isinstance(end.code, str):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0

def child(request, out, err):
    for number, stream in ((1, out), (2, err)):
        os.dup2(stream, number)
        os.close(stream)
    code = run(request)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)

def fork(request, out, err, told):
    if os.fork():
        return
    channel.close()
    if (pid := os.fork()) == 0:
        os.close(told)
        child(request, out, err)
    os.close(out)
    os.close(err)
    os.write(told, b"%d" % pid)
    os.write(told, b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)

def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

channel = socket.socket(fileno=int(sys.argv[1]))
while (request := socket.recv_fds(channel, 1 << 16, 3))[0]:
    fork(json.loads(request[0]), *request[1])
    for fd in request[1]:
        os.close(fd)
    reap()
reap()
"""


class Nursery:
    """The process that children are forked from. A child imports nothing anew, and shares the memory of what is."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen([sys.executable, "-c", _CODE, str(number)], pass_fds=[number])

    def fork(self, code: str, *arguments: str) -> Forked:
        """Start Python code in a child."""
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        told, their_told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        body = json.dumps({"code": code, "arguments": arguments}).encode()
        socket.send_fds(self._channel, [body], [their_out, their_err, their_told.fileno()])
        for fd in (their_out, their_err):
            os.close(fd)
        their_told.close()
        return Forked(out, err, told)

    def end(self) -> None:
        """Let it go; its children went before."""
        self._channel.close()
        self._process.wait()


class Forked:
    """What tests use of `subprocess.Popen`, of a process that is no child of ours."""

    def __init__(self, out: int, err: int, told: socket.socket) -> None:
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        self._told = told
        self.returncode: int | None = None
        self.pid = int(told.recv(16))

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; negative: the signal that ended it."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            self.returncode = int(self._told.recv(16))
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; the rest of what it wrote, a pipe's worth at most."""
        self.wait(timeout)
        with self._told, self.stdout, self.stderr:
            return self.stdout.read(), self.stderr.read()

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        self.send_signal(signal.SIGKILL)
        if not self.stdout.closed:
            self.communicate()
