package harness

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A failing is a test that records its failure.
type failing struct {
	testing.TB
	failure string
}

func (f *failing) Fatalf(format string, args ...any) { f.failure = fmt.Sprintf(format, args...) }

func TestRequireWithin(t *testing.T) {
	for _, c := range []struct {
		timing      string
		took, bound time.Duration
		fails       bool
	}{
		{"", time.Minute, time.Second, false},
		{"", GiveUp + 1, time.Second, true},
		{"1", time.Minute, time.Second, true},
		{"1", time.Second, time.Second, false},
	} {
		t.Setenv(timing, c.timing)
		f := &failing{TB: t}
		RequireWithin(f, c.took, c.bound, "it")
		require.Equal(t, c.fails, f.failure != "", "%+v: %s", c, f.failure)
	}
}

func TestRequireCPU(t *testing.T) {
	if cpuTime() == 0 {
		t.Skip("the system does not tell the CPU time")
	}
	spend := func(d time.Duration) func() {
		return func() {
			for begun := cpuTime(); cpuTime()-begun < d; {
				runtime.Gosched()
			}
		}
	}
	f := &failing{TB: t}
	RequireCPU(f, time.Hour, "it", spend(time.Millisecond))
	require.Empty(t, f.failure)
	RequireCPU(f, time.Millisecond, "it", spend(30*time.Millisecond))
	require.Contains(t, f.failure, "it took ")
}
