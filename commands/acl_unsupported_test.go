package commands

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/redistest"
)

// Rules can be about all commands of Redis, with their categories, and about each
// just once.
func TestForeignCommandsAreThoseOfRedis(t *testing.T) {
	table, want := Standard(), make(map[string]Category)
	for _, row := range realCommands(t) {
		for _, m := range append([]resp.Value{row}, row.Elems[9].Elems...) {
			if name := m.Elems[0].Text(); table.Named([]byte(name)) == nil {
				for _, c := range m.Elems[6].Strings() {
					want[name] |= CategoryNamed([]byte(c[1:]))
				}
			}
		}
	}
	got := make(map[string]Category)
	eachUnsupported(func(name string, categories Category) {
		require.Zero(t, got[name], "%s is there twice", name)
		require.Nil(t, table.Named([]byte(name)), "%s has a row now: take it out of foreign", name)
		got[name] = categories
	})
	require.Equal(t, want, got)
}

func realCommands(t *testing.T) []resp.Value {
	conn, err := redistest.Start(t).Dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = conn.Write([]byte("COMMAND\r\n"))
	require.NoError(t, err)
	v, err := resp.NewReader(conn).Read()
	require.NoError(t, err)
	return v.Elems
}

func TestVersionsAreCompared(t *testing.T) {
	inOrder := []string{"1.0.0", "2.6.9", "2.6.10", "2.9.50", "7.0.0", "7.0.15", "7.0.16", "7.2.0", "7.4.0", "8.0.0", "10.0.0"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			require.Equal(t, i > j, laterThan(a, b), "%s, %s", a, b)
		}
	}
}
