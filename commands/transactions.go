package commands

import (
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// Multi is a transaction that a client has opened: the calls it has queued.
type Multi struct {
	queue   []queued
	size    int  // bytes of the words in queue
	bytes   int  // of all that the queue takes
	aborted bool // a call could not be queued: EXEC refuses

	needsRoom    bool // calls were queued that are refused when memory is full
	mayReplicate bool // calls were queued that may change data or reach replicas
}

type queued struct {
	command *Command
	args    [][]byte
}

// Queue keeps a copy of a call for EXEC, unless it is known already that EXEC
// will not run it.
func (l *Client) Queue(command *Command, args [][]byte) {
	if m := l.Multi; !m.aborted && !l.spoilt {
		m.queue = append(m.queue, queued{command, CloneArgs(args)})
		m.size += SizeOf(args)
		m.bytes += SizeOf(args) + len(args)*wordBytes + queuedBytes
		m.needsRoom = m.needsRoom || command.Has(DenyOOM)
		m.mayReplicate = m.mayReplicate || command.mayReplicate()
	}
}

// Refuse notes that a call may not run, and returns the error to tell. Within
// a transaction that makes EXEC refuse; an EXEC that may not run itself ends
// the transaction. m is nil for an unknown command.
func (s *State) Refuse(l *Client, m *Command, err error) error {
	switch {
	case m != nil && m.Has(EndsMulti):
		s.EndMulti(l)
		return Errorf("EXECABORT Transaction discarded because of: %s", strings.TrimPrefix(err.Error(), "ERR "))
	case l.Multi != nil:
		l.Multi.aborted = true
	}
	return err
}

// LargeWord is the size in bytes from which a word of a call has memory of its own,
// which nobody writes to: whoever wants to keep the word keeps that.
const LargeWord = datastructs.LargeText

var _ = [1]int{}[LargeWord-resp.LargeString] // replies keep such words, too

// CloneArgs copies a call out of the client's input, in two allocations. Large words
// are kept as they are.
func CloneArgs(args [][]byte) [][]byte {
	size := 0
	for _, a := range args {
		if len(a) < LargeWord {
			size += len(a)
		}
	}
	block, words := make([]byte, 0, size), make([][]byte, len(args))
	for i, a := range args {
		if len(a) >= LargeWord {
			words[i] = a
			continue
		}
		start := len(block)
		block = append(block, a...)
		words[i] = slices.Clip(block[start:])
	}
	return words
}

var transactionRows = []Command{
	{
		Name: "discard", Syntax: "",
		Summary: "Drops the queued calls and ends the transaction.",
		Since:   "2.0.0", Group: "transactions", Complexity: "O(N), when N is the number of queued commands",
		Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy | Immediate | LeavesMulti | OfConnection,
		Run: discard,
	},
	{
		Name: "exec", Syntax: "",
		Summary: "Runs the queued calls with nothing in between.",
		Since:   "1.2.0", Group: "transactions", Complexity: "Depends on commands in the transaction",
		Arity: 1, Flags: NoScript | Loading | Stale | SkipSlowlog | Immediate | EndsMulti | LeavesMulti | OfConnection,
		Run: exec,
	},
	{
		Name: "multi", Syntax: "",
		Summary: "Opens a transaction: calls are queued until EXEC.",
		Since:   "1.2.0", Group: "transactions", Complexity: "O(1)",
		Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy | Immediate | OfConnection,
		Run: multi,
	},
	{
		Name: "unwatch", Syntax: "",
		Summary: "Forgets all watched keys.",
		Since:   "2.2.0", Group: "transactions", Complexity: "O(1)",
		Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy | OfConnection,
		Run: unwatch,
	},
	{
		Name: "watch", Syntax: "key [key ...]",
		Summary: "Makes the next EXEC depend on these keys staying as they are.",
		Since:   "2.2.0", Group: "transactions", Complexity: "O(1) for every key.",
		Arity: -2, Flags: NoScript | Loading | Stale | Fast | AllowBusy | Immediate | OfConnection,
		Keys: Keys{{First: 1, Last: -1, Flags: RO}},
		Run:  watch,
	},
}

func multi(c *Context) error {
	if c.Client.Multi != nil {
		return Errorf("ERR MULTI calls can not be nested")
	}
	c.Client.Multi = new(Multi)
	c.OK()
	return nil
}

func discard(c *Context) error {
	if c.Client.Multi == nil {
		return Errorf("ERR DISCARD without MULTI")
	}
	c.EndMulti(c.Client)
	c.OK()
	return nil
}

// exec replies with an array of what each call replies. An error of one call
// is its reply and does not stop the others.
func exec(c *Context) error {
	m, spoilt := c.Client.Multi, c.Client.spoilt
	if m == nil {
		return Errorf("ERR EXEC without MULTI")
	}
	defer c.EndMulti(c.Client)
	switch {
	case m.aborted:
		return ErrExecAbort
	case spoilt:
		c.NullArray()
		return nil
	}
	c.Unwatch(c.Client) // the transaction's own changes are no reason to fail
	defer func(before bool) { c.Final = before }(c.Final)
	c.Final = true
	c.Array(len(m.queue))
	for _, q := range m.queue {
		if err := c.deniedByNow(q.command, q.args); err != nil {
			c.Error(err)
			c.Stats.CountError(err)
			continue
		}
		c.State.Run(c, q.command, q.args)
	}
	return nil
}

func watch(c *Context) error {
	if c.Client.Multi != nil {
		return Errorf("ERR WATCH inside MULTI is not allowed")
	}
	if !c.Client.spoilt {
		for _, key := range c.Args[1:] {
			c.watch(c.Client, c.index, key)
		}
	}
	c.OK()
	return nil
}

func unwatch(c *Context) error {
	c.Unwatch(c.Client)
	c.OK()
	return nil
}

// EndMulti closes a client's transaction and forgets its watched keys.
func (s *State) EndMulti(l *Client) {
	l.Multi = nil
	s.Unwatch(l)
}

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
		s.unwatching.end(l.watching)
		s.dropUnwatched()
	}
	l.watching, l.spoilt = nil, false
}

// dropUnwatched drops the registries of databases of which no key is watched any more.
func (s *State) dropUnwatched() {
	for db, r := range s.watchers {
		if r.names.Len() == 0 {
			delete(s.watchers, db)
		}
	}
}

// spoil makes the transactions fail that depend on a key.
func (n *registered) spoil() {
	for l := range n.clients() {
		l.spoilt = true
	}
}

// touchAll spoils what is watched in a database before it is emptied, or in one
// that is swapped with another: those keys that are in one of them.
func (c *Context) touchAll(index int, databases ...*datastructs.Keyspace) {
	watched := c.watchers[index]
	if watched == nil {
		return
	}
	for key, n := range watched.names.All() {
		for _, db := range databases {
			if db.Peek([]byte(key), c.Now) != nil {
				n.spoil()
			}
		}
	}
}

// EndSome goes on with ending what clients had of subscriptions and of watched and
// tracked keys, of which a client may have so many that others would have to wait for
// all. To all who ask they are gone already, but for the numbers of tracked keys, as
// in Redis. It reports whether nothing is left.
func (s *State) EndSome() (done bool) {
	left := endAtOnce
	for _, e := range []*endings{&s.unwatching, &s.Channels.ending, &s.Tracking.ending} {
		left = e.takeOut(left)
	}
	s.dropUnwatched()
	return !s.Ending()
}

// Ending reports whether there is something for EndSome to do. It needs no lock.
func (s *State) Ending() bool {
	return s.unwatching.any() || s.Channels.ending.any() || s.Tracking.ending.any()
}
