package commands_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

const compatibilityDocument = "../docs/COMPATIBILITY.md"

// Every command of Redis is either in the table or named on the page as one that
// is left out.
func TestCompatibilityNamesWhatIsMissing(t *testing.T) {
	outside := outsideCommands(t)
	for _, name := range realRedis(t)("COMMAND", "LIST").Strings() {
		container, _, _ := strings.Cut(name, "|")
		named := slices.Contains(outside, spoken(name)) || slices.Contains(outside, spoken(container))
		here := commands.Standard().Named([]byte(name)) != nil
		switch {
		case !here && !named:
			t.Errorf("%s is missing: name it in docs/COMPATIBILITY.md, in the table of what is outside the boundary", spoken(name))
		case here && named:
			t.Errorf("%s is there: take it out of the table of docs/COMPATIBILITY.md that says it is outside the boundary", spoken(name))
		}
	}
}

// What the page says is outside gets the error that the page says it gets.
func TestCompatibilityOutsideIsUnknown(t *testing.T) {
	s, err := server.New(server.Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	for _, name := range outsideCommands(t) {
		words := strings.Fields(name)
		want := "ERR unknown command '" + words[0] + "', with args beginning with: "
		if len(words) == 2 {
			want = "ERR unknown subcommand '" + words[1] + "'. Try " + words[0] + " HELP."
		}
		_, err := s.Do(t.Context(), argsOf(words)...)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v. Is it there now? Then take it out of docs/COMPATIBILITY.md", name, err)
		}
	}
}

// What came after the version of Redis that parley is, the page names.
func TestCompatibilityNamesLaterCommands(t *testing.T) {
	var named []string
	for _, cells := range tableOf(t, "From later versions") {
		named = append(named, strings.Split(cells[0], ", ")...)
	}
	for _, m := range laterRows() {
		if !slices.Contains(named, title(m)) {
			t.Errorf("%s came with Redis %s: name it in docs/COMPATIBILITY.md, among what is from later versions", title(m), m.Since)
		}
	}
	for _, name := range named {
		m := commands.Standard().Named([]byte(strings.ReplaceAll(name, " ", "|")))
		require.NotNil(t, m, "docs/COMPATIBILITY.md has %s among what is from later versions: it is not there", name)
		require.True(t, isLater(m), "docs/COMPATIBILITY.md has %s among what is from later versions", name)
	}
}

// What CONFIG knows here and a Redis does not, the page names with its default.
func TestCompatibilityNamesOwnParameters(t *testing.T) {
	redis := make(map[string]bool)
	for i, word := range realRedis(t)("CONFIG", "GET", "*").Strings() {
		redis[word] = redis[word] || i%2 == 0
	}
	text, err := os.ReadFile(compatibilityDocument)
	require.NoError(t, err)
	s, err := server.New(server.Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	own := 0
	for _, name := range commands.ConfigNames() {
		if redis[name] {
			continue
		}
		own++
		v, err := s.Do(t.Context(), "CONFIG", "GET", name)
		require.NoError(t, err)
		row := regexp.MustCompile("(?m)^\\| `" + name + "` \\| " + v.Strings()[1] + "( m?s)? \\|")
		require.True(t, row.Match(text), "%s, with its default %s, has no row on the page", name, v.Strings()[1])
	}
	require.Positive(t, own)
}

// spoken is a full name as callers write it.
func spoken(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "|", " ")) }

func argsOf(words []string) []any {
	args := make([]any, len(words))
	for i, w := range words {
		args[i] = w
	}
	return args
}

// outsideCommands are the commands that the page says are left out.
func outsideCommands(t *testing.T) (names []string) {
	for _, cells := range tableOf(t, "Outside the boundary") {
		names = append(names, strings.Split(cells[1], ", ")...)
	}
	require.Greater(t, len(names), 50)
	return names
}

// tableOf returns the cells of the page's table below a heading, row by row.
func tableOf(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile(compatibilityDocument)
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	require.Greater(t, len(rows), 1, heading)
	return rows[1:] // without the titles
}
