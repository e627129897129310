package server

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/control"
)

// ErrClosed is the error of Dial and Do once the server is closed.
var ErrClosed = errors.New("server: closed")

var (
	errPanicked      = resp.Error("ERR internal error: the server has logged what happened")
	errCrossProtocol = errors.New("server: not a Redis client")
)

// An engine owns the data. One lock, mu, guards them, and every command of every caller
// runs through one method, do.
//
// Lock order: session.feedLock, engine.mu, outbox.mu, Server.mu, timerQueue.mu.
// memoryReclaimer.mu is taken after engine.mu; only a clock's lock is taken after it.
type engine struct {
	clock Clock
	log   eventLog
	seed  uint64

	onMaxMemory func(bytes uint64) // see Options.MaxMemory; may be nil
	hooks       control.Hooks
	hooked      bool // whether any hook is set

	lastID atomic.Int64 // the last client ID; calls of Do use IDs, too

	unauthenticated atomic.Int64 // connections that must authenticate and have not
	settings        atomic.Pointer[settings]
	lockHeld        histogram // how long batches hold the lock
	lockWait        histogram // how long callers wait for a lock that is taken

	mu           sync.RWMutex // guards all below; batches that only read share it
	state        commands.State
	sessions     map[int64]*session // by client ID
	blocked      blockedCalls
	pause        pauseState
	faults       faults
	authLimiter  authLimiter
	serverCaller caller  // runs what no client asks for, such as expiry and eviction
	admin        *caller // runs Exec; nil before its first use
	expiry       expiryTimer
	closed       bool
	cleaning     bool // a goroutine is in unlock, calling State.CleanUp

	maxMemoryChanged bool  // since the last applyMaxMemory
	evictionTimer    timer // calls evictMore

	reclaimer     memoryReclaimer
	timeoutQueue  timerQueue     // timeouts of clients
	ended         chan struct{}  // closed by close
	pipelineSlots chan struct{}  // see batchThrottled
	tasks         sync.WaitGroup // timers that are set, and running goroutines of the engine
	timers        timers
	pending       pendingWork
}

// A caller is a source of commands: the session of a connection, or one call of Do.
type caller struct {
	client *commands.Client
	conn   callerConn // nil for callers of the engine itself
	w      wire.Writer
	ctx    commands.Context
	ip     netip.Addr                   // of the peer; the zero Addr: it has no IP address
	limits atomic.Pointer[callerLimits] // stored under the lock

	inProcess  bool         // the peer is code of this process, connected in memory
	loopback   bool         // see peerAddr
	sharesLock bool         // its batch holds the lock shared
	finished   atomic.Bool  // no further call may run
	isBlocked  atomic.Bool  // a call is blocked
	blocked    *blockedCall // that call; nil: none
}

// A callerConn is a session, or a call of Do, as the engine sees it. Its methods are called
// under the lock, so they must not wait.
type callerConn interface {
	deliver()               // sends the replies in caller.w
	resume()                // a blocked call has ended: later input may run
	releaseLarge(bytes int) // a call has run that had so many bytes of large words
}

// callerLimits are the limits of one caller, copied for use without the lock.
type callerLimits struct {
	bulk  int64
	query int
	class commands.OutputClass

	unauthenticated bool
}

// settings are copies of configuration parameters and of state for use without the lock.
type settings struct {
	output    [commands.OutputClasses]commands.OutputLimit
	timeouts  commands.Timeouts
	keepAlive time.Duration // interval of TCP keepalive probes; 0: none

	maxClients int

	maxMemory       uint64 // in bytes; 0: no limit
	maxClientMemory int64  // of all clients, in bytes; 0: no limit
	exclusiveReads  bool   // reads must not share the lock: MONITOR, pause, hooks, miss events
}

// publishSettings stores the settings if they have changed.
func (e *engine) publishSettings() {
	config := &e.state.Config
	now := settings{
		output:    config.OutputLimits,
		timeouts:  config.Timeouts,
		keepAlive: time.Duration(config.KeepAlive) * time.Second,

		maxClients: config.MaxClients,

		maxMemory:       config.MaxMemory,
		maxClientMemory: config.ClientMemoryLimit(),
		exclusiveReads: config.Events&commands.EventMiss != 0 || e.state.Monitors.Len() > 0 ||
			e.state.Pause.On() || e.hooked,
	}
	old := e.settings.Load()
	if old != nil && *old == now {
		return
	}
	e.maxMemoryChanged = e.maxMemoryChanged || old == nil || old.maxMemory != now.maxMemory
	changed := now // allocated only if changed
	e.settings.Store(&changed)
	if old != nil && old.timeouts != now.timeouts {
		e.recheckTimeouts()
	}
}

// A request is one parsed call: its row, or the error that it is answered with.
type request struct {
	args       [][]byte
	command    *commands.Command
	err        error // the reply to a call that cannot run
	streamErr  error // the input stream is invalid; there is no call
	largeBytes int   // bytes of args that are large words

	faultChosen bool           // Hooks.Fault has been called
	hooked      bool           // Hooks.Call has been called
	fault       *control.Fault // nil: none
}

func newEngine(o Options) (*engine, error) {
	e := &engine{
		log:           eventLog{logger: o.Logger, clock: o.Clock},
		seed:          o.Seed,
		onMaxMemory:   o.MaxMemory,
		hooks:         o.hooks,
		hooked:        o.hooks.Any(),
		ended:         make(chan struct{}),
		pipelineSlots: newPipelineSlots(),
	}
	e.clock = e.drainingClockOf(o.Clock)
	e.timers = timers{e.clock, &e.tasks}
	s := &e.state
	s.Host = hostInfo(o)
	s.Host.LogEvent = e.log.logNotice
	s.Table = commandTable(o.commands)
	s.Config = commands.DefaultConfig()
	if err := applyConfig(&s.Config, o); err != nil {
		return nil, err
	}
	s.Users = commands.NewUsers()
	s.ApplyRequirePass()
	if err := loadUsers(s, o.ACLFile); err != nil {
		return nil, err
	}
	s.Databases = make([]*datastructs.Keyspace, o.Databases)
	for i := range s.Databases {
		s.Databases[i] = datastructs.NewKeyspace(&s.Account, &s.Counting)
	}
	s.Configured()
	s.Eviction.Rand = rand.New(rand.NewPCG(e.seed, evictionStream))
	s.Stats.Reset(s.Table)
	s.Run = e.runNested
	e.blocked.bytes = &s.ClientBytes
	s.KeyReady, s.AwaitedKeys = e.blocked.keyChanged, e.blocked.awaitedKeys
	s.WaitingCalls = e.waitingCalls
	s.MessageCopies = e.hooks.Copies
	s.Unblock = e.unblock
	s.AllowAuth, s.AuthFailed = e.allowAuth, e.authFailed
	s.Published = o.hooks.Published
	e.reclaimer.hook = o.FreeMemory
	e.timeoutQueue.init(e.clock, &e.tasks, &e.pending)
	e.timeoutQueue.onPanic = e.timerPanicked
	e.sessions = make(map[int64]*session)
	e.serverCaller.init(e, nil, nil)
	e.publishSettings()
	e.applyMaxMemory()
	return e, nil
}

// evictionStream seeds the random source of eviction. It differs from every client's.
const evictionStream = 1 << 63

// init prepares a caller for its first call.
func (c *caller) init(e *engine, l *commands.Client, conn callerConn) {
	c.client, c.conn = l, conn
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

// addSession adds the client of a connection, or returns the error that refuses it.
func (e *engine) addSession(s *session) (err error) {
	if closed := e.exclusive(func() { err = e.admit(s) }); closed != nil {
		return closed
	}
	return err
}

func (e *engine) admit(s *session) error {
	c := &s.caller
	if err := e.checkAdmission(c); err != nil {
		e.state.Stats.Rejected.Add(1)
		return err
	}
	l := c.client
	l.ID = e.lastID.Add(1)
	l.Protocol = 2
	e.state.SetDefaultUser(l)
	l.Created = e.micros() / 1000
	l.Active = l.Created
	c.ctx.Rand = rand.New(rand.NewPCG(e.seed, uint64(l.ID)))
	e.state.Clients.Add(l)
	e.sessions[l.ID] = s
	e.state.AccountClient(l)
	e.state.Stats.Connections.Add(1)
	e.copyLimits(c)
	e.log.log(eventClientConnected, clientAttr(l))
	e.updateLink(c)
	return nil
}

// removeClient removes a client and all its state. A blocked call of the client ends
// without having changed anything.
func (e *engine) removeClient(c *caller) {
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
	delete(e.sessions, c.client.ID)
	e.state.Tracking.Leave(c.client)
	e.state.Tracking.Forget(c.client)
	e.state.ClientClosed(c.client)
	e.afterChange()
}

// newRequest finds the row of a call and checks its arity. It needs no lock.
func (e *engine) newRequest(args [][]byte) request {
	r := request{args: args}
	r.command, r.err = e.state.Table.Find(args)
	if r.err == nil && !r.command.Accepts(len(args)) {
		r.err = commands.ArityError(r.command)
	}
	return r
}

// exclusive runs f under the lock, then afterChange. It returns ErrClosed, and does not
// run f, if the engine is closed.
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

// background is exclusive for timers and goroutines of the engine. A panic ends f only.
// what names the task in the log.
func (e *engine) background(what string, f func()) {
	if e.recoverPanic(what, func() { e.exclusive(f) }) {
		e.settleAfterPanic()
	}
}

// afterChange does what must follow every critical section that held the lock
// exclusively. Callers deliver their own replies first: messages that it causes come after
// them.
func (e *engine) afterChange() {
	e.serveReady()
	e.followPause()
	e.publishSettings()
	e.applyMaxMemory()
	e.serveReady()
	e.armExpiry()
	e.evictClients()
	e.serverCaller.ctx.BroadcastInvalidations()
	e.noteMemory()
	e.notifyChange()
}

// serveReady runs the blocked calls whose keys have changed.
func (e *engine) serveReady() {
	if len(e.blocked.ready) > 0 {
		e.serveQueues(e.micros())
	}
}

// serverContext returns the context of serverCaller, set to the present time.
func (e *engine) serverContext() *commands.Context {
	now := e.micros()
	e.serverCaller.ctx.Now, e.serverCaller.ctx.Micros = now/1000, now
	return &e.serverCaller.ctx
}

// batch runs requests of a caller in one critical section, and returns how many it
// consumed. It stops early when a call blocks, the caller is finished, or the limits of
// time or reply size (maxBatchTime, maxBatchReply) are exceeded. Replies are delivered
// before it serves blocked calls of other clients, and before it returns.
func (e *engine) batch(c *caller, batch []request) (n int) {
	c.sharesLock = c.mayShareLock(batch) && e.rlock()
	if c.sharesLock {
		defer e.mu.RUnlock()
	} else {
		e.lock()
		defer e.unlock()
	}
	if e.closed {
		c.finished.Store(true)
	}
	n, held := e.runBatch(c, batch)
	if !c.sharesLock {
		e.state.AccountClient(c.client)
	}
	c.conn.deliver()
	if e.hooked {
		e.updateLink(c) // the client's name may have changed
	}
	if c.sharesLock {
		e.noteMemory()
	} else {
		e.afterChange()
	}
	e.copyLimits(c)
	if c.blocked != nil && c.w.Len() == 0 {
		_, unused := c.w.Take(nil)
		recycleReply(unused) // the call may be blocked for long
	}
	e.lockHeld.add(held)
	return n
}

// runBatch is the loop of batch. held is the time that it took.
func (e *engine) runBatch(c *caller, batch []request) (n int, held time.Duration) {
	begun := e.clock.Now()
	micros := begun.UnixMicro()
	e.state.Stats.Tick(micros)
	for ; n < len(batch) && c.mayRun() && held <= maxBatchTime && c.w.Len() <= maxBatchReply; n++ {
		now := micros + held.Microseconds()
		if !e.prepare(c, now) {
			break
		}
		if batch[n].largeBytes > 0 {
			e.noteMemory() // counts the peak before a value is replaced
		}
		o, ran := e.doWithFaults(c, batch[n])
		if c.blocked == nil {
			c.ctx.FlushInvalidations(batch[n].command)
			c.ctx.EndCall()
		}
		before := held
		held = since(e.clock, begun)
		if ran {
			e.report(c, batch[n], o, held-before)
		}
		if batch[n].largeBytes > 0 {
			c.conn.releaseLarge(batch[n].largeBytes)
		}
		if len(e.blocked.ready) > 0 {
			c.conn.deliver() // messages that served calls cause for this client must follow its replies
			e.serveQueues(now)
			held = since(e.clock, begun)
		}
	}
	return n, held
}

// prepare begins a call at a time, in Unix µs, and expires what is due by then. It is
// false if the call must not run: the client may have been evicted.
func (e *engine) prepare(c *caller, micros int64) bool {
	c.ctx.Begin(c.client, micros)
	if c.sharesLock {
		return true
	}
	e.expire(&c.ctx)
	e.evictClients()
	return c.mayRun()
}

// mayShareLock reports whether a batch may run under the shared lock: it must change
// neither data nor the client's state.
func (c *caller) mayShareLock(batch []request) bool {
	if c.client.Multi != nil || c.client.IsTracking() {
		return false
	}
	for _, r := range batch {
		if r.err != nil || r.streamErr != nil || !r.command.Has(commands.ReadOnly) || r.command.Has(commands.Exclusive) {
			return false
		}
	}
	return true
}

// mayRun reports whether a further command of this caller may run.
func (c *caller) mayRun() bool { return !c.isBlocked.Load() && !c.finished.Load() }

// do runs one call: every check that precedes a handler is here. Exceptions are runNested,
// for calls within EXEC, and retry, for blocked calls. The reply is in c.w unless the
// call blocks. ran is false if the call was rejected, queued by MULTI, or held back.
func (e *engine) do(c *caller, r request) (o commands.Outcome, ran bool) {
	if r.streamErr != nil {
		e.closeBroken(c, r.streamErr)
		return o, false
	}
	l := c.client
	l.Active, l.Last = c.ctx.Now, r.command
	if err := e.checkCall(c, r); err != nil {
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

// runNested runs a call within another: those of EXEC, which were checked when they were
// queued.
func (e *engine) runNested(c *commands.Context, m *commands.Command, args [][]byte) {
	begun := e.clock.Now()
	o := e.perform(c, m, args)
	c.Report(m, args, o, since(e.clock, begun))
}

// perform runs a handler. A panicking handler costs its client that reply and nothing
// else.
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

// report records a call in statistics, slow log and monitors. A blocked call is reported
// once more when it is answered, with the time of both runs.
func (e *engine) report(c *caller, r request, o commands.Outcome, took time.Duration) {
	c.ctx.Report(r.command, r.args, o, took)
	if o.Wait != nil && c.blocked != nil {
		c.blocked.elapsed = took
	}
}

// checkCall returns the error that rejects a call, or nil. The checks are in Redis's
// order.
func (e *engine) checkCall(c *caller, r request) error {
	l, m := c.client, r.command
	switch {
	case r.err != nil:
		return r.err
	case m.Has(commands.Protected) && e.state.ProtectedError(m, !isRemote(c.ip)) != nil:
		return e.state.ProtectedError(m, !isRemote(c.ip))
	case l.Direct && m.Has(commands.NeedsConnection):
		return commands.Errorf("ERR '%s' needs a connection of its own: see Dial", m.FullName())
	case e.state.MustAuthenticate(l) && !m.Has(commands.NoAuth):
		return commands.ErrNoAuth
	case l.Multi != nil && m.Has(commands.NoMulti):
		return commands.Errorf("ERR Command not allowed inside a transaction")
	}
	if err := c.ctx.ACLError(m, r.args); err != nil {
		return err
	}
	if err := e.ensureMemory(c, m); err != nil {
		return err
	}
	if l.Protocol == 2 && l.Subscribed() > 0 && !m.Has(commands.Subscribed) {
		return commands.Errorf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "+
			"are allowed in this context", m.FullName())
	}
	return l.MonitorError(m)
}

// reject replies to a call with an error, and makes an open transaction fail.
func (e *engine) reject(c *caller, r request, err error) {
	reply := e.state.Reject(c.client, r.command, err)
	c.w.Error(reply)
	e.hookFailed(c.client, r.command, reply)
	e.state.Stats.CountError(err)
	if r.command != nil {
		e.state.Stats.Of(r.command).Rejected.Add(1)
		if r.command.Has(commands.EndsMulti) {
			c.ctx.FeedMonitors(r.command, r.args) // monitors have seen the MULTI
		}
	}
}

// closeBroken finishes a caller whose input stream is invalid.
func (e *engine) closeBroken(c *caller, err error) {
	if errors.Is(err, errCrossProtocol) {
		e.log.log(eventHTTPOnPort, clientAttr(c.client))
	} else {
		e.log.log(eventProtocolError, clientAttr(c.client), "error", quoted(err.Error()))
		c.w.Error(err)
	}
	c.finished.Store(true)
}

// copyLimits stores the limits of a caller if they have changed.
func (e *engine) copyLimits(c *caller) {
	config := &e.state.Config
	now := callerLimits{
		bulk:  config.ProtoMaxBulk,
		query: int(config.QueryBufferLimit),
		class: c.client.LimitClass(),

		unauthenticated: e.state.MustAuthenticate(c.client),
	}
	if old := c.limits.Load(); old == nil || *old != now {
		changed := now // allocated only if changed
		c.limits.Store(&changed)
		e.countUnauthenticated(c, old != nil && old.unauthenticated, now.unauthenticated)
	}
}

// close rejects new clients and calls, ends blocked calls, stops all timers and waits for
// background tasks.
func (e *engine) close() {
	e.mu.Lock()
	e.recoverPanic("(hook)", e.hookClosed)
	e.closed = true
	close(e.ended)
	e.expiry.clear(e.timers)
	e.evictionTimer.clear(e.timers)
	e.reclaimer.stopReclaiming(e)
	e.pause.endTimer.clear(e.timers)
	e.closeAuthLimiter()
	e.unblockAll()
	e.resetLinks()
	e.mu.Unlock()
	e.timeoutQueue.close()
	e.tasks.Wait()
}
