package harness

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// module is part of the name of each function of parley.
const module = "github.com/parley-chat/parley/"

// Main is a TestMain that fails a package whose tests leave goroutines of
// parley behind: a server was not closed, or does not clean up.
func Main(m *testing.M) {
	code := m.Run()
	if left := leftGoroutines(time.Minute); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: %d goroutines are left:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leftGoroutines returns the stacks of parley's goroutines that do not end
// within wait. A goroutine that has signalled its end may still run its last
// steps.
func leftGoroutines(wait time.Duration) (left []string) {
	for begun := time.Now(); time.Since(begun) < wait; time.Sleep(time.Millisecond) {
		if left = goroutines(); len(left) == 0 {
			return nil
		}
	}
	return left
}

// goroutines returns the stacks of parley's goroutines, except the caller's and
// that of Main.
func goroutines() (ours []string) {
	stacks := make([]byte, 1<<20)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			stacks = stacks[:n]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	for _, stack := range strings.Split(string(stacks), "\n\n")[1:] {
		if strings.Contains(stack, module) && !strings.Contains(stack, module+"internal/test/harness.Main(") {
			ours = append(ours, stack)
		}
	}
	return ours
}
