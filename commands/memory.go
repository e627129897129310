package commands

import "unsafe"

// What the server takes of the memory is accounted for as it changes, and does
// not depend on what else is in the process nor on when Go collects what is no
// longer used: this is what maxmemory limits and what INFO calls used_memory.

// Used is what the server takes, in bytes: its data, its clients, what is
// remembered for them, and what it has had from the start.
func (s *State) Used() int {
	return s.Account.Bytes() + int(s.Held.Load()) + s.startup() + s.Channels.bytes() + s.Tracking.bytes() +
		len(s.watchers)*(indexedBytes+watchedBytes)
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
	entryBytes    = 36                    // of a map of names, without those
	indexedBytes  = entryBytes + 16 + 144 // of a map of names to maps, where these have one or few entries
	watchedBytes  = 32                    // that an entry of a watched key takes more than of a name
)

// bytes is what a client takes beside what its connection does: the names that it
// is subscribed to, watches or has read, and the calls that it has queued.
func (l *Client) bytes() int {
	entries, size := len(l.watching), clientBytes+l.namesSize+len(l.watching)*watchedBytes
	for _, names := range l.subscriptions {
		entries += len(names)
	}
	if t := l.tracking; t != nil {
		entries += len(t.prefixes) + len(t.read)
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
	total := l.bytes() + use.Held
	if l == c.Client {
		total += SizeOf(c.Args) + c.Len()
	}
	return total
}

func (s *Channels) bytes() (size int) {
	for _, names := range s.subscribers {
		size += len(names) * indexedBytes
	}
	return size
}

func (t *Tracking) bytes() int {
	return len(t.keys)*(int(unsafe.Sizeof(trackedKey{}))+entryBytes+8) + t.items*entryBytes
}
