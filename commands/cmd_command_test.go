package commands_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/test/redistest"
)

// COMMAND INFO must say of every row that Redis has too what Redis says.
func TestCommandInfoIsThatOfRedis(t *testing.T) {
	redis := realRedis(t)
	elements := []string{"name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "keys"}
	eachRow(func(m *commands.Command) {
		theirs := redis("COMMAND", "INFO", m.FullName()).Elems[0]
		if theirs.IsNull() {
			return // of a later version
		}
		t.Run(m.FullName(), func(t *testing.T) {
			ours := here(t, "COMMAND", "INFO", m.FullName()).Elems[0]
			require.Len(t, ours.Elems, 10)
			for i, what := range elements {
				require.Equal(t, sorted(withoutNotes(theirs.Elems[i])).String(), sorted(ours.Elems[i]).String(), what)
			}
			require.Equal(t, theirs.Elems[9].Type, ours.Elems[9].Type, "subcommands")
		})
	})
}

// COMMAND DOCS must describe arguments as Redis does. The names of blocks,
// choices and tokens are free: the notation of the rows does not have them.
func TestCommandDocsAreThoseOfRedis(t *testing.T) {
	redis := realRedis(t)
	eachRow(func(m *commands.Command) {
		theirs := redis("COMMAND", "DOCS", m.FullName())
		if len(theirs.Elems) == 0 {
			return
		}
		t.Run(m.FullName(), func(t *testing.T) {
			ours := here(t, "COMMAND", "DOCS", m.FullName())
			require.Equal(t, theirs.Elems[0], ours.Elems[0])
			theirDoc, ourDoc := fields(theirs.Elems[1]), fields(ours.Elems[1])
			for _, name := range []string{"since", "group", "doc_flags", "deprecated_since"} {
				require.Equal(t, theirDoc[name], ourDoc[name], name)
			}
			require.Equal(t, argumentLines(theirDoc["arguments"]), argumentLines(ourDoc["arguments"]))
		})
	})
}

// argumentLines writes arguments as text, with all that must be equal. A block
// of one, which redis-cli does not show, counts as the one it holds.
func argumentLines(list resp.Value) string {
	var b strings.Builder
	for _, a := range list.Elems {
		writeArgument(&b, a, "", nil)
	}
	return b.String()
}

func writeArgument(b *strings.Builder, a resp.Value, token string, flags []string) {
	f := fields(a)
	kind, inner := f["type"].Text(), f["arguments"].Elems
	token = cmp.Or(f["token"].Text(), token)
	flags = append(flags, f["flags"].Strings()...)
	if kind == "block" && len(inner) == 1 {
		writeArgument(b, inner[0], token, flags)
		return
	}
	name := f["name"].Text()
	if len(inner) > 0 || kind == "pure-token" {
		name = "-"
	}
	slices.Sort(flags)
	fmt.Fprintf(b, "%s %s %q %v %s(", name, kind, token, flags, f["key_spec_index"].Text())
	for _, i := range inner {
		writeArgument(b, i, "", nil)
	}
	b.WriteString(")\n")
}

func TestCommandWithoutSubcommandListsAllRows(t *testing.T) {
	all := here(t, "COMMAND")
	require.Len(t, all.Elems, int(here(t, "COMMAND", "COUNT").Int))
	require.Equal(t, all, here(t, "COMMAND", "INFO"))
	names := here(t, "COMMAND", "LIST").Strings()
	i := 0
	eachRow(func(m *commands.Command) {
		require.Equal(t, m.FullName(), names[i])
		i++
	})
	require.Len(t, names, i)
}

// redis-cli gives up on a terminal if this is not shaped as it expects: names,
// and maps (flat arrays in RESP2) of names and values.
func TestCommandDocsOfAllRows(t *testing.T) {
	for protocol := 2; protocol <= 3; protocol++ {
		all := hereIn(t, protocol, "COMMAND", "DOCS")
		require.Len(t, all.Elems, 2*len(commands.Standard().Rows()))
		require.Equal(t, protocol == 3, all.Type == resp.TypeMap)
		for i := 0; i < len(all.Elems); i += 2 {
			doc := fields(all.Elems[i+1])
			for _, name := range []string{"summary", "since", "group", "complexity"} {
				require.NotEmpty(t, doc[name].Text(), "%s of %s", name, all.Elems[i].Text())
			}
		}
	}
}

// fields gives the values of a map by their names.
func fields(v resp.Value) map[string]resp.Value {
	m := make(map[string]resp.Value)
	for i := 0; i+1 < len(v.Elems); i += 2 {
		m[v.Elems[i].Text()] = v.Elems[i+1]
	}
	return m
}

// sorted puts the elements of sets in order, at every depth.
func sorted(v resp.Value) resp.Value {
	v.Elems = slices.Clone(v.Elems)
	for i := range v.Elems {
		v.Elems[i] = sorted(v.Elems[i])
	}
	if v.Type == resp.TypeSet && len(v.Elems) > 0 && len(v.Elems[0].Elems) == 0 {
		slices.SortFunc(v.Elems, func(a, b resp.Value) int { return strings.Compare(a.Text(), b.Text()) })
	}
	return v
}

// withoutNotes drops the remarks that Redis makes on some key specifications.
func withoutNotes(v resp.Value) resp.Value {
	v.Elems = slices.Clone(v.Elems)
	for i := range v.Elems {
		v.Elems[i] = withoutNotes(v.Elems[i])
	}
	if v.Type == resp.TypeMap && len(v.Elems) > 0 && v.Elems[0].Text() == "notes" {
		v.Elems = v.Elems[2:]
	}
	return v
}

// here runs a call on an empty server and returns its reply in RESP3.
func here(t *testing.T, words ...string) resp.Value {
	t.Helper()
	return hereIn(t, 3, words...)
}

func hereIn(t *testing.T, protocol int, words ...string) resp.Value {
	t.Helper()
	c := emptyServer(protocol)
	perform(t, c, words...)
	v, err := resp.Parse(c.Bytes())
	require.NoError(t, err)
	return v
}

// emptyServer returns the context of a client of an empty server.
func emptyServer(protocol int) *commands.Context {
	state := &commands.State{Table: commands.Standard(), Config: commands.DefaultConfig()}
	state.Databases = []*datastructs.Keyspace{new(datastructs.Keyspace), new(datastructs.Keyspace)}
	state.Users = commands.NewUsers()
	state.Stats.Reset(state.Table)
	c := &commands.Context{Writer: new(wire.Writer), State: state, Rand: rand.New(rand.NewPCG(1, 2))}
	c.SetProtocol(protocol)
	c.Begin(&commands.Client{ID: 1, Protocol: protocol, Authed: true}, 1_700_000_000_123_456)
	return c
}

// perform runs a call; the reply is what c.Bytes has more afterwards.
func perform(t *testing.T, c *commands.Context, words ...string) commands.Outcome {
	t.Helper()
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	m, err := c.Table.Find(args)
	require.NoError(t, err)
	return c.Perform(m, args)
}

// realRedis starts a redis-server that lives as long as the test, and returns
// what calls it in RESP3.
func realRedis(t *testing.T) (call func(words ...string) resp.Value) {
	t.Helper()
	conn, err := redistest.Start(t).Dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	replies := resp.NewReader(conn)
	call = func(words ...string) resp.Value {
		var w wire.Writer
		w.Array(len(words))
		for _, word := range words {
			w.BulkString(word)
		}
		_, err := conn.Write(w.Bytes())
		require.NoError(t, err)
		v, err := replies.Read()
		require.NoError(t, err)
		return v
	}
	call("HELLO", "3")
	return call
}
