package servertest_test

import (
	"fmt"
	"runtime"
	"testing"
)

// failing is a test that may fail: it keeps the failure.
type failing struct {
	testing.TB
	fatal, errors, logs []string
}

func (f *failing) Helper() {}

func (f *failing) Fatal(args ...any) {
	f.fatal = append(f.fatal, fmt.Sprint(args...))
	runtime.Goexit()
}

func (f *failing) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *failing) Logf(format string, args ...any) {
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

// run runs a function that may call Fatal.
func (f *failing) run(test func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		test()
	}()
	<-done
}
