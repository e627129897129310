package server_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/server"
)

// A copy of the data as a file is what a replica would be sent. redis-cli says
// why it gets none.
func TestCLIRDB(t *testing.T) {
	redistest.CLI(t)
	s, _ := startOnSocket(t, server.Options{})
	file := filepath.Join(t.TempDir(), "dump.rdb")
	out, errs := cli(t, "", at(s.Addr(), "--rdb", file)...)
	require.Contains(t, out+errs, "SYNC with master failed: -ERR unknown command 'SYNC', with args beginning with: ")
	require.NoFileExists(t, file)
	_, errs = cli(t, "", at(s.Addr(), "--functions-rdb", file)...)
	require.Contains(t, errs, "Failed requesting functions only RDB from server, aborting")
	require.NoFileExists(t, file)
}

// What it prints as it goes on is the same as for a Redis with the same keys.
func TestCLIHotKeys(t *testing.T) {
	s, redis := withTheSameKeys(t)
	want, wantErr := cli(t, "", at(redis.Addr(), "--hotkeys")...)
	got, gotErr := cli(t, "", at(s.Addr(), "--hotkeys")...)
	require.Equal(t, want, got)
	require.Equal(t, wantErr, gotErr)
	require.Contains(t, got+gotErr, "An LFU maxmemory policy is not selected")
}

func withTheSameKeys(t *testing.T) (*server.Server, *redistest.Redis) {
	redis := redistest.Start(t)
	s, _ := startOnSocket(t, server.Options{})
	for _, addr := range []string{redis.Addr(), s.Addr()} {
		cli(t, "SET s v\nSADD t a b\nZADD z 1 a 2 b\nHSET h f v g w\n", at(addr)...)
	}
	return s, redis
}

func TestCLILatencyHistory(t *testing.T) {
	t.Parallel()
	s, _ := startOnSocket(t, server.Options{})
	r := runCLI(t, redistest.CLI(t), at(s.Addr(), "--latency-history", "-i", "0.05", "--raw")...)
	r.expect("\n") // a line for each interval, when standard output is no terminal
	r.expect("\n")
}

// help @GROUP lists the group's commands, with the syntax of each.
func TestCLIHelpOfGroups(t *testing.T) {
	redis := redistest.Start(t)
	s, _ := startOnSocket(t, server.Options{})
	for _, group := range []string{"@string", "@hash", "@set", "@sorted-set", "@pubsub", "@transactions"} {
		want, got := groupHelp(t, redis.Addr(), group), groupHelp(t, s.Addr(), group)
		require.NotEmpty(t, want)
		for title := range got {
			if _, known := want[title]; !known {
				delete(got, title) // of a later version
			}
		}
		require.Equal(t, want, got, group)
	}
}

// summary is the line that parley has in its own words.
var summary = regexp.MustCompile(`^summary: `)

// groupHelp is the entries of a group, without the summaries, by their titles.
func groupHelp(t *testing.T, addr, group string) map[string]string {
	out, _ := cli(t, "", at(addr, "help", group)...)
	entries := make(map[string]string)
	for _, text := range strings.Split(strings.ReplaceAll(colours.ReplaceAllString(out, ""), "\r", ""), "\n\n") {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		if len(lines) > 1 {
			entries[lines[0]] = strings.Join(slices.DeleteFunc(lines[1:], summary.MatchString), "\n")
		}
	}
	return entries
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
