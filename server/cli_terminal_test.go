package server_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/server"
)

// terminal returns the program that gives redis-cli a terminal, or skips the test.
func terminal(t *testing.T) string {
	t.Helper()
	redistest.CLI(t)
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("needs script, of util-linux, for a terminal")
	}
	if out, err := exec.Command(script, "--version").Output(); err != nil || !strings.Contains(string(out), "util-linux") {
		t.Skip("needs script of util-linux")
	}
	return script
}

// onTerminal starts redis-cli on a terminal.
func onTerminal(t *testing.T, script string, args ...string) *running {
	t.Helper()
	shell := fmt.Sprintf("stty cols 200 rows 50; TERM=xterm HOME=%s exec %s %s", t.TempDir(), redistest.CLI(t), strings.Join(args, " "))
	return runCLI(t, script, "-qec", shell, "/dev/null")
}

// On a terminal redis-cli asks for COMMAND DOCS before anything else and stops
// at a reply of another shape than it knows. It is the source of its hints.
func TestCLIOnATerminal(t *testing.T) {
	redistest.CLI(t)
	script := terminal(t)
	for _, protocol := range []string{"-2", "-3"} {
		s, socket := startOnSocket(t, server.Options{})
		r := onTerminal(t, script, protocol, "-s", socket)
		midLine := false
		for _, say := range []struct{ text, then string }{
			{"zadd ", "key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]"}, // a hint
			{"room:1:users 1 ada\r", "(integer) 1\r\n"},
			{"hgetall nobody\r", "(empty "},
			{"client kill ", "[ID client-id]"},
			{"id 1000\r", "(integer) 0\r\n"},
			{"help zadd\r", "[score member ...]\x1b[0m\r\r\n  \x1b[33msummary:"},
			{"multi\r", "OK\r\n"},
			{"incr a\r", "QUEUED\r\n"},
			{"exec\r", "1) (integer) 1\r\n"},
			{"select 3\r", "OK\r\n"},
			{"subscribe news\r", `"news"`},
		} {
			if !midLine {
				r.expect("> ") // before its prompt it does not edit
			}
			r.typeIn(say.text)
			r.expect(say.then)
			midLine = !strings.HasSuffix(say.text, "\r")
		}
		r.expect("(integer) 1\r\n")
		require.Equal(t, "(integer) 1", do(t, s, "PUBLISH", "news", "hello"))
		r.expect(`"hello"`)
	}
}

// The prompt shows the state of the connection. Ctrl-C ends a mode that only
// reads, with a new connection in the same state.
func TestCLIPrompts(t *testing.T) {
	script := terminal(t)
	const interrupt = "\x03"
	conversation := func(t *testing.T, addr string) {
		r := onTerminal(t, script, at(addr)...)
		r.expect(addr + "> ")
		for _, say := range []struct{ text, then, prompt string }{
			{"ping", "PONG\r\n", "> "},
			{"multi", "OK\r\n", "(TX)> "},
			{"set a 1", "QUEUED\r\n", "(TX)> "},
			{"nosuch", "(error) ERR unknown command 'nosuch', with args beginning with: \r\n", "(TX)> "},
			{"exec", "(error) EXECABORT Transaction discarded because of previous errors.\r\n", "> "},
			{"multi", "OK\r\n", "(TX)> "},
			{"discard", "OK\r\n", "> "},
			{"select 5", "OK\r\n", "[5]> "},
			{"select 99", "(error) ERR DB index is out of range\r\n", "[5]> "},
			{"set here 5", "OK\r\n", "[5]> "},
			{"multi", "OK\r\n", "[5](TX)> "},
			{"exec", "(empty array)\r\n", "[5]> "},
			{"subscribe news", "Reading messages... (press Ctrl-C to quit)\r\n1) \"subscribe\"\r\n2) \"news\"\r\n3) (integer) 1\r\n", ""},
			{interrupt, "", "[5]> "},
			{"get here", "\"5\"\r\n", "[5]> "},
			{"monitor", "OK\r\n", ""},
			{interrupt, "", "[5]> "},
			{"get here", "\"5\"\r\n", "[5]> "},
			{"hello 3", "3# \"proto\" => (integer) 3\r\n", "[5]> "},
			{"hgetall nobody", "(empty hash)\r\n", "[5]> "},
			{"psubscribe n*", "1) \"psubscribe\"\r\n2) \"n*\"\r\n3) (integer) 1\r\n", ""},
			{interrupt, "", "[5]> "},
			{"reset", "RESET\r\n", "> "},
			{"get here", "(nil)\r\n", "> "},
			{"3 incr n", "(integer) 1\r\n(integer) 2\r\n(integer) 3\r\n", "> "},
			{"set q \"a\\x00b", "Invalid argument(s)\r\n", "> "},
		} {
			if say.text == interrupt {
				r.typeIn(interrupt)
			} else {
				r.typeIn(say.text + "\r")
			}
			r.expect(say.then)
			if say.prompt != "" {
				r.expect(addr + say.prompt)
			}
		}
		r.typeIn("quit\r")
		r.expectEnd()
	}
	t.Run("parley", func(t *testing.T) {
		s, _ := startOnSocket(t, server.Options{})
		conversation(t, s.Addr())
	})
	t.Run("redis", func(t *testing.T) { conversation(t, redistest.Start(t).Addr()) })
}

// What others do appears on a terminal that reads along.
func TestCLIMonitor(t *testing.T) {
	script := terminal(t)
	s, _ := startOnSocket(t, server.Options{})
	r := onTerminal(t, script, at(s.Addr())...)
	r.expect("> ")
	r.typeIn("monitor\r")
	r.expect("OK\r\n")
	out, _ := cli(t, "", at(s.Addr(), "SET", "k", "grüße")...)
	require.Equal(t, "OK\n", out)
	r.expect(`"SET" "k" "gr\xc3\xbc\xc3\x9fe"`)
}
