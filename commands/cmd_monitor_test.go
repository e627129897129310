package commands_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var shownTimeAndPlace = regexp.MustCompile(`^\d+\.\d{6} \[(\d+) \S+\] `)

// shown reads what a monitor is sent until somebody says "end". Before that the
// other asks something that no monitor is shown: by the time Redis replies it has
// run what was sent before, if perhaps behind it.
func shown(t *testing.T, monitor, other *line) (lines []string) {
	t.Helper()
	other.ask("SLOWLOG", "LEN")
	other.ask("ECHO", "end")
	for {
		text, _ := shownOrReply(t, monitor)
		if strings.HasSuffix(text, `"ECHO" "end"`) {
			return lines
		}
		lines = append(lines, text)
	}
}

// shownOrReply reads what a monitor is shown, or a reply to a call of its own.
func shownOrReply(t *testing.T, monitor *line) (text string, reply bool) {
	t.Helper()
	v := monitor.read()
	text = shownTimeAndPlace.ReplaceAllString(v.Str, "TIME [$1 PLACE] ")
	if !strings.HasPrefix(text, "TIME") {
		return v.String(), true
	}
	require.Equal(t, "+", string(v.Type))
	return text, false
}

func TestMonitorIsShownWhatRedisShows(t *testing.T) {
	onBoth(t, func(t *testing.T, s *talked) []string {
		a, b, monitor := s.dial(), s.dial(), s.dial()
		require.Equal(t, "OK", monitor.ask("MONITOR").Str)
		for _, call := range [][]string{
			{"SET", "k", "a\"b\\c\n\r\t\a\b\x00\x1f ~\x7f\xff \xe9'"},
			{"SET", "", ""},
			{"set", "k", "v", "ex", "100"},
			{"INCRBYFLOAT", "n", "1.5"},
			{"SPOP", "none"},
			{"NOSUCH", "x"},
			{"GET"},
			{"LPUSH"},
			{"INCR", "k"}, // fails, and is shown
			{"MULTI"}, {"GET", "k"}, {"SELECT", "3"}, {"NOSUCH"}, {"EXEC"},
			{"MULTI"}, {"GET", "k"}, {"SELECT", "3"}, {"SET", "k", "v"}, {"CLIENT", "LIST"}, {"EXEC"},
			{"MULTI"}, {"GET", "k"}, {"DISCARD"}, {"EXEC", "x"}, {"EXEC"},
			{"AUTH", "secret"}, {"AUTH", "nobody", "secret"}, {"AUTH", "default", "secret"},
			{"HELLO", "2", "AUTH", "default", "secret"}, {"HELLO", "2", "SETNAME", "x", "AUTH", "default", "secret"},
			{"HELLO", "2", "AUTH", "default", "secret", "BAD"},
			{"CONFIG", "SET", "requirepass", ""}, {"CONFIG", "GET", "maxclients"}, {"CONFIG", "HELP"},
			{"CLIENT", "LIST"}, {"CLIENT", "ID"}, {"SLOWLOG", "LEN"}, {"SLOWLOG", "HELP"}, {"INFO", "server"}, {"PING"},
			{"COMMAND", "COUNT"}, {"DBSIZE"}, {"KEYS", "*"}, {"TIME"}, {"OBJECT", "ENCODING", "k"},
			{"SUBSCRIBE", "c"}, {"GET", "k"}, {"EXEC"}, {"UNSUBSCRIBE"}, {"PUBLISH", "c", "x"},
			{"RESET"},
		} {
			a.ask(call...)
		}
		a.send("BZPOPMIN", "z", "0.01")
		s.Advance(50 * time.Millisecond)
		a.read()
		a.send("BZPOPMIN", "z", "0")
		for !strings.Contains(b.ask("CLIENT", "LIST").Str, " flags=b") {
		}
		b.ask("ZADD", "z", "1", "m")
		a.read()
		a.ask("QUIT")
		return shown(t, monitor, b)
	})
}

// What a monitor may do itself; its own calls are shown behind their replies.
func TestMonitorIsAKindOfReplica(t *testing.T) {
	onBoth(t, func(t *testing.T, s *talked) (got []string) {
		monitor, other := s.dial(), s.dial()
		require.Equal(t, "OK", monitor.ask("MONITOR").Str)
		monitor.send("MONITOR") // no reply
		for _, call := range [][]string{
			{"GET", "k"}, {"SET", "k", "v"}, {"FLUSHALL"}, {"KEYS", "*"}, {"DBSIZE"}, {"PUBLISH", "c", "x"}, {"OBJECT", "ENCODING", "k"},
			{"EXISTS"}, {"NOSUCH"}, {"MONITOR", "x"}, {"PING"}, {"WATCH", "k"}, {"TIME", "x"}, {"SELECT", "1"},
			{"MULTI"}, {"PING", "x"}, {"GET", "k"}, {"EXEC"}, {"MULTI"}, {"PING", "y"}, {"EXEC"},
			{"CLIENT", "LIST", "TYPE", "replica"}, {"CLIENT", "KILL", "TYPE", "replica"}, {"SLOWLOG", "LEN"},
			{"SUBSCRIBE", "c"}, {"GET", "k"}, {"PING"}, {"UNSUBSCRIBE"},
		} {
			monitor.send(call...)
			for reply := false; !reply; { // so the other's "end" comes behind the call
				var text string
				text, reply = shownOrReply(t, monitor)
				got = append(got, text)
			}
			got = append(got, shown(t, monitor, other)...)
		}
		list := monitor.ask("CLIENT", "LIST").Str
		require.Contains(t, list, " flags=O")
		require.Equal(t, "RESET", monitor.ask("RESET").Str)
		other.ask("PING")
		require.Equal(t, "PONG", monitor.ask("PING").Str)
		require.True(t, monitor.ask("GET", "k").IsNull())

		// It can be closed as a normal client can.
		require.Equal(t, "OK", monitor.ask("MONITOR").Str)
		got = append(got, other.ask("CLIENT", "KILL", "TYPE", "normal").String())
		_, err := monitor.replies.Read()
		require.Error(t, err)
		return got
	})
}

func TestExpiryIsNotShownToMonitors(t *testing.T) {
	onBoth(t, func(t *testing.T, s *talked) []string {
		a, monitor := s.dial(), s.dial()
		monitor.ask("MONITOR")
		a.ask("SET", "k", "v", "PX", "1")
		s.Advance(5 * time.Millisecond)
		require.True(t, a.ask("GET", "k").IsNull())
		return shown(t, monitor, a)
	})
}
