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

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
)

// An authLimiter limits the rate of failed authentication. The engine's lock guards it.
// There are two limits:
//   - for one connection: a delay after each wrong password, and the end of the
//     connection after some;
//   - for one address, with all its connections: a token bucket.
//
// While a bucket is empty, no password from its address is checked, not even a right
// one: a reply would distinguish it. Such calls are queued in order of arrival. A right
// password takes no token. Preferring connections without failures would not help: an
// attacker would open a new connection for each attempt.
//
// Repeating a wrong password is not a new attempt: it is not queued and takes no token.
// So hundreds of clients with the same old password do not block others at their address.
// A bucket remembers the digests of the last few wrong passwords, not the result: such a
// password is checked again and may be right by now. A reply that skips the queue reveals
// only what an earlier reply has revealed.
//
// Loopback addresses and unix sockets are exempt unless auth-failure-loopback is set: as
// in redis-server, the reply is immediate. Connections whose remote address is not an IP
// address share one bucket. Connections in memory are exempt: they are code of the same
// process, and under a ManualClock a delay might never end.
type authLimiter struct {
	buckets  map[netip.Prefix]*bucket
	sweepAt  int  // number of buckets at which full ones are deleted
	draining bool // drain is running
}

// maxBuckets is the size limit of the table. Further addresses share overflowBlock.
const maxBuckets = 10_000

// A bucket is the token bucket of one address. A full bucket may be deleted.
type bucket struct {
	tokens     float64
	refilled   int64            // Unix µs
	failed     []failedPassword // the last maxFailed, all different, latest first
	queue      list.List        // of *blockedCall
	drainTimer timer            // for the first call in queue
}

// A failedPassword is the digest of a user and a password that was wrong.
type failedPassword [sha256.Size]byte

// maxFailed is how many failed passwords a bucket remembers.
const maxFailed = 8

func digestOf(user, password []byte) failedPassword {
	h := sha256.New()
	h.Write(binary.AppendUvarint(nil, uint64(len(user))))
	h.Write(user)
	h.Write(password)
	return failedPassword(h.Sum(nil))
}

// hasFailed reports whether b remembers this password as wrong. b may be nil.
func (b *bucket) hasFailed(user, password []byte) bool {
	return b != nil && len(b.failed) > 0 && slices.Contains(b.failed, digestOf(user, password))
}

// addFailed moves a wrong password to the front, and reports whether it is new.
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

// addressBlock returns the addresses that share a bucket with a caller's: one IPv4
// address, or an IPv6 /64, which is what one customer gets. All unix sockets are one
// block; so are all connections whose remote address is not an IP address.
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
	// overflowBlock is the block of all addresses beyond maxBuckets.
	overflowBlock = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

	unixBlock = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// findBucket returns the bucket of a caller, or nil, which stands for a full one.
func (e *engine) findBucket(c *caller) *bucket {
	if b := e.authLimiter.buckets[addressBlock(c)]; b != nil {
		return b
	}
	if len(e.authLimiter.buckets) >= maxBuckets {
		return e.authLimiter.buckets[overflowBlock]
	}
	return nil
}

// ensureBucket returns the bucket of a caller, and adds it if there is none.
func (e *engine) ensureBucket(c *caller) *bucket {
	if b := e.findBucket(c); b != nil {
		return b
	}
	g := &e.authLimiter
	if len(g.buckets) >= g.sweepAt {
		for at, b := range g.buckets {
			if e.refill(b) >= float64(e.state.Config.AuthLimit.Burst) && b.queue.Len() == 0 && !b.drainTimer.isSet() {
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
	b := &bucket{tokens: float64(e.state.Config.AuthLimit.Burst), refilled: e.micros()}
	g.buckets[at] = b
	e.state.TableBytes.Store(int64(len(g.buckets) * bucketBytes))
	return b
}

// bucketBytes is the memory of a bucket and its map entry.
const bucketBytes = int(unsafe.Sizeof(bucket{})) + 96

// refill adds the tokens due by now, and returns how many there are.
func (e *engine) refill(b *bucket) float64 {
	config, now := &e.state.Config.AuthLimit, e.micros()
	if passed := float64(now-b.refilled) / 1e6; passed > 0 {
		b.tokens += passed * float64(config.Rate)
	}
	b.tokens, b.refilled = min(b.tokens, float64(config.Burst)), now
	return b.tokens
}

// authExempt reports whether wrong passwords of a caller are neither delayed nor limited.
func (e *engine) authExempt(c *caller) bool {
	return c.inProcess || c.loopback && !e.state.Config.AuthLimit.Loopback
}

// authLimited reports whether a token bucket limits a caller.
func (e *engine) authLimited(c *caller) bool {
	return !e.authExempt(c) && e.state.Config.AuthLimit.Rate > 0
}

// allowAuth reports whether a password of a client may be checked now.
func (e *engine) allowAuth(l *commands.Client, user, password []byte) bool {
	c := e.callerOf(l)
	if c == nil || !e.authLimited(c) {
		return true
	}
	b := e.findBucket(c)
	return b == nil || e.refill(b) >= 1 || b.hasFailed(user, password)
}

// authFailed counts a wrong password.
func (e *engine) authFailed(l *commands.Client, user, password []byte) {
	if c := e.callerOf(l); c != nil && e.authLimited(c) {
		b := e.ensureBucket(c)
		if e.refill(b); b.addFailed(user, password) {
			b.tokens--
		}
	}
}

// callerOf returns the caller of a client, or nil if that is not a connection.
func (e *engine) callerOf(l *commands.Client) *caller {
	if s := e.sessions[l.ID]; s != nil {
		return &s.caller
	}
	return nil
}

// mustQueueAuth reports whether a call with a password must be queued.
func (e *engine) mustQueueAuth(c *caller, r request) bool {
	if !r.command.Has(commands.Authenticates) || !e.authLimited(c) {
		return false
	}
	b := e.findBucket(c)
	if b == nil || (b.queue.Len() == 0 || e.authLimiter.draining) && e.refill(b) >= 1 {
		return false
	}
	user, password, ok := r.command.Credentials(r.args)
	return ok && !b.hasFailed(user, password)
}

// queueAuth blocks a call until its bucket has a token for it. Then it runs as if it had
// just arrived.
func (e *engine) queueAuth(c *caller, r request) {
	p, b := e.block(c, r, blockedByAuthLimit), e.findBucket(c)
	p.detach = p.queueIn(&b.queue)
	e.armDrain(b)
}

// armDrain sets the timer for the first call in the queue.
func (e *engine) armDrain(b *bucket) {
	if b.drainTimer.isSet() || b.queue.Len() == 0 || e.closed {
		return
	}
	rate := float64(max(e.state.Config.AuthLimit.Rate, 1)) // tokens per second
	wait := time.Duration((1 - e.refill(b)) / rate * float64(time.Second))
	b.drainTimer.set(e.timers, max(wait, time.Millisecond), func(n int) { e.drain(b, n) })
}

// drain runs queued calls while there are tokens.
func (e *engine) drain(b *bucket, n int) {
	e.background("(AUTH limiter)", func() {
		if !b.drainTimer.fire(n) {
			return
		}
		e.authLimiter.draining = true
		defer func() { e.authLimiter.draining = false; e.armDrain(b) }() // even if one panics
		allowed := func() bool { return e.refill(b) >= 1 || e.state.Config.AuthLimit.Rate == 0 }
		for n := 0; n < maxBatch && b.queue.Len() > 0 && allowed(); n++ {
			e.rerun(b.queue.Front().Value.(*blockedCall))
		}
	})
}

// delayReply delays the reply to a call with a wrong password, which begins at mark. It
// ends the connection if that has failed too often.
func (e *engine) delayReply(c *caller, r request, mark int) {
	config := &e.state.Config.AuthLimit
	if c.inProcess {
		return
	}
	last := config.MaxFailures > 0 && int64(c.client.Failures) >= config.MaxFailures
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
	p.onTimeout = func(w *wire.Writer) {
		w.Raw(reply)
		c.finished.Store(c.finished.Load() || last)
	}
	p.timeout.set(e.timers, time.Duration(config.Delay)*time.Millisecond, func(n int) { e.timeOut(p, n) })
}

// closeAuthLimiter stops the timers of all buckets.
func (e *engine) closeAuthLimiter() {
	for _, b := range e.authLimiter.buckets {
		b.drainTimer.clear(e.timers)
	}
}
