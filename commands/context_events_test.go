package commands_test

import (
	"bytes"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/server"
)

// eventCases are calls, one in each line, that are made over the same data.
// Several calls in a line have a semicolon between them.
var eventCases = []struct{ before, calls string }{
	{"", `
		SET k v
		SET k v GET
		SET k v EX 100
		SET k v NX
		SET k v XX
		SET k v XX GET
		SETNX k v
		SETEX k 100 v
		PSETEX k 100000 v
		GETSET k v
		MSET a 1 b 2 a 3
		MSETNX a 1 b 2
		APPEND k v
		SETRANGE k 3 v
		INCR k
		DECRBY k 2
		INCRBYFLOAT k 1.5
		GET k
		GETDEL k
		GETEX k
		GETEX k EX 10
		STRLEN k
		GETRANGE k 0 1
		LCS a b
		HSET k f v
		HMSET k f v
		HSETNX k f v
		HINCRBY k f 1
		HINCRBYFLOAT k f 1.5
		HDEL k f
		HGET k f
		HMGET k f g
		HGETALL k
		HLEN k
		HRANDFIELD k
		HSCAN k 0
		SADD k a
		SREM k a
		SCARD k
		SMISMEMBER k a b
		SPOP k
		SPOP k 1
		SRANDMEMBER k
		SRANDMEMBER k 2
		SMOVE k l a
		SINTER k l
		SINTERCARD 2 k l
		SINTERSTORE d k l
		SUNION k l
		SUNIONSTORE d k l
		SDIFF k l
		SDIFFSTORE d k l
		SSCAN k 0
		ZADD k 1 a
		ZADD k XX 1 a
		ZADD k INCR 1 a
		ZADD k XX INCR 1 a
		ZINCRBY k 1 a
		ZREM k a
		ZCARD k
		ZMSCORE k a b
		ZRANK k a
		ZCOUNT k 0 1
		ZRANGE k 0 -1
		ZRANGESTORE d k 0 -1
		ZREMRANGEBYSCORE k 0 1
		ZREMRANGEBYRANK k 0 1
		ZREMRANGEBYLEX k - +
		ZPOPMIN k
		ZPOPMAX k 2
		ZMPOP 2 k l MIN
		BZPOPMIN k l 0.01
		BZMPOP 0.01 2 k l MIN
		ZRANDMEMBER k
		ZRANDMEMBER k 2
		ZUNION 2 k l
		ZINTER 2 k l
		ZDIFF 2 k l
		ZINTERCARD 2 k l
		ZUNIONSTORE d 2 k l
		ZINTERSTORE d 2 k l
		ZDIFFSTORE d 2 k l
		ZSCAN k 0
		DEL k
		EXISTS k l
		TOUCH k l
		TYPE k
		TTL k
		PEXPIRETIME k
		EXPIRE k 10
		PERSIST k
		RENAME k l
		COPY k l
		MOVE k 1
		OBJECT ENCODING k
		OBJECT FREQ k
		OBJECT IDLETIME k
		OBJECT REFCOUNT k
		KEYS *
		RANDOMKEY
		SCAN 0
		WATCH k
		MULTI; SET a 1; GET b; HSET h f v; EXEC`},
	{"SET s v", `
		SET s w
		SET s w GET
		SET s w KEEPTTL
		SET s w EX 10
		GETSET s w
		GETDEL s
		GETEX s EX 10
		GETEX s EXAT 1
		APPEND s w
		SETRANGE s 0 w
		EXISTS s k
		TOUCH s k
		DEL s k
		UNLINK s
		EXPIRE s 100
		EXPIRE s 0
		EXPIRE s 10 XX
		PEXPIRE s 100000
		EXPIREAT s 1
		EXPIREAT s 99999999999
		PEXPIREAT s 1
		RENAME s k
		RENAME s s
		RENAMENX s k
		COPY s k
		COPY s k DB 1
		MOVE s 1
		LCS s k
		MSETNX s 1 k 2
		HSET s a b
		HDEL s a
		HGET s a
		SPOP s
		SPOP s 1
		ZADD s 1 a
		ZPOPMIN s
		ZMPOP 1 s MIN
		OBJECT ENCODING s`},
	{"SET s v; SET k v", `
		RENAME s k
		RENAMENX s k
		COPY s k
		COPY s k REPLACE`},
	{"SET s v EX 1000", `
		PERSIST s
		GETEX s PERSIST
		RENAME s k
		COPY s k
		MOVE s 1`},
	{"HSET h f 1", `
		HSET h f 2
		HSET h g 2
		HMSET h f 2
		HSETNX h f 2
		HSETNX h g 2
		HDEL h f
		HDEL h x
		HINCRBY h f 1
		HINCRBYFLOAT h f 1`},
	{"SADD t 1 2; SADD u 2 3", `
		SADD t 1
		SADD t 3
		SREM t 1
		SREM t 1 2
		SPOP t 0
		SMOVE t u 1
		SMOVE t k 1
		SMOVE t u x
		SMOVE t t 1
		SINTER t k
		SINTERSTORE d t u
		SINTERSTORE t t u
		SINTERSTORE t t k
		SUNIONSTORE d t u
		SUNIONSTORE t k
		SDIFFSTORE d t u
		SDIFFSTORE t t t`},
	{"SET text x", `
		SINTERSTORE d missing text
		SINTER missing text
		SUNIONSTORE d missing text
		ZUNIONSTORE d 2 missing text
		MULTI; SINTER missing text; GET missing; EXEC`},
	{"SADD t 1", `
		SPOP t
		SMOVE t k 1
		SREM t 1`},
	{"ZADD z 1 a 2 b; ZADD y 3 b 4 c", `
		ZADD z 1 a
		ZADD z 2 a
		ZADD z CH 2 a 5 c
		ZADD z INCR 1 a
		ZADD z INCR 0 a
		ZINCRBY z 1 a
		ZINCRBY z 1 q
		ZREM z a
		ZREM z a b
		ZPOPMIN z 0
		ZRANGESTORE d z 0 -1
		ZRANGESTORE z z 5 6
		ZRANGESTORE z z 0 0
		ZUNIONSTORE d 2 z y
		ZUNIONSTORE z 2 z y
		ZINTERSTORE d 2 z y
		ZINTERSTORE z 2 z k
		ZDIFFSTORE d 2 z y
		ZDIFFSTORE z 2 z z
		ZREMRANGEBYRANK z 0 0
		ZREMRANGEBYSCORE z 0 9
		ZREMRANGEBYLEX z - +
		ZREMRANGEBYSCORE z 8 9
		MULTI; ZADD z 3 c; GET b; EXPIRE z 100; EXEC`},
}

// A RESP3 client that is subscribed to its own events sees them before, between
// and behind its replies, where Redis has them. What counts as a read, and so
// may be a miss, is the same too.
func TestEventsStandWhereRedisHasThem(t *testing.T) {
	theirs, ours := listen(t, redistest.Start(t).Dial), listenHere(t)
	for _, group := range eventCases {
		for calls := range strings.Lines(group.calls) {
			if calls = strings.TrimSpace(calls); calls == "" {
				continue
			}
			name := strings.TrimPrefix(group.before+"; "+calls, "; ")
			theirSent, theirReads := theirs(group.before, calls)
			sent, reads := ours(group.before, calls)
			require.Equal(t, theirSent, sent, name)
			require.Equal(t, theirReads, reads, name)
		}
	}
}

// Redis tells some events within a reply, which has then more elements than it
// says. Parley tells them next to it.
func TestEventsStandOutsideOfReplies(t *testing.T) {
	ours := listenHere(t)
	const z = "ZADD z 1 a 2 b"
	key := func(event string) string {
		return push("pmessage", "__keyevent@*", "__keyevent@0__:"+event, "z")
	}
	for calls, want := range map[string]string{
		"MGET z k":                 strings.ReplaceAll(key("keymiss"), "$1\r\nz\r\n", "$1\r\nk\r\n") + "*2\r\n_\r\n_\r\n",
		"ZPOPMIN z":                "*2\r\n$1\r\na\r\n,1\r\n" + key("zpopmin"),
		"ZPOPMAX z 2":              "*2\r\n*2\r\n$1\r\nb\r\n,2\r\n*2\r\n$1\r\na\r\n,1\r\n" + key("zpopmax") + key("del"),
		"ZMPOP 1 z MIN":            "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n,1\r\n" + key("zpopmin"),
		"BZPOPMAX z 0":             "*3\r\n$1\r\nz\r\n$1\r\nb\r\n,2\r\n" + key("zpopmax"),
		"BZMPOP 0 1 z MAX COUNT 1": "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n,2\r\n" + key("zpopmax"),
	} {
		sent, _ := ours(z, calls)
		require.Equal(t, want, sent, calls)
	}
}

// SPOP with a count is compared alone: where that takes all, Redis counts a read.
func TestEventsOfSPOP(t *testing.T) {
	event := func(name string) string {
		return push("pmessage", "__keyevent@*", "__keyevent@0__:"+name, "t")
	}
	for _, server := range []listener{listenHere(t), listen(t, redistest.Start(t).Dial)} {
		sent, _ := server("SADD t x", "SPOP t 2")
		require.Equal(t, event("spop")+"~1\r\n$1\r\nx\r\n"+event("del"), sent)
	}
}

func push(words ...string) string {
	var w wire.Writer
	w.SetProtocol(3)
	w.Push(len(words))
	for _, word := range words {
		w.BulkString(word)
	}
	return string(w.Bytes())
}

// A listener makes calls over some data, as a client that hears all events, and
// returns all that it was sent, and the reads that INFO counted.
type listener func(before, calls string) (sent string, reads []string)

func listenHere(t *testing.T) listener {
	s, err := server.New(server.Options{Strict: true})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	return listen(t, s.Dial)
}

func listen(t *testing.T, dial func() (net.Conn, error)) listener {
	enter := func() net.Conn {
		conn, err := dial()
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	other := enter()
	ask(t, other, "CONFIG SET notify-keyspace-events EAmn")
	return func(before, calls string) (string, []string) {
		conn := enter()
		ask(t, other, "FLUSHALL; "+before)
		ask(t, conn, "HELLO 3; PSUBSCRIBE __keyevent@*")
		ask(t, other, "CONFIG RESETSTAT")
		sent := ask(t, conn, calls)
		reads := regexp.MustCompile(`keyspace_(hits|misses):\d+`).FindAllString(ask(t, other, "INFO stats"), -1)
		require.NoError(t, conn.Close())
		return sent, reads
	}
}

// ask makes calls and returns all that comes until they have been answered.
func ask(t *testing.T, conn net.Conn, calls string) string {
	t.Helper()
	const end = "$11\r\nthat-was-it\r\n"
	var w wire.Writer
	for call := range strings.SplitSeq(calls+"; ECHO that-was-it", ";") {
		words := strings.Fields(call)
		if len(words) == 0 {
			continue
		}
		w.Array(len(words))
		for _, word := range words {
			w.BulkString(word)
		}
	}
	_, err := conn.Write(w.Bytes())
	require.NoError(t, err)
	var got []byte
	for piece := make([]byte, 4096); !bytes.HasSuffix(got, []byte(end)); {
		n, err := conn.Read(piece)
		require.NoError(t, err, "after %q", got)
		got = append(got, piece[:n]...)
	}
	return strings.TrimSuffix(string(got), end)
}
