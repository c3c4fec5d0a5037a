"""The protocol, message by message: what no driver would send, and what it would not show.

Builders return bytes, so that a test can cut, join and repeat them:

    conn = RawConn(pooler.port, user="app", dbname="app")
    conn.send(parse("s1", "select $1::int"), bind("", "s1", ["42"]), execute(), sync())
    conn.read_answers()  ->  [("ParseComplete",), ("BindComplete",), ("DataRow", ["42"]), ...]
"""

import base64
import hashlib
import hmac
import os
import socket
import struct

PROTOCOL_3_0 = 196608
PROTOCOL_3_2 = 196610


# ---- what a client sends -------------------------------------------------------------------------------------------

def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def cstr(text):
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def startup(version=PROTOCOL_3_0, **parameters):
    body = struct.pack("!I", version) + b"".join(cstr(k) + cstr(v) for k, v in parameters.items()) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def ssl_request():
    return struct.pack("!II", 8, 80877103)


def gssenc_request():
    return struct.pack("!II", 8, 80877104)


def cancel_request(pid, key):
    """key: bytes as BackendKeyData gave them."""
    body = struct.pack("!II", 80877102, pid) + key
    return struct.pack("!I", len(body) + 4) + body


def query(sql):
    return message("Q", cstr(sql))


def parse(name, sql, types=()):
    return message("P", cstr(name) + cstr(sql) + struct.pack("!H", len(types))
                   + b"".join(struct.pack("!I", oid) for oid in types))


def bind(portal="", stmt="", values=(), formats=(), result_formats=()):
    """values: text, bytes, or None for NULL."""
    body = cstr(portal) + cstr(stmt)
    body += struct.pack("!H", len(formats)) + b"".join(struct.pack("!H", code) for code in formats)
    body += struct.pack("!H", len(values))
    for value in values:
        raw = value.encode() if isinstance(value, str) else value
        body += struct.pack("!i", -1) if raw is None else struct.pack("!i", len(raw)) + raw
    body += struct.pack("!H", len(result_formats)) + b"".join(struct.pack("!H", code) for code in result_formats)
    return message("B", body)


def describe(kind="P", name=""):
    """kind: S a statement, P a portal."""
    return message("D", kind.encode() + cstr(name))


def execute(portal="", max_rows=0):
    return message("E", cstr(portal) + struct.pack("!I", max_rows))


def close(kind="S", name=""):
    return message("C", kind.encode() + cstr(name))


def sync():
    return message("S")


def flush():
    return message("H")


def copy_data(data):
    return message("d", data)


def copy_done():
    return message("c")


def copy_fail(reason):
    return message("f", cstr(reason))


def terminate():
    return message("X")


def password(secret):
    return message("p", cstr(secret))


# ---- what comes back -----------------------------------------------------------------------------------------------

class ServerError(Exception):
    """An ErrorResponse where none was expected; fields by letter."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('S')} {fields.get('C')}: {fields.get('M')}")
        self.fields = fields
        self.code = fields.get("C")


def _strings(body):
    return [part.decode(errors="replace") for part in body.split(b"\0")]


def _fields(body):
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}


def _row_description(body):
    names, at = [], 2
    for _ in range(struct.unpack_from("!H", body)[0]):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode())
        at = end + 19
    return names


def _data_row(body):
    values, at = [], 2
    for _ in range(struct.unpack_from("!H", body)[0]):
        length = struct.unpack_from("!i", body, at)[0]
        at += 4
        if length < 0:
            values.append(None)
            continue
        raw = body[at:at + length]
        try:
            values.append(raw.decode())
        except UnicodeDecodeError:
            values.append(raw)
        at += length
    return values


def _authentication(body):
    return struct.unpack_from("!I", body)[0], body[4:]


def _negotiate(body):
    version, count = struct.unpack_from("!II", body)
    return version, _strings(body[8:])[:count]


def _notification(body):
    channel, payload = _strings(body[4:])[:2]
    return struct.unpack_from("!I", body)[0], channel, payload


ANSWERS = {
    "R": ("Authentication", _authentication),
    "K": ("BackendKeyData", lambda body: (struct.unpack_from("!I", body)[0], body[4:])),
    "S": ("ParameterStatus", lambda body: tuple(_strings(body)[:2])),
    "Z": ("ReadyForQuery", lambda body: (body.decode(),)),
    "E": ("ErrorResponse", lambda body: (_fields(body),)),
    "N": ("NoticeResponse", lambda body: (_fields(body),)),
    "T": ("RowDescription", lambda body: (_row_description(body),)),
    "D": ("DataRow", lambda body: (_data_row(body),)),
    "C": ("CommandComplete", lambda body: (_strings(body)[0],)),
    "A": ("NotificationResponse", _notification),
    "t": ("ParameterDescription", lambda body: (list(struct.unpack_from(f"!{(len(body) - 2) // 4}I", body, 2)),)),
    "v": ("NegotiateProtocolVersion", _negotiate),
    "d": ("CopyData", lambda body: (body,)),
    "G": ("CopyInResponse", None),
    "H": ("CopyOutResponse", None),
    "W": ("CopyBothResponse", None),
    "1": ("ParseComplete", None),
    "2": ("BindComplete", None),
    "3": ("CloseComplete", None),
    "c": ("CopyDone", None),
    "I": ("EmptyQueryResponse", None),
    "n": ("NoData", None),
    "s": ("PortalSuspended", None),
    "V": ("FunctionCallResponse", lambda body: (body,)),
}


def decode(kind, body):
    name, fields = ANSWERS.get(kind, (f"unknown {kind!r}", lambda raw: (raw,)))
    return (name, *fields(body)) if fields else (name,)


class Scram:
    """SCRAM-SHA-256 as a client, without channel binding."""

    def __init__(self, secret):
        self.secret = secret
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first_bare = f"n=,r={self.nonce}"
        self.server_signature = None

    def first(self):
        initial = ("n,," + self.first_bare).encode()
        return message("p", cstr("SCRAM-SHA-256") + struct.pack("!I", len(initial)) + initial)

    def final(self, server_first):
        server_first = server_first.decode()
        words = dict(part.split("=", 1) for part in server_first.split(","))
        assert words["r"].startswith(self.nonce), "the server's nonce does not continue ours"
        salted = hashlib.pbkdf2_hmac("sha256", self.secret.encode(), base64.b64decode(words["s"]), int(words["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={words['r']}"
        signed = ",".join((self.first_bare, server_first, without_proof)).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return message("p", f"{without_proof},p={base64.b64encode(proof).decode()}".encode())

    def check(self, server_final):
        words = dict(part.split("=", 1) for part in server_final.decode().split(","))
        assert base64.b64decode(words["v"]) == self.server_signature, "the server does not know the secret"


class RawConn:
    """A connection. With login=False nothing is sent, and the test speaks first.

    After the login: parameters (dict), pid, key, and greeting, the messages of the login in order.
    """

    def __init__(self, port, user="postgres", dbname="postgres", host="127.0.0.1", secret=None, timeout=10.0,
                 login=True, version=PROTOCOL_3_0, **parameters):
        if host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(f"{host}/.s.PGSQL.{port}")
        else:
            self.socket = socket.create_connection((host, port), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.parameters, self.pid, self.key = {}, None, None
        self.greeting = []
        if login:
            try:
                self.login(user, dbname, secret, version, **parameters)
            except BaseException:
                self.socket.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    # ---- bytes

    def send(self, *messages):
        """All of them in one write."""
        self.socket.sendall(b"".join(messages))

    def read_bytes(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(f"closed by the peer, {len(self.buffer)} bytes unread")
            self.buffer += more
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def read_raw(self):
        """(kind, body) of the next message."""
        head = self.read_bytes(5)
        return chr(head[0]), self.read_bytes(struct.unpack_from("!I", head, 1)[0] - 4)

    # ---- messages

    def read(self):
        """The next message as a tuple: its name, then its fields."""
        answer = decode(*self.read_raw())
        if answer[0] == "ParameterStatus":
            self.parameters[answer[1]] = answer[2]
        return answer

    def read_until(self, name):
        """Messages up to and with the first of this name."""
        answers = [self.read()]
        while answers[-1][0] != name:
            answers.append(self.read())
        return answers

    def read_answers(self, syncs=1):
        """Messages up to and with so many ReadyForQuery."""
        answers = []
        for _ in range(syncs):
            answers += self.read_until("ReadyForQuery")
        return answers

    def read_to_end(self):
        """Messages until the peer closes."""
        answers = []
        try:
            while True:
                answers.append(self.read())
        except (EOFError, ConnectionError):
            return answers

    def is_silent(self, seconds=0.1):
        """True when nothing comes in so long a time."""
        if self.buffer:
            return False
        timeout = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(timeout)

    def ask(self, *messages):
        """Sends, and reads up to ReadyForQuery."""
        self.send(*messages)
        return self.read_answers()

    def rows(self, sql):
        """Rows of a simple query as lists of text. An error is raised, after its ReadyForQuery."""
        answers = self.ask(query(sql))
        for answer in answers:
            if answer[0] == "ErrorResponse":
                raise ServerError(answer[1])
        return [answer[1] for answer in answers if answer[0] == "DataRow"]

    def dicts(self, sql):
        """Rows of a simple query as dicts."""
        answers = self.ask(query(sql))
        names, out = [], []
        for answer in answers:
            if answer[0] == "ErrorResponse":
                raise ServerError(answer[1])
            if answer[0] == "RowDescription":
                names = answer[1]
            if answer[0] == "DataRow":
                out.append(dict(zip(names, answer[1])))
        return out

    def value(self, sql):
        return self.rows(sql)[0][0]

    # ---- life

    def login(self, user, dbname, secret=None, version=PROTOCOL_3_0, **parameters):
        self.send(startup(version, user=user, database=dbname, **parameters))
        scram = None
        while True:
            answer = self.read()
            self.greeting.append(answer)
            if answer[0] == "ErrorResponse":
                raise ServerError(answer[1])
            if answer[0] == "BackendKeyData":
                self.pid, self.key = answer[1:]
            if answer[0] == "ReadyForQuery":
                return
            if answer[0] == "Authentication":
                scram = self._authenticate(answer[1], answer[2], user, secret, scram)

    def _authenticate(self, kind, data, user, secret, scram):
        """Answers one request; the exchange goes on with what is returned."""
        if kind == 0:
            return None
        if secret is None:
            raise AssertionError(f"authentication {kind} is asked for, and the test gave no secret")
        if kind == 3:
            self.send(password(secret))
        elif kind == 5:
            inner = hashlib.md5((secret + user).encode()).hexdigest()
            self.send(password("md5" + hashlib.md5(inner.encode() + data[:4]).hexdigest()))
        elif kind == 10:
            scram = Scram(secret)
            self.send(scram.first())
        elif kind == 11:
            self.send(scram.final(data))
        elif kind == 12:
            scram.check(data)
        else:
            raise AssertionError(f"authentication {kind} is not known here")
        return scram

    def close(self):
        """Says goodbye."""
        try:
            self.send(terminate())
        except OSError:
            pass
        self.socket.close()

    def vanish(self):
        """Goes without a word, by a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def same_answers(direct, pooled, *messages):
    """Sends the same to PostgreSQL and to the pooler, and answers what both said; they must agree.

    Where an error was raised in the server's source is left out: it differs with the way there.
    """

    def comparable(answer):
        if answer[0] in ("ErrorResponse", "NoticeResponse"):
            return answer[0], {name: text for name, text in answer[1].items() if name not in "FLR"}
        return answer

    expected = [comparable(answer) for answer in direct.ask(*messages)]
    seen = [comparable(answer) for answer in pooled.ask(*messages)]
    assert seen == expected, f"the pooler says\n  {seen}\nPostgreSQL says\n  {expected}"
    return expected
