package servertest

import (
	"bytes"
	"runtime"
)

// inBubble reports whether the calling goroutine is in a testing/synctest
// bubble. The standard library has no function for this, but the first line of
// the goroutine's stack shows it:
//
//	goroutine 7 [running, synctest bubble 1]:
//
// TestBubbleIsRecognised fails if a release of Go changes that line. It takes
// about 3 µs.
func inBubble() bool {
	var stack [128]byte
	first, _, _ := bytes.Cut(stack[:runtime.Stack(stack[:], false)], []byte("\n"))
	return bytes.Contains(first, []byte("synctest bubble"))
}
