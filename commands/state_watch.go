package commands

import (
	"github.com/parley-chat/parley/datastructs"
)

// watch makes a client's next EXEC depend on a key.
func (s *State) watch(l *Client, db int, key []byte) {
	if s.watchers == nil {
		s.watchers = make(map[int]*registry)
	}
	if s.watchers[db] == nil {
		s.watchers[db] = new(registry)
	}
	if l.watching == nil {
		l.watching = &registrations{client: l}
	}
	l.watching.add(s.watchers[db], key)
}

// Unwatch forgets a client's watched keys.
func (s *State) Unwatch(l *Client) {
	if l.watching != nil {
		s.removals.start(l.watching)
		s.dropUnwatched()
	}
	l.watching, l.dirty = nil, false
}

// dropUnwatched drops the registries of databases of which no key is watched any more.
func (s *State) dropUnwatched() {
	for db, r := range s.watchers {
		if r.names.Len() == 0 {
			delete(s.watchers, db)
		}
	}
}

// markDirty makes the transactions fail that watch the name.
func (n *registeredName) markDirty() {
	for l := range n.clients() {
		l.dirty = true
	}
}

// touchAll marks watched keys dirty in a database before it is emptied, or in one
// that is swapped with another: those keys that are in one of them.
func (c *Context) touchAll(index int, databases ...*datastructs.Keyspace) {
	watched := c.watchers[index]
	if watched == nil {
		return
	}
	for key, n := range watched.names.All() {
		for _, db := range databases {
			if db.Peek([]byte(key), c.Now) != nil {
				n.markDirty()
			}
		}
	}
}
