package commands_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		``:                           nil,
		" \t\v\f\r\n":                nil,
		`a b`:                        {"a", "b"},
		"\va\vb\t\"c\"\v d\re\nf":    {"a\vb", "c", "d", "e", "f"},
		`""  ''`:                     {"", ""},
		`foo"bar" foo'bar'`:          {"foobar", "foobar"},
		`"\n\r\t\b\a\q\\\"\x41\xfF"`: {"\n\r\t\b\aq\\\"A\xff"},
		`"\x4" "\xg1" "\x"`:          {"x4", "xg1", "x"},
		`'\n\'\a'`:                   {`\n'\a`},
		`a\nb \"`:                    nil, // an open quote
	} {
		for _, dst := range [][][]byte{nil, make([][]byte, 0, 9)} {
			words, ok := commands.SplitWords(dst, []byte(line))
			require.Equal(t, line != `a\nb \"`, ok, line)
			var got []string
			for _, w := range words {
				got = append(got, string(w))
			}
			require.Equal(t, want, got, line)
		}
	}
	for _, line := range []string{`"`, `'`, `"a`, `'a`, `"a"b`, `'a'b`, `"a""b"`, `"\"`, `'\'`, `'\\'`, `"\`, `'\`, `a "\x4`, `a"b`, `"a"\`} {
		_, ok := commands.SplitWords(nil, []byte(line))
		require.False(t, ok, line)
	}
}
