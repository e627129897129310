package oracle_test

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/oracle"
	"github.com/parley-chat/parley/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzHandlers runs random calls on the bare handlers: each gives exactly one
// reply or waits, none breaks what the structures hold true.
func FuzzHandlers(f *testing.F) {
	for i := range uint64(10) {
		f.Add(i, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, stream uint64, resp3 bool) {
		h := newHandlers(resp3)
		for i, c := range script(500, 1, stream) {
			h.call(t, c)
			if i%50 == 0 {
				h.check(t, c)
			}
		}
		h.check(t, oracle.Call{Words: []string{"(the end)"}})
	})
}

// handlers are commands without a server around them.
type handlers struct {
	state  commands.State
	writer wire.Writer
	c      commands.Context
	client commands.Client
}

func newHandlers(resp3 bool) *handlers {
	h := new(handlers)
	h.state.Table = commands.Standard()
	h.state.Users = commands.NewUsers()
	h.state.Config = commands.DefaultConfig()
	h.state.Host.Strict = true
	for range 16 {
		h.state.Databases = append(h.state.Databases, new(datastructs.Keyspace))
	}
	h.state.Stats.Reset(h.state.Table)
	h.state.Run = func(c *commands.Context, m *commands.Command, args [][]byte) { c.Perform(m, args) }
	h.client = commands.Client{Protocol: 2, Authed: true}
	if resp3 {
		h.client.Protocol = 3
		h.writer.SetProtocol(3)
	}
	h.c = commands.Context{Writer: &h.writer, State: &h.state, Rand: rand.New(rand.NewPCG(1, 2))}
	return h
}

func (h *handlers) call(t *testing.T, c oracle.Call) {
	args := make([][]byte, len(c.Words))
	for i, w := range c.Words {
		args[i] = []byte(w)
	}
	row, err := h.state.Table.Find(args)
	if err != nil || !row.Accepts(len(args)) {
		return
	}
	h.c.Begin(&h.client, time.Now().UnixMicro())
	o := h.c.Perform(row, args)
	raw := bytes.Clone(h.writer.Bytes())
	h.writer.Take(nil)
	if o.Wait != nil {
		require.Empty(t, raw, "%s", c)
		return
	}
	r := resp.NewReader(strings.NewReader(string(raw)))
	_, err = r.Read()
	require.NoError(t, err, "%s", c)
	require.Zero(t, r.Buffered(), "%s gave more than one reply: %q", c, raw)
}

func (h *handlers) check(t *testing.T, c oracle.Call) {
	for i, db := range h.state.Databases {
		require.NoError(t, db.Check(), "database %d after %s", i, c)
	}
}

// TestEachCallHasOneReply sends random calls through a server, pipelined.
func TestEachCallHasOneReply(t *testing.T) {
	const n, depth = 5000, 50
	s, err := server.New(server.Options{Strict: true})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	conn, err := s.Dial()
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	in := resp.NewReader(bufio.NewReader(conn))
	all := slices.DeleteFunc(script(n, 2, 0), oracle.Call.Waits)
	for calls := range slices.Chunk(all, depth) {
		var out []byte
		for i, c := range calls {
			out = encode(out, c.Words)
			out = encode(out, []string{"ECHO", fmt.Sprint("after ", i)})
		}
		go conn.Write(out)
		for i, c := range calls {
			v, err := in.Read()
			require.NoError(t, err, "%s", c)
			require.NotContains(t, v.Str, "internal error", "%s", c)
			v, err = in.Read()
			require.NoError(t, err, "%s", c)
			if v.Str != "QUEUED" { // within a transaction: it comes with EXEC
				require.Equal(t, fmt.Sprint("after ", i), v.Str, "%s", c)
			}
		}
	}
}

func encode(b []byte, words []string) []byte {
	b = fmt.Appendf(b, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

// TestGeneratorReachesAll makes sure that the calls are worth comparing: every
// row succeeds, most calls do, and all encodings come up.
func TestGeneratorReachesAll(t *testing.T) {
	h := newHandlers(true)
	sent, succeeded := make(map[string]int), make(map[string]int)
	encodings := make(map[string]int)
	failed := 0
	const n = 60_000
	for i, c := range script(n, 3, 0) {
		args := make([][]byte, len(c.Words))
		for i, w := range c.Words {
			args[i] = []byte(w)
		}
		row, err := h.state.Table.Find(args)
		if err != nil {
			failed++
			continue
		}
		sent[row.FullName()]++
		if !row.Accepts(len(args)) {
			failed++
			continue
		}
		h.c.Begin(&h.client, time.Now().UnixMicro())
		if o := h.c.Perform(row, args); o.Err == nil {
			succeeded[row.FullName()]++
		} else {
			failed++
		}
		h.writer.Truncate(0)
		if i%100 == 0 {
			for _, v := range h.state.Databases[0].All() {
				encodings[v.Kind().String()+" "+v.Encoding()]++
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		t.Logf("%-20s %5d of %5d", name, succeeded[name], sent[name])
		row := h.state.Table.Named([]byte(name))
		if len(row.Keys) > 0 && name != "object|freq" { // which needs an LFU policy
			assert.NotZero(t, succeeded[name], "%s never succeeds", name)
		}
	}
	t.Logf("failed: %d of %d; encodings: %v", failed, n, encodings)
	assert.Less(t, failed, n/3)
	require.Len(t, encodings, 9, "%v", encodings)
}
