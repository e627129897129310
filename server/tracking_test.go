package server_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// dial3 returns a client that speaks RESP3.
func dial3(t *testing.T, s *server.Server) *harness.Client {
	p := dial(t, s)
	p.Ask("HELLO 3")
	return p
}

func invalid(keys ...string) string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = fmt.Sprintf("%d) %q", i+1, key)
	}
	return "1> \"invalidate\"\n2> " + strings.Join(list, "\n   ")
}

// tracked requires the numbers of clients, keys, items and prefixes in INFO.
func tracked(t *testing.T, s *server.Server, clients, keys, items, prefixes int) {
	t.Helper()
	require.Contains(t, do(t, s, "INFO", "clients"), fmt.Sprintf("tracking_clients:%d\r\n", clients))
	require.Contains(t, do(t, s, "INFO", "stats"), fmt.Sprintf(
		"tracking_total_keys:%d\r\ntracking_total_items:%d\r\ntracking_total_prefixes:%d\r\n", keys, items, prefixes))
}

func TestInfoTellsWhatIsTracked(t *testing.T) {
	s := newServer(t, server.Options{})
	a, b, c := dial3(t, s), dial3(t, s), dial3(t, s)
	tracked(t, s, 0, 0, 0, 0)
	a.Ask("CLIENT TRACKING ON")
	b.Ask("CLIENT TRACKING ON")
	c.Ask("CLIENT TRACKING ON BCAST PREFIX x PREFIX y")
	a.Ask("MGET k l k")
	b.Ask("GET k")
	c.Ask("GET z")
	tracked(t, s, 3, 2, 3, 2)
	do(t, s, "SET", "k", 1)
	tracked(t, s, 3, 1, 1, 2)
	c.Ask("CLIENT TRACKING OFF")
	a.Ask("CLIENT TRACKING OFF")
	tracked(t, s, 1, 1, 1, 0)
	do(t, s, "FLUSHDB")
	tracked(t, s, 1, 0, 0, 0)
}

func TestClientListShowsTracking(t *testing.T) {
	s := newServer(t, server.Options{})
	a, b := dial3(t, s), dial3(t, s)
	flags := func(want string) {
		t.Helper()
		require.Contains(t, a.Ask("CLIENT INFO"), want)
	}
	flags(" flags=N ")
	flags(" redir=-1 ")
	a.Ask("CLIENT TRACKING ON")
	flags(" flags=t ")
	flags(" redir=0 ")
	a.Ask("CLIENT TRACKING ON REDIRECT " + b.ID())
	flags(" redir=" + b.ID() + " ")
	a.Ask("GET k")
	b.Close()
	do(t, s, "SET", "k", "v")
	require.Contains(t, a.Read(), "tracking-redir-broken")
	flags(" flags=tR ")
	a.Ask("CLIENT TRACKING OFF")
	flags(" flags=N ")
	a.Ask("CLIENT TRACKING ON BCAST")
	flags(" flags=tB ")
}

// The tracking state of a client is removed when it disconnects, however large
// it is.
func TestDisconnectedClientIsNotTracked(t *testing.T) {
	s := newServer(t, server.Options{})
	a, b, c := dial3(t, s), dial3(t, s), dial3(t, s)
	for i, p := range []*harness.Client{a, b} {
		p.Ask("CLIENT TRACKING ON")
		for j := range 3000 {
			p.Ask(fmt.Sprintf("GET key:%d", (i+1)*j))
		}
	}
	c.Ask("CLIENT TRACKING ON BCAST PREFIX x PREFIX y")
	tracked(t, s, 3, 3000+1500, 6000, 2)
	require.NoError(t, a.Close())
	tracked(t, s, 2, 3000, 3000, 2)
	do(t, s, "CLIENT", "KILL", "ID", c.ID())
	tracked(t, s, 1, 3000, 3000, 0)
	b.Ask("RESET")
	tracked(t, s, 0, 3000, 3000, 0)
	require.NoError(t, b.Close())
	tracked(t, s, 0, 0, 0, 0)
}

// No other client gets the invalidations of a client that has disconnected.
func TestKilledTrackerRedirectsNothing(t *testing.T) {
	s := newServer(t, server.Options{})
	a, b, c := dial3(t, s), dial3(t, s), dial3(t, s)
	a.Ask("CLIENT TRACKING ON REDIRECT " + b.ID())
	a.Ask("GET k")
	id := a.ID()
	c.Send("MULTI\r\nCLIENT KILL ID " + id + "\r\nSET k 1\r\nFLUSHALL\r\nEXEC")
	for range 5 {
		c.Read()
	}
	require.Equal(t, "PONG", b.Ask("PING"))
}

func TestTrackedKeysAreLimited(t *testing.T) {
	s := newServer(t, server.Options{})
	a, b := dial3(t, s), dial3(t, s)
	a.Ask("CLIENT TRACKING ON")
	do(t, s, "CONFIG", "SET", "tracking-table-max-keys", 10)
	keys := make(map[string]bool)
	for i := range 25 {
		keys[fmt.Sprint("k", i)] = true
		a.Ask(fmt.Sprint("GET k", i))
		if i >= 10 {
			forgotten := nextValue(a).Elems[1].Elems[0].Str
			require.True(t, keys[forgotten], forgotten)
			delete(keys, forgotten)
		}
	}
	tracked(t, s, 1, 10, 10, 0)
	require.Equal(t, "(nil)", b.Ask("GET k1"))

	// Remaining entries are still tracked.
	for key := range keys {
		do(t, s, "SET", key, "v")
		require.Equal(t, invalid(key), a.Read())
	}
	tracked(t, s, 1, 0, 0, 0)

	// A lower limit is reached in steps: no client waits long.
	do(t, s, "CONFIG", "SET", "tracking-table-max-keys", 0)
	for i := range 1000 {
		a.Ask(fmt.Sprint("GET k", i))
	}
	do(t, s, "CONFIG", "SET", "tracking-table-max-keys", 100)
	tracked(t, s, 1, 700, 700, 0) // 100 were removed by CONFIG and 200 by the first INFO; the second removes 300
	do(t, s, "PING")
	for range 900 {
		require.Contains(t, a.Read(), "invalidate")
	}
	tracked(t, s, 1, 100, 100, 0)
	require.Equal(t, "PONG", a.Ask("PING"))
}

// In Redis the second of these errors is followed by an OK, and the prefixes
// are registered all the same: two replies to one call.
func TestOverlappingPrefixesGiveOneReply(t *testing.T) {
	s := newServer(t, server.Options{})
	a := dial3(t, s)
	for _, prefixes := range []string{"PREFIX a PREFIX ab", "PREFIX x PREFIX a PREFIX ab"} {
		require.Equal(t, "(error) ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client must not overlap.",
			a.Ask("CLIENT TRACKING ON BCAST "+prefixes))
		require.Equal(t, "PONG", a.Ask("PING"))
	}
	tracked(t, s, 0, 0, 0, 0)
}

// Checking very many prefixes, and matching each changed key, is fast.
func TestManyPrefixes(t *testing.T) {
	s := newServer(t, server.Options{})
	a := dial3(t, s)
	const n = 100_000
	words := []string{"CLIENT", "TRACKING", "ON", "BCAST"}
	for i := range n {
		words = append(words, "PREFIX", fmt.Sprintf("%06d:", i))
	}
	harness.RequireCPU(t, soon, "what would take minutes by comparing each with each", func() {
		call := func(words []string) string {
			var w wire.Writer
			w.Array(len(words))
			for _, word := range words {
				w.BulkString(word)
			}
			_, err := a.Conn.Write(w.Bytes())
			require.NoError(t, err)
			return a.Read()
		}
		require.Equal(t, "OK", call(words))
		require.Contains(t, call(append(slices.Clone(words[:4]), "PREFIX", "x", "PREFIX", "099999")), "Prefix '099999' overlaps with an existing prefix '099999:'")
		for i := range n {
			words[4+2*i+1] = "y" + words[4+2*i+1]
		}
		require.Contains(t, call(append(words, "PREFIX", "y099999:")), "Prefix 'y099999:' overlaps with another provided prefix 'y099999:'")
		for i := range 1000 {
			do(t, s, "SET", fmt.Sprintf("%06d:%s", i, strings.Repeat("x", 100)), "v")
			require.Contains(t, a.Read(), fmt.Sprintf("%06d:", i))
		}
		require.NoError(t, a.Close())
		tracked(t, s, 0, 0, 0, 0)
	})
}

// A client that does not read its invalidations is disconnected, though as a
// normal client it may leave replies unread. No other client is affected.
func TestTrackingClientThatDoesNotRead(t *testing.T) {
	s := newServer(t, server.Options{})
	do(t, s, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
	stuck, slow := dial3(t, s), dial3(t, s)
	do(t, s, "SET", "large", strings.Repeat("x", 4<<20))
	slow.Ask("CLIENT TRACKING ON BCAST PREFIX large")
	slow.Send("GET large")
	stuck.Ask("CLIENT TRACKING ON BCAST")
	name := strings.Repeat("k", 10_000)
	for i := range 200 {
		do(t, s, "SET", fmt.Sprint(name, i), "v")
	}
	harness.Until(t, "the stuck client is gone", func() bool {
		return strings.Contains(do(t, s, "INFO", "clients"), "tracking_clients:1\r\n")
	})
	require.Contains(t, do(t, s, "INFO", "stats"), "client_output_buffer_limit_disconnections:1\r\n")
	do(t, s, "SET", "large", "v")
	readLength(slow, 4<<20)
	require.Equal(t, invalid("large"), slow.Read())
}

// A cache that follows invalidations never ends with a value that differs from
// the server's.
func TestCachesAreCoherent(t *testing.T) {
	const caches, writers, rounds, keys = 6, 3, 400, 20
	s := newServer(t, server.Options{})
	modes := []string{"", "NOLOOP", "BCAST", "BCAST NOLOOP", "BCAST PREFIX k", "OPTOUT"}
	var writing, caching sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		p, r := dial3(t, s), rand.New(rand.NewPCG(1, uint64(w)))
		writing.Go(func() {
			for i := range rounds {
				switch key := fmt.Sprint("k", r.IntN(keys)); r.IntN(10) {
				case 0:
					p.Ask("DEL " + key)
				case 1:
					p.Ask(fmt.Sprintf("SET %s %d PX 1", key, i))
				case 2:
					p.Send(fmt.Sprintf("MULTI\r\nSET %s a\r\nSET %s b\r\nEXEC", key, key))
					for range 4 {
						p.Read()
					}
				case 3:
					if r.IntN(20) == 0 {
						p.Ask("FLUSHALL")
					}
				default:
					p.Ask(fmt.Sprintf("SET %s %d", key, i))
				}
			}
		})
	}
	var clients []*cache
	for i := range caches {
		c := &cache{Client: dial3(t, s), values: make(map[string]string)}
		clients = append(clients, c)
		c.Ask("CLIENT TRACKING ON " + modes[i])
		r := rand.New(rand.NewPCG(2, uint64(i)))
		caching.Go(func() {
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				default:
				}
				for range 20 {
					c.get(fmt.Sprint("k", r.IntN(keys)))
				}
			}
		})
	}
	writing.Wait()
	close(done)
	caching.Wait()
	harness.Until(t, "all that can has expired", func() bool {
		info := do(t, s, "INFO", "keyspace")
		return !strings.Contains(info, "expires=") || strings.Contains(info, "expires=0")
	})
	for i, c := range clients {
		c.call("PING")
		for key, value := range c.values {
			require.Equal(t, do(t, s, "GET", key), value, "%s in the cache of mode %q", key, modes[i])
		}
	}
}

// A cache holds what its client has read, until it is invalidated.
type cache struct {
	*harness.Client
	values map[string]string
}

// call makes a call and reads everything up to its reply.
func (c *cache) call(line string) resp.Value {
	c.Send(line)
	for {
		v := nextValue(c.Client)
		switch {
		case v.Type != resp.TypePush:
			return v
		case v.Elems[1].IsNull():
			clear(c.values)
		default:
			for _, key := range v.Elems[1].Elems {
				delete(c.values, key.Str)
			}
		}
	}
}

func (c *cache) get(key string) {
	if _, cached := c.values[key]; !cached {
		c.values[key] = c.call("GET " + key).String()
		return
	}
	c.call("PING")
}
