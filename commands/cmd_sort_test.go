package commands_test

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// What SORT stores is a list, which there is not: all errors of Redis come
// before that one, and nothing changes.
func TestSortStoresNothing(t *testing.T) {
	c := emptyServer(3)
	call := func(words ...string) string {
		c.Truncate(0)
		perform(t, c, words...)
		v, err := resp.Parse(c.Bytes())
		require.NoError(t, err)
		return v.Text()
	}
	call("SADD", "s", "2", "1")
	call("SADD", "words", "a")
	call("SET", "dst", "kept")
	var effects []string
	c.Effects = func(unit []commands.Effect) {
		for _, e := range unit {
			effects = append(effects, fmt.Sprintf("%q", e.Words))
		}
	}
	refused := "ERR SORT with STORE makes a list, and this server has no lists"
	for _, tt := range []struct {
		want  string
		words []string
	}{
		{refused, []string{"SORT", "s", "STORE", "dst"}},
		{refused, []string{"SORT", "s", "STORE", "dst", "BY", "nosort", "LIMIT", "1", "1"}},
		{refused, []string{"SORT", "words", "BY", "nosort", "STORE", "dst"}},
		{refused, []string{"SORT", "s", "GET", "x*", "STORE", "s"}},
		{"ERR syntax error", []string{"SORT", "s", "STORE", "dst", "x"}},
		{"ERR syntax error", []string{"SORT_RO", "s", "STORE", "dst"}},
		{"ERR One or more scores can't be converted into double", []string{"SORT", "words", "STORE", "dst"}},
		{"WRONGTYPE Operation against a key holding the wrong kind of value", []string{"SORT", "dst", "STORE", "dst"}},
	} {
		require.Equal(t, tt.want, call(tt.words...), "%q", tt.words)
	}
	require.Equal(t, "kept", call("GET", "dst"))
	require.Empty(t, effects)

	call("SORT", "s", "LIMIT", "2", "1", "STORE", "dst")
	require.Equal(t, "0", call("EXISTS", "dst"))
	require.Equal(t, []string{`["DEL" "dst"]`}, effects)
}

// A short call must not stop the server: what patterns would cost is known
// before the first key is looked up.
func TestSortLooksUpNoMoreThanItMay(t *testing.T) {
	c := emptyServer(2)
	words := []string{"SADD", "s"}
	for i := range 2000 {
		words = append(words, strconv.Itoa(i))
	}
	perform(t, c, words...)
	perform(t, c, "SADD", "large", string(bytes.Repeat([]byte("m"), 1<<20)))
	tooMuch := resp.Error("ERR SORT would have to look up too many keys")

	gets := []string{"SORT", "s", "BY", "nosort"}
	for range 8000 {
		gets = append(gets, "GET", "k*")
	}
	require.Equal(t, tooMuch, perform(t, c, gets...).Err)
	require.NoError(t, perform(t, c, append(gets, "LIMIT", "0", "10")...).Err)

	long := string(bytes.Repeat([]byte("p"), 1<<20)) + "*"
	require.Equal(t, tooMuch, perform(t, c, "SORT", "s", "BY", long).Err)
	require.Equal(t, tooMuch, perform(t, c, "SORT", "s", "BY", "nosort", "GET", long).Err)
	require.NoError(t, perform(t, c, "SORT", "s", "BY", "nosort", "GET", long, "LIMIT", "0", "3").Err)

	for i, word := range gets {
		if word == "s" {
			gets[i] = "large"
		}
	}
	require.Equal(t, tooMuch, perform(t, c, gets...).Err)
	require.Equal(t, 2, c.DB.Len())
}
