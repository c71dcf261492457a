#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Usage: check.py PROGRAM

Drives the server over its sockets and looks at every answer. Nothing here depends on how long
anything takes: what has to last lasts for an hour, or until the server is told to stop."""
import re
import resource
import selectors
import signal
import socket
import subprocess
import sys

PROGRAM = sys.argv[1]


def check(condition, what):
    if not condition:
        sys.exit(f"server: {what}")


def limit_descriptors(most):
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server:
    """The program, patient unless told otherwise; ended at the end of scope, if not before."""

    def __init__(self, limit=None, **options):
        options = {"deadline": "1h", "grace": "1h", **options}
        words = [word for name, value in options.items()
                 for word in ("--" + name.replace("_", "-"), str(value))]
        self.process = subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, text=True,
                                        preexec_fn=limit and (lambda: limit_descriptors(limit)))
        self.port = int(re.fullmatch(r"port (\d+)\n", self.process.stdout.readline())[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask_to_stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)

    def counts(self):
        """(accepted, answered), when it has ended."""
        said = self.process.stdout.read()
        code = self.process.wait()
        check(code == 0, f"exit code {code}: {said}")
        counts = re.fullmatch(r"(\d+) requests accepted, (\d+) answered\n", said)
        check(counts, f"says {said!r} at the end")
        return int(counts[1]), int(counts[2])


class Client:
    """A connection, line by line."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=100)
        self.lines = self.socket.makefile("r", newline="\n")

    def send(self, *requests):
        self.socket.sendall("".join(r + "\n" for r in requests).encode())

    def ask(self, *requests):
        self.send(*requests)
        return [self.lines.readline().rstrip("\n") for _ in requests]

    def rest(self):
        """Until the server ends its side; then this one is ended, which it waits for."""
        rest = self.lines.read().splitlines()
        self.lines.close()
        self.socket.close()
        return rest


def answers_what_it_is_asked():
    with Server() as server:
        client = Client(server)
        got = client.ask("echo hello  you", "primes 100", "wait 0s", "load", "echo", "what", "",
                         "primes -1", "primes 10x", "wait long")
        check(got[:5] == ["ok hello  you", "ok 25", "ok 0s", "ok 0 in flight", "ok "], got)
        check(all(g.startswith("bad request: ") for g in got[5:]), got)
        # Who ends its side is answered all the same, and a last line that has no end is none.
        client.socket.sendall(b"echo 1\necho 2\necho")
        client.socket.shutdown(socket.SHUT_WR)
        check(client.rest() == ["ok 1", "ok 2", "bye 12"], "a client that ends its side")
        # A line of any length needs no memory.
        endless = Client(server)
        endless.send("x" * 10_000)
        check(endless.rest() == ["bye 0"], "a line that is too long")
        server.ask_to_stop(signal.SIGINT)
        check(server.counts() == (12, 12), "not 12 requests")


def answers_overload():
    """One place, and somebody has it; when the grace is over, that one is told, too."""
    with Server(in_flight=1, grace="0s") as server:
        first, second = Client(server), Client(server)
        first.send("wait 1h")
        while second.ask("load") != ["ok 1 in flight"]:
            pass
        check(second.ask("echo 1", "primes 10") == ["busy", "busy"], "overload is not answered")
        server.ask_to_stop()
        check(first.rest() == ["canceled", "bye 1"], "a request in flight is not answered")
        server.counts()


def answers_who_is_late():
    with Server(deadline="1ms") as server:
        got = Client(server).ask("wait 1h", "primes 100000000")
        check(got == ["late", "late"], got)


def answers_who_asks_too_often():
    with Server(every="1h", burst=3, deadline="1m") as server:
        for client in Client(server), Client(server):  # each has a limit of its own
            got = client.ask(*["echo 1"] * 5)
            check(got == ["ok 1"] * 3 + ["slow down"] * 2, got)


class Asker:
    """Asks as fast as it is answered, some ahead, until the server takes its leave."""

    AHEAD = 40

    def __init__(self, server, number):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=100)
        self.socket.setblocking(False)
        self.number, self.sent, self.answered, self.bye = number, 0, 0, None
        self.to_send, self.received = b"", b""

    def request(self, n):
        return ("echo {}.{}", "primes 50", "wait 1us")[n % 3].format(self.number, n)

    def answer(self, n):
        return ("ok {}.{}", "ok 15", "ok 1us")[n % 3].format(self.number, n)

    def write(self):
        while self.sent - self.answered < self.AHEAD:
            self.to_send += self.request(self.sent).encode() + b"\n"
            self.sent += 1
        try:
            self.to_send = self.to_send[self.socket.send(self.to_send):]
        except BlockingIOError:
            pass

    def read(self):
        """False: the end."""
        try:
            got = self.socket.recv(65536)
        except BlockingIOError:
            return True
        if not got:
            return False
        *lines, self.received = (self.received + got).split(b"\n")
        for line in lines:
            self.take(line.decode())
        return True

    def take(self, line):
        check(self.bye is None, f"{line!r} after bye")
        if line.startswith("bye "):
            self.bye = int(line[4:])
            return
        check(line in (self.answer(self.answered), "busy"),
              f"request {self.request(self.answered)!r} is answered by {line!r}")
        self.answered += 1

    def end(self):
        check(self.received == b"", f"half a line: {self.received!r}")
        check(self.bye == self.answered, f"{self.answered} answers, and bye {self.bye}")
        self.socket.close()


def answers_all_that_it_has_accepted():
    """Many connections, each always with requests on their way; asked to stop in the middle."""
    with Server(in_flight=4, every="0s") as server, selectors.DefaultSelector() as ready:
        askers = [Asker(server, n) for n in range(48)]
        for asker in askers:
            ready.register(asker.socket, selectors.EVENT_READ, asker)
            asker.write()
        asked_to_stop = False
        while ready.get_map():
            for key, _ in ready.select(100):
                asker = key.data
                if not asker.read():
                    ready.unregister(asker.socket)
                    asker.end()
                elif asker.bye is None:
                    asker.write()
            answered = sum(a.answered for a in askers)
            if not asked_to_stop and answered >= 2000 and all(a.answered for a in askers):
                asked_to_stop = True
                server.ask_to_stop()
        check(asked_to_stop, "ended unasked")
        check(server.counts() == (answered, answered), f"{answered} answers have arrived")


def accepts_no_more_than_it_may():
    """The next one is accepted when one has gone; those who wait are told when the server ends."""
    with Server(clients=1) as server:
        first = Client(server)
        check(first.ask("echo 1") == ["ok 1"], "the first client")
        second = Client(server)
        second.send("echo 2")
        first.socket.shutdown(socket.SHUT_WR)
        check(first.rest() == ["bye 1"], "the first client is not told")
        check(second.lines.readline() == "ok 2\n", "the second client")
        server.ask_to_stop()
        check(second.rest() == ["bye 1"], "the second client is not told")
        check(server.counts() == (2, 2), "not two requests")


def ends_when_it_cannot_accept():
    """Out of descriptors: those that are connected are told, and the program says what is wrong."""
    with Server(limit=20) as server:
        clients = []
        try:
            clients.extend(Client(server) for _ in range(40))
        except ConnectionError:
            pass  # it has seen to the others already
        for client in clients:
            try:
                check(client.rest() == ["bye 0"], "a client is not told")
            except ConnectionError:
                pass  # it was never accepted
        check(server.process.wait() == 1, "no failure")


def refuses_bad_options():
    for bad in (["--port", "65536"], ["--port", "x"], ["--clients", "0"], ["--in-flight", "0"],
                ["--burst", "0"], ["--every", "-1s"], ["--deadline", "soon"], ["--grace", "5"],
                ["--what"], ["more"]):
        ended = subprocess.run([PROGRAM, *bad], capture_output=True, text=True)
        check(ended.returncode == 2, f"{bad}: exit code {ended.returncode}")
        check(ended.stderr.count("\n") == 1 and bad[0] in ended.stderr, f"{bad}: {ended.stderr}")
    with Server() as server:
        ended = subprocess.run([PROGRAM, "--port", str(server.port)], capture_output=True, text=True)
        check(ended.returncode == 1 and f"port {server.port}: Address already in use" in ended.stderr,
              f"a port that is taken: {ended.stderr}")


answers_what_it_is_asked()
answers_overload()
answers_who_is_late()
answers_who_asks_too_often()
answers_all_that_it_has_accepted()
accepts_no_more_than_it_may()
ends_when_it_cannot_accept()
refuses_bad_options()
