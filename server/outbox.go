package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

// sharePiece is the size in bytes from which a message is kept in an outbox by
// reference, shared with its other receivers, and not copied.
const minSharedPiece = 1 << 10

// atOnce is how long a write may wait for a client before it is left to a
// goroutine of its own.
const inlineWriteTimeout = 5 * time.Millisecond

// freeOutput is what limits do not count, in bytes: Redis has a buffer of this
// size for each client besides.
const uncountedOutput = 16 << 10

// An outbox is what a client has not been sent yet: replies of its session and
// messages of others, in order. Whoever appends never waits.
//
// What takes it to the client is one writer at a time: flush, or Read of an
// in-memory connection.
type outbox struct {
	mu          sync.Mutex // guards all below
	changed     sync.Cond  // on mu: there is more, or less, or it has ended
	pieces      []piece
	size        int          // bytes in pieces, in those that are being written, and in back
	pushed      int          // bytes of those that may be messages: at most so many are
	messages    int          // that others have sent since it was empty
	takenUnread atomic.Int64 // bytes that were taken out and not read yet; only their reader sets it
	progress    atomic.Int64 // bytes that the client has taken, ever
	writing     bool         // somebody is in flush
	ended       bool         // nothing is appended any more
	killed      bool         // what is there is not sent either
	blocked     bool         // the session waits until the client has read some
	blockAbove  int          // bytes beyond which it does

	link     control.Link // what does not pass; all does unless a test wants otherwise
	withheld withheld     // what it does not let out

	owner     owner
	memory    memUsage
	softSince time.Time // since when there is more than limit allows for long; zero: there is not
	reader    slowReader

	// Called with mu held, so they must not wait; nil where nobody needs to know.
	wake           func() // there is something to flush, and nobody does
	abort          func() // the client is to be cut off
	interruptWrite func() // makes a write that waits for the client return
}

// An owner is the session that an outbox belongs to: what it asks it, and tells
// it. It is called with the outbox's mu held, so it must not wait.
type owner interface {
	now() time.Time
	outputLimit() commands.OutputLimit
	pushLimit() int64 // of pushed, in bytes; 0: none
	timeouts() commands.Timeouts
	checkBy(time.Time) // to ask, at that time, what is due
	outputOverflowed() // the client has passed its limit
	outputTimedOut()   // the client has had its time to read
	outputDrained()    // crowded no more
	notifyIdle()       // some has been taken; called without mu
	connPanicked(any)  // the connection has, as one of the program's own may; called without mu
}

// A piece is a part of what is to be sent. One that is own belongs to the
// outbox; others are shared and must not change.
type piece struct {
	bytes []byte
	own   bool
}

func (o *outbox) init() { o.changed.L = &o.mu }

// reply queues what a session has written and takes it over, unless it is shared.
func (o *outbox) reply(p []byte, shared bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	if queue := o.queue(); len(*queue) > 0 && (len(p) < minSharedPiece || o.fits(p)) {
		o.copyIn(p)
		if !shared {
			recycleReply(p)
		}
	} else {
		*queue = append(*queue, piece{p, !shared})
	}
	o.added(len(p))
}

// push queues a message and sees to it that it goes out.
func (o *outbox) push(p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	if queue := o.queue(); len(p) >= minSharedPiece {
		*queue = append(*queue, piece{p, false})
	} else {
		o.copyIn(p)
	}
	o.pushed += len(p)
	o.messages++
	o.added(len(p))
	if !o.killed && !o.writing && o.wake != nil && len(o.pieces) > 0 {
		o.writing = true
		o.wake()
	}
}

// copyIn queues a copy of what fits, or is shorter than sharePiece.
func (o *outbox) copyIn(p []byte) {
	if !o.fits(p) {
		queue := o.queue()
		*queue = append(*queue, piece{o.newPiece(), true})
	}
	last := o.last()
	last.bytes = append(last.bytes, p...)
}

// fits reports whether the last piece has room for p.
func (o *outbox) fits(p []byte) bool {
	last := o.last()
	return last != nil && len(p) <= cap(last.bytes)-len(last.bytes)
}

// newPiece returns a buffer for short pieces. A client that does not read gets
// small ones between the large messages that it is left with, and larger ones
// only as it fills them: what is counted is what is kept, or nearly.
func (o *outbox) newPiece() []byte {
	size := replySize
	if len(*o.queue()) > 0 {
		size = minSharedPiece
	}
	if last := o.last(); last != nil {
		size = min(max(2*cap(last.bytes), minSharedPiece), replySize)
	}
	if size == replySize {
		return newReply()
	}
	return make([]byte, 0, size)
}

// last is the piece that can be appended to, or nil.
func (o *outbox) last() *piece {
	queue := *o.queue()
	if len(queue) == 0 || !queue[len(queue)-1].own {
		return nil
	}
	return &queue[len(queue)-1]
}

// added counts n bytes more, and cuts off a client that leaves too much unread.
func (o *outbox) added(n int) {
	o.size += n
	if o.link.NoOutput {
		o.withheld.size += n
	}
	if o.exceeds(o.owner.outputLimit()) || o.floodsPush() {
		o.overflow()
	}
	if o.wake == nil && !o.ended && o.size > maxUnread { // nobody is writing who would know
		o.armReader()
	}
	o.accountMemory()
	o.changed.Broadcast()
}

// overflow cuts off a client that has passed its limit.
func (o *outbox) overflow() {
	o.owner.outputOverflowed()
	o.drop()
}

// exceeds reports whether too much is unread, or much for too long.
func (o *outbox) exceeds(l commands.OutputLimit) bool {
	unread := int64(o.size - uncountedOutput)
	if l.Hard > 0 && unread > l.Hard {
		return true
	}
	if l.Soft == 0 || unread <= l.Soft {
		o.softSince = time.Time{}
		return false
	}
	now := o.owner.now()
	if o.softSince.IsZero() {
		o.softSince = now
		o.owner.checkBy(o.softDeadline(l))
	}
	return now.Sub(o.softSince) > time.Duration(l.Seconds)*time.Second
}

// softDeadline is when the client has had its time to come below its soft limit.
func (o *outbox) softDeadline(l commands.OutputLimit) time.Time {
	return o.softSince.Add(time.Duration(l.Seconds)*time.Second + 1)
}

// floodsPush reports whether others have sent more than the client may leave unread.
func (o *outbox) floodsPush() bool {
	if o.pushed == 0 {
		return false
	}
	most := o.owner.pushLimit()
	return most > 0 && int64(o.pushed) > most
}

// drop ends the outbox with all that is in it.
func (o *outbox) drop() {
	if o.killed {
		return
	}
	o.ended, o.killed = true, true
	o.pieces, o.size, o.messages = nil, 0, 0
	o.withheld, o.link = withheld{}, control.Link{}
	o.accountMemory()
	o.reader, o.softSince = slowReader{}, time.Time{}
	o.changed.Broadcast()
	if o.abort != nil {
		o.abort()
	}
}

// finish lets nothing more in; what is there is still sent.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.memory.release()
	o.changed.Broadcast()
}

// kill ends the outbox at once.
func (o *outbox) kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop()
}

// block reports whether more than most bytes are unread, or the line lets nothing in, so that the
// session must wait. If so, room is called when it need not any more.
func (o *outbox) block(most int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blockAbove = most
	o.blocked = o.size > most && !o.killed
	return o.blocked || o.link.NoInput
}

// awaitRoom waits until the session need not.
func (o *outbox) awaitUnblocked() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.blocked && !o.ended || o.link.NoInput {
		o.changed.Wait()
	}
}

// taken counts n bytes less.
func (o *outbox) taken(n int) {
	o.size -= n
	o.progress.Add(int64(n))
	o.pushed = min(o.pushed, o.size)
	if o.size == 0 {
		o.messages = 0
	}
	o.accountMemory()
	o.noteProgress(n)
	if !o.softSince.IsZero() && int64(o.size-uncountedOutput) <= o.owner.outputLimit().Soft {
		o.softSince = time.Time{}
	}
	if o.blocked && o.size <= o.blockAbove/2 {
		o.blocked = false
		o.owner.outputDrained()
	}
	if !o.writing && o.size <= maxUnread {
		o.reader.waitingSince = time.Time{}
	}
	o.changed.Broadcast()
}

// flush writes all there is, and what is added meanwhile, however long the
// client takes to read it. If somebody else is writing it waits, and so it does
// until the line lets out what there is.
// woken: the caller was made the writer by wake.
func (o *outbox) flush(conn net.Conn, woken bool) error {
	defer o.owner.notifyIdle()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !woken && o.writing && !o.killed {
		o.changed.Wait()
	}
	o.writing = true
	conn.SetWriteDeadline(time.Time{})
	o.armReader()
	err := o.write(conn)
	if woken || err != nil {
		return err
	}
	return o.awaitLink()
}

// flushSoon writes what the client takes at once. What it does not is left to
// a writer that wake sets to work, or to the one there is.
func (o *outbox) flushSoon(conn net.Conn) error {
	defer o.owner.notifyIdle()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing && !o.killed || len(o.pieces) == 0 && !o.killed {
		return nil
	}
	o.writing = true
	conn.SetWriteDeadline(realClock{}.Now().Add(inlineWriteTimeout))
	err := o.write(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) && !o.killed {
		o.writing = true
		o.wake()
		return nil
	}
	return err
}

// flushAside leaves all there is to a writer that wake sets to work, or to the
// one there is.
func (o *outbox) flushAsync() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.killed:
		return net.ErrClosed
	case !o.writing && len(o.pieces) > 0:
		o.writing = true
		o.wake()
	}
	return nil
}

// write writes until there is nothing left. What a deadline has kept it from
// stays.
func (o *outbox) write(conn net.Conn) error {
	defer func() {
		o.writing = false
		o.reader.waitingSince = time.Time{}
		o.changed.Broadcast()
	}()
	most := writePieceOf(conn)
	for len(o.pieces) > 0 {
		pieces := o.nextPieces(most)
		o.mu.Unlock()
		n, err := o.writeAll(conn, pieces)
		o.mu.Lock()
		if o.killed {
			return net.ErrClosed
		}
		o.taken(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.pieces = append(unwritten(pieces, n), o.pieces...)
			if !o.reader.interrupted {
				return err
			}
		} else if err != nil {
			o.drop()
			return err
		} else {
			recyclePieces(pieces)
			if o.pieces == nil && len(pieces) == 1 {
				pieces[0] = piece{} // which others may write to now
				o.pieces = pieces[:0]
			}
		}
		if o.reader.interrupted {
			o.reader.interrupted = false
			conn.SetWriteDeadline(time.Time{})
		}
	}
	if o.killed {
		return net.ErrClosed
	}
	return nil
}

// first takes out what is to be written first: all there is, or so many bytes.
func (o *outbox) nextPieces(most int) []piece {
	if o.sendable() <= most {
		pieces := o.pieces
		o.pieces = nil
		return pieces
	}
	n := 0
	for most > 0 && len(o.pieces[n].bytes) <= most {
		most -= len(o.pieces[n].bytes)
		n++
	}
	pieces := slices.Clone(o.pieces[:n])
	clear(o.pieces[:n]) // not to be held on to
	o.pieces = o.pieces[n:]
	if n == 0 {
		next := &o.pieces[0]
		pieces = append(pieces, piece{next.bytes[:most], false})
		next.bytes = next.bytes[most:]
	}
	return pieces
}

func recyclePieces(pieces []piece) {
	for _, p := range pieces {
		if p.own {
			recycleReply(p.bytes)
		}
	}
}

func writeAll(w io.Writer, pieces []piece) (int, error) {
	if len(pieces) == 1 {
		return w.Write(pieces[0].bytes)
	}
	buffers := make(net.Buffers, len(pieces))
	for i, p := range pieces {
		buffers[i] = p.bytes
	}
	n, err := buffers.WriteTo(w)
	return int(n), err
}

// unwritten is the pieces without their first n bytes.
func unwritten(pieces []piece, n int) []piece {
	for len(pieces) > 0 && n >= len(pieces[0].bytes) {
		n -= len(pieces[0].bytes)
		pieces = pieces[1:]
	}
	if len(pieces) > 0 {
		pieces[0].bytes = pieces[0].bytes[n:]
	}
	return pieces
}

// usage is what the outbox holds: bytes, and in how many pieces.
func (o *outbox) usage() (size, pieces int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size, len(o.pieces) + len(o.withheld.pieces)
}

// replies recycles the buffers of short replies, so that an idle connection
// holds none.
var replies = sync.Pool{New: func() any { return new([replySize]byte) }}

const replySize = 16 << 10

func newReply() []byte { return replies.Get().(*[replySize]byte)[:0] }

func recycleReply(b []byte) {
	if cap(b) == replySize {
		replies.Put((*[replySize]byte)(b[:replySize]))
	}
}

// undelivered is how many bytes the client has not taken, and how many messages they
// may hold.
func (o *outbox) undelivered() (bytes, messages int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size + int(o.takenUnread.Load()), o.messages
}

// writeAll writes the pieces to a connection, which may be one of the program's own.
func (o *outbox) writeAll(w io.Writer, pieces []piece) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			o.owner.connPanicked(p)
			err = errPanicked
		}
	}()
	return writeAll(w, pieces)
}

// check holds what is counted against what is there.
func (o *outbox) check() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	there := 0
	held := 0
	for _, p := range o.withheld.pieces {
		held += len(p.bytes)
	}
	if held != o.withheld.size || held > 0 && !o.link.NoOutput {
		return fmt.Errorf("%d bytes held back, %d counted, by a line %+v", held, o.withheld.size, o.link)
	}
	there += held
	for _, p := range o.pieces {
		there += len(p.bytes)
	}
	if there > o.size || there != o.size && !o.writing {
		return fmt.Errorf("%d bytes to be sent, %d counted", there, o.size)
	}
	return nil
}

// weigh counts what an outbox keeps. One that is not empty has a block for short
// pieces, however short they are.
func (o *outbox) accountMemory() {
	if o.size == 0 {
		o.memory.account(0)
	} else {
		o.memory.account(o.size + replySize)
	}
}
