package commands_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each figure is one of Redis's, in Redis's order.
func TestMemoryStatsAreNamedAsInRedis(t *testing.T) {
	redis := realRedis(t)
	redis("SET", "k", "v")
	theirs := redis("MEMORY", "STATS")
	c := emptyServer(3)
	perform(t, c, "SET", "k", "v")
	ours := replied(t, c, "MEMORY", "STATS")
	require.Equal(t, theirs.Type, ours.Type)
	leftOut := []string{}
	var want []string
next:
	for i := 0; i < len(theirs.Elems); i += 2 {
		for _, name := range leftOut {
			if theirs.Elems[i].Str == name {
				continue next
			}
		}
		want = append(want, theirs.Elems[i].Str, string(theirs.Elems[i+1].Type))
	}
	var got []string
	for i := 0; i < len(ours.Elems); i += 2 {
		got = append(got, ours.Elems[i].Str, string(ours.Elems[i+1].Type))
	}
	require.Equal(t, want, got)
}

func TestMemoryUsageGrowsWithTheValue(t *testing.T) {
	c := emptyServer(3)
	replied(t, c, "SET", "k", "v")
	small := replied(t, c, "MEMORY", "USAGE", "k").Int
	replied(t, c, "APPEND", "k", strings.Repeat("x", 100_000))
	require.InDelta(t, small+100_000, replied(t, c, "MEMORY", "USAGE", "k").Int, 20_000)
}

func TestMemoryPurge(t *testing.T) {
	c := emptyServer(3)
	require.Equal(t, "OK", replied(t, c, "MEMORY", "PURGE").Str)
	purged := 0
	c.Host.Purge = func() { purged++ }
	require.Equal(t, "OK", replied(t, c, "MEMORY", "PURGE").Str)
	require.Equal(t, 1, purged)
}

func TestMemoryInWords(t *testing.T) {
	c := emptyServer(3)
	require.NotEmpty(t, replied(t, c, "MEMORY", "DOCTOR").Str)
	require.Contains(t, replied(t, c, "MEMORY", "MALLOC-STATS").Str, "/memory/classes/heap/objects:bytes ")
}

func TestLolwutDraws(t *testing.T) {
	text := here(t, "LOLWUT", "VERSION", "5", "10", "3").Str
	lines := strings.Split(text, "\n")
	require.Len(t, lines, 6)
	for _, line := range lines[:3] {
		require.Len(t, []rune(line), 10)
	}
	for _, version := range []string{"5", "6"} {
		require.True(t, strings.HasSuffix(here(t, "LOLWUT", "VERSION", version).Str, "Redis ver. 7.0.15\n"))
	}
	require.Less(t, len(here(t, "LOLWUT", "VERSION", "6", "9223372036854775807", "9223372036854775807").Str), 1<<20)
}
