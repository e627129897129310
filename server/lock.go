package server

// Those who find the lock free do not look at the clock: how long others wait is
// measured at the cost of those.

// lock takes the lock alone.
func (e *engine) lock() {
	if e.mu.TryLock() {
		return
	}
	begun := e.clock.Now()
	e.mu.Lock()
	e.waits.add(since(e.clock, begun))
}

// rlock shares the lock, unless somebody is told of reads: all receivers are to
// see those in one order.
func (e *engine) rlock() bool {
	if e.settings.Load().alone {
		return false // to take it, let it go and wait for it again is what it would come to
	}
	if !e.mu.TryRLock() {
		begun := e.clock.Now()
		e.mu.RLock()
		e.waits.add(since(e.clock, begun))
	}
	if e.settings.Load().alone || e.state.MustEvict() || e.tooLarge() { // only changed by who holds the lock alone
		e.mu.RUnlock()
		return false
	}
	return true
}
