package testkit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// test is ask for a subcommand of TEST.
func (w *wire) test(words ...string) string {
	w.t.Helper()
	return w.ask(append([]string{"TEST"}, words...)...)
}

func TestClientsMakeThingsFail(t *testing.T) {
	r := startForClients(t, server.Options{})
	w, app := connect(t, r), connect(t, r)
	require.Equal(t, "OK", app.ask("CLIENT", "SETNAME", "app"))
	require.Equal(t, "(integer) 1", w.test("INJECT", `command=set key=user:* nth=2 error="ERR it broke"`))
	require.Equal(t, "OK", app.ask("SET", "user:1", "a"))
	require.Equal(t, "(integer) 0", w.test("STRIKES", "1"))
	require.Equal(t, "(error) ERR it broke", app.ask("SET", "user:1", "b"))
	require.Equal(t, "(integer) 1", w.test("STRIKES", "1"))
	require.Equal(t, "(integer) 2", w.test("INJECT", "error=LOADING"))
	require.Equal(t, "OK", w.test("ADVANCE", "0"), "TEST itself is never struck")
	require.Contains(t, app.ask("GET", "user:1"), "(error) LOADING")
	require.Equal(t, "OK", w.test("UNDO", "2"))
	require.Equal(t, "(integer) 1", w.test("STRIKES", "2"), "which can still be asked for")
	require.Equal(t, `"a"`, app.ask("GET", "user:1"))

	require.Equal(t, "(integer) 3", w.test("INJECT", "client=* command=echo error=BUSY"))
	require.Contains(t, app.ask("ECHO", "x"), "(error) BUSY")
	require.Contains(t, w.ask("ECHO", "x"), "(error) BUSY", "nor do those go free who have no name")
	require.Equal(t, "OK", w.test("UNDO", "3"))

	require.Equal(t, "(integer) 4", w.test("INJECT", "client=app hold"))
	app.send("PING")
	require.Equal(t, "OK", w.test("RESET"), "which undoes all")
	require.Equal(t, "PONG", app.read())
	require.Equal(t, `(error) ERR no fault "4"`, w.test("STRIKES", "4"))

	for fault, want := range map[string]string{
		"":              "(error) ERR",
		"nosuch=1":      "no word",
		"partition":     "give a client or an id",
		"hold client=*": "give a client or an id",
		`error="`:       "quote",
	} {
		require.Contains(t, w.test("INJECT", fault), want, fault)
	}
	require.Equal(t, `(error) ERR no fault "7"`, w.test("UNDO", "7"))
}
