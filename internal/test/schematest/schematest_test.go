package schematest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/redistest"
)

// Every step has a reply, and reads back as what it prints.
func TestSteps(t *testing.T) {
	steps := Steps()
	require.Greater(t, len(steps), 80)
	for _, s := range steps {
		for _, protocol := range []int{2, 3} {
			require.NotEmpty(t, s.Reply(protocol), s)
			require.True(t, s.Matches(protocol, s.Reply(protocol)), s)
			require.True(t, s.Equal(protocol, s.Tree(protocol)), s)
			require.False(t, s.Matches(protocol, s.Reply(protocol)+"x"), s)
		}
	}
}

func TestTree(t *testing.T) {
	require.Equal(t, []any{"a", []any{"b\n", "1.5"}, nil}, Tree("1) \"a\"\n2) 1) \"b\\n\"\n   2) (double) 1.5\n3) (nil)"))
	require.Equal(t, []any{"a", "2", "b", []any{"x", "y"}}, Tree("1# \"b\" => 1) \"x\"\n   2) \"y\"\n2# \"a\" => (integer) 2"))
	require.Equal(t, []any{"a", "2", "b", []any{"x"}}, Plain(map[any]any{"b": []any{[]byte("x")}, "a": int64(2)}))
	require.Equal(t, "(error) ERR no", Tree("(error) ERR no"))
	require.Equal(t, []any{}, Tree("(empty set)"))
}

// TestRecord writes the replies in schema.txt anew, as redis-cli prints those
// of redis-server. To add a step, write its "> " line into the file and record.
func TestRecord(t *testing.T) {
	if os.Getenv("PARLEY_RECORD") == "" {
		t.Skip("set PARLEY_RECORD=1 to record from redis-server")
	}
	steps, err := parse(text)
	require.NoError(t, err)
	replies := make(map[int]string)
	for _, protocol := range []string{"-2", "-3"} {
		redis := redistest.Start(t)
		for _, s := range steps {
			args := append([]string{"-s", redis.Socket(), "--no-raw", protocol}, s.Words...)
			out, err := exec.Command(redistest.CLI(t), args...).Output()
			require.NoError(t, err)
			printed := strings.TrimSuffix(string(out), "\n")
			if protocol == "-2" {
				replies[s.Line] = printed
			} else if printed != replies[s.Line] {
				replies[s.Line] += "\nresp3:\n" + printed
			}
		}
	}
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		mark, _, _ := strings.Cut(line, " ")
		if isCall(mark) || mark == "#" || line == "" {
			b.WriteString(line + "\n")
		}
		if isCall(mark) {
			b.WriteString(replies[i+1] + "\n")
		}
	}
	require.NoError(t, os.WriteFile("schema.txt", []byte(b.String()), 0o644))
}
