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
	e.lockWait.add(since(e.clock, begun))
}

// unlock lets go of the lock. Who has ended so much that it has to be taken out in
// pieces (see State.EndSome) does that before it returns, in stays under the lock that
// hold up nobody; others do not help.
func (e *engine) unlock() {
	mine := e.state.Ending() && !e.cleaning
	e.cleaning = e.cleaning || mine
	e.mu.Unlock()
	for done := !mine; !done; {
		e.mu.Lock()
		done = e.state.EndSome()
		e.cleaning = !done
		e.mu.Unlock()
	}
}

// rlock shares the lock, unless somebody is told of reads: all receivers are to
// see those in one order.
func (e *engine) rlock() bool {
	if e.settings.Load().exclusiveReads {
		return false // to take it, let it go and wait for it again is what it would come to
	}
	if !e.mu.TryRLock() {
		begun := e.clock.Now()
		e.mu.RLock()
		e.lockWait.add(since(e.clock, begun))
	}
	if e.settings.Load().exclusiveReads || e.state.MustEvict() || e.clientsOverLimit() { // only changed by who holds the lock alone
		e.mu.RUnlock()
		return false
	}
	return true
}
