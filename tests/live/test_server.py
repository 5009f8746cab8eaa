"""The live report's server: on this machine alone, for who knows the token, and nothing else."""

import http.client
import json
import socket

import pytest

from gradlab.live.follower import Follower
from gradlab.live.server import LiveServer
from tests.live.growing import Growing


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    return Growing(tmp_path_factory.mktemp("runs") / "night").grow(41)


@pytest.fixture(scope="module")
def server(growing):
    made = LiveServer(Follower(growing.recorder.folder), interval=0.1)
    made.start()
    yield made
    made.close()


def ask(server, path, method="GET", host=None):
    """Return the answer to one request, and its body."""
    netloc = server.address.split("/")[2]
    connection = http.client.HTTPConnection(netloc, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", netloc if host is None else host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body.decode()


def test_it_listens_on_this_machine_alone(server):
    assert server.address.startswith("http://127.0.0.1:")
    assert server._http.server_address[0] == "127.0.0.1"


def test_each_server_has_a_token_of_its_own(server, growing):
    other = LiveServer(Follower(growing.recorder.folder))
    assert other.token != server.token
    assert len(other.token) >= 32  # 24 random bytes
    other._http.server_close()


def test_the_page_is_served_with_a_policy_that_lets_it_ask_this_server_alone(server):
    answer, body = ask(server, f"/{server.token}/")
    policy = answer.headers["Content-Security-Policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert answer.status == 200
    assert body.count(f'nonce="{nonce}"') == 2
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ask(server, f"/{server.token}/")[0].headers["Content-Security-Policy"] != policy


def test_the_report_is_served_with_its_own_policy(server):
    answer, body = ask(server, f"/{server.token}/report?version=1")
    assert answer.status == 200
    assert "The gradient vanishes" in body
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/wrong/",
        "/wrong/report",
        "/{token}",
        "/{token}/nothing",
        "/{token}/../x",
        "/%C3%A4/",
    ],
)
def test_without_the_token_there_is_nothing(server, path):
    assert ask(server, path.format(token=server.token))[0].status == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", ""])
def test_a_name_that_leads_here_from_elsewhere_is_refused(server, host):
    assert ask(server, f"/{server.token}/", host=host)[0].status == 404


def test_localhost_is_another_name_of_it(server):
    port = server.address.split(":")[2].split("/")[0]
    assert ask(server, f"/{server.token}/", host=f"localhost:{port}")[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_only_get_is_answered(server, method):
    assert ask(server, f"/{server.token}/", method)[0].status == 501


def events(server, count=1, until=0):
    """Return a connection's events as the browser reads them: `count` of them at least, and those
    up to the first that tells of `until` iterations.
    """
    port = int(server.address.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(
            f"GET /{server.token}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        )
        stream = line.makefile(encoding="utf-8")
        found = []
        while len(found) < count or found[-1]["iterations"] < until:
            words = stream.readline()
            if words.startswith("data: "):
                found.append(json.loads(words[6:]))
        return found


def test_news_come_as_the_run_grows(server, growing):
    first = events(server, 1)[0]
    assert (first["name"], first["state"]) == ("night", "recording")
    assert first["findings"][0]["rule"] == "GL101"
    growing.grow(20)
    # The server may look while only some of the rows are there: how often it tells is its affair.
    assert events(server, until=60)[-1]["iterations"] == 60


def test_a_browser_that_goes_away_disturbs_nothing(server, capsys):
    events(server, 1)
    assert ask(server, f"/{server.token}/")[0].status == 200
    assert capsys.readouterr() == ("", "")
