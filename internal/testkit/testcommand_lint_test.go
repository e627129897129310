package testkit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// TEST FINDINGS reports to clients what lint reports to Go tests.
func TestClientsFindWhatWouldSurprise(t *testing.T) {
	t.Parallel()
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	require.Equal(t, "OK", w.AskWords("TEST", "LINT", "all", "version", "6.2", "TTL", "session:"))
	w.AskWords("CLIENT", "SETNAME", "app")
	w.AskWords("ZADD", "room:1:users", "1", "ann")
	w.AskWords("SINTER", "room:1:users")
	w.AskWords("EXPIRE", "room:1:users", "60", "NX")
	w.AskWords("SET", "session:1", "token")
	require.Equal(t, `1) "version: EXPIRE with NX needs Redis 7.0.0; 1 time, first by client 1 name=app: EXPIRE room:1:users 60 NX"
2) "ttl: a key under session: has no TTL; 1 time, first by client 1 name=app: SET session:1 token"
3) "sinter: SINTER over a sorted set: Redis answers WRONGTYPE; 1 time, first by client 1 name=app: SINTER room:1:users"`, w.AskWords("TEST", "FINDINGS"))

	require.Equal(t, "OK", w.AskWords("TEST", "RESET"))
	require.Equal(t, "(empty array)", w.AskWords("TEST", "FINDINGS"))
	w.AskWords("KEYS", "*")
	require.Contains(t, w.AskWords("TEST", "FINDINGS"), "keys: ", "it goes on looking")

	require.Equal(t, "OK", w.AskWords("TEST", "LINT", "OFF"))
	w.AskWords("KEYS", "*")
	require.Equal(t, "(empty array)", w.AskWords("TEST", "FINDINGS"))
	for _, wrong := range [][]string{{"TEST", "LINT", "SOME"}, {"TEST", "LINT", "OFF", "TTL", "a"}, {"TEST", "LINT", "ALL", "TTL"}, {"TEST", "LINT", "ALL", "NOR", "this"}} {
		require.Equal(t, "(error) ERR syntax error", w.AskWords(wrong...))
	}
	require.Contains(t, w.AskWords("TEST", "LINT", "ALL", "VERSION", "new"), "not a version")
}
