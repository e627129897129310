package servertest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCodeInTheDocumentRuns holds that each block of code in docs/TESTING.md stands
// in the file that the line below it names in backquotes, which is one that is run.
// Blocks with no language are what is typed or printed.
func TestCodeInTheDocumentRuns(t *testing.T) {
	const root = "../../"
	text, err := os.ReadFile(root + "docs/TESTING.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```\n([^\n]*)").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, blocks)
	named := regexp.MustCompile("`([a-z]+/[^` ]+)`")
	for _, b := range blocks {
		language, code, below := b[1], b[2], b[3]
		if language == "sh" {
			continue
		}
		file := named.FindStringSubmatch(below)
		require.NotNil(t, file, "the line below must name the file of this:\n%s", code)
		source, err := os.ReadFile(filepath.Join(root, file[1]))
		require.NoError(t, err)
		require.Contains(t, outdented(string(source)), outdented(code), file[1])
	}
}

// outdented is text without the indentation of its lines.
func outdented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, " \t"))
	}
	return b.String()
}
