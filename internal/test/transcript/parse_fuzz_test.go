package transcript_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/transcript"
)

// FuzzTranscript checks that a parsed transcript can be written, and then makes
// the same calls.
func FuzzTranscript(f *testing.F) {
	names, err := filepath.Glob("../../../commands/testdata/*.txt")
	require.NoError(f, err)
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && len(text) < 1500 {
			f.Add(string(text))
		}
	}
	for _, text := range []string{"> GET k\n(nil)\n", "a> PING\nPONG\n", "! advance 10s\n", "# note\n\n> SET \"\\xff\" ''\nOK\n", "~> KEYS *\n1) \"a\"\nresp3:\n1) \"b\"\n", "< a\n", "> \"open\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := transcript.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		var first bytes.Buffer
		_, err = file.WriteTo(&first)
		require.NoError(t, err)
		again, err := transcript.Parse(bytes.NewReader(first.Bytes()))
		require.NoError(t, err, "%q", first.String())
		a, b := file.Steps(), again.Steps()
		require.Equal(t, len(a), len(b))
		for i := range a {
			require.Equal(t, a[i].Words, b[i].Words)
			require.Equal(t, a[i].Pause, b[i].Pause)
		}
	})
}
