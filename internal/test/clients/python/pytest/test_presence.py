import pytest
import redis


def test_a_user_who_sends_no_heartbeat_is_offline(chat):
    chat.config_set("notify-keyspace-events", "Ex")
    chat.execute_command("TEST RECORD", "expiries", "__keyevent@0__:expired")
    chat.set("online:ann", 1, ex=30)

    chat.execute_command("TEST ADVANCE", "20s")
    assert chat.exists("online:ann")
    chat.execute_command("TEST ADVANCE", "11s")
    assert not chat.exists("online:ann")
    assert chat.execute_command("TEST NEXT", "expiries", "5s")[1] == "online:ann"


def test_states_are_kept_and_restored(chat):
    chat.hset("user:1", mapping={"name": "ann", "room": "lobby"})
    before = chat.execute_command("TEST SNAPSHOT")

    chat.hset("user:1", "room", "attic")
    chat.delete("user:2")
    assert "attic" in chat.execute_command("TEST DIFF", before)

    chat.execute_command("TEST RESTORE", before)
    assert chat.hget("user:1", "room") == "lobby"
    assert chat.execute_command("TEST DUMP").splitlines() == ["HSET user:1 name ann", "HSET user:1 room lobby"]


def test_what_the_program_does_when_a_write_is_refused(chat):
    fault = chat.execute_command("TEST INJECT", 'command=set key=user:* times=1 error="OOM out of memory"')
    with pytest.raises(redis.ResponseError, match="OOM"):
        chat.set("user:1", "ann")
    chat.set("user:1", "ann")  # the second time it works
    assert chat.execute_command("TEST STRIKES", fault) == 1


def test_a_message_waits_for_its_subscriber(chat):
    with chat.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe("room:1")
        chat.execute_command("TEST WAIT SUBSCRIBERS", "room:1", 1, "5s")
        assert chat.publish("room:1", "hello") == 1
        assert subscriber.get_message(timeout=5) is None  # that it is subscribed
        assert subscriber.get_message(timeout=5)["data"] == "hello"


def test_what_the_program_has_sent(chat):
    chat.set("visits", 1)
    chat.expire("visits", 60)
    assert chat.execute_command("TEST CALLS LIKE", "EXPIRE visits *") == [["EXPIRE", "visits", "60"]]
