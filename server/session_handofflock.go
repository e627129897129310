package server

import "sync/atomic"

// A handoffLock is had by one goroutine at a time. It is a mutex that may be waited for
// within a testing/synctest bubble, since that is to wait for a channel. Who finds
// it free pays for two additions, and not for two operations on a channel.
type handoffLock struct {
	n    atomic.Int32  // who has it and those who wait
	next chan struct{} // hands it on; it never holds more than one
}

func newHandoffLock() handoffLock { return handoffLock{next: make(chan struct{}, 1)} }

func (t *handoffLock) lock() {
	if t.n.Add(1) > 1 {
		<-t.next
	}
}

// tryLock takes the turn if nobody has it.
func (t *handoffLock) tryLock() bool { return t.n.CompareAndSwap(0, 1) }

// locked reports whether somebody has it.
func (t *handoffLock) locked() bool { return t.n.Load() > 0 }

func (t *handoffLock) unlock() {
	if t.n.Add(-1) > 0 {
		t.next <- struct{}{}
	}
}
