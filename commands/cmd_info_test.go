package commands_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every field of Redis's INFO is ours too, in Redis's order, or is in the table
// of docs/COMPATIBILITY.md with the reason why it is not; and nothing else is ours
// but what that file says.
func TestInfoFieldsAreThoseOfRedis(t *testing.T) {
	leftOut, added := infoDifferences(t)
	onBoth(t, func(t *testing.T, s *talked) []string {
		a := s.dial()
		a.ask("SET", "k", "v")
		a.ask("NOSUCH")
		a.ask("CONFIG", "RESETSTAT")
		a.ask("GET", "k")
		a.ask("NOSUCH")
		var names []string
		for _, name := range infoFields(a.ask("INFO", "everything").Str) {
			switch {
			case s.Version != "" && slices.Contains(leftOut, name), s.Version == "" && slices.Contains(added, name):
			case strings.HasPrefix(name, "cmdstat_"), strings.HasPrefix(name, "latency_percentiles_"): // in the order of a hash table
			default:
				names = append(names, name)
			}
		}
		return names
	})
}

// Nothing is in the table that is not so.
func TestInfoFieldsLeftOut(t *testing.T) {
	leftOut, added := infoDifferences(t)
	require.Greater(t, len(leftOut), 10)
	theirs := infoFields(realRedis(t)("INFO", "everything").Str)
	ours := infoFields((&talked{t, parley(t), 3}).dial().ask("INFO", "everything").Str)
	for _, name := range leftOut {
		require.Contains(t, theirs, name)
		require.NotContains(t, ours, name)
	}
	for _, name := range added {
		require.Contains(t, ours, name)
		require.NotContains(t, theirs, name)
	}
}

// infoFields lists the names, with the titles of the sections.
func infoFields(text string) (names []string) {
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// infoDifferences reads what the document says.
func infoDifferences(t *testing.T) (leftOut, added []string) {
	text, err := os.ReadFile("../docs/COMPATIBILITY.md")
	require.NoError(t, err)
	_, part, found := strings.Cut(string(text), "## Fields of INFO that are left out\n")
	require.True(t, found)
	part, _, _ = strings.Cut(part, "\n## ")
	for line := range strings.Lines(part) {
		if cells := strings.Split(line, "|"); len(cells) == 4 && cells[1] != " field " && cells[1] != "---" {
			require.NotEmpty(t, strings.TrimSpace(cells[2]))
			for _, name := range strings.Split(cells[1], ",") {
				leftOut = append(leftOut, strings.TrimSpace(name))
			}
		}
	}
	_, part, found = strings.Cut(part, "does not have: ")
	require.True(t, found)
	for _, name := range strings.Split(part, "`")[1:] {
		if !strings.ContainsAny(name, " ,.\n") {
			added = append(added, name)
		}
	}
	return leftOut, added
}

// What happens is told a second, without anybody looking in between.
func TestInfoTellsRates(t *testing.T) {
	c := emptyServer(3)
	second := func(n int64) int64 { return (1_700_000_000 + n) * 1e6 }
	c.Stats.Tick(second(0))
	for i := range int64(20) { // 1000 calls a second, for two seconds
		took(c, "get", make([]time.Duration, 100)...)
		c.Stats.InBytes.Add(10 * 1024)
		c.Stats.Tick(second(0) + (i+1)*100_000)
	}
	c.Begin(c.Client, second(2))
	text := replied(t, c, "INFO", "stats").Str
	require.Contains(t, text, "instantaneous_ops_per_sec:1000\r\n")
	require.Contains(t, text, "instantaneous_input_kbps:100.00\r\n")
	require.Contains(t, text, "instantaneous_output_kbps:0.00\r\n")

	c.Begin(c.Client, second(100)) // nothing since
	c.Stats.Tick(second(100))
	require.Contains(t, replied(t, c, "INFO", "stats").Str, "instantaneous_ops_per_sec:0\r\n")
}

func TestInfoOfManySections(t *testing.T) {
	words := []string{"INFO"}
	for range 100_000 {
		words = append(words, "nosuch", "cluster")
	}
	require.Equal(t, "# Cluster\r\ncluster_enabled:0\r\n", here(t, words...).Str)
}

func TestInfoCountsChanges(t *testing.T) {
	c := emptyServer(3)
	for _, call := range []string{"SET k v", "GET k", "DEL none", "DEL k", "SADD s a", "SADD s a", "INCR s"} {
		perform(t, c, strings.Fields(call)...)
	}
	require.Contains(t, replied(t, c, "INFO", "persistence").Str, "rdb_changes_since_last_save:3\r\n")
}
