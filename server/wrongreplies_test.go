package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/server"
)

const wrongReplyError = "ERR internal error: the command did not write one whole reply"

// rowOf is a command that a program adds.
func rowOf(name string, flags commands.Flags, run func(*commands.Context) error) commands.Command {
	return commands.Command{
		Name: name, Syntax: "", Summary: "Is for a test.", Since: "7.0.15", Group: "server", Complexity: "O(1)",
		Arity: 1, Flags: flags, Run: run,
	}
}

// talk sends calls and reads as many replies and pushes.
func talk(t *testing.T, s *server.Server, calls string, replies int) (list []string) {
	t.Helper()
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, strings.ReplaceAll(calls, "; ", "\r\n")+"\r\n")
	require.NoError(t, err)
	r := resp.NewReader(conn)
	for range replies {
		v, err := r.Read()
		require.NoError(t, err)
		list = append(list, v.String())
	}
	require.Zero(t, r.Buffered())
	return list
}

// Whatever a command that a program has added writes, its client gets one reply.
func TestEachCallOfAnAddedCommandGetsOneReply(t *testing.T) {
	for name, run := range map[string]func(*commands.Context) error{
		"none":                   func(c *commands.Context) error { return nil },
		"two":                    func(c *commands.Context) error { c.OK(); c.OK(); return nil },
		"a header":               func(c *commands.Context) error { c.Array(2); c.OK(); return nil },
		"a header behind a loss": func(c *commands.Context) error { c.OK(); c.Array(1); return nil },
		"a map without a value":  func(c *commands.Context) error { c.Map(1); c.BulkString("k"); return nil },
		"raw bytes":              func(c *commands.Context) error { c.Raw([]byte("hello")); return nil },
		"a push":                 func(c *commands.Context) error { c.Push(1); c.OK(); c.Push(1); c.OK(); return nil },
		"a wait that it forgets": func(c *commands.Context) error { c.Wait(0, []byte("z")); c.OK(); c.OK(); return nil },
		"none, asking others": func(c *commands.Context) error {
			return c.RunAsync(func(context.Context) (func(*wire.Writer), error) { return func(*wire.Writer) {}, nil })
		},
		"two, asking others": func(c *commands.Context) error {
			return c.RunAsync(func(context.Context) (func(*wire.Writer), error) {
				return func(w *wire.Writer) { w.OK(); w.OK() }, nil
			})
		},
		"two, when it is woken": func(c *commands.Context) error {
			if c.Woken == nil && !c.Final {
				return c.Wait(0, []byte("z"))
			}
			c.OK()
			c.OK()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := newServer(t, server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}.WithCommands(rowOf("added", commands.Write, run)))
			asks, waits := strings.HasSuffix(name, "others"), strings.HasSuffix(name, "woken")
			if waits {
				conn, err := s.Dial()
				require.NoError(t, err)
				_, err = io.WriteString(conn, "ADDED\r\nPING\r\n")
				require.NoError(t, err)
				do(t, s, "ZADD", "z", "1", "m")
				r := resp.NewReader(conn)
				for _, want := range []string{"(error) " + wrongReplyError, "PONG"} {
					v, err := r.Read()
					require.NoError(t, err)
					require.Equal(t, want, v.String())
				}
			} else {
				for _, hello := range []string{"PING", "HELLO 3"} {
					got := talk(t, s, hello+"; ADDED; PING; ADDED; PING", 5)
					require.Equal(t, []string{"(error) " + wrongReplyError, "PONG", "(error) " + wrongReplyError, "PONG"}, got[1:])
				}
				require.Equal(t, []string{"PONG"}, talk(t, s, "CLIENT REPLY SKIP; ADDED; PING", 1))
			}
			if !asks {
				got := talk(t, s, "MULTI; ADDED; ECHO x; EXEC; PING", 5)
				require.Equal(t, []string{"1) (error) " + wrongReplyError + "\n2) \"x\"", "PONG"}, got[3:])
				_, err := s.Do(t.Context(), "PING")
				require.NoError(t, err)
			}
			require.NoError(t, s.Check())
			require.NoError(t, s.Close())
			require.Equal(t, 1, strings.Count(log.String(), "did not write exactly one reply"), "logged once: %s", log.String())
		})
	}
}

// What the client is told meanwhile is no reply.
func TestMessagesAreNoRepliesOfAnAddedCommand(t *testing.T) {
	publish := func(reply func(*commands.Context)) func(*commands.Context) error {
		return func(c *commands.Context) error {
			c.Publish([]byte("c"), []byte("first"))
			reply(c)
			c.Publish([]byte("c"), []byte("last"))
			return nil
		}
	}
	s := newServer(t, server.Options{}.WithCommands(
		rowOf("one", 0, publish(func(c *commands.Context) { c.OK() })),
		rowOf("two", 0, publish(func(c *commands.Context) { c.OK(); c.OK() })),
		rowOf("none", 0, publish(func(c *commands.Context) {})),
	))
	first, last := `["message" "c" "first"]`, `["message" "c" "last"]`
	flat := func(list []string) (flat []string) {
		for _, text := range list {
			if strings.Contains(text, "message") {
				text = first
				if strings.Contains(list[len(flat)], "last") {
					text = last
				}
			}
			flat = append(flat, text)
		}
		return flat
	}
	failed := "(error) " + wrongReplyError
	require.Equal(t, []string{first, "OK", last, "PONG"}, flat(talk(t, s, "HELLO 3; SUBSCRIBE c; ONE; PING", 6)[2:]))
	require.Equal(t, []string{first, last, failed, "PONG"}, flat(talk(t, s, "HELLO 3; SUBSCRIBE c; TWO; PING", 6)[2:]))
	require.Equal(t, []string{first, last, failed, "PONG"}, flat(talk(t, s, "HELLO 3; SUBSCRIBE c; NONE; PING", 6)[2:]))
	require.Equal(t, []string{first, "OK", last}, flat(talk(t, s, "HELLO 3; SUBSCRIBE c; CLIENT REPLY ON; ONE", 6)[3:]))
	require.Equal(t, []string{first, last}, flat(talk(t, s, "HELLO 3; SUBSCRIBE c; CLIENT REPLY OFF; ONE", 4)[2:]))
}

// Each reply is looked at by itself. Were all that a transaction has replied looked at
// each time, this would copy 12 GB, with the lock held for that long.
func TestManyAddedCommandsInOneTransaction(t *testing.T) {
	const calls = 5000
	s := newServer(t, server.Options{}.WithCommands(rowOf("reply", 0, func(c *commands.Context) error {
		c.BulkString(strings.Repeat("x", 1000))
		return nil
	})))
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "MULTI\r\n"+strings.Repeat("REPLY\r\n", calls))
	require.NoError(t, err)
	r := resp.NewReader(conn)
	for range 1 + calls {
		_, err := r.Read()
		require.NoError(t, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = io.WriteString(conn, "EXEC\r\n")
	require.NoError(t, err)
	v, err := r.Read()
	require.NoError(t, err)
	require.Len(t, v.Elems, calls)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<30))
}
