"""The suite with redis-py.

A Go test starts the server and says in the file PARLEY_ENDPOINT where it is,
with the steps of the chat schema and their replies.
"""

import json
import os
import threading
import unittest

import redis

with open(os.environ["PARLEY_ENDPOINT"], encoding="utf-8") as file:
    ENDPOINT = json.load(file)

PATIENCE = 60  # seconds, on a machine that is busy too
BINARY = bytes(range(256))


class Suite:
    """What is run over each way into the server, in RESP2."""

    where = {}  # to the server

    def setUp(self):
        self.client = self.open()
        self.client.flushall()

    def open(self, **changed):
        options = {"password": ENDPOINT.get("password"), **self.where, **changed}
        client = redis.Redis(**options)
        self.addCleanup(client.close)
        return client

    def test_first_call(self):
        """What a connection is for before it is used: a Go test reads along."""
        self.assertTrue(self.client.ping())

    def test_schema(self):
        for step in ENDPOINT["steps"]:
            with self.subTest(" ".join(step["words"])):
                # Without the callbacks that make other types of some replies.
                connection = self.client.connection_pool.get_connection("_")
                try:
                    connection.send_command(*step["words"])
                    if step["extension"] and not ENDPOINT["extension"]:
                        with self.assertRaisesRegex(redis.ResponseError, "wrong kind of value"):
                            connection.read_response()
                        continue
                    reply = plain(connection.read_response())
                finally:
                    self.client.connection_pool.release(connection)
                want = step["replies"]["2"]
                if step["unordered"]:
                    reply, want = sorted(reply), sorted(want)
                self.assertEqual(reply, want)

    def test_schema_in_methods(self):
        c = self.open(decode_responses=True)
        self.assertTrue(c.setnx("user:name:ann", 0))
        self.assertEqual(c.incr("user:count"), 1)
        self.assertEqual(c.hset("user:1", mapping={"username": "ann", "password": "x"}), 2)
        self.assertEqual(c.hgetall("user:1"), {"username": "ann", "password": "x"})
        self.assertEqual(c.sadd("user:online", 1), 1)
        self.assertEqual(c.smembers("user:online"), {"1"})
        self.assertEqual(c.zadd("room:1:users", {"1": 1615480369, "2": 1615480370.5}), 2)
        scored = c.zrange("room:1:users", 0, -1, withscores=True)
        self.assertEqual([tuple(pair) for pair in scored], [("1", 1615480369.0), ("2", 1615480370.5)])
        self.assertEqual(c.zrangebyscore("room:1:users", 1615480370, "+inf", start=0, num=20), ["2"])
        self.assertEqual(c.zinter(["room:1:users", "user:online"]), ["1"])
        self.assertTrue(c.expire("user:1", 100))
        self.assertLessEqual(c.ttl("user:1"), 100)
        self.assertEqual(c.info("server")["redis_version"], "7.0.15")
        self.assertEqual(c.config_get("databases"), {"databases": "16"})
        self.assertGreater(c.client_id(), 0)
        self.assertEqual(c.object("encoding", "user:1"), "listpack")
        self.assertIn("get", c.command())

    def test_messages(self):
        subscriber = self.open().pubsub(ignore_subscribe_messages=False)
        self.addCleanup(subscriber.close)
        subscriber.subscribe("message")
        subscriber.psubscribe("m*")
        self.assertEqual(self.next_of(subscriber), ("subscribe", None, b"message", 1))
        self.assertEqual(self.next_of(subscriber), ("psubscribe", None, b"m*", 2))
        for text in [b"hello", "grüße 😀".encode(), b"", b"a\r\nb\0", BINARY * 4096]:
            self.assertEqual(self.client.publish("message", text), 2)
            self.assertEqual(self.next_of(subscriber), ("message", None, b"message", text))
            self.assertEqual(self.next_of(subscriber), ("pmessage", b"m*", b"message", text))
        subscriber.ping()
        self.assertEqual(self.next_of(subscriber)[0], "pong")
        subscriber.unsubscribe("message")
        self.assertEqual(self.next_of(subscriber), ("unsubscribe", None, b"message", 1))
        self.assertEqual(self.client.publish("message", "bye"), 1)

    def test_messages_in_a_thread(self):
        inbox, many = [], [b"%d" % i for i in range(2000)]
        arrived = threading.Event()

        def put(message):
            inbox.append(message["data"])
            if len(inbox) == len(many):
                arrived.set()

        subscriber = self.open().pubsub()
        self.addCleanup(subscriber.close)
        subscriber.subscribe(burst=put)
        thread = subscriber.run_in_thread(sleep_time=0.01)
        try:
            while self.client.pubsub_numsub("burst")[0][1] == 0:
                pass
            pipeline = self.client.pipeline(transaction=False)
            for i in many:
                pipeline.publish("burst", i)
            pipeline.execute()
            self.assertTrue(arrived.wait(PATIENCE))
            self.assertEqual(inbox, many)
        finally:
            thread.stop()
            thread.join(PATIENCE)

    def test_transaction(self):
        pipeline = self.client.pipeline()
        pipeline.set("a", 1).sadd("a", "x").incr("a")
        replies = pipeline.execute(raise_on_error=False)
        self.assertEqual([replies[0], replies[2]], [True, 2])
        self.assertRegex(str(replies[1]), "wrong kind of value")

    def test_transaction_that_watch_stops(self):
        pipeline = self.client.pipeline()
        pipeline.watch("a")
        self.client.set("a", "theirs")
        pipeline.multi()
        pipeline.set("a", "ours")
        with self.assertRaises(redis.WatchError):
            pipeline.execute()
        self.assertEqual(self.client.get("a"), b"theirs")
        self.assertEqual(self.client.transaction(lambda p: (p.multi(), p.set("a", "ours")), "a"), [True])

    def test_blocking_pop(self):
        waiter, popped = self.open(), []
        thread = threading.Thread(target=lambda: popped.append(waiter.bzpopmin(["none", "queue"])))
        thread.start()
        while self.client.info("clients")["blocked_clients"] == 0:
            pass
        self.client.zadd("queue", {"job": 2.5})
        thread.join(PATIENCE)
        self.assertEqual([tuple(p) for p in popped], [(b"queue", b"job", 2.5)])
        self.assertIsNone(waiter.execute_command("BZPOPMIN", "queue", "0.01"))

    def test_scan(self):
        want = {f"user:{i}".encode() for i in range(3000)}
        self.client.mset({key: "x" for key in want})
        self.client.mset({b"other:" + key: "x" for key in want})
        got = list(self.client.scan_iter("user:*", count=100))
        self.assertEqual(len(got), len(want))
        self.assertEqual(set(got), want)

    def test_back_after_client_kill(self):
        killed = self.open()
        killed.set("k", "v")
        identity = killed.client_id()
        self.assertEqual(self.client.client_kill_filter(_id=identity), 1)
        try:
            got = killed.get("k")
        except redis.ConnectionError:
            got = killed.get("k")  # it tells once, where the end has come after the call: then it connects
        self.assertEqual(got, b"v")
        self.assertGreater(killed.client_id(), identity)

    def test_subscribed_again_after_client_kill(self):
        subscriber = self.open().pubsub(ignore_subscribe_messages=True)
        self.addCleanup(subscriber.close)
        subscriber.subscribe("news")
        subscriber.get_message(timeout=PATIENCE)
        self.assertEqual(self.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub"), 1)
        received = None
        while received is None:
            self.client.publish("news", "again")
            try:
                received = subscriber.get_message(timeout=0.01)
            except redis.ConnectionError:
                pass  # it tells once, and connects at the next call
        self.assertEqual(received["data"], b"again")

    def test_pipeline_of_thousands(self):
        pipeline = self.client.pipeline(transaction=False)
        for _ in range(10_000):
            pipeline.incr("n")
        self.assertEqual(pipeline.execute(), list(range(1, 10_001)))

    def test_large_and_binary_values(self):
        large = BINARY * 4096
        for key in [BINARY, "grüße 😀".encode(), b""]:
            self.assertTrue(self.client.set(key, large))
            self.assertEqual(self.client.get(key), large)
            self.client.hset("h", key, BINARY)
        self.assertEqual(set(self.client.hkeys("h")), {BINARY, "grüße 😀".encode(), b""})

    def test_wrong_password(self):
        if not ENDPOINT.get("password"):
            return
        refused = (redis.AuthenticationError, redis.ResponseError)
        with self.assertRaisesRegex(refused, "invalid username-password pair"):
            self.open(password="wrong").ping()
        with self.assertRaisesRegex(refused, "Authentication required|HELLO must be called"):
            self.open(password=None).ping()

    def test_databases(self):
        other = self.open(db=3)
        other.set("k", "v")
        self.assertIsNone(self.client.get("k"))
        self.assertEqual(other.get("k"), b"v")

    def next_of(self, subscriber):
        message = subscriber.get_message(timeout=PATIENCE)
        self.assertIsNotNone(message, "no message")
        return message["type"], message["pattern"], message["channel"], message["data"]


TCP = {"host": ENDPOINT["host"], "port": ENDPOINT["port"]}
UNIX = {"unix_socket_path": ENDPOINT["socket"]}


class OverTCP(Suite, unittest.TestCase):
    where = TCP


class OverUnixSocket(Suite, unittest.TestCase):
    where = UNIX


def plain(reply):
    """Brings replies into the form of the steps: text, None, and lists of such."""
    if reply is None:
        return None
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, list):
        return [plain(x) for x in reply]
    return str(reply)


if __name__ == "__main__":
    unittest.main(verbosity=2)
