package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// The README shows a session of redis-cli. Whoever types it in sees the same.
func TestReadmeSession(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	const prompt = "    127.0.0.1:6379> "
	s := newServer(t, server.Options{})
	p := dial(t, s)
	calls := 0
	var replies []string // lines of the last reply that have not come yet
	for line := range strings.Lines(string(readme) + "end\n") {
		line = strings.TrimRight(line, "\n")
		call, isCall := strings.CutPrefix(line, prompt)
		text, isText := strings.CutPrefix(line, "    ")
		switch {
		case isCall:
			require.Empty(t, replies, "not shown before %q", call)
			replies = strings.Split(p.Ask(call), "\n")
			calls++
		case isText && len(replies) > 0:
			require.Equal(t, replies[0], text)
			replies = replies[1:]
		default:
			require.Empty(t, replies, "not shown before %q", line)
		}
	}
	require.Greater(t, calls, 10)
}

// Code in the README stands in the file that the line below it names, which is compiled
// and run. Links of the README lead to files.
func TestReadmeCode(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	outdent := regexp.MustCompile(`(?m)^[ \t]+`)
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```\n\\(\\[([^]]+)\\]").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, blocks, strings.Count(string(readme), "```go\n"), "the line below each must name a file")
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		code, file := b[1], b[2]
		source, err := os.ReadFile(filepath.Join("..", file))
		require.NoError(t, err)
		require.Contains(t, outdent.ReplaceAllString(string(source), ""), outdent.ReplaceAllString(code, ""), file)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(readme), -1) {
		require.FileExists(t, filepath.Join("..", link[1]))
	}
}
