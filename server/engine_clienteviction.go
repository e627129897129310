package server

// clientsOverLimit reports whether the memory of all clients exceeds maxmemory-clients.
// It needs no lock.
func (e *engine) clientsOverLimit() bool {
	limit := e.settings.Load().maxClientMemory
	return limit > 0 && e.state.ClientMemory() >= limit
}

// evictClientsIfOver is evictClients for callers that do not hold the lock.
func (e *engine) evictClientsIfOver() {
	if !e.clientsOverLimit() {
		return
	}
	e.lock()
	defer e.unlock()
	e.evictClients()
}

// evictClients closes the largest clients until the rest is below maxmemory-clients. The
// caller holds the lock exclusively.
func (e *engine) evictClients() {
	if e.clientsOverLimit() && !e.closed {
		e.serverContext().EvictClients(e.settings.Load().maxClientMemory)
	}
}
