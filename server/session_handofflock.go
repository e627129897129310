package server

import "sync/atomic"

// A handoffLock is a mutex that waits on a channel, which is durably blocking in the sense
// of testing/synctest. Without contention it costs two atomic additions.
type handoffLock struct {
	n    atomic.Int32  // the holder and those that wait
	next chan struct{} // of capacity one; hands the lock to the next
}

func newHandoffLock() handoffLock { return handoffLock{next: make(chan struct{}, 1)} }

func (l *handoffLock) lock() {
	if l.n.Add(1) > 1 {
		<-l.next
	}
}

// tryLock locks it if it is unlocked, and reports whether it did.
func (l *handoffLock) tryLock() bool { return l.n.CompareAndSwap(0, 1) }

// locked reports whether it is locked.
func (l *handoffLock) locked() bool { return l.n.Load() > 0 }

func (l *handoffLock) unlock() {
	if l.n.Add(-1) > 0 {
		l.next <- struct{}{}
	}
}
