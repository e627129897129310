package server

// clientsOverLimit reports whether clients take so much memory that some must be closed. It
// needs no lock.
func (e *engine) clientsOverLimit() bool {
	limit := e.settings.Load().maxClientMemory
	return limit > 0 && e.state.ClientsHold() >= limit
}

// evictClientsIfOver closes the largest clients while all take too much.
func (e *engine) evictClientsIfOver() {
	if !e.clientsOverLimit() {
		return
	}
	e.lock()
	defer e.unlock()
	e.evictClients()
}

// evictClients is relieve for who holds the lock alone.
func (e *engine) evictClients() {
	if e.clientsOverLimit() && !e.closed {
		e.serverContext().EvictClients(e.settings.Load().maxClientMemory)
	}
}
