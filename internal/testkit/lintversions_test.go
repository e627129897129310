package testkit

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/redistest"
)

// Each option that Redis's COMMAND DOCS reports as newer than its command is
// reported by lint, with the same version.
func TestNewerOptionsAreThoseOfRedis(t *testing.T) {
	r := redistest.Start(t)
	conn, err := r.Dial()
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("HELLO 3\r\nCOMMAND DOCS\r\n"))
	require.NoError(t, err)
	replies := resp.NewReader(conn)
	_, err = replies.Read()
	require.NoError(t, err)
	docs, err := replies.Read()
	require.NoError(t, err)

	told := 0
	eachPair(docs, func(name string, doc resp.Value) { told += holdOptions(t, name, doc) })
	require.Greater(t, told, 20)
}

// holdOptions checks the options of a command that parley has, and of its
// subcommands.
func holdOptions(t *testing.T, name string, doc resp.Value) (told int) {
	words := [][]byte{}
	for word := range strings.SplitSeq(name, "|") {
		words = append(words, []byte(word))
	}
	eachPair(member(doc, "subcommands"), func(name string, doc resp.Value) { told += holdOptions(t, name, doc) })
	if m, err := commands.Standard().Find(words); err != nil || m.FullName() != name {
		return told
	}
	return told + holdArguments(t, name, member(doc, "since").Str, member(doc, "arguments"))
}

func holdArguments(t *testing.T, name, since string, arguments resp.Value) (told int) {
	for _, a := range arguments.Elems {
		own := since
		if s := member(a, "since").Str; s != "" {
			own = s
		}
		if token := member(a, "token").Str; token != "" && own != since {
			told++
			assert.True(t, slices.ContainsFunc(newerForms, func(n newerForm) bool {
				return n.command == name && n.since == own && (n.maxWords > 0 || slices.Contains(n.options, token)) // or by the number of words
			}), "%s with %s is of Redis %s", name, token, own)
		}
		told += holdArguments(t, name, since, member(a, "arguments"))
	}
	return told
}

func eachPair(v resp.Value, f func(string, resp.Value)) {
	for i := 0; i+1 < len(v.Elems); i += 2 {
		f(v.Elems[i].Str, v.Elems[i+1])
	}
}

func member(v resp.Value, name string) (found resp.Value) {
	eachPair(v, func(key string, value resp.Value) {
		if key == name {
			found = value
		}
	})
	return found
}
