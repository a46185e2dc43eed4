"""`rediss://` against a real server with TLS, a password and several databases; a wrong certificate is never fatal."""

from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from sfnrun.cache.backend import Unavailable
from sfnrun.cache.backends import open_backend

from .conftest import free_port, patient
from .world import World

KEY = "a" * 40


class Secure(NamedTuple):
    """A server's TLS port, the certificates of who signed for it, and of somebody else."""

    port: int
    signer: Path
    stranger: Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    signer = trustme.CA()
    signer.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    signer.cert_pem.write_to_path(folder / "signer.pem")
    trustme.CA().cert_pem.write_to_path(folder / "stranger.pem")
    return folder


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture
def secure(server, certificates, port) -> Secure:
    pem, signer = str(certificates / "server.pem"), certificates / "signer.pem"
    tls = ("--tls-cert-file", pem, "--tls-key-file", pem, "--tls-ca-cert-file", str(signer), "--tls-auth-clients", "no")
    server("redis", 8, ("--requirepass", "sesame/%", "--tls-port", str(port), *tls))
    return Secure(port, signer, certificates / "stranger.pem")


def test_a_password_and_a_database_behind_tls(secure):
    address = f"rediss://:sesame%2F%25@localhost:{secure.port}/{{}}?ssl_ca_certs={secure.signer}"
    third, first = (open_backend(patient(address.format(number))) for number in (3, 1))
    assert third.label == f"redis localhost:{secure.port}/3"
    third.put(KEY, b"3", None)
    assert third.lookup(KEY).value == b"3"
    assert first.lookup(KEY).value is None
    third.close()
    first.close()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("rediss://:sesame%2F%25@localhost:{port}?ssl_ca_certs={stranger}", "certificate verify failed"),
        ("rediss://:sesame%2F%25@localhost:{port}", "certificate verify failed"),
        ("rediss://:sesame%2F%25@127.0.0.1:{port}?ssl_ca_certs={signer}", "certificate"),
        ("rediss://:sesame%2F%25@localhost:{port}?ssl_ca_certs=/nowhere.pem", "No such file"),
        ("rediss://:open@localhost:{port}?ssl_ca_certs={signer}", "invalid username-password"),
        ("redis://:sesame%2F%25@localhost:{port}", "redis localhost"),
    ],
    ids=["a stranger signed", "nobody known signed", "another name", "no such file", "a wrong password", "without TLS"],
)
def test_who_is_not_to_be_trusted_is_out_of_reach_and_no_error(secure, address, says, tmp_path):
    backend = open_backend(patient(address.format(**secure._asdict())))
    with pytest.raises(Unavailable, match=says):
        backend.lookup(KEY)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, database={"a": 5})
    assert [world.price("a"), world.price("a")] == [5, 5]
    assert world.calls == {"GetPrice": 2}
    assert len(world.said) == 1
    assert "sesame" not in world.said[0]
    world.store.close()
