package datastructs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

func TestParseInt(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "7": 7, "-1": -1, "10": 10,
		"9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63} {
		got, ok := datastructs.ParseInt([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "-", "+1", " 1", "1 ", "01", "00", "-0", "-01", "1a", "0x1", "--1", "1\n", "9223372036854775808",
		"-9223372036854775809", "18446744073709551616", "99999999999999999999", strings.Repeat("1", 1000)} {
		_, ok := datastructs.ParseInt([]byte(text))
		require.False(t, ok, text)
	}
}
