package server

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/parley-chat/parley/commands"
)

// Bounds of one stay under the engine's lock. A pipeline is run in such pieces,
// so that a long one starves nobody.
const (
	maxBatch      = 64               // commands
	maxBatchTime  = time.Millisecond // after which no further command is begun
	maxBatchReply = 64 << 10         // bytes of replies after which no further command is begun
)

// maxKeptWords is how many words of calls an idle session has room for.
const maxIdleWords = 4 * maxBatch

// Bounds of what a client may leave unread. Some send a whole pipeline before
// they read its first reply, so input is taken in long after it has ceased to
// run: a server that stopped both would wait for the client, and that for it.
const (
	maxUnread = 1 << 20  // bytes of replies after which nothing further is run: little input can ask for much output
	maxUnrun  = 64 << 20 // bytes of input held then, after which nothing further is read
)

// Bounds of what a client that has not said who it is may leave unread, and of
// its input that is held then, which is more than the longest call that it may
// send: past that it is closed.
const (
	maxUnauthUnread = 16 << 10
	maxUnauthQuery  = 256 << 10
)

// A session is one connection: bytes in, commands, bytes out. It knows no
// socket: a transport calls Feed with what it has read and sends what the
// outbox holds.
type session struct {
	caller
	engine *engine
	out    outbox

	queryUsed, queryFree atomic.Int64 // what in holds, for those who may not look
	memory               memUsage     // that, and what is kept beside it
	class                atomic.Int32 // a commands.OutputClass: which limits the outbox is under
	proceed              func()       // what made the session wait is over; called under locks, must not wait
	retire               func()       // closes once what there is has been sent; must not wait
	park                 func()       // lets go of what an idle connection need not hold; must not wait; nil: nothing

	idle    idleState
	timer   queuedTimer // of what the client may be late with
	partial partialCall // the call that it is sending

	inputGrace, outputGrace gracePeriod   // of a client that is late
	readsBelow              *atomic.Int64 // pieces of input below TLS; nil: nobody counts them
	unreadInput             func() bool   // there is input that Feed has not been given; must not wait; nil: there cannot be
	takesOutput             func() bool   // the system takes output, so nobody waits for the client; must not wait; nil: unknown

	feedLock      handoffLock // of who is in Feed or Proceed; guards all below
	in            framing
	words         [][]byte
	batch         []request // parsed; those from next on have not run
	next          int
	copies        int           // bytes in words of batch that are copies
	large         int           // bytes in words of batch that have memory of their own
	appliedLimits *callerLimits // what the input and the outbox are under

	unauthSince atomic.Int64 // Unix ns since which it must say who it is; 0: it need not

	copied        bool // the words of batch are copies
	backpressured bool // no more is to run: the client has left too much unread, or its line lets nothing in
	ended         bool // no further command runs: QUIT, a broken stream, a transport that ended
}

// newSession enters a new client. It returns nil and the error to tell it when
// it cannot be served. attach ties the session to its transport before others
// can see it: from then on anybody may kill it.
func newSession(e *engine, o peerAddr, attach func(*session)) (*session, error) {
	s := &session{engine: e, feedLock: newHandoffLock()}
	s.feedLock.lock() // until it is entered
	s.inputGrace.maxProgress, s.outputGrace.maxProgress = graceReads, math.MaxInt64
	s.out.init()
	s.out.owner = s
	s.out.memory.total, s.memory.total = &e.state.ClientBytes, &e.state.ClientBytes
	s.timer.init(s)
	s.caller.init(e, &commands.Client{Addr: o.addr, LocalAddr: o.local, Peer: s})
	s.caller.ip, s.caller.inProcess, s.caller.loopback = o.ip, o.inProcess, o.loopback
	s.caller.deliverReply, s.caller.resume, s.caller.largeWordsRun = s.deliver, func() { s.proceed() }, s.callRan
	attach(s)
	if err := e.addClient(&s.caller); err != nil {
		return nil, err
	}
	s.applyLimits()
	s.armIdle()
	s.feedLock.unlock()
	return s, nil
}

// Feed takes in what the client has sent and runs what is complete. It does not
// wait for anybody but the engine. false: nothing further will run, and the
// connection is to be closed once the outbox is empty.
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
		piece := p[:min(len(p), largeRead)] // so that a large word is found before it has been copied
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

// Proceed runs what was left when a call had to wait, and has been answered.
func (s *session) Proceed() (open bool) {
	s.feedLock.lock()
	defer s.release()
	defer s.recoverPanic(&open)
	s.run()
	return !s.ended
}

// run runs all complete commands, until one waits or too much is left unread.
// Only this can make the session wait, but others end that at any time, so each
// look counts.
func (s *session) run() {
	if s.mustStop() {
		s.accountInput()
		return
	}
	s.applyLimits() // what a call has changed that waited
	for again := false; !s.ended && (s.next < len(s.batch) || s.parse()); again = true {
		if !s.w.HasBuffer() {
			s.w.Take(newReply())
		}
		if again {
			s.next += s.engine.batchThrottled(&s.caller, s.batch[s.next:], s.deliver)
		} else {
			s.next += s.engine.batch(&s.caller, s.batch[s.next:], s.deliver)
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

// goIdle lets go of memory that a client need not hold while it is idle.
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

// unread is how many bytes of replies the client may leave unread before it is
// served no further.
func (s *session) unreadLimit() int {
	if s.limits.Load().unauthenticated {
		return maxUnauthUnread
	}
	return maxUnread
}

// isBackpressured reports whether the last run ended because the client has left too much
// unread, or because its line lets nothing in.
func (s *session) isBackpressured() bool {
	s.feedLock.lock()
	defer s.feedLock.unlock()
	return s.backpressured
}

// inputFull reports whether no further input should be read before there is less to
// run.
func (s *session) inputFull() bool { return s.queryUsed.Load() > maxUnrun }

// parse fills the batch with the next commands; false if there is none.
func (s *session) parse() bool {
	clear(s.batch) // what is done keeps no input in memory
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
			break // RESET, HELLO: the limits may change behind it
		}
	}
	return len(s.batch) > 0
}

// crossProtocol recognises HTTP: a browser that a hostile page has sent here.
func crossProtocol(name []byte) bool {
	return commands.Is(name, "POST") || commands.Is(name, "HOST:")
}

// keepRest copies what has not run out of the input's buffer, which the next
// Feed overwrites.
func (s *session) copyRest() {
	if s.copied {
		return
	}
	s.copied, s.large = true, 0
	clear(s.batch[:s.next]) // the words of what is done
	rest := s.batch[s.next:]
	for i := range rest {
		rest[i].largeBytes = 0 // it is in copies
		rest[i].args = commands.CloneArgs(rest[i].args)
		s.copies += argsBytes(rest[i].args)
	}
	s.accountInput()
}

// ran is told of large words that are the session's no more: their call has run.
func (s *session) callRan(large int) {
	s.large -= large
	s.accountInput()
}

// deliver hands over what was written; the engine calls it before it lets go of
// the lock, so that replies and messages keep their order.
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

// applyLimits applies what the last commands have changed about the connection.
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

// limit puts the input and the outbox under limits that have changed.
func (s *session) setLimits(limits *callerLimits) {
	l := defaultLimits()
	l.bulk, l.query = limits.bulk, limits.query
	if l.unauthenticated = limits.unauthenticated; l.unauthenticated && !s.inProcess {
		l.query = min(l.query, maxUnauthQuery)
	}
	s.in.limits = l
	if class := int32(limits.class); s.class.Load() != class {
		s.class.Store(class)
	}
}

// accountInput publishes what the input holds. Here and elsewhere what has not changed
// is not stored again: that costs as much as a part of a short command, and to
// look costs nothing.
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

// stirred tells that the session has come to rest, or that its client has read.
func (s *session) notifyIdle() { s.engine.notifyIdle() }

// release lets others have the turn.
func (s *session) release() {
	s.feedLock.unlock()
	s.notifyIdle()
}

// drained goes on with what has waited for the client to read.
func (s *session) outputDrained() { s.proceed() }

func (s *session) now() time.Time { return s.engine.clock.Now() }

// outputLimit is what the client may leave unread.
func (s *session) outputLimit() commands.OutputLimit {
	return s.engine.settings.Load().output[s.class.Load()]
}

// pushLimit is what the client may leave unread of what others have caused. A
// subscriber's limit holds for the invalidations of any client, too: its own class
// may have none, and it has no say in how much others change.
func (s *session) pushLimit() int64 {
	if commands.OutputClass(s.class.Load()) != commands.OutputNormal {
		return 0 // its class has a limit for such
	}
	return s.engine.settings.Load().output[commands.OutputPubSub].Hard
}

// outputOverflowed tells that the client is cut off for what it has left unread.
func (s *session) outputOverflowed() {
	s.finished.Store(true)
	s.engine.state.Stats.Overflowed.Add(1)
	s.engine.log.log(eventOutputBufferLimit, clientAttr(s.client), "unread", s.out.size)
}

// leave ends the session: the client is gone. To call it further does nothing.
func (s *session) leave() {
	s.engine.timeoutQueue.remove(&s.timer)
	s.engine.noteInput(s.memory.bytes())
	s.feedLock.lock()
	s.ended = true
	s.memory.release()
	s.feedLock.unlock()
	s.engine.removeClient(&s.caller)
	s.out.finish()
}

// Push, Finish, Kill and Usage make the session a commands.Peer.

// Push queues a message.
func (s *session) Push(m *commands.Message) {
	s.out.push(m.In(s.client.Protocol))
}

// Finish lets nothing further run, and closes once the replies are sent.
func (s *session) Finish() { s.finished.Store(true) }

// Kill closes at once.
func (s *session) Kill() {
	s.finished.Store(true)
	s.out.kill()
}

// Usage tells what the session holds.
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

// InFlight tells what the session has not come to the end of.
func (s *session) InFlight() commands.InFlight {
	u := commands.InFlight{Running: s.feedLock.locked(), Closing: s.finished.Load(), Input: int(s.queryUsed.Load())}
	u.Output, u.Messages = s.out.undelivered()
	return u
}

// recoverPanic ends the session whose Feed or Proceed has panicked, and nothing else.
func (s *session) recoverPanic(open *bool) {
	if p := recover(); p != nil {
		s.engine.logPanic("(session)", p)
		s.ended, *open = true, false
		s.Kill()
		s.engine.settleAfterPanic()
	}
}

// panicked tells that the client's connection has.
func (s *session) connPanicked(p any) { s.engine.logPanic("(connection)", p) }

// weigh counts what a session keeps: what has come in, in the buffer for it or in
// copies, and room for calls.
func (s *session) accountMemory(input int) {
	s.memory.account(sessionBytes + input + s.copies + s.large + cap(s.words)*wordBytes + cap(s.batch)*int(unsafe.Sizeof(request{})))
}
