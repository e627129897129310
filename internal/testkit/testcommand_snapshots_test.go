package testkit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

func TestClientsKeepAndRestoreStates(t *testing.T) {
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	require.Equal(t, "(integer) 1", w.test("SNAPSHOT"))
	w.ask("HSET", "user:1", "name", "ann")
	require.Equal(t, "(integer) 2", w.test("SNAPSHOT"))
	w.ask("HSET", "user:1", "name", "bob")
	require.Equal(t, `"- HSET user:1 name ann\n+ HSET user:1 name bob\n"`, w.test("DIFF", "2"))
	require.Equal(t, `"+ HSET user:1 name ann\n"`, w.test("DIFF", "1", "2"))
	require.Equal(t, `"HSET user:1 name bob\n"`, w.test("DUMP"))

	require.Equal(t, "OK", w.test("RESET"))
	require.Equal(t, `""`, w.test("DIFF", "1"))
	require.Equal(t, "OK", w.test("RESTORE", "2"), "snapshots outlive RESET")
	require.Equal(t, `"ann"`, w.ask("HGET", "user:1", "name"))
	require.Equal(t, `""`, w.test("DIFFTEXT", "HSET user:1 name ann"))
	require.Contains(t, w.test("DIFFTEXT", "SADD s a"), "+ HSET user:1 name ann")

	require.Equal(t, "OK", w.test("RELEASE", "1"))
	for _, words := range [][]string{{"RESTORE", "1"}, {"RELEASE", "1"}, {"DIFF", "1"}, {"DIFF", "2", "1"}} {
		require.Equal(t, `(error) ERR no snapshot "1"`, w.test(words...), words)
	}
	require.Equal(t, `(error) ERR no snapshot "x"`, w.test("RESTORE", "x"))
	require.Equal(t, "(error) ERR syntax error", w.test("DIFF", "2", "2", "2"))
	require.Equal(t, "(integer) 3", w.test("SNAPSHOT"), "numbers are not given again")
}

func TestClientsLoadData(t *testing.T) {
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	require.Equal(t, "OK", w.test("LOAD", "SET k \"a b\"\nSELECT 1\nSADD s a b\n"))
	require.Equal(t, `"SET k \"a b\"\nSELECT 1\nSADD s a\nSADD s b\n"`, w.test("DUMP"))
	require.Contains(t, w.test("LOAD", "SET k v\nNOSUCH"), "line 2")
	require.Equal(t, `"a b"`, w.ask("GET", "k"), "all or none")
}
