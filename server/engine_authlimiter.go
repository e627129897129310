package server

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// authLimiter bound how many passwords can be tried: on one connection, by a delay
// after each wrong one and an end after some; from one address, by a bucket of
// so many a second, however many connections it has. The engine's lock guards
// them.
//
// While a bucket is empty no password from there is looked at, the right one
// neither: that would tell it from the wrong ones. Such calls wait in order of
// arrival, so that each has its turn, after as many guesses as were waiting
// before it; a right password takes nothing out of the bucket. No order would be
// better: to put connections first that have not failed yet only makes who guesses
// open a new connection for each guess.
//
// A wrong password that is given again is no new guess: it does not wait, and takes
// nothing out of the bucket. So hundreds of clients with the same old password do not
// hold up the others behind their address. A bucket remembers the last few, by their
// digests. It does not remember the outcome: the password is looked at again, and
// may have become right. All that is told before its turn is what was told already.
//
// Loopback addresses and unix sockets are exempt unless auth-failure-loopback is on: as
// with redis-server, the answer comes at once. Where a connection comes from whose
// remote address is no IP address, nobody knows: these are limited, as one address.
// Connections in memory are the process's own code, which nobody need protect
// the process from, and under a clock that stands still a delay would not end.
type authLimiter struct {
	buckets  map[netip.Prefix]*bucket
	sweepAt  int  // so many buckets are looked through for those that are full again
	draining bool // what waits is having its turn
}

// maxBuckets bounds the table. Addresses beyond share one bucket.
const maxBuckets = 10_000

// A bucket is what one address may still try. It is only kept while it is not full.
type bucket struct {
	tokens     float64
	refilled   int64            // Unix µs
	failed     []failedPassword // the last different ones, the latest first
	queue      list.List        // of *blockedCall
	drainTimer timer            // for the first of those
}

// A failedPassword is the digest of a user and a password that was wrong.
type failedPassword [sha256.Size]byte

// maxFailed is how many of them a bucket remembers.
const maxFailed = 8

func digestOf(user, password []byte) failedPassword {
	h := sha256.New()
	h.Write(binary.AppendUvarint(nil, uint64(len(user))))
	h.Write(user)
	h.Write(password)
	return failedPassword(h.Sum(nil))
}

// hasFailed reports whether this was wrong already. b may be nil.
func (b *bucket) hasFailed(user, password []byte) bool {
	return b != nil && len(b.failed) > 0 && slices.Contains(b.failed, digestOf(user, password))
}

// remember makes a wrong password the latest, and reports whether it is a new one.
func (b *bucket) addFailed(user, password []byte) (isNew bool) {
	d := digestOf(user, password)
	at := slices.Index(b.failed, d)
	if isNew = at < 0; isNew {
		if len(b.failed) < maxFailed {
			b.failed = append(b.failed, d)
		}
		at = len(b.failed) - 1
	}
	copy(b.failed[1:], b.failed[:at])
	b.failed[0] = d
	return isNew
}

// addressBlock is what counts as one address: of IPv6, what one customer gets. Unix
// sockets are all one; so are connections whose remote address is no IP address.
func addressBlock(c *caller) netip.Prefix {
	ip := c.ip
	switch {
	case ip.IsValid():
	case c.loopback:
		return unixBlock
	default:
		return netip.Prefix{}
	}
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.WithZone("").Prefix(bits) // never fails
	return p
}

var (
	// overflow is the bucket of addresses for which there is no room.
	overflowBlock = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

	unixBlock = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// bucket returns that of a caller, or nil if it is full.
func (e *engine) findBucket(c *caller) *bucket {
	if b := e.authLimiter.buckets[addressBlock(c)]; b != nil {
		return b
	}
	if len(e.authLimiter.buckets) >= maxBuckets {
		return e.authLimiter.buckets[overflowBlock]
	}
	return nil
}

// openBucket is bucket for one that is not to stay full.
func (e *engine) ensureBucket(c *caller) *bucket {
	if b := e.findBucket(c); b != nil {
		return b
	}
	g := &e.authLimiter
	if len(g.buckets) >= g.sweepAt {
		for at, b := range g.buckets {
			if e.refill(b) >= float64(e.state.Config.Guesses.Burst) && b.queue.Len() == 0 && !b.drainTimer.isSet() {
				delete(g.buckets, at)
			}
		}
		g.sweepAt = min(max(64, 2*len(g.buckets)), maxBuckets)
	}
	at := addressBlock(c)
	if len(g.buckets) >= maxBuckets {
		at = overflowBlock
	}
	if g.buckets == nil {
		g.buckets = make(map[netip.Prefix]*bucket)
	}
	b := &bucket{tokens: float64(e.state.Config.Guesses.Burst), refilled: e.micros()}
	g.buckets[at] = b
	e.state.Beside.Store(int64(len(g.buckets) * bucketBytes))
	return b
}

// bucketBytes is what a bucket takes with its place in the table.
const bucketBytes = int(unsafe.Sizeof(bucket{})) + 96

// refill puts in what has come due, and returns what is there.
func (e *engine) refill(b *bucket) float64 {
	config, now := &e.state.Config.Guesses, e.micros()
	if passed := float64(now-b.refilled) / 1e6; passed > 0 {
		b.tokens += passed * float64(config.Rate)
	}
	b.tokens, b.refilled = min(b.tokens, float64(config.Burst)), now
	return b.tokens
}

// authExempt reports whether a caller's wrong passwords are answered at once, at any rate.
func (e *engine) authExempt(c *caller) bool {
	return c.inProcess || c.loopback && !e.state.Config.Guesses.Loopback
}

// authLimited reports whether a caller's guesses are held to a rate.
func (e *engine) authLimited(c *caller) bool {
	return !e.authExempt(c) && e.state.Config.Guesses.Rate > 0
}

// allowAuth tells commands whether a password of the client may be looked at.
func (e *engine) allowAuth(l *commands.Client, user, password []byte) bool {
	c := callerOf(l)
	if c == nil || !e.authLimited(c) {
		return true
	}
	b := e.findBucket(c)
	return b == nil || e.refill(b) >= 1 || b.hasFailed(user, password)
}

// authFailed is told of each wrong password.
func (e *engine) authFailed(l *commands.Client, user, password []byte) {
	if c := callerOf(l); c != nil && e.authLimited(c) {
		b := e.ensureBucket(c)
		if e.refill(b); b.addFailed(user, password) {
			b.tokens--
		}
	}
}

// callerOf is nil for those who are no connection.
func callerOf(l *commands.Client) *caller {
	if s, ok := l.Peer.(*session); ok {
		return &s.caller
	}
	return nil
}

// mustQueueAuth reports whether a call that guesses has to wait for its turn.
func (e *engine) mustQueueAuth(c *caller, r request) bool {
	if !r.command.Has(commands.GivesPassword) || !e.authLimited(c) {
		return false
	}
	b := e.findBucket(c)
	if b == nil || (b.queue.Len() == 0 || e.authLimiter.draining) && e.refill(b) >= 1 {
		return false
	}
	user, password, ok := r.command.Credentials(r.args)
	return ok && !b.hasFailed(user, password)
}

// queueAuth makes a call wait for its turn. Then it is made as if it had just come.
func (e *engine) queueAuth(c *caller, r request) {
	p, b := e.block(c, r, blockedByAuthLimit), e.findBucket(c)
	p.detach = p.queueIn(&b.queue)
	e.armDrain(b)
}

// armDrain sets the time at which the first of those that wait has its turn.
func (e *engine) armDrain(b *bucket) {
	if b.drainTimer.isSet() || b.queue.Len() == 0 || e.closed {
		return
	}
	wait := time.Duration((1 - e.refill(b)) / float64(max(e.state.Config.Guesses.Rate, 1)) * float64(time.Second))
	b.drainTimer.set(e.timers, max(wait, time.Millisecond), func(n int) { e.drain(b, n) })
}

// drain runs the calls whose turn it is.
func (e *engine) drain(b *bucket, n int) {
	e.background("(AUTH limiter)", func() {
		if !b.drainTimer.fire(n) {
			return
		}
		e.authLimiter.draining = true
		defer func() { e.authLimiter.draining = false; e.armDrain(b) }() // even if one panics
		for n := 0; n < maxBatch && b.queue.Len() > 0 && (e.refill(b) >= 1 || e.state.Config.Guesses.Rate == 0); n++ {
			e.rerun(b.queue.Front().Value.(*blockedCall))
		}
	})
}

// delayReply holds back the reply to a call that has guessed wrong, which begins at
// mark, and ends the connection with the last one that it may.
func (e *engine) delayReply(c *caller, r request, mark int) {
	config := &e.state.Config.Guesses
	if c.inProcess {
		return
	}
	last := config.Most > 0 && int64(c.client.Failures) >= config.Most
	if last {
		e.log.log(eventAuthFailures, clientAttr(c.client), "failures", c.client.Failures)
	}
	if config.Delay == 0 || e.authExempt(c) {
		c.finished.Store(c.finished.Load() || last)
		return
	}
	reply := bytes.Clone(c.w.From(mark))
	c.w.Truncate(mark)
	p := e.block(c, r, blockedByAuthDelay)
	p.onTimeout = func(w *resp.Writer) {
		w.Raw(reply)
		c.finished.Store(c.finished.Load() || last)
	}
	p.timeout.set(e.timers, time.Duration(config.Delay)*time.Millisecond, func(n int) { e.timeOut(p, n) })
}

// closeAuthLimiter stops the alarms, for Close.
func (e *engine) closeAuthLimiter() {
	for _, b := range e.authLimiter.buckets {
		b.drainTimer.clear(e.timers)
	}
}
