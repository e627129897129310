package server

// tooLarge reports whether clients take so much memory that some must be closed. It
// needs no lock.
func (e *engine) tooLarge() bool {
	limit := e.settings.Load().clients
	return limit > 0 && e.state.ClientsHold() >= limit
}

// relieve closes the largest clients while all take too much.
func (e *engine) relieve() {
	if !e.tooLarge() {
		return
	}
	e.lock()
	defer e.unlock()
	e.evictClients()
}

// evictClients is relieve for who holds the lock alone.
func (e *engine) evictClients() {
	if e.tooLarge() && !e.closed {
		e.serverContext().EvictClients(e.settings.Load().clients)
	}
}
