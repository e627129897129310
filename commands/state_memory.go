package commands

import (
	"unsafe"

	"github.com/parley-chat/parley/datastructs"
)

// What the server takes of the memory is accounted for as it changes, and does
// not depend on what else is in the process nor on when Go collects what is no
// longer used: this is what maxmemory limits and what INFO calls used_memory.

// UsedMemory returns the bytes that the server takes: data, clients, subscriptions, tracking
// and watch tables, logs, and the memory at startup.
func (s *State) UsedMemory() int {
	return s.Account.Bytes() + int(s.ClientBytes.Load()) + s.startup() + s.Channels.bytes() + s.Tracking.bytes() + s.watchersBytes() + s.logBytes()
}

// logBytes is what the server keeps of what clients have said that belongs to none of them:
// logs, users, parameters, and Beside.
//
// What is bounded by the table of commands is not counted: how long calls took (24 KiB a
// command at most), the series of LATENCY (3 KiB an event), how often each error was told.
func (s *State) logBytes() int {
	return int(s.slowLog.bytes.Load()+s.denials.bytes.Load()+s.TableBytes.Load()) + s.Users.bytes + s.Config.bytes()
}

// bytes is what parameters take that can be of any length.
func (c *Config) bytes() int {
	return datastructs.TextBytes(len(c.Password)) + 8*max(0, len(c.LatencyPercentiles)-standardPercentiles)
}

const standardPercentiles = 3 // that there are from the start

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
)

// bytes is what a client takes beside what its connection does: that it is
// subscribed to names and watches keys, the names that it tracks, and the calls
// that it has queued.
func (l *Client) bytes() int {
	size := clientBytes + l.watching.len()*registrationBytes
	for _, names := range l.subscriptions {
		size += names.len() * registrationBytes
	}
	if t := l.tracking; t != nil {
		size += cap(t.prefixes) * textBytes
		size += t.read.len() * registrationBytes
	}
	size += datastructs.TextBytes(len(l.Name)) + datastructs.TextBytes(len(l.LibName)) + datastructs.TextBytes(len(l.LibVersion))
	if l.Multi != nil {
		size += l.Multi.bytes
	}
	return size
}

// nameBytes is what the names take that a client is registered for. They are in the
// tables of those, once for all clients; what a client takes is found with them.
func (l *Client) nameBytes() int {
	size := l.namesSize + l.watching.nameBytes()
	for _, names := range l.subscriptions {
		size += names.nameBytes()
	}
	if t := l.tracking; t != nil {
		size += t.read.nameBytes()
	}
	return size
}

// AccountClient updates a client's share of ClientBytes and nameBytes, which is 0 after it
// has left, and the peak of used memory.
func (s *State) AccountClient(l *Client) {
	s.accountClient(l)
	s.memoryPeak = max(s.memoryPeak, s.UsedMemory())
}

// accountClient is AccountClient for a client that takes no more than before.
func (s *State) accountClient(l *Client) {
	now, names := int64(0), int64(0)
	if s.Clients.Get(l.ID) == l {
		now, names = int64(l.bytes()), int64(l.nameBytes())
	}
	s.ClientBytes.Add(now - l.counted)
	s.nameBytes.Add(names - l.countedNames)
	l.counted, l.countedNames = now, names
}

// clientMemory is what a client takes with its connection; the caller's arguments
// and reply are counted too.
func (c *Context) clientMemory(l *Client, use Usage) int {
	total := l.bytes() + l.nameBytes() + l.WaitingBytes + use.Total
	if l == c.Client {
		total += SizeOf(c.Args) + c.Len()
	}
	return total
}

func (s *Channels) bytes() (size int) {
	for kind := range s.kinds {
		size += s.kinds[kind].bytes()
	}
	return size + s.removals.bytes()
}

func (s *State) watchersBytes() (size int) {
	for _, r := range s.watchers {
		size += r.bytes()
	}
	return size + s.removals.bytes()
}

func (t *Tracking) bytes() int {
	return t.keys.bytes() + t.removals.bytes() + len(t.readers)*entryBytes +
		t.texts + len(t.prefixes)*(int(unsafe.Sizeof(trackedPrefix{}))+indexedBytes+64)
}

// bytes is what a user takes with its rules.
func (u *User) bytes() int {
	size := int(unsafe.Sizeof(User{})) + entryBytes + datastructs.TextBytes(len(u.Name)) +
		cap(u.passwords)*int(unsafe.Sizeof(digest{})) + cap(u.selectors)*8
	for _, s := range u.selectors {
		size += s.bytes()
	}
	return size
}

func (s *selector) bytes() int {
	size := int(unsafe.Sizeof(selector{})) + 8*cap(s.commands) + cap(s.keys)*int(unsafe.Sizeof(keyRight{})) + cap(s.channels)*textBytes
	for _, r := range s.keys {
		size += datastructs.TextBytes(len(r.pattern))
	}
	for _, pattern := range s.channels {
		size += datastructs.TextBytes(len(pattern))
	}
	for _, words := range s.firstWords {
		size += entryBytes + cap(words)*textBytes
		for _, w := range words {
			size += datastructs.TextBytes(len(w))
		}
	}
	return size
}

// textBytes is what a string takes beside its text.
const textBytes = int(unsafe.Sizeof(""))
