package commands

import (
	"cmp"
	"slices"
)

// Clients are closed when all together take more memory than maxmemory-clients
// says, those that take most first. Those that asked for NO-EVICT count, but are
// never closed. Redis sorts them by powers of two of their size; here it is their size.

// ClientMemory returns the bytes that clients take, without those being closed by
// maxmemory-clients. It needs no lock.
func (s *State) ClientMemory() int64 {
	return s.ClientBytes.Load() + s.nameBytes.Load() - s.closingBytes.Load()
}

// EvictClients closes clients, the largest first, until the others together take less than
// limit bytes.
func (c *Context) EvictClients(limit int64) {
	type taken struct {
		by    *Client
		bytes int
	}
	var list []taken
	for _, l := range c.Clients.All() {
		c.AccountClient(l)
		if !l.NoEvict && l.Peer != nil {
			list = append(list, taken{l, l.bytes() + l.nameBytes() + l.WaitingBytes + l.Peer.Usage().Total})
		}
	}
	slices.SortStableFunc(list, func(a, b taken) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, t := range list {
		if c.ClientMemory() < limit {
			return
		}
		c.evictClient(t.by, t.bytes)
	}
}

// evictClient closes a client. What its connection holds, and its call that waits, is gone
// once that has ended, but is no reason to close others until then.
func (c *Context) evictClient(l *Client, bytes int) {
	if c.Host.LogEvent != nil {
		c.Host.LogEvent(ClientEvicted, l, "bytes", bytes)
	}
	kill(c, l)
	c.AccountClient(l)
	l.closing = int64(l.Peer.Usage().Total + l.WaitingBytes)
	c.closingBytes.Add(l.closing)
	c.Stats.EvictedClients.Add(1)
}

// ClientClosed must be called once a client's connection holds no memory any more.
func (s *State) ClientClosed(l *Client) {
	s.AccountClient(l)
	s.closingBytes.Add(-l.closing)
	l.closing = 0
}
