package harness

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// timing is the environment variable that makes RequireWithin assert its
// bounds.
const timing = "PARLEY_TIMING"

// full is the environment variable that makes Count return the larger number.
const full = "PARLEY_FULL"

// Count returns few, or many with PARLEY_FULL=1 in the environment, for runs
// that may take long.
func Count(few, many int) int {
	if os.Getenv(full) == "1" {
		return many
	}
	return few
}

// GiveUp is how long a test waits for something that should happen at once, on
// a busy machine with the race detector. It only ends a test that has failed.
const GiveUp = 3 * time.Minute

// AssertsTiming reports whether bounds on wall-clock times are asserted: with
// PARLEY_TIMING=1 in the environment, on an otherwise idle machine.
func AssertsTiming() bool { return os.Getenv(timing) == "1" }

// RequireWithin logs how long something took. It fails the test if that exceeds
// the bound where AssertsTiming, or GiveUp elsewhere, since wall-clock time
// depends on the machine as much as on the code.
func RequireWithin(t testing.TB, took, bound time.Duration, what string) {
	t.Helper()
	if !AssertsTiming() {
		bound = max(bound, GiveUp)
	}
	t.Logf("%s: %v", what, took)
	if took > bound {
		t.Fatalf("%s took %v, more than %v", what, took, bound)
	}
}

// RequireCPU runs f and fails the test if the process spends more CPU time on
// it than the bound. The bound applies without the race detector, and is
// multiplied by ten with it. Other processes do not count, but parallel tests
// would: t must not be parallel. Where the CPU time is unknown, f just runs.
func RequireCPU(t testing.TB, bound time.Duration, what string, f func()) {
	t.Helper()
	if Race {
		bound *= 10
	}
	before := cpuTime()
	f()
	spent := cpuTime() - before
	t.Logf("%s: %v of CPU time", what, spent)
	if spent > bound {
		t.Fatalf("%s took %v of CPU time, more than %v", what, spent, bound)
	}
}

// ThreadCPU returns the CPU time of f in its own goroutine. On Linux, other
// goroutines and processes do not count.
func ThreadCPU(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	f()
	return threadTime() - before
}

// Growth is the factor by which RequireLinear multiplies a size.
const Growth = 8

// RequireLinear requires that the CPU time of some work grows in proportion to
// its size. small and large return the CPU time of one run, large for Growth
// times the size.
//
// The limit is three times linear growth: sorting, larger indexes and colder
// caches stay below two, and quadratic work is at eight. A constant of half a
// millisecond is for work too short to measure. The minimum of up to 20 runs
// counts, since a garbage collection may fall into one. No run is compared with
// a time of another machine.
func RequireLinear(t testing.TB, what string, small, large func() time.Duration) {
	t.Helper()
	const runs, constant = 20, 500 * time.Microsecond * Slowness
	few, many := small(), large()
	for run := 1; run < runs && many > 3*Growth*few+constant; run++ {
		few, many = min(few, small()), min(many, large())
	}
	if many > 3*Growth*few+constant {
		t.Errorf("%s: %v of CPU time, and %v at %d times the size", what, few, many, Growth)
	}
}
