package clienttest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/redistest"
)

// What a library sends before it is used, and what it is answered, is on the
// wire the same with a parley as with a Redis: a library that finds nothing to
// complain about today may look closer tomorrow.
func TestHandshakes(t *testing.T) {
	for name, connect := range handshakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, password := range []string{"", "open sesame"} {
				servers := bothTargets(t, password)
				parley, redis := overheard(t, servers[0], connect), overheard(t, servers[1], connect)
				t.Log(parley)
				require.Equal(t, redis, parley)
				require.Contains(t, parley, "PONG")
			}
		})
	}
}

// overheard is what a client and a server say to each other.
func overheard(t *testing.T, to target, connect func(*testing.T, target)) string {
	tap := listenIn(t, to)
	t.Run(to.addr(), func(t *testing.T) { connect(t, tap.target) }) // which closes at its end what it opens
	return tap.conversations(t)
}

// handshakes connect with a library's defaults, and PING.
var handshakes = map[string]func(*testing.T, target){
	"go-redis": func(t *testing.T, to target) {
		c := goRedis(t, to.endpoint(), 0)
		require.NoError(t, c.Ping(t.Context()).Err())
	},
	"go-redis, all options": func(t *testing.T, to target) {
		c := goredis.NewClient(&goredis.Options{Addr: to.addr(), Password: to.Password, DB: 3, ClientName: "a-name", Protocol: 2})
		require.NoError(t, c.Ping(t.Context()).Err())
		require.NoError(t, c.Close())
	},
	"redigo": func(t *testing.T, to target) {
		_, err := redigo(t, to.endpoint()).Do("PING")
		require.NoError(t, err)
	},
	"rueidis": func(t *testing.T, to target) {
		c := rueidisClient(t, to.endpoint())
		require.NoError(t, c.Do(t.Context(), c.B().Ping().Build()).Error())
	},
	"valkey-go": func(t *testing.T, to target) {
		c := valkeyClient(t, to.endpoint())
		require.NoError(t, c.Do(t.Context(), c.B().Ping().Build()).Error())
	},
	"rueidis without its cache": func(t *testing.T, to target) {
		o := rueidisOptions(to.endpoint())
		o.DisableCache = true
		c, err := rueidis.NewClient(o)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.Do(t.Context(), c.B().Ping().Build()).Error())
	},
	"rueidis in RESP2": func(t *testing.T, to target) {
		c, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{to.addr()}, Password: to.Password, DisableCache: true, AlwaysRESP2: true,
		})
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.Do(t.Context(), c.B().Ping().Build()).Error())
	},
	"node-redis 5": func(t *testing.T, to target) { nodeHandshake(t, to, "node-redis-5") },
	"node-redis 6": func(t *testing.T, to target) { nodeHandshake(t, to, "node-redis-6") },
	"ioredis 5":    func(t *testing.T, to target) { nodeHandshake(t, to, "ioredis-5") },
	"ioredis 6":    func(t *testing.T, to target) { nodeHandshake(t, to, "ioredis-6") },
	"redis-py": func(t *testing.T, to target) {
		program(t, to, findPython(t), "python/test_redis_py.py", "OverTCP.test_first_call")
	},
	"redis-cli": func(t *testing.T, to target) {
		for _, options := range [][]string{nil, {"-3"}, {"-n", "3"}, {"-n", "3", "-3"}} {
			args := slices.Concat([]string{"-h", to.Host, "-p", fmt.Sprint(to.Port)}, options, []string{"PING"})
			cmd := exec.Command(redistest.CLI(t), args...)
			cmd.Env = os.Environ()
			if to.Password != "" {
				cmd.Env = append(cmd.Env, "REDISCLI_AUTH="+to.Password)
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err)
			require.Equal(t, "PONG\n", string(out))
		}
	},
	// What the default options of libraries send that are not installed here.
	"Jedis": func(t *testing.T, to target) {
		to.say(t, nil, "CLIENT SETINFO lib-name jedis", "CLIENT SETINFO lib-ver 7.5.3", "SELECT 0", "PING")
	},
	"Lettuce": func(t *testing.T, to target) {
		to.say(t, []string{"HELLO", "3"}, "CLIENT SETINFO lib-name Lettuce", "CLIENT SETINFO lib-ver 7.7.0",
			"CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type external-ip", "PING")
	},
	"redis-py 8": func(t *testing.T, to target) {
		to.say(t, []string{"HELLO", "3"}, "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip",
			"CLIENT SETINFO LIB-NAME redis-py", "CLIENT SETINFO LIB-VER 8.0.0", "PING")
	},
}

func nodeHandshake(t *testing.T, to target, library string) {
	node, test := findNode(t), findNodeTest(t, library)
	program(t, to, node, "--test", "--test-name-pattern=tcp: a first call", test)
}

// bothTargets starts a parley and a Redis.
func bothTargets(t *testing.T, password string) [2]target {
	s, socket := startOnBoth(t, password)
	var args []string
	if password != "" {
		args = []string{"--requirepass", password}
	}
	r := redistest.Start(t, args...)
	return [2]target{newTarget(t, s.Addr(), socket, password), newTarget(t, r.Addr(), r.Socket(), password)}
}

func (to target) addr() string { return net.JoinHostPort(to.Host, fmt.Sprint(to.Port)) }

func (to target) endpoint() endpoint {
	return endpoint{network: "tcp", addr: to.addr(), password: to.Password}
}

// say sends calls, after a HELLO or an AUTH, and waits for as many replies.
func (to target) say(t *testing.T, hello []string, calls ...string) {
	conn, err := net.Dial("tcp", to.addr())
	require.NoError(t, err)
	defer conn.Close()
	var w wire.Writer
	send := func(words ...string) {
		w.Array(len(words))
		for _, word := range words {
			w.BulkString(word)
		}
	}
	switch {
	case hello != nil && to.Password != "":
		send(append(hello, "AUTH", "default", to.Password)...)
	case hello != nil:
		send(hello...)
	default:
		send("AUTH", to.Password) // an error where there is no password
	}
	for _, call := range calls {
		send(strings.Fields(call)...)
	}
	_, err = conn.Write(w.Bytes())
	require.NoError(t, err)
	replies := resp.NewReader(conn)
	for range len(calls) + 1 {
		_, err := replies.Read()
		require.NoError(t, err)
	}
}
