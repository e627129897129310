//go:build !linux

package harness

import "time"

var started = time.Now()

// threadTime returns the wall-clock time since the start, since the CPU time of
// a thread is not available.
func threadTime() time.Duration { return time.Since(started) }
