"""A chat server for the tests: one for all of them, as new before each."""

import os
import subprocess

import pytest
import redis


@pytest.fixture(scope="session")
def parley():
    """The URL of a server that lives as long as this run of tests, however that ends."""
    server = subprocess.Popen(
        [os.environ.get("PARLEY", "parley"), "--port", "0", "--test"],
        stdin=subprocess.PIPE,  # the server ends when this does, if we are killed too
        stdout=subprocess.PIPE,
        text=True,
    )
    ready = server.stdout.readline()  # "ready redis://127.0.0.1:41234"
    assert ready.startswith("ready "), "parley has not started"
    yield ready.split()[1]
    server.stdin.close()
    assert server.wait(timeout=10) == 0


@pytest.fixture
def chat(parley):
    """A client of the server, on which nothing is left of the tests before."""
    with redis.Redis.from_url(parley, decode_responses=True) as client:
        client.execute_command("TEST RESET")
        yield client
