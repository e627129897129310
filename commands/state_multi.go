package commands

import (
	"strings"
)

// Multi is a transaction that a client has opened: the calls it has queued.
type Multi struct {
	queue   []queued
	size    int  // bytes of the words in queue
	bytes   int  // of all that the queue takes
	aborted bool // a call could not be queued: EXEC refuses

	needsMemory  bool // calls were queued that are refused when memory is full
	mayReplicate bool // calls were queued that may change data or reach replicas
}

type queued struct {
	command *Command
	args    [][]byte
}

// Queue keeps a copy of a call for EXEC, unless it is known already that EXEC
// will not run it.
func (l *Client) Queue(command *Command, args [][]byte) {
	if m := l.Multi; !m.aborted && !l.dirty {
		m.queue = append(m.queue, queued{command, CloneArgs(args)})
		m.size += SizeOf(args)
		m.bytes += SizeOf(args) + len(args)*wordBytes + queuedBytes
		m.needsMemory = m.needsMemory || command.Has(DenyOOM)
		m.mayReplicate = m.mayReplicate || command.mayReplicate()
	}
}

// Reject records that a call may not run, and returns the error reply. Within a transaction
// EXEC then fails. A rejected EXEC ends its transaction. m is nil for an unknown command.
func (s *State) Reject(l *Client, m *Command, err error) error {
	switch {
	case m != nil && m.Has(EndsMulti):
		s.EndMulti(l)
		return Errorf("EXECABORT Transaction discarded because of: %s", strings.TrimPrefix(err.Error(), "ERR "))
	case l.Multi != nil:
		l.Multi.aborted = true
	}
	return err
}

// EndMulti closes a client's transaction and forgets its watched keys.
func (s *State) EndMulti(l *Client) {
	l.Multi = nil
	s.Unwatch(l)
}
