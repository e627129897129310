package commands

import "unsafe"

// What the server takes of the memory is accounted for as it changes, and does
// not depend on what else is in the process nor on when Go collects what is no
// longer used: this is what maxmemory limits and what INFO calls used_memory.

// Used is what the server takes, in bytes: its data, its clients, what is
// remembered for them, and what it has had from the start.
func (s *State) Used() int {
	return s.Account.Bytes() + int(s.Held.Load()) + s.startup() + s.Channels.bytes() + s.Tracking.bytes() + s.watchersBytes()
}

// startup is what the server takes before it has any data or client.
func (s *State) startup() int {
	return len(s.Databases)*databaseBytes + len(s.Stats.rows)*int(unsafe.Sizeof(CommandStats{}))
}

// What the parts of it take; for entries of maps it is a mean.
const (
	databaseBytes = 256
	wordBytes     = int(unsafe.Sizeof([]byte(nil)))
	queuedBytes   = int(unsafe.Sizeof(queued{}))*5/4 + 16 // with room in the queue, and between blocks
	clientBytes   = int(unsafe.Sizeof(Client{}))
	entryBytes    = 36 // of a map of names, without those
)

// bytes is what a client takes beside what its connection does: that it is
// subscribed to names and watches keys, the names that it tracks, and the calls
// that it has queued.
func (l *Client) bytes() int {
	entries, size := 0, clientBytes+l.namesSize+l.watching.len()*registrationBytes
	for _, names := range l.subscriptions {
		size += names.len() * registrationBytes
	}
	if t := l.tracking; t != nil {
		entries += len(t.prefixes)
		size += t.read.len() * registrationBytes
	}
	size += entries * entryBytes
	if l.Multi != nil {
		size += l.Multi.bytes
	}
	return size
}

// Weigh brings up to date what Held says of a client, which is nothing if it has
// left, and the peak of all.
func (s *State) Weigh(l *Client) {
	now := int64(0)
	if s.Clients.Get(l.ID) == l {
		now = int64(l.bytes())
	}
	s.Held.Add(now - l.counted)
	l.counted = now
	s.memoryPeak = max(s.memoryPeak, s.Used())
}

// clientMemory is what a client takes with its connection; the caller's arguments
// and reply are counted too.
func (c *Context) clientMemory(l *Client, use Usage) int {
	total := l.bytes() + l.WaitingBytes + use.Held
	if l == c.Client {
		total += SizeOf(c.Args) + c.Len()
	}
	return total
}

func (s *Channels) bytes() (size int) {
	for kind := range s.kinds {
		size += s.kinds[kind].bytes()
	}
	return size + s.ending.bytes()
}

func (s *State) watchersBytes() (size int) {
	for _, r := range s.watchers {
		size += r.bytes()
	}
	return size + s.unwatching.bytes()
}

func (t *Tracking) bytes() int {
	return t.keys.bytes() + t.ending.bytes() + len(t.readers)*entryBytes
}
