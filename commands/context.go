package commands

import (
	"errors"
	"math/rand/v2"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// A Context is all that a handler may see of the world during one call.
//
// A handler runs alone, unless its row is ReadOnly and not Alone: then other
// reads run beside it and it must change nothing. It takes no lock, starts no goroutine, never
// waits and never asks for the time. It checks everything first, then changes;
// when it returns an error, what it wrote is cut off and the error is the reply.
//
// Args alias the client's input: what outlives the call must be copied, unless it is of
// LargeWord bytes or more. The methods of State, Keyspace and the structures copy what
// they store, on the same terms. Nobody writes to Args.
type Context struct {
	*wire.Writer
	*State

	Args   [][]byte // the whole call; Args[0] is the name
	Client *Client  // nil when the server itself acts, as when keys expire
	DB     *datastructs.Keyspace
	Now    int64 // Unix ms; the same throughout one call, and throughout EXEC
	Micros int64 // Now in Unix µs
	Rand   *rand.Rand

	// Final forbids waiting: the call is made within EXEC.
	Final bool

	// Woken is the key whose change makes a call that waited run again; such a
	// call looks at no other key. nil otherwise.
	Woken []byte

	// Command is the row that runs.
	Command *Command

	index         int // of DB
	call          call
	depth         int        // of calls within calls
	invalidations []*Message // what the client's own calls have made invalid, for when it is answered
	unit          []Effect   // of the outermost call so far

	dueKey dueKey // what has expired last; see RepairExpiry
}

// call is what a handler has done so far.
type call struct {
	mark    int // where its reply begins: behind messages to the caller that came first
	changes int
	logged  bool // it told its effects itself
	wait    *Wait
	unit    int  // how many effects there were before
	over    bool // it has come to its end

	messages []*Message // to the caller, behind the first of the reply; of rows that a program has added
}

// Begin points the context at a client's next call, which happens at a time in
// Unix µs.
func (c *Context) Begin(l *Client, micros int64) {
	c.Client, c.Now, c.Micros = l, micros/1000, micros
	c.selectDB(l.DB)
}

// selectDB makes a database the one that the call works on. It does not check i.
func (c *Context) selectDB(i int) {
	c.index, c.DB = i, c.Databases[i]
}

// Index is the number of the database that the call works on.
func (c *Context) Index() int { return c.index }

// In runs f with another database in DB.
func (c *Context) In(db int, f func()) {
	before := c.index
	c.selectDB(db)
	defer c.selectDB(before) // should f panic even
	f()
}

// An Outcome is what a call came to.
type Outcome struct {
	Err  error // the error that was the reply, if it was one
	Wait *Wait // not nil: nothing was replied, the call is to be made again

	Failed bool // the handler has panicked, or has not replied as it must
}

// Perform runs the row's handler on args. It is the part of the door that the
// handler sees; the engine does everything else around it.
func (c *Context) Perform(m *Command, args [][]byte) (o Outcome) {
	defer c.leave(c.enter(m, args))
	if c.backlog && m.Has(Write) {
		c.expireDueKeys(m, args)
	}
	err := m.Run(c)
	if m.added && c.call.wait != nil && !errors.Is(err, errWaits) {
		c.call.wait = nil // it has replied after all
	}
	if m.Has(ReadOnly) && c.Client.IsTracking() {
		c.remember(m, args)
	}
	switch {
	case errors.Is(err, errWaits):
		c.Truncate(c.call.mark)
		err = nil
	case err != nil:
		c.Truncate(c.call.mark)
		c.Error(err)
	case c.call.changes > 0 && !c.call.logged:
		c.addEffect(Effect{c.index, args})
	}
	if c.call.changes > 0 {
		c.State.changes += int64(c.call.changes)
	}
	if c.Full() {
		err = c.failTooLarge()
	} else if m.added {
		err = c.checkReply(err)
	}
	c.call.over = true
	return Outcome{Err: err, Wait: c.call.wait, Failed: err == errWrongReply}
}

// failTooLarge ends the connection of a client that has asked for more than a reply
// may hold. A change that the call has made stays.
func (c *Context) failTooLarge() error {
	if c.Client != nil && c.Client.Peer != nil {
		c.Client.Peer.Kill()
	}
	c.Truncate(c.call.mark)
	c.Error(errReplyTooLarge)
	return errReplyTooLarge
}

// A frame is the call that another one, within EXEC, has taken the place of.
type frame struct {
	call    call
	command *Command
	args    [][]byte
}

// enter makes a call the current one.
func (c *Context) enter(m *Command, args [][]byte) (outer frame) {
	outer = frame{c.call, c.Command, c.Args}
	c.call, c.Command, c.Args = call{mark: c.Len(), unit: len(c.unit)}, m, args
	c.depth++
	return outer
}

// leave gives the outer call its place back, and tells what the outermost has
// done. What a handler that has panicked was changing is made sound first.
func (c *Context) leave(outer frame) {
	if !c.call.over && c.Command.Has(Write) {
		c.repair()
	}
	c.call, c.Command, c.Args = outer.call, outer.command, outer.args
	c.depth--
	c.Account.Update()
	c.flushEffects()
}

const errReplyTooLarge = resp.Error("ERR the reply would be too large")

// arityError is the reply of a handler that finds the number of its arguments
// wrong though the row's arity allows it.
func (c *Context) arityError() error { return ArityError(c.Command) }
