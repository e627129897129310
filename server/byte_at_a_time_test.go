package server

import (
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A command that comes one byte at a time costs a session the same for each byte, however long it is: neither looks at
// bytes nor memory grow by the square. Nothing here depends on how fast the machine is.
func TestByteAtATimeCommandIsLinearWork(t *testing.T) {
	for name, stream := range map[string]func(n int) string{
		"one long word": func(n int) string { return command("ECHO", strings.Repeat("v", n)) },
		"many short words": func(n int) string {
			return command(append([]string{"DEL"}, strings.Fields(strings.Repeat("k ", n/7))...)...)
		},
		"a line":            func(n int) string { return "DEL" + strings.Repeat(" k", min(n, maxLine-10)/2) + "\r\n" },
		"many small calls":  func(n int) string { return strings.Repeat(command("GET", "k"), n/22) },
		"nothing but lines": func(n int) string { return strings.Repeat("\r\n", n/2) },
	} {
		t.Run(name, func(t *testing.T) {
			few, many := feedByteAtATime(t, stream(30_000)), feedByteAtATime(t, stream(240_000))
			t.Logf("of 240,000 bytes: %.2f looks at each, %.0f bytes allocated for each", many.looks, many.allocated)
			require.LessOrEqual(t, many.looks, 10.0)
			require.Less(t, many.looks, 3*few.looks)                  // by the square it would be 8 times as many; buffers grow in steps
			require.LessOrEqual(t, many.allocated, 3*few.allocated+1) // may be none at all
		})
	}
}

// A costPerByte is what each byte of a stream has cost.
type costPerByte struct{ looks, allocated float64 }

// feedByteAtATime feeds a session of a new server a stream, byte by byte.
func feedByteAtATime(t *testing.T, stream string) costPerByte {
	srv := newClosed(t, Options{Clock: NewManualClock(time.UnixMilli(1615480369000))})
	s, err := newDetached(srv, peerAddr{})
	require.NoError(t, err)
	defer s.leave()
	before := allocatedBytes()
	piece := make([]byte, 1)
	for i := range len(stream) {
		piece[0] = stream[i]
		require.True(t, s.Feed(piece))
		for s.isBackpressured() {
			require.True(t, s.Proceed())
		}
		if size, _ := s.out.usage(); size > 0 {
			take(&s.out)
		}
	}
	n := float64(len(stream))
	return costPerByte{float64(s.in.work) / n, float64(allocatedBytes()-before) / n}
}

func allocatedBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
