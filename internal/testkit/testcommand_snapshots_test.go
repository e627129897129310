package testkit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

func TestClientsKeepAndRestoreStates(t *testing.T) {
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	require.Equal(t, "(integer) 1", test(w, "SNAPSHOT"))
	w.AskWords("HSET", "user:1", "name", "ann")
	require.Equal(t, "(integer) 2", test(w, "SNAPSHOT"))
	w.AskWords("HSET", "user:1", "name", "bob")
	require.Equal(t, `"- HSET user:1 name ann\n+ HSET user:1 name bob\n"`, test(w, "DIFF", "2"))
	require.Equal(t, `"+ HSET user:1 name ann\n"`, test(w, "DIFF", "1", "2"))
	require.Equal(t, `"HSET user:1 name bob\n"`, test(w, "DUMP"))

	require.Equal(t, "OK", test(w, "RESET"))
	require.Equal(t, `""`, test(w, "DIFF", "1"))
	require.Equal(t, "OK", test(w, "RESTORE", "2"), "snapshots outlive RESET")
	require.Equal(t, `"ann"`, w.AskWords("HGET", "user:1", "name"))
	require.Equal(t, `""`, test(w, "DIFFTEXT", "HSET user:1 name ann"))
	require.Contains(t, test(w, "DIFFTEXT", "SADD s a"), "+ HSET user:1 name ann")

	require.Equal(t, "OK", test(w, "RELEASE", "1"))
	for _, words := range [][]string{{"RESTORE", "1"}, {"RELEASE", "1"}, {"DIFF", "1"}, {"DIFF", "2", "1"}} {
		require.Equal(t, `(error) ERR no snapshot "1"`, test(w, words...), words)
	}
	require.Equal(t, `(error) ERR no snapshot "x"`, test(w, "RESTORE", "x"))
	require.Equal(t, "(error) ERR syntax error", test(w, "DIFF", "2", "2", "2"))
	require.Equal(t, "(integer) 3", test(w, "SNAPSHOT"), "numbers are not given again")
}

func TestClientsLoadData(t *testing.T) {
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	require.Equal(t, "OK", test(w, "LOAD", "SET k \"a b\"\nSELECT 1\nSADD s a b\n"))
	require.Equal(t, `"SET k \"a b\"\nSELECT 1\nSADD s a\nSADD s b\n"`, test(w, "DUMP"))
	require.Contains(t, test(w, "LOAD", "SET k v\nNOSUCH"), "line 2")
	require.Equal(t, `"a b"`, w.AskWords("GET", "k"), "all or none")
}
