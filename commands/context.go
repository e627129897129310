package commands

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"

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
	*resp.Writer
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

	index   int // of DB
	call    call
	depth   int        // of calls within calls
	invalid []*Message // what the client's own calls have made invalid, for when it is answered
	unit    []Effect   // of the outermost call so far

	expiring expiring // what has expired last; see MendExpiry
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

// State is what all calls of a server share. The engine's lock guards it.
type State struct {
	Table     *Table
	Databases []*datastructs.Keyspace
	Users     Users
	ACLLog    ACLLog
	Clients   Clients
	Channels  Channels
	Tracking  Tracking
	Config    Config
	Stats     Stats
	Host      Host
	Monitors  Monitors
	SlowLog   SlowLog
	Pause     Pause
	Latency   Latency
	Evicting  Evicting
	Counting  datastructs.Counting // what the databases count, as Config says

	// What memory there is in use is the sum of these, and a little more: see Used.
	Account datastructs.Account // of the databases
	Held    atomic.Int64        // by clients, in bytes; changed by those who do not hold the lock, too

	Beside atomic.Int64 // what the server keeps in its own tables of what clients have said, in bytes

	KeepExpired bool // keys whose deadline has passed are left, to read as absent

	// Run runs a row in the context of a call under way: how EXEC goes through
	// the same door as everyone.
	Run func(c *Context, m *Command, args [][]byte)

	// Ready is called for each key that has come to be, for those who wait for
	// it. As in Redis, a key that gets another value, even one that would do, is
	// nothing to them.
	Ready func(db int, key []byte)

	// Awaited lists the keys of a database that somebody waits for.
	Awaited func(db int) [][]byte

	// WaitingCalls lists the calls that wait, those of callers without a connection
	// among them, in the order in which their clients came. nil: none ever does.
	WaitingCalls func() []WaitingCall

	// Unblock ends the call that a client waits in: with what it is answered when
	// its time is up, or with an error. It reports whether there was one.
	Unblock func(l *Client, failure error) bool

	// MayGuess reports whether a password that a client gives for a user may be looked
	// at; Guessed is told when it was wrong. nil: all may, and nobody wants to know.
	MayGuess func(l *Client, user, password []byte) bool
	Guessed  func(l *Client, user, password []byte)

	// Copies tells how many times a client gets a message published to a channel.
	// nil: once.
	Copies func(to *Client, channel []byte) int

	// Published is told of each message once its receivers have it. nil when nobody
	// listens.
	Published func(Publication)

	// Extended is told of calls that Redis would have refused for what they were
	// called on. nil when nobody listens.
	Extended func(l *Client, m *Command, args [][]byte)

	// Effects receives what calls amount to, a unit at a time: what one call
	// from outside has done, the whole of an EXEC included. A unit is all or
	// nothing. It and its words are valid until Effects returns. nil when nobody
	// listens.
	Effects func(unit []Effect)

	stuck   expiring     // what could not expire
	named   atomic.Int64 // bytes in the names that clients are registered for, with each of them
	closing atomic.Int64 // of Held and named, by clients that are being closed for it

	backlog    bool  // something is due that Expire had no time for
	changes    int64 // of keys, since the server started
	memoryPeak int   // the most that Used was

	watchers      map[int]*registry // of keys, by database; those of which keys are watched
	unwatching    endings
	misreplied    sync.Map  // *Command: those of which it was told
	sinterWarning sync.Once // that SINTER met a sorted set, which Redis refuses
}

// An Effect is a plain deterministic command. Effects that are run in their
// order on an empty server, a real Redis among them, give the same data.
type Effect struct {
	DB    int
	Words [][]byte
}

// Host is what a server tells the commands about the process around them.
type Host struct {
	Version    string // of parley
	Pid        int
	Executable string
	OS         string // as in INFO: "Linux 6.1 x86_64"
	Port       int    // 0 without TCP
	TLSPort    int    // 0 without TLS
	TLS        HostTLS
	Socket     string // path of the unix socket, or ""
	SocketMode int64  // its permissions; 0: as the process's umask says
	Started    int64  // Unix ms
	RunID      string // 40 hexadecimal digits
	Strict     bool   // refuse what Redis refuses: no extensions
	Debug      DebugAccess

	AdversarialScans bool // see disturb

	// TotalMemory is what the machine has, in bytes, 0 where that is not known;
	// Resident tells what of it the process has, nil where that is not known.
	TotalMemory uint64
	Resident    func() uint64

	// Purge gives memory that is free back to the system; nil where that is not
	// for clients to ask.
	Purge func()

	// CPU tells the seconds that the process has run, in the system and itself;
	// nil where that is not known.
	CPU func() (sys, user float64)

	// Shutdown ends the server after the current call; nil where clients may not.
	Shutdown func()

	ACLFile *ACLFile // nil: users are kept in memory only

	// TellOperator logs a line: see Context.TellOperator, which calls it with
	// the client that has made the call, nil if none has.
	TellOperator func(n Notice, l *Client, args ...any)
}

// HostTLS is what CONFIG tells of TLS.
type HostTLS struct {
	Cert, Key, CA string // paths; "" where there are none
	AuthClients   string // yes, no or optional: whether clients need certificates
}

// Begin points the context at a client's next call, which happens at a time in
// Unix µs.
func (c *Context) Begin(l *Client, micros int64) {
	c.Client, c.Now, c.Micros = l, micros/1000, micros
	c.Select(l.DB)
}

// Select makes a database the one that the call works on. It does not check i.
func (c *Context) Select(i int) {
	c.index, c.DB = i, c.Databases[i]
}

// Index is the number of the database that the call works on.
func (c *Context) Index() int { return c.index }

// In runs f with another database in DB.
func (c *Context) In(db int, f func()) {
	before := c.index
	c.Select(db)
	defer c.Select(before) // should f panic even
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
		c.settleKeys(m, args)
	}
	err := m.Run(c)
	if m.added && c.call.wait != nil && !errors.Is(err, errWaits) {
		c.call.wait = nil // it has replied after all
	}
	if m.Has(ReadOnly) && c.Client.Remembers() {
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
		c.add(Effect{c.index, args})
	}
	if c.call.changes > 0 {
		c.State.changes += int64(c.call.changes)
	}
	if c.Full() {
		err = c.breakOff()
	} else if m.added {
		err = c.checkReply(err)
	}
	c.call.over = true
	return Outcome{Err: err, Wait: c.call.wait, Failed: err == errWrongReply}
}

// breakOff ends the connection of a client that has asked for more than a reply
// may hold. A change that the call has made stays.
func (c *Context) breakOff() error {
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
		c.mend()
	}
	c.call, c.Command, c.Args = outer.call, outer.command, outer.args
	c.depth--
	c.Account.Settle()
	c.tell()
}

// Read returns the value of a key for reading. An absent key gives nil, which
// all structures read as empty; a value of another kind gives ErrWrongType.
func Read[T datastructs.Value](c *Context, key []byte) (T, error) {
	return as[T](c.Lookup(key))
}

// Open returns the value of a key for changing. An absent key gives a fresh
// value that Save stores; a value of another kind gives ErrWrongType.
func Open[T interface {
	*E
	datastructs.Value
}, E any](c *Context, key []byte) (T, error) {
	v, err := Find[T](c, key)
	if err == nil && v == nil {
		v = new(E)
	}
	return v, err
}

// Find is Open for those to whom an absent key is not an empty value: it gives nil.
func Find[T datastructs.Value](c *Context, key []byte) (T, error) {
	v := c.own(key) // no hit and no miss: Redis counts reads
	if v != nil {
		c.DB.Open(key, v)
	}
	return as[T](v)
}

func as[T datastructs.Value](v datastructs.Value) (T, error) {
	var none T
	if v == nil {
		return none, nil
	}
	t, ok := v.(T)
	if !ok {
		return none, ErrWrongType
	}
	return t, nil
}

// use returns the value of a key and marks its use, unless the client does not
// want its calls to count.
func (c *Context) use(key []byte) datastructs.Value {
	if c.Client != nil && c.Client.NoTouch {
		return c.DB.Peek(key, c.Now)
	}
	return c.DB.Get(key, c.Now, c.Rand)
}

// Lookup returns the value of a key for reading, nil if there is none, and
// records its use.
func (c *Context) Lookup(key []byte) datastructs.Value {
	return c.looked(key, c.use(key))
}

// Peek is Lookup without recording the use, for questions about the key itself.
func (c *Context) Peek(key []byte) datastructs.Value {
	return c.looked(key, c.DB.Peek(key, c.Now))
}

// looked counts a read, and tells subscribers of one that found nothing.
func (c *Context) looked(key []byte, v datastructs.Value) datastructs.Value {
	if c.Client != nil && c.Client.Unseen {
		return v
	}
	c.Stats.lookup(v != nil)
	if v == nil {
		c.Notify(EventMiss, "keymiss", key)
	}
	return v
}

// Save stores a changed value, marks the change and tells the event. The key
// keeps its deadline. A value that has become empty deletes the key, which is
// told with the event "del" after the other.
func (c *Context) Save(key []byte, v datastructs.Value, class Event, event string) {
	c.Store(key, v)
	c.Notify(class, event, key)
	if v.Empty() {
		c.Notify(EventGeneric, "del", key)
	}
}

// Store is Save without the events but "new", for those who reply before they
// tell the others.
func (c *Context) Store(key []byte, v datastructs.Value) {
	c.settle(key)
	if v.Empty() {
		if c.backlog && c.DB.Hides(key) {
			c.expireRest(key)
		}
		c.DB.Delete(key)
		c.touch(key)
		return
	}
	put := c.DB.Put
	if c.Client != nil && c.Client.NoTouch {
		put = c.DB.PutUnused
	}
	added := put(key, v, c.Now)
	if added {
		c.ready(c.index, key, v)
	}
	c.touch(key)
	if added {
		c.Notify(EventNew, "new", key)
	}
}

// Replace stores a value in place of whatever was there: the old deadline is
// gone. Of events it tells what Store does. An empty value leaves no key.
func (c *Context) Replace(key []byte, v datastructs.Value) {
	c.settle(key)
	if c.Counting.On {
		c.use(key) // Redis looks whether there is one
	}
	c.DB.ClearDeadline(key)
	c.Store(key, v)
}

// Delete removes a key and reports whether it was there.
func (c *Context) Delete(key []byte) bool {
	c.settle(key)
	if c.DB.Peek(key, c.Now) == nil {
		return false
	}
	c.DB.Delete(key)
	c.touch(key)
	return true
}

// SetDeadline makes a key expire at a Unix time in ms.
func (c *Context) SetDeadline(key []byte, at int64) {
	c.DB.SetDeadline(key, at)
	c.touch(key)
}

// ClearDeadline makes a key stay and reports whether it had a deadline.
func (c *Context) ClearDeadline(key []byte) bool {
	if !c.DB.ClearDeadline(key) {
		return false
	}
	c.touch(key)
	return true
}

// Flush empties the current database.
func (c *Context) Flush() {
	c.empty()
	c.invalidateAll()
}

// FlushAll empties all databases.
func (c *Context) FlushAll() {
	for i := range c.Databases {
		c.In(i, c.empty)
	}
	c.invalidateAll()
}

func (c *Context) empty() {
	c.touchAll(c.index, c.DB)
	c.call.changes += c.DB.Len()
	c.DB.Clear()
}

// Swap exchanges two databases, for all who watch, wait for or use their keys.
func (c *Context) Swap(a, b int) {
	x, y := c.Databases[a], c.Databases[b]
	if a == b || x.Len()+y.Len() == 0 {
		return
	}
	c.touchAll(a, x, y)
	c.touchAll(b, x, y)
	c.Databases[a], c.Databases[b] = y, x
	c.Select(c.index)
	c.call.changes += x.Len() + y.Len()
	c.offer(a)
	c.offer(b)
}

// offer tells those who wait for keys of a database what it now holds. Those are
// few, the keys may be very many.
func (c *Context) offer(db int) {
	if c.Awaited == nil {
		return
	}
	for _, key := range c.Awaited(db) {
		if v := c.Databases[db].Peek(key, c.Now); v != nil {
			c.ready(db, key, v)
		}
	}
}

// ready tells of a key that has come to be, if it is of the type that calls wait
// for. One of another type is nothing to them, even if it becomes one of that
// type before they are served, within the same EXEC: as in Redis.
func (c *Context) ready(db int, key []byte, v datastructs.Value) {
	if c.Ready != nil && v.Kind() == datastructs.KindSortedSet {
		c.Ready(db, key)
	}
}

// touch records that the call has changed a key.
func (c *Context) touch(key []byte) {
	c.call.changes++
	c.changed(key, c.Client)
}

// changed tells all who want to know that a key was changed, and by whom: nil
// where no client did it.
func (c *Context) changed(key []byte, by *Client) {
	if watched := c.watchers[c.index]; watched != nil {
		watched.find(key).spoil()
	}
	if c.Tracking.any() {
		c.invalidate(key, by)
	}
}

// LogAs tells what the call amounts to where that is not the call itself: a
// random pick, a relative time, a float sum. It may be called several times;
// each is one command. Words are strings, []byte, or integers.
func (c *Context) LogAs(words ...any) {
	c.call.logged = true
	c.emit(words...)
}

func (c *Context) emit(words ...any) {
	if c.Effects == nil {
		return
	}
	effect := make([][]byte, len(words))
	for i, w := range words {
		effect[i] = word(w)
	}
	c.add(Effect{c.index, effect})
	c.tell()
}

func (c *Context) add(e Effect) {
	if c.Effects != nil {
		c.unit = append(c.unit, e)
	}
}

// tell hands over a unit that is complete.
func (c *Context) tell() {
	if c.depth == 0 && len(c.unit) > 0 {
		c.Effects(c.unit)
		c.unit = nil
	}
}

func word(w any) []byte {
	switch w := w.(type) {
	case []byte:
		return w
	case string:
		return []byte(w)
	case int:
		return strconv.AppendInt(nil, int64(w), 10)
	case int64:
		return strconv.AppendInt(nil, w, 10)
	case float64:
		return resp.AppendDouble(nil, w)
	}
	panic("commands: an effect's words are strings, []byte or numbers")
}

const errReplyTooLarge = resp.Error("ERR the reply would be too large")

// arityError is the reply of a handler that finds the number of its arguments
// wrong though the row's arity allows it.
func (c *Context) arityError() error { return ArityError(c.Command) }
