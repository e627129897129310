package server

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// FuzzInline: a line of words in quotes is split as sdssplitargs does, line for line; within the memory of the line.
func FuzzInline(f *testing.F) {
	for _, line := range []string{``, `a b`, " \t\v\f\r\n", `""  ''`, `foo"bar" foo'bar'`, `"\n\r\t\b\a\q\\\"\x41\xfF"`, `"\x4" "\xg1" "\x"`, `'\n\'\a'`, `"a"b`, `'`, `"\`, `a "\x4`, "\va\vb\t\"c\"\v d\re\nf"} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		line = bytes.ReplaceAll(line, []byte{0}, []byte{1}) // framing lets no NUL in
		want, fine := naiveSplit(string(line))
		own := bytes.Clone(line)
		dst := make([][]byte, 0, len(line)+1)
		got, ok := commands.SplitWords(dst, own)
		require.Equal(t, fine, ok)
		if !ok {
			return
		}
		total := 0
		var words []string
		for _, w := range got {
			require.Equal(t, len(w), cap(w))
			total += len(w)
			words = append(words, string(w))
		}
		require.Equal(t, want, words)
		require.LessOrEqual(t, total, len(line))
		require.Zero(t, testing.AllocsPerRun(1, func() {
			copy(own, line)
			commands.SplitWords(dst, own)
		}))
	})
}
