package server

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/control"
)

// ErrClosed is what a server that is closed answers to Dial and Do.
var ErrClosed = errors.New("server: closed")

var (
	errPanicked      = resp.Error("ERR internal error: the server has logged what happened")
	errCrossProtocol = errors.New("server: not a Redis client")
)

// An engine owns the data. It has one lock and one door, do, through which
// every command goes, whoever sends it.
//
// Lock order: a session's turn, then mu, then an outbox's mu, then a Server's,
// then that of reminders. That of the reclaimer is taken behind mu, and none behind it
// but a clock's.
type engine struct {
	clock Clock
	log   eventLog
	seed  uint64

	onMaxMemory func(bytes uint64) // see Options.MaxMemory; may be nil
	hooks       control.Hooks
	hooked      bool // any of them is set

	lastID atomic.Int64 // of clients, those of Do included

	unauthenticated atomic.Int64 // connections that have not authenticated and must
	settings        atomic.Pointer[settings]
	lockHeld        histogram // under the lock, of callers
	lockWait        histogram // for the lock, of callers that did not find it free

	mu          sync.RWMutex // guards all below; rows that are ReadOnly share it
	state       commands.State
	waiting     waiting
	pausing     pausing
	faults      faults
	authLimiter authLimiter
	server      caller  // acts when no client does: keys expire
	admin       *caller // acts for Act; nil until then
	expiry      expiryTimer
	closed      bool
	ending      bool // somebody is in unlock, to end what ends in pieces

	newLimit bool  // maxmemory has changed
	evicting timer // of evictMore

	reclaimer     memoryReclaimer
	timeoutQueue  timerQueue     // of what clients may be late with
	ended         chan struct{}  // closed by close
	pipelineSlots chan struct{}  // see further
	tasks         sync.WaitGroup // timers that are set, and what has been begun and not ended
	timers        timers
	pending       pendingWork
}

// A caller is one who sends commands: the session of a connection, or Do.
type caller struct {
	client *commands.Client
	w      resp.Writer
	ctx    commands.Context
	from   netip.Addr                   // where it comes from; the zero Addr: not over a network
	limits atomic.Pointer[callerLimits] // set under the lock, also while a call of this caller waits

	inProcess bool         // it is code of this process
	loopback  bool         // see origin
	shared    bool         // the call under way shares the lock
	finished  atomic.Bool  // no further command of this caller may run
	isBlocked atomic.Bool  // a call of this caller waits
	blocked   *blockedCall // that call
	answered  func()       // takes its reply out of w; called under the lock
	resume    func()       // it is over; called under the lock
	ran       func(int)    // so many bytes of large words are not its own any more; nil: nobody counts them
}

// callerLimits are copies of what CONFIG says, for use without the lock.
type callerLimits struct {
	bulk  int64
	query int
	class commands.OutputClass

	unauthenticated bool
}

// settings are what CONFIG says, for those who do not hold the lock.
type settings struct {
	output   [commands.OutputClasses]commands.OutputLimit
	timeouts commands.Patience
	silent   time.Duration // after which a client over TCP is asked whether it is there; 0: never

	maxClients int

	room    uint64 // maxmemory
	clients int64  // bytes that all clients may take; 0: any
	alone   bool   // reads must not run side by side: they have events, or monitors, or are held back
}

// publish makes changed settings known.
func (e *engine) publish() {
	config := &e.state.Config
	now := settings{
		output:   config.OutputLimits,
		timeouts: config.Patience,
		silent:   time.Duration(config.KeepAlive) * time.Second,

		maxClients: config.MaxClients,

		room:    config.MaxMemory,
		clients: config.ClientMemoryLimit(),
		alone:   config.Events&commands.EventMiss != 0 || e.state.Monitors.Len() > 0 || e.state.Pause.On() || e.hooked,
	}
	old := e.settings.Load()
	if old != nil && *old == now {
		return
	}
	e.newLimit = e.newLimit || old == nil || old.room != now.room
	changed := now // only this one is allocated
	e.settings.Store(&changed)
	if old != nil && old.timeouts != now.timeouts {
		e.recheckTimeouts()
	}
}

// A request is a call that has been parsed: its row, or why there is none.
type request struct {
	args    [][]byte
	command *commands.Command
	err     error // the reply to a call that cannot run
	broken  error // the stream cannot be read on
	large   int   // bytes of args that are large words

	faultChosen bool           // what goes wrong with it
	hooked      bool           // to tests, that it has come in
	fault       *control.Fault // what goes wrong; nil: nothing
}

func newEngine(o Options) (*engine, error) {
	e := &engine{log: eventLog{logger: o.Logger, clock: o.Clock}, seed: o.Seed, onMaxMemory: o.MaxMemory, hooks: o.hooks, hooked: o.hooks.Any(), ended: make(chan struct{}), pipelineSlots: newPipelineSlots()}
	e.clock = e.drainingClockOf(o.Clock)
	e.timers = timers{e.clock, &e.tasks}
	s := &e.state
	s.Host = hostInfo(o)
	s.Host.TellOperator = e.log.logNotice
	s.Table = commandTable(o.commands)
	s.Config = commands.DefaultConfig()
	if err := applyConfig(&s.Config, o); err != nil {
		return nil, err
	}
	s.Users = commands.NewUsers()
	s.UsePassword()
	if err := loadUsers(s, o.ACLFile); err != nil {
		return nil, err
	}
	s.Databases = make([]*datastructs.Keyspace, o.Databases)
	for i := range s.Databases {
		s.Databases[i] = datastructs.NewKeyspace(&s.Account, &s.Counting)
	}
	s.Configured()
	s.Evicting.Rand = rand.New(rand.NewPCG(e.seed, evictionStream))
	s.Stats.Reset(s.Table)
	s.Run = e.run
	e.waiting.bytes = &s.Held
	s.Ready, s.Awaited = e.waiting.changed, e.waiting.awaited
	s.WaitingCalls = e.waitingCalls
	s.Copies = e.hooks.Copies
	s.Unblock = e.unblock
	s.MayGuess, s.Guessed = e.allowAuth, e.authFailed
	s.Published = o.hooks.Published
	e.reclaimer.hook = o.FreeMemory
	e.timeoutQueue.init(e.clock, &e.tasks, &e.pending)
	e.timeoutQueue.panicked = e.timerPanicked
	e.server.init(e, nil)
	e.publish()
	e.applyMaxMemory()
	return e, nil
}

// evictionStream keeps what goes when memory is full apart from the picks of clients.
const evictionStream = 1 << 63

// init prepares a caller for its first call.
func (c *caller) init(e *engine, l *commands.Client) {
	c.client = l
	id := int64(0)
	if l != nil {
		id = l.ID
	}
	c.ctx = commands.Context{
		Writer: &c.w,
		State:  &e.state,
		Rand:   rand.New(rand.NewPCG(e.seed, uint64(id))),
	}
}

func (e *engine) micros() int64 { return e.clock.Now().UnixMicro() }

// enter admits the client of a connection.
func (e *engine) enter(c *caller) (err error) {
	if closed := e.exclusive(func() { err = e.admit(c) }); closed != nil {
		return closed
	}
	return err
}

func (e *engine) admit(c *caller) error {
	if err := e.admission(c); err != nil {
		e.state.Stats.Rejected.Add(1)
		return err
	}
	l := c.client
	l.ID = e.lastID.Add(1)
	l.Protocol = 2
	e.state.Admit(l)
	l.Created = e.micros() / 1000
	l.Active = l.Created
	c.ctx.Rand = rand.New(rand.NewPCG(e.seed, uint64(l.ID)))
	e.state.Clients.Add(l)
	e.state.Weigh(l)
	e.state.Stats.Connections.Add(1)
	e.copyLimits(c)
	e.log.log(eventClientConnected, clientAttr(l))
	e.updateLink(c)
	return nil
}

// leave forgets a client with all that it held. A call of it that waits takes
// nothing any more.
func (e *engine) leave(c *caller) {
	e.mu.Lock()
	defer e.unlock()
	if e.state.Clients.Get(c.client.ID) == c.client {
		e.log.log(eventClientLeft, clientAttr(c.client))
	}
	e.forgetUnauthenticated(c)
	e.unblockCaller(c.blocked)
	e.hookLeft(c.client)
	e.state.Channels.UnsubscribeAll(c.client)
	e.state.EndMulti(c.client)
	e.state.Monitors.Remove(c.client)
	e.state.Clients.Remove(c.client)
	e.state.Tracking.Leave(c.client)
	e.state.Tracking.Forget(c.client)
	e.state.Left(c.client)
	e.afterChange()
}

// request finds the row of a call. It needs no lock.
func (e *engine) request(args [][]byte) request {
	r := request{args: args}
	r.command, r.err = e.state.Table.Find(args)
	if r.err == nil && !r.command.Accepts(len(args)) {
		r.err = commands.ArityError(r.command)
	}
	return r
}

// exclusive runs f in a critical section, and then what must follow one. It does not,
// and returns ErrClosed, if the engine is closed.
func (e *engine) exclusive(f func()) error {
	e.mu.Lock()
	defer e.unlock()
	if e.closed {
		return ErrClosed
	}
	f()
	e.afterChange()
	return nil
}

// background is exclusive for timers and for goroutines of the engine: a panic ends f
// and nothing else.
func (e *engine) background(what string, f func()) {
	if e.recoverPanic(what, func() { e.exclusive(f) }) {
		e.settleAfterPanic()
	}
}

// afterChange does all that must follow a critical section of whoever has held the lock
// alone. Callers have delivered their own replies: what others are sent of it comes
// behind those.
func (e *engine) afterChange() {
	e.serveReady()
	e.followPause()
	e.publish()
	e.applyMaxMemory()
	e.serveReady()
	e.armExpiry()
	e.evictClients()
	e.server.ctx.Broadcast()
	e.noteMemory()
	e.notifyChange()
}

// serveReady runs the blocked calls whose keys have changed.
func (e *engine) serveReady() {
	if len(e.waiting.ready) > 0 {
		e.serve(e.micros())
	}
}

// serverContext is the context in which the server itself acts, at the present time.
func (e *engine) serverContext() *commands.Context {
	now := e.micros()
	e.server.ctx.Now, e.server.ctx.Micros = now/1000, now
	return &e.server.ctx
}

// batch runs a caller's requests in one critical section, until all have run, one is
// blocked, no further one may run, or it has taken long enough. It calls deliver for the
// replies before it serves others and before it returns, and returns how many requests
// were used up.
func (e *engine) batch(c *caller, batch []request, deliver func()) (n int) {
	c.shared = c.shares(batch) && e.rlock()
	if c.shared {
		defer e.mu.RUnlock()
	} else {
		e.lock()
		defer e.unlock()
	}
	if e.closed {
		c.finished.Store(true)
	}
	n, held := e.runBatch(c, batch, deliver)
	if !c.shared {
		e.state.Weigh(c.client)
	}
	deliver()
	if e.hooked {
		e.updateLink(c) // it may have another name
	}
	if c.shared {
		e.noteMemory()
	} else {
		e.afterChange()
	}
	e.copyLimits(c)
	if c.blocked != nil && c.w.Len() == 0 {
		_, unused := c.w.Take(nil)
		recycleReply(unused) // it may be blocked for long
	}
	e.lockHeld.add(held)
	return n
}

// runBatch is the loop of batch. held: how long it took.
func (e *engine) runBatch(c *caller, batch []request, deliver func()) (n int, held time.Duration) {
	begun := e.clock.Now()
	micros := begun.UnixMicro()
	e.state.Stats.Tick(micros)
	for ; n < len(batch) && c.mayRun() && held <= maxBatchTime && c.w.Len() <= maxBatchReply; n++ {
		now := micros + held.Microseconds()
		if !e.prepare(c, now) {
			break
		}
		if batch[n].large > 0 {
			e.noteMemory() // while a value is there that this one replaces
		}
		o, ran := e.intake(c, batch[n])
		if c.blocked == nil {
			c.ctx.Answered(batch[n].command)
			c.ctx.EndCall()
		}
		before := held
		held = since(e.clock, begun)
		if ran {
			e.report(c, batch[n], o, held-before)
		}
		if batch[n].large > 0 {
			c.ran(batch[n].large)
		}
		if len(e.waiting.ready) > 0 {
			deliver() // what the served do may be told to the caller: behind its own replies
			e.serve(now)
			held = since(e.clock, begun)
		}
	}
	return n, held
}

// prepare begins a call at the time given: what is due by then has expired. It reports
// whether the caller is still there: it may have been evicted.
func (e *engine) prepare(c *caller, micros int64) bool {
	c.ctx.Begin(c.client, micros)
	if c.shared {
		return true
	}
	e.expire(&c.ctx)
	e.evictClients()
	return c.mayRun()
}

// shares reports whether a batch may run beside others: it reads, and does not
// change what is known of the client either.
func (c *caller) shares(batch []request) bool {
	if c.client.Multi != nil || c.client.Remembers() {
		return false
	}
	for _, r := range batch {
		if r.err != nil || r.broken != nil || !r.command.Has(commands.ReadOnly) || r.command.Has(commands.Alone) {
			return false
		}
	}
	return true
}

// mayRun reports whether a further command of this caller may run.
func (c *caller) mayRun() bool { return !c.isBlocked.Load() && !c.finished.Load() }

// do is the one door: all that must happen for every command happens here, in
// run, and in serve. The reply is in c.w, unless the call waits. ran: the
// handler has run; otherwise the call was refused, queued, or held back.
func (e *engine) do(c *caller, r request) (o commands.Outcome, ran bool) {
	if r.broken != nil {
		e.breakOff(c, r.broken)
		return o, false
	}
	l := c.client
	l.Active, l.Last = c.ctx.Now, r.command
	if err := e.refusal(c, r); err != nil {
		e.reject(c, r, err)
		return o, false
	}
	if e.state.Pause.Holds(l, r.command) {
		e.holdForPause(c, r)
		return o, false
	}
	if l.Multi != nil && !r.command.Has(commands.Immediate) {
		l.Queue(r.command, r.args)
		c.w.Status("QUEUED")
		return o, false
	}
	if e.mustQueueAuth(c, r) {
		e.queueAuth(c, r)
		return o, false
	}
	mark, failures := c.w.Len(), l.Failures
	if o = e.perform(&c.ctx, r.command, r.args); o.Wait != nil {
		e.blockOn(c, r, o.Wait)
	} else if l.Failures > failures {
		e.delayReply(c, r, mark)
	}
	e.hookFailed(l, r.command, o.Err)
	return o, true
}

// run is the door for calls within a call: those that EXEC has kept. They were
// let in when they were queued.
func (e *engine) run(c *commands.Context, m *commands.Command, args [][]byte) {
	begun := e.clock.Now()
	o := e.perform(c, m, args)
	c.Report(m, args, o, since(e.clock, begun))
}

// perform runs a handler. One that panics, which none should, costs its client
// that reply and nobody anything else.
func (e *engine) perform(c *commands.Context, m *commands.Command, args [][]byte) (o commands.Outcome) {
	mark := c.Len()
	defer func() {
		if p := recover(); p != nil {
			e.logPanic(m.FullName(), p)
			c.Truncate(mark)
			c.Error(errPanicked)
			o = commands.Outcome{Err: errPanicked, Failed: true}
		}
	}()
	return c.Perform(m, args)
}

// report tells of a call that has run, or that waits: what it took so far is
// told again with what it will take when it is answered.
func (e *engine) report(c *caller, r request, o commands.Outcome, took time.Duration) {
	c.ctx.Report(r.command, r.args, o, took)
	if o.Wait != nil && c.blocked != nil {
		c.blocked.took = took
	}
}

// refusal is why a call may not run, or nil. The order is Redis's.
func (e *engine) refusal(c *caller, r request) error {
	l, m := c.client, r.command
	switch {
	case r.err != nil:
		return r.err
	case m.Has(commands.Protected) && e.state.ProtectedRefusal(m, !isRemote(c.from)) != nil:
		return e.state.ProtectedRefusal(m, !isRemote(c.from))
	case l.Direct && m.Has(commands.OfConnection):
		return commands.Errorf("ERR '%s' needs a connection of its own: see Dial", m.FullName())
	case e.state.MustAuthenticate(l) && !m.Has(commands.NoAuth):
		return commands.ErrNoAuth
	case l.Multi != nil && m.Has(commands.NoMulti):
		return commands.Errorf("ERR Command not allowed inside a transaction")
	}
	if err := c.ctx.Denied(m, r.args); err != nil {
		return err
	}
	if err := e.ensureMemory(c, m); err != nil {
		return err
	}
	if l.Protocol == 2 && l.Subscribed() > 0 && !m.Has(commands.Subscribed) {
		return commands.Errorf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", m.FullName())
	}
	return l.MonitorRefusal(m)
}

// reject answers a call that may not run. A transaction that it was part of
// will not run either.
func (e *engine) reject(c *caller, r request, err error) {
	told := e.state.Refuse(c.client, r.command, err)
	c.w.Error(told)
	e.hookFailed(c.client, r.command, told)
	e.state.Stats.CountError(err)
	if r.command != nil {
		e.state.Stats.Of(r.command).Rejected.Add(1)
		if r.command.Has(commands.EndsMulti) {
			c.ctx.Show(r.command, r.args) // monitors have seen the beginning
		}
	}
}

// breakOff ends a connection whose stream cannot be understood.
func (e *engine) breakOff(c *caller, err error) {
	if errors.Is(err, errCrossProtocol) {
		e.log.log(eventHTTPOnPort, clientAttr(c.client))
	} else {
		e.log.log(eventProtocolError, clientAttr(c.client), "error", quoted(err.Error()))
		c.w.Error(err)
	}
	c.finished.Store(true)
}

// copyLimits makes known what a caller is under now.
func (e *engine) copyLimits(c *caller) {
	config := &e.state.Config
	now := callerLimits{
		bulk:  config.ProtoMaxBulk,
		query: int(config.QueryBuffer),
		class: c.client.LimitClass(),

		unauthenticated: e.state.MustAuthenticate(c.client),
	}
	if old := c.limits.Load(); old == nil || *old != now {
		changed := now // only this one is allocated
		c.limits.Store(&changed)
		e.countUnauthenticated(c, old != nil && old.unauthenticated, now.unauthenticated)
	}
}

// close lets no further client in and stops what would act by itself.
func (e *engine) close() {
	e.mu.Lock()
	e.recoverPanic("(tap)", e.hookClosed)
	e.closed = true
	close(e.ended)
	e.expiry.clear(e.timers)
	e.evicting.clear(e.timers)
	e.reclaimer.stopReclaiming(e)
	e.pausing.end.clear(e.timers)
	e.closeAuthLimiter()
	e.unblockAll()
	e.resetLinks()
	e.mu.Unlock()
	e.timeoutQueue.close()
	e.tasks.Wait()
}
