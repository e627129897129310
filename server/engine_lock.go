package server

// Waiting times are measured only when the lock is contended. Otherwise the clock is not
// read.

// lock takes the lock exclusively.
func (e *engine) lock() {
	if e.mu.TryLock() {
		return
	}
	begun := e.clock.Now()
	e.mu.Lock()
	e.lockWait.add(since(e.clock, begun))
}

// unlock releases the lock. If State.CleanUp has work to do and no other goroutine does
// it, unlock does all of it before it returns, in short critical sections of its own.
func (e *engine) unlock() {
	clean := e.state.CleanUpPending() && !e.cleaning
	e.cleaning = e.cleaning || clean
	e.mu.Unlock()
	for done := !clean; !done; {
		e.mu.Lock()
		done = e.state.CleanUp()
		e.cleaning = !done
		e.mu.Unlock()
	}
}

// rlock takes the lock shared. It returns false, without the lock, if reads must hold the
// lock exclusively: MONITOR and events need one order of all calls, eviction may change
// data.
func (e *engine) rlock() bool {
	if e.settings.Load().exclusiveReads {
		return false // saves taking the lock twice
	}
	if !e.mu.TryRLock() {
		begun := e.clock.Now()
		e.mu.RLock()
		e.lockWait.add(since(e.clock, begun))
	}
	// Settings and state change only under the exclusive lock.
	if e.settings.Load().exclusiveReads || e.state.MustEvict() || e.clientsOverLimit() {
		e.mu.RUnlock()
		return false
	}
	return true
}
