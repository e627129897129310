package servertest

import (
	"bytes"
	"runtime"
)

// inBubble reports whether the calling goroutine is in a bubble of testing/synctest.
// No function of the standard library tells, but the first line of a stack does:
//
//	goroutine 7 [running, synctest bubble 1]:
//
// TestBubbleIsRecognised fails should a release of Go write that otherwise. It takes
// some 3 µs.
func inBubble() bool {
	var stack [128]byte
	first, _, _ := bytes.Cut(stack[:runtime.Stack(stack[:], false)], []byte("\n"))
	return bytes.Contains(first, []byte("synctest bubble"))
}
