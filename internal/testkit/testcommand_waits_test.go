package testkit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

func TestClientsMoveTimeOn(t *testing.T) {
	r := startForClients(t, server.Options{Clock: server.NewManualClock(time.UnixMilli(1615480369000))})
	w, waiter := connect(t, r), connect(t, r)
	require.Equal(t, "OK", w.AskWords("SET", "k", "v", "EX", "30"))
	waiter.SendWords("BZPOPMIN", "z", "29")
	require.Equal(t, "OK", test(w, "WAIT", "BLOCKED", "1", "1m"))
	require.Equal(t, "OK", test(w, "ADVANCE", "20000"))
	require.Equal(t, "(integer) 10", w.AskWords("TTL", "k"))
	w.SendWords("TEST", "ADVANCE", "1m30s")
	w.SendWords("EXISTS", "k")
	require.Equal(t, "OK", w.Read())
	require.Equal(t, "(integer) 0", w.Read(), "what is sent behind it comes after it")
	require.Equal(t, "(nil)", waiter.Read())
	for word, want := range map[string]string{
		"-1": "(error) ERR \"-1\" is a negative duration", "-1s": "(error) ERR \"-1s\" is a negative duration",
		"soon": "(error) ERR \"soon\" is not a duration: want milliseconds, or a number with a unit, as 30s", "99999999999999999": "is not a duration",
	} {
		require.Contains(t, test(w, "ADVANCE", word), want)
	}
	require.Equal(t, "(error) ERR the clock cannot be moved past the year 2262", test(w, "ADVANCE", "9223372036854"))
	require.Equal(t, "OK", test(w, "ADVANCE", "876000h"), "a hundred years")
	require.Equal(t, "OK", test(w, "ADVANCE", "876000h"))
	require.Contains(t, test(w, "ADVANCE", "876000h"), "2262")
	require.Regexp(t, `^1\) "7922`, w.AskWords("TIME"))
}

// The default clock runs in real time, and can also be moved forward.
func TestTheClockOfClientsRuns(t *testing.T) {
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	w.AskWords("SET", "k", "v", "PX", "20")
	w.AskWords("CONFIG", "SET", "notify-keyspace-events", "Ex")
	require.Equal(t, "OK", test(w, "RECORD", "gone", "__keyevent@0__:expired"))
	require.Equal(t, "1) \"__keyevent@0__:expired\"\n2) \"k\"", test(w, "NEXT", "gone", "1m"), "it goes by itself")
	w.AskWords("SET", "long", "v", "EX", "3600")
	require.Equal(t, "OK", test(w, "ADVANCE", "3601s"))
	require.Equal(t, "1) \"__keyevent@0__:expired\"\n2) \"long\"", test(w, "NEXT", "gone", "1m"))
}

func TestClientsWaitWithoutSleeping(t *testing.T) {
	r := startForClients(t, server.Options{})
	w, other := connect(t, r), connect(t, r)
	for _, c := range []struct{ wait, does []string }{
		{[]string{"SUBSCRIBERS", "room:1", "1"}, []string{"SUBSCRIBE", "room:1"}},
		{[]string{"SUBSCRIBERS", "room:1", "0"}, []string{"UNSUBSCRIBE", "room:1"}},
		{[]string{"PATTERN-SUBSCRIBERS", "room:*", "1"}, []string{"PSUBSCRIBE", "room:*"}},
		{[]string{"pattern-subscribers", "room:*", "0"}, []string{"PUNSUBSCRIBE"}},
		{[]string{"SHARD-SUBSCRIBERS", "room:1", "1"}, []string{"SSUBSCRIBE", "room:1"}},
		{[]string{"SHARD-SUBSCRIBERS", "room:1", "0"}, []string{"SUNSUBSCRIBE", "room:1"}},
		{[]string{"BLOCKED", "1"}, []string{"BZPOPMIN", "z", "0"}},
	} {
		words := append([]string{"TEST", "WAIT"}, c.wait...)
		got := w.AskWords(append(words, "1")...)
		require.Regexp(t, `^\(error\) TIMEOUT `, got, words)
		w.SendWords(append(words, "1m")...)
		other.SendWords(c.does...)
		require.Equal(t, "OK", w.Read(), words)
		if c.does[0] != "BZPOPMIN" {
			other.Read()
		}
	}
	require.Equal(t, "OK", test(w, "WAIT", "CLIENTS", "2", "1m"))
	require.Equal(t, "OK", test(w, "WAIT", "IDLE", "1m"), "one that is blocked is not under way, nor is this")
	for _, words := range [][]string{{"IDLE", "1", "1"}, {"SUBSCRIBERS", "x", "1"}, {"LUNCH", "1"}, {"BLOCKED", "1"}} {
		require.Equal(t, "(error) ERR syntax error", test(w, append([]string{"WAIT"}, words...)...), words)
	}
	require.Contains(t, test(w, "WAIT", "BLOCKED", "-1", "1"), `"-1" is not an integer of 0 or more`)
	require.Contains(t, test(w, "WAIT", "BLOCKED", "1", "x"), `"x" is not a duration`)
	require.NoError(t, r.Check())
}

// A wait ends when its client disconnects, and Close does not wait for it.
func TestWaitsOfThoseWhoLeave(t *testing.T) {
	r := startForClients(t, server.Options{})
	w, gone := connect(t, r), connect(t, r)
	gone.SendWords("TEST", "WAIT", "BLOCKED", "1", "1h")
	require.NoError(t, gone.Close())
	require.Equal(t, "OK", test(w, "WAIT", "CLIENTS", "1", "1m"))
	w.SendWords("TEST", "NEXT", "nothing", "1h")
	require.Contains(t, w.Read(), `no recorder "nothing"`)
	require.Equal(t, "OK", test(w, "RECORD", "all"))
	w.SendWords("TEST", "NEXT", "all", "1h")
	connect(t, r).SendWords("PING")
	require.NoError(t, r.Close())
}

func TestMessagesAreRecorded(t *testing.T) {
	r := startForClients(t, server.Options{})
	w, other := connect(t, r), connect(t, r)
	require.Equal(t, "OK", test(w, "RECORD", "one", "room:1"))
	require.Equal(t, "OK", test(w, "PRECORD", "rooms", "room:*"))
	require.Equal(t, "OK", test(w, "RECORD", "all"))
	for _, channel := range []string{"room:1", "room:2", "lobby"} {
		other.AskWords("PUBLISH", channel, "to "+channel)
	}
	require.Equal(t, "1) 1) \"room:1\"\n   2) \"to room:1\"", test(w, "RECORDED", "one"))
	require.Equal(t, "1) 1) \"room:1\"\n   2) \"to room:1\"\n2) 1) \"room:2\"\n   2) \"to room:2\"", test(w, "RECORDED", "rooms"))
	for _, channel := range []string{"room:1", "room:2", "lobby"} {
		require.Equal(t, "1) \""+channel+"\"\n2) \"to "+channel+"\"", test(w, "NEXT", "all", "1m"))
	}
	require.Regexp(t, `^\(error\) TIMEOUT .*no message`, test(w, "NEXT", "all", "1"))
	w.SendWords("TEST", "NEXT", "all", "1m")
	other.AskWords("PUBLISH", "x", "y")
	require.Equal(t, "1) \"x\"\n2) \"y\"", w.Read())
	require.Equal(t, "OK", test(w, "RECORD", "one"))
	require.Equal(t, "(empty array)", test(w, "RECORDED", "one"), "another in its place")
	require.Equal(t, "OK", test(w, "RESET"))
	require.Contains(t, test(w, "RECORDED", "one"), "no recorder")
}

func TestARecorderThatHasMissedMessagesSaysSo(t *testing.T) {
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	require.Equal(t, "OK", test(w, "RECORD", "all"))
	text := strings.Repeat("x", 1<<20)
	for range 63 {
		w.AskWords("PUBLISH", "room:1", text)
	}
	require.Equal(t, 63, strings.Count(test(w, "RECORDED", "all"), "room:1"))
	w.AskWords("PUBLISH", "room:1", text)
	require.Equal(t, "(error) ERR recorder full", test(w, "RECORDED", "all"))
	for range 63 {
		require.Contains(t, test(w, "NEXT", "all", "1m"), "room:1")
	}
	require.Equal(t, "(error) ERR recorder full", test(w, "NEXT", "all", "1m"))
}

func TestCallsAreListed(t *testing.T) {
	r := startForClients(t, server.Options{})
	w, app := connect(t, r), connect(t, r)
	app.AskWords("SET", "k", "1")
	app.AskWords("CLIENT", "SETNAME", "app")
	app.AskWords("EXPIRE", "k", "60")
	app.AskWords("nosuch")
	w.AskWords("PING")
	require.Equal(t, "1) 1) \"EXPIRE\"\n   2) \"k\"\n   3) \"60\"\n2) 1) \"nosuch\"", test(w, "CALLS", "CLIENT", "app"))
	require.Equal(t, "1) 1) \"EXPIRE\"\n   2) \"k\"\n   3) \"60\"", test(w, "CALLS", "LIKE", "expire *"))
	require.Equal(t, "(empty array)", test(w, "CALLS", "CLIENT", "app", "LIKE", "set"))
	require.NotContains(t, test(w, "CALLS"), "TEST")
	for _, words := range [][]string{{"CLIENT"}, {"X", "y"}} {
		require.Equal(t, "(error) ERR syntax error", test(w, append([]string{"CALLS"}, words...)...))
	}
	require.Contains(t, test(w, "CALLS", "LIKE", `"`), "not a call")
	require.Equal(t, "OK", test(w, "FORGET"))
	require.Equal(t, "(empty array)", test(w, "CALLS"))
	for range 5000 {
		w.SendWords("PING")
	}
	for range 5000 {
		w.Read()
	}
	require.Contains(t, test(w, "CALLS"), "the log has dropped the first 904 calls: see TEST FORGET")
	require.Equal(t, "OK", test(w, "RESET"))
	require.Equal(t, "(empty array)", test(w, "CALLS"))
}
