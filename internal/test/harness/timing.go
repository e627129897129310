package harness

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// timing is the environment variable that makes RequireWithin hold times to bounds.
const timing = "PARLEY_TIMING"

// full is the environment variable that makes Count return the larger number.
const full = "PARLEY_FULL"

// Count is how many of something a test makes: few, or many with PARLEY_FULL=1 in the
// environment, for runs that may take long.
func Count(few, many int) int {
	if os.Getenv(full) == "1" {
		return many
	}
	return few
}

// GiveUp is how long a test waits for what should come at once, on a machine that is
// as busy as may be and with the race detector: it only ends a test that has failed.
const GiveUp = 3 * time.Minute

// AssertsTiming reports whether bounds on wall-clock times are asserted: with
// PARLEY_TIMING=1 in the environment, on a machine that does nothing else.
func AssertsTiming() bool { return os.Getenv(timing) == "1" }

// RequireWithin logs how long something took, and fails the test if that is more
// than the bound where AssertsTiming, and more than GiveUp elsewhere: wall-clock time
// tells of the machine as much as of the code.
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

// RequireCPU runs f and fails the test if the process spends more CPU time on it than
// the bound, which is for a build without the race detector: one with it has ten
// times as much. Other processes do not count, parallel tests would: t must not be
// one. Where the system does not tell the CPU time, f just runs.
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

// ThreadCPU returns the CPU time that f takes in its own goroutine. Neither other
// goroutines nor other processes count, on Linux.
func ThreadCPU(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	f()
	return threadTime() - before
}

// Growth is by how much RequireLinear multiplies a size.
const Growth = 8

// RequireLinear requires that the CPU time of some work grows in proportion to its
// size. small and large return that of one run of work, large for Growth times the size.
//
// The bar is three times what is linear: sorting, larger indexes and colder caches stay
// below two. Work that grows by the square is at eight times. The constant, half a
// millisecond, is for what is too short to be measured. The least of up to 20 runs
// counts, since a garbage collection may fall into one; no run is compared with a time
// of another machine.
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
