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

	"github.com/parley-chat/parley/internal/control"
)

// minSharedPiece is the size in bytes from which a message is not copied: all outboxes that
// get it refer to the same bytes.
const minSharedPiece = 1 << 10

// inlineWriteTimeout is how long flushSoon waits for the client, in real time. The rest is
// written in a goroutine of its own.
const inlineWriteTimeout = 5 * time.Millisecond

// An outbox holds what a client has not been sent yet: replies of its session and messages
// of other clients, in order. Appending never waits.
//
// One writer at a time takes bytes out: flush or flushSoon, or Read of a memoryConn.
type outbox struct {
	owner    outboxOwner
	conn     transport
	clock    Clock
	settings *atomic.Pointer[settings] // of the engine
	class    atomic.Int32              // a commands.OutputClass
	timer    *queuedTimer              // of the session; see outbox_slowreader.go
	inMemory bool                      // the client takes the output itself: nothing writes it

	mu          sync.Mutex // guards all below; taken under the engine's lock
	changed     sync.Cond  // on mu: any of the fields below has changed
	pieces      []piece
	size        int          // bytes in pieces, in those that are being written, and in withheld
	pushed      int          // of these, at most so many bytes of messages
	messages    int          // messages since it was empty
	takenUnread atomic.Int64 // bytes that a memoryConn has taken and its client has not read
	progress    atomic.Int64 // bytes that the client has ever taken
	writing     bool         // there is a writer
	ended       bool         // nothing is appended any more
	killed      bool         // nothing is sent any more, either
	blocked     bool         // the session does not run until size is half of blockAbove
	blockAbove  int          // bytes

	link     control.Link // set by tests; the zero value passes everything
	withheld withheld     // what link does not pass

	memory    memUsage
	softSince time.Time // since when size has exceeded the soft limit; zero: it does not
	reader    slowReader
}

// An outboxOwner is the session of an outbox.
type outboxOwner interface {
	disconnected(slowReason) // the client is too slow; called with mu held, must not wait
	connPanicked(any)        // the connection's Write has panicked with this value; called without mu
}

// A piece is a part of the output. If own is set, the outbox may append to it and recycle
// it. Others are shared and must not change.
type piece struct {
	bytes []byte
	own   bool
}

func (o *outbox) init(e *engine, owner outboxOwner, timer *queuedTimer, inMemory bool) {
	o.changed.L = &o.mu
	o.owner, o.timer, o.inMemory = owner, timer, inMemory
	o.clock, o.settings = e.clock, &e.settings
	o.memory.total = &e.state.ClientBytes
}

// reply appends a reply, and takes ownership of p unless it is shared.
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

// push appends a message and starts a writer if there is none.
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
	o.startWriter()
}

// startWriter starts a writer if there is something to write and no writer. The caller
// holds mu.
func (o *outbox) startWriter() {
	if !o.killed && !o.writing && !o.inMemory && len(o.pieces) > 0 {
		o.writing = true
		o.conn.startFlush()
	}
}

// copyIn appends a copy of p, which fits into the last piece or is shorter than
// minSharedPiece.
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

// newPiece returns a buffer for short pieces. If pieces are waiting it begins small, and
// grows as buffers fill up: so the memory held by an outbox that is not read stays close
// to its size.
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

// last returns the piece that can be appended to, or nil.
func (o *outbox) last() *piece {
	queue := *o.queue()
	if len(queue) == 0 || !queue[len(queue)-1].own {
		return nil
	}
	return &queue[len(queue)-1]
}

// added counts n more bytes, and disconnects a client that is over its limits.
func (o *outbox) added(n int) {
	o.size += n
	if o.link.NoOutput {
		o.withheld.size += n
	}
	o.checkLimits()
	o.accountMemory()
	o.changed.Broadcast()
}

// drop ends the outbox and discards its contents.
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
	o.conn.abort()
}

// finish ends the outbox for appending. Its contents are still sent.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.memory.release()
	o.changed.Broadcast()
}

// kill ends the outbox and closes the connection.
func (o *outbox) kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop()
}

// block reports whether the session must stop: more than most bytes are unread, or the link
// blocks input. If so, the transport's proceed is called when it may continue.
func (o *outbox) block(most int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blockAbove = most
	o.blocked = o.size > most && !o.killed
	return o.blocked || o.link.NoInput
}

// awaitUnblocked waits until the session may continue.
func (o *outbox) awaitUnblocked() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.blocked && !o.ended || o.link.NoInput {
		o.changed.Wait()
	}
}

// taken counts n bytes as taken by the client.
func (o *outbox) taken(n int) {
	o.size -= n
	o.progress.Add(int64(n))
	o.pushed = min(o.pushed, o.size)
	if o.size == 0 {
		o.messages = 0
	}
	o.accountMemory()
	o.noteProgress(n)
	if o.blocked && o.size <= o.blockAbove/2 {
		o.blocked = false
		o.conn.proceed()
	}
	o.changed.Broadcast()
}

// flush writes until the outbox is empty, however long the client takes to read. With
// started set, startFlush has asked for it, so the caller is the writer already. Otherwise
// flush waits for another writer first, and at the end until the link passes output.
func (o *outbox) flush(conn net.Conn, started bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !started && o.writing && !o.killed {
		o.changed.Wait()
	}
	o.writing = true
	conn.SetWriteDeadline(time.Time{})
	o.armReader()
	err := o.write(conn)
	if started || err != nil {
		return err
	}
	return o.awaitLink()
}

// flushSoon writes what the client takes within inlineWriteTimeout. It leaves the rest to
// another writer.
func (o *outbox) flushSoon(conn net.Conn) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing && !o.killed || len(o.pieces) == 0 && !o.killed {
		return nil
	}
	o.writing = true
	conn.SetWriteDeadline(realClock{}.Now().Add(inlineWriteTimeout))
	err := o.write(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) && !o.killed {
		o.startWriter()
		return nil
	}
	return err
}

// flushAsync leaves everything to another writer.
func (o *outbox) flushAsync() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.killed {
		return net.ErrClosed
	}
	o.startWriter()
	return nil
}

// write writes until pieces is empty, or the write deadline has passed. The caller holds mu
// and has set writing.
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
				pieces[0] = piece{} // its buffer was recycled
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

// nextPieces takes out what is written next, of at most most bytes.
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
	clear(o.pieces[:n]) // releases the memory
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

// unwritten returns the pieces without their first n bytes.
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

// usage returns the bytes in the outbox, and the number of pieces.
func (o *outbox) usage() (size, pieces int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size, len(o.pieces) + len(o.withheld.pieces)
}

// replies recycles buffers of replies, so that an idle connection holds none.
var replies = sync.Pool{New: func() any { return new([replySize]byte) }}

const replySize = 16 << 10

func newReply() []byte { return replies.Get().(*[replySize]byte)[:0] }

func recycleReply(b []byte) {
	if cap(b) == replySize {
		replies.Put((*[replySize]byte)(b[:replySize]))
	}
}

// undelivered returns the bytes that the client has not read, and the number of messages
// that may be in them.
func (o *outbox) undelivered() (bytes, messages int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size + int(o.takenUnread.Load()), o.messages
}

// writeAll writes the pieces to a connection. That may be a type of the program, and panic.
func (o *outbox) writeAll(w io.Writer, pieces []piece) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			o.owner.connPanicked(p)
			err = errPanicked
		}
	}()
	return writeAll(w, pieces)
}

// check compares the counts with the pieces.
func (o *outbox) check() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	there := 0
	held := 0
	for _, p := range o.withheld.pieces {
		held += len(p.bytes)
	}
	if held != o.withheld.size || held > 0 && !o.link.NoOutput {
		return fmt.Errorf("%d bytes withheld, %d counted, by link %+v", held, o.withheld.size, o.link)
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

// accountMemory counts the memory of the outbox. One that is not empty holds at least one
// buffer of replySize.
func (o *outbox) accountMemory() {
	if o.size == 0 {
		o.memory.account(0)
	} else {
		o.memory.account(o.size + replySize)
	}
}
