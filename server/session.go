package server

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/parley-chat/parley/commands"
)

// Limits of one batch, which is one critical section. A long pipeline runs in several
// batches, so that other clients run in between.
const (
	maxBatch      = 64               // commands
	maxBatchTime  = time.Millisecond // no further command starts after it
	maxBatchReply = 64 << 10         // bytes of replies; no further command starts beyond it
)

// maxIdleWords is the capacity for arguments that a session keeps between calls.
const maxIdleWords = 4 * maxBatch

// Limits of a client that does not read its replies. Some clients send a whole pipeline
// before they read its first reply. So input is read long after commands have ceased to
// run: if both stopped, client and server would wait for each other.
const (
	maxUnread = 1 << 20  // bytes of unread replies; no further command runs beyond it
	maxUnrun  = 64 << 20 // bytes of input that has not run; nothing further is read beyond it
)

// The same limits for a client that has not authenticated. maxUnauthQuery exceeds the
// longest call that such a client may send; the client is closed beyond it.
const (
	maxUnauthUnread = 16 << 10
	maxUnauthQuery  = 256 << 10
)

// A session is the state of one connection: it parses input, runs commands and queues
// replies. It does no I/O: its transport calls Feed with input, and sends what the outbox
// holds.
type session struct {
	caller
	engine *engine
	conn   transport
	out    outbox

	queryUsed, queryFree atomic.Int64 // bytes used and free in the buffer of in
	memory               memUsage     // that, arguments and batch
	idle                 idleState
	timer                queuedTimer // calls checkTimeouts
	partial              partialCall

	inputGrace, outputGrace gracePeriod
	readsBelow              *atomic.Int64 // reads of the connection below TLS; nil: not counted

	feedLock      handoffLock // held by Feed and Proceed; guards all below
	in            framing
	words         [][]byte
	batch         []request // parsed requests; batch[:next] have run
	next          int
	copies        int           // bytes of words in batch that are copies
	large         int           // bytes of words in batch that are allocated on their own
	appliedLimits *callerLimits // what setLimits was last called with

	unauthSince atomic.Int64 // Unix ns since which the client must authenticate; 0: it need not

	copied        bool // the words of batch are copies
	backpressured bool // no command runs: too much is unread, or the link blocks input
	ended         bool // no further command runs: QUIT, invalid input, or a closed connection
}

// A transport carries the bytes of one session: over a socket, or in memory. Its methods
// are called under locks, so they must not wait.
type transport interface {
	// proceed has the session's Proceed called in another goroutine.
	proceed()

	// startFlush has the outbox's flush called in another goroutine. An outbox that is
	// inMemory does not call it.
	startFlush()

	// interruptWrite makes a write that waits for the client return, with
	// os.ErrDeadlineExceeded. It reports whether the transport can do so.
	interruptWrite() bool

	// retire closes the connection when the outbox is empty.
	retire()

	// abort closes the connection now.
	abort()

	// park releases what only an active connection needs.
	park()

	// readiness reports whether there is input that Feed has not been given, and
	// whether the system takes output.
	readiness() readiness
}

// readiness is what can be done with a connection without waiting.
type readiness struct{ input, output bool }

// newSession returns a session that is not connected.
func newSession(e *engine, o peerAddr) *session {
	s := &session{engine: e, feedLock: newHandoffLock()}
	s.inputGrace.maxProgress, s.outputGrace.maxProgress = graceReads, math.MaxInt64
	s.memory.total = &e.state.ClientBytes
	s.timer.init(&e.timeoutQueue, s)
	s.out.init(e, s, &s.timer, o.inProcess)
	s.caller.init(e, &commands.Client{Addr: o.addr, LocalAddr: o.local, Peer: s}, s)
	s.caller.ip, s.caller.inProcess, s.caller.loopback = o.ip, o.inProcess, o.loopback
	return s
}

// connect adds the session to the engine as a client. If the client is refused, connect
// returns the error to send to it. From here on any client may kill it.
func (s *session) connect(t transport) error {
	s.feedLock.lock()
	defer s.feedLock.unlock()
	s.conn, s.out.conn = t, t
	if err := s.engine.addSession(s); err != nil {
		return err
	}
	s.applyLimits()
	s.armIdle()
	return nil
}

// Feed adds input and runs the commands that are complete. It waits for the engine's lock
// only. If it returns false, no further command will run, and the transport must close the
// connection when the outbox is empty.
func (s *session) Feed(p []byte) (open bool) {
	s.feedLock.lock()
	defer s.release()
	defer s.recoverPanic(&open)
	if s.ended {
		return false
	}
	s.engine.state.Stats.InBytes.Add(int64(len(p)))
	s.engine.state.Stats.Reads.Add(1)
	s.idle.reads.Add(1)
	for more := true; more && !s.ended; more = len(p) > 0 {
		piece := p[:min(len(p), largeRead)] // a large word is found before it has been copied
		p = p[len(piece):]
		if err := s.in.write(piece); err != nil {
			s.engine.log.log(eventQueryBufferLimit, clientAttr(s.client), "error", err)
			s.ended = true
			return false
		}
		s.run()
	}
	s.engine.evictClientsIfOver()
	return !s.ended
}

// Proceed runs the input that was left when a call blocked, or when too much was unread.
func (s *session) Proceed() (open bool) {
	s.feedLock.lock()
	defer s.release()
	defer s.recoverPanic(&open)
	s.run()
	return !s.ended
}

// run runs all complete commands, until one blocks or too much is unread. Other
// goroutines may end either state at any time, so mustStop may change between two calls.
func (s *session) run() {
	if s.mustStop() {
		s.accountInput()
		return
	}
	s.applyLimits() // a blocked call may have changed them
	for again := false; !s.ended && (s.next < len(s.batch) || s.parse()); again = true {
		if !s.w.HasBuffer() {
			s.w.Take(newReply())
		}
		if again {
			s.next += s.engine.batchThrottled(&s.caller, s.batch[s.next:])
		} else {
			s.next += s.engine.batch(&s.caller, s.batch[s.next:])
		}
		s.applyLimits()
		if s.mustStop() {
			s.copyRest()
			s.partial.end()
			return
		}
	}
	s.goIdle()
}

// goIdle releases memory that is not needed between calls.
func (s *session) goIdle() {
	clear(s.batch)
	clear(s.words)
	s.batch, s.words, s.next = s.batch[:0], s.words[:0], 0
	if cap(s.words) > maxIdleWords {
		s.words = nil
	}
	if s.w.Len() == 0 {
		_, unused := s.w.Take(nil)
		recycleReply(unused)
	}
	s.in.release()
	s.accountInput()
	s.armQuery()
}

// mustStop reports whether no further command may run before proceed is called.
func (s *session) mustStop() bool {
	s.backpressured = !s.ended && s.out.block(s.unreadLimit())
	return s.backpressured || s.isBlocked.Load()
}

// unreadLimit returns the bytes of unread replies beyond which no command runs.
func (s *session) unreadLimit() int {
	if s.limits.Load().unauthenticated {
		return maxUnauthUnread
	}
	return maxUnread
}

// isBackpressured reports whether the last run stopped because too much was unread, or
// because the link blocks input.
func (s *session) isBackpressured() bool {
	s.feedLock.lock()
	defer s.feedLock.unlock()
	return s.backpressured
}

// inputFull reports whether reading must stop until some input has run.
func (s *session) inputFull() bool { return s.queryUsed.Load() > maxUnrun }

// parse fills the batch with the next commands. It is false if there are none.
func (s *session) parse() bool {
	clear(s.batch) // releases the arguments of calls that have run
	clear(s.words)
	s.batch, s.words, s.next, s.copied, s.copies, s.large = s.batch[:0], s.words[:0], 0, false, 0, 0
	most := maxBatch
	if s.limits.Load().unauthenticated {
		most = 1 // its limits change with AUTH
	}
	for len(s.batch) < most {
		args, ok, err := s.in.next(s.words[len(s.words):])
		if err != nil {
			s.batch = append(s.batch, request{streamErr: err})
			break
		}
		if !ok {
			break
		}
		s.words = append(s.words, args...)
		if crossProtocol(args[0]) {
			s.batch = append(s.batch, request{streamErr: errCrossProtocol})
			break
		}
		r := s.engine.newRequest(args)
		r.largeBytes = s.in.largeBytes
		s.large += r.largeBytes
		s.batch = append(s.batch, r)
		if r.command != nil && r.command.Has(commands.NoAuth) {
			break // RESET, HELLO: the limits may change with it
		}
	}
	return len(s.batch) > 0
}

// crossProtocol recognises the first word of an HTTP request, which a hostile web page may
// have a browser send. Redis checks for the same words.
func crossProtocol(name []byte) bool {
	return commands.Is(name, "POST") || commands.Is(name, "HOST:")
}

// copyRest copies requests that have not run out of the input buffer, which the next Feed
// overwrites.
func (s *session) copyRest() {
	if s.copied {
		return
	}
	s.copied, s.large = true, 0
	clear(s.batch[:s.next]) // releases the arguments of calls that have run
	rest := s.batch[s.next:]
	for i := range rest {
		rest[i].largeBytes = 0 // counted in copies
		rest[i].args = commands.CloneArgs(rest[i].args)
		s.copies += argsBytes(rest[i].args)
	}
	s.accountInput()
}

// releaseLarge stops counting large words of a call that has run.
func (s *session) releaseLarge(bytes int) {
	s.large -= bytes
	s.accountInput()
}

// The next methods implement callerConn.

// resume runs the input behind a call that was blocked.
func (s *session) resume() { s.conn.proceed() }

// deliver moves the written replies to the outbox. The engine calls it before it unlocks,
// so that replies and messages keep their order.
func (s *session) deliver() {
	if s.w.Len() > 0 {
		pieces, last := s.w.Take(nil)
		for _, p := range pieces {
			s.engine.state.Stats.OutBytes.Add(int64(len(p.Bytes)))
			s.out.reply(p.Bytes, p.Shared)
		}
		if len(last) == 0 {
			recycleReply(last) // the client wants no replies
			return
		}
		s.engine.state.Stats.OutBytes.Add(int64(len(last)))
		s.out.reply(last, false)
	}
}

// applyLimits applies changes of the last commands to limits and state of the connection.
func (s *session) applyLimits() {
	if now := s.limits.Load(); now != s.appliedLimits {
		s.appliedLimits = now
		s.setLimits(now)
	}
	if s.finished.Load() {
		s.ended = true
	}
	s.armAuth()
	s.accountInput()
}

// setLimits sets the limits of the input and of the outbox.
func (s *session) setLimits(limits *callerLimits) {
	l := defaultLimits()
	l.bulk, l.query = limits.bulk, limits.query
	if l.unauthenticated = limits.unauthenticated; l.unauthenticated && !s.inProcess {
		l.query = min(l.query, maxUnauthQuery)
	}
	s.in.limits = l
	s.out.setClass(limits.class)
}

// accountInput publishes the size of the input buffer. An atomic load is cheap and a store
// is not, so unchanged values are not stored again.
func (s *session) accountInput() {
	used, free := s.in.buffered()
	if s.queryUsed.Load() != int64(used) {
		s.queryUsed.Store(int64(used))
	}
	if s.queryFree.Load() != int64(free) {
		s.queryFree.Store(int64(free))
	}
	s.accountMemory(used + free)
}

// notifyIdle calls Hooks.Changed when the session has become idle, or its client has read.
func (s *session) notifyIdle() { s.engine.notifyIdle() }

// release releases feedLock.
func (s *session) release() {
	s.feedLock.unlock()
	s.notifyIdle()
}

func (s *session) now() time.Time { return s.engine.clock.Now() }

// leave removes the client: its connection has ended. Further calls do nothing.
func (s *session) leave() {
	s.timer.remove()
	s.engine.noteInput(s.memory.bytes())
	s.feedLock.lock()
	s.ended = true
	s.memory.release()
	s.feedLock.unlock()
	s.engine.removeClient(&s.caller)
	s.out.finish()
}

// The methods below implement commands.Peer.

// Push queues a message behind the replies and messages before it.
func (s *session) Push(m *commands.Message) {
	s.out.push(m.In(s.client.Protocol))
}

// Finish ends the session after the present command. The connection closes when the
// replies are sent.
func (s *session) Finish() { s.finished.Store(true) }

// Kill closes the connection at once. Unsent replies are lost.
func (s *session) Kill() {
	s.finished.Store(true)
	s.out.kill()
}

// Usage returns what the session holds in memory.
func (s *session) Usage() commands.Usage {
	size, pieces := s.out.usage()
	return commands.Usage{
		Query:        int(s.queryUsed.Load()),
		QueryFree:    int(s.queryFree.Load()),
		Output:       size,
		OutputPieces: pieces,
		Total:        s.memory.bytes() + s.out.memory.bytes(),
	}
}

// InFlight returns what has not run, and what the client has not read.
func (s *session) InFlight() commands.InFlight {
	u := commands.InFlight{Running: s.feedLock.locked(), Closing: s.finished.Load(), Input: int(s.queryUsed.Load())}
	u.Output, u.Messages = s.out.undelivered()
	return u
}

// recoverPanic ends the session if Feed or Proceed panics. Other clients are not affected.
func (s *session) recoverPanic(open *bool) {
	if p := recover(); p != nil {
		s.engine.logPanic("(session)", p)
		s.ended, *open = true, false
		s.Kill()
		s.engine.settleAfterPanic()
	}
}

// connPanicked logs a panic of the connection's Write.
func (s *session) connPanicked(p any) { s.engine.logPanic("(connection)", p) }

// accountMemory counts the memory of the session: its input buffer, copies, and the
// capacity of words and batch.
func (s *session) accountMemory(input int) {
	s.memory.account(sessionBytes + input + s.copies + s.large + cap(s.words)*wordBytes + cap(s.batch)*int(unsafe.Sizeof(request{})))
}
