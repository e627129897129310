//go:build !linux

package harness

import "time"

var started = time.Now()

// threadTime is the time since the start: here the time of the wall has to serve.
func threadTime() time.Duration { return time.Since(started) }
