package testkit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// test is ask for a subcommand of TEST.
func test(w *harness.Client, words ...string) string {
	w.T.Helper()
	return w.AskWords(append([]string{"TEST"}, words...)...)
}

func TestClientsMakeThingsFail(t *testing.T) {
	r := startForClients(t, server.Options{})
	w, app := connect(t, r), connect(t, r)
	require.Equal(t, "OK", app.AskWords("CLIENT", "SETNAME", "app"))
	require.Equal(t, "(integer) 1", test(w, "INJECT", `command=set key=user:* nth=2 error="ERR it broke"`))
	require.Equal(t, "OK", app.AskWords("SET", "user:1", "a"))
	require.Equal(t, "(integer) 0", test(w, "STRIKES", "1"))
	require.Equal(t, "(error) ERR it broke", app.AskWords("SET", "user:1", "b"))
	require.Equal(t, "(integer) 1", test(w, "STRIKES", "1"))
	require.Equal(t, "(integer) 2", test(w, "INJECT", "error=LOADING"))
	require.Equal(t, "OK", test(w, "ADVANCE", "0"), "TEST itself is never struck")
	require.Contains(t, app.AskWords("GET", "user:1"), "(error) LOADING")
	require.Equal(t, "OK", test(w, "UNDO", "2"))
	require.Equal(t, "(integer) 1", test(w, "STRIKES", "2"), "which can still be asked for")
	require.Equal(t, `"a"`, app.AskWords("GET", "user:1"))

	require.Equal(t, "(integer) 3", test(w, "INJECT", "client=* command=echo error=BUSY"))
	require.Contains(t, app.AskWords("ECHO", "x"), "(error) BUSY")
	require.Contains(t, w.AskWords("ECHO", "x"), "(error) BUSY", "nor do those go free who have no name")
	require.Equal(t, "OK", test(w, "UNDO", "3"))

	require.Equal(t, "(integer) 4", test(w, "INJECT", "client=app hold"))
	app.SendWords("PING")
	require.Equal(t, "OK", test(w, "RESET"), "which undoes all")
	require.Equal(t, "PONG", app.Read())
	require.Equal(t, `(error) ERR no fault "4"`, test(w, "STRIKES", "4"))

	for fault, want := range map[string]string{
		"":              "(error) ERR",
		"nosuch=1":      "no word",
		"partition":     "give a client or an id",
		"hold client=*": "give a client or an id",
		`error="`:       "quote",
	} {
		require.Contains(t, test(w, "INJECT", fault), want, fault)
	}
	require.Equal(t, `(error) ERR no fault "7"`, test(w, "UNDO", "7"))
}
