// Package wire composes replies in RESP2 and RESP3. Package resp reads them.
//
// The rules are those of the protocol specification
// (https://redis.io/docs/latest/develop/reference/protocol-spec/) as
// redis-server 7.0.15 applies them.
package wire

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"github.com/tidwall/redcon"
)

// A Writer composes replies in the protocol a client chose. Each method writes
// one whole element, or the header of an aggregate whose elements follow; one
// set of calls gives the RESP2 shape and the RESP3 shape of a reply.
//
// The zero value writes RESP2 into a buffer of its own.
//
// A long reply is in several pieces, so that it is never copied to make it grow.
// Positions (Len, Mark, Truncate) count the bytes of all pieces.
type Writer struct {
	buf    []byte  // the last piece, which is appended to
	done   []Piece // those before it
	before int     // bytes in done
	shared int     // of those, the bytes in pieces that are shared
	resp3  bool
	full   bool
	muting muting

	kept     int64 // bytes that are kept by reference, those kept twice counted once
	keptFrom map[*byte]struct{}
}

// A Piece is a part of what a Writer has written. One that is Shared is not a copy:
// it must not change.
type Piece struct {
	Bytes  []byte
	Shared bool
}

// MaxReply is the number of bytes that a Writer copies before it is full. Strings
// that it keeps by reference do not count.
const MaxReply = 1 << 30

// MaxKept is the number of bytes that a Writer keeps by reference before it is full, where
// what it keeps twice counts once. A transaction may have replaced the values meanwhile:
// then nobody else keeps them, and nothing else bounds them.
const MaxKept = 4 << 30

// LargeString is the size in bytes from which Bulk and BulkString keep a string by
// reference.
const LargeString = 128 << 10

// Sizes of pieces, in bytes. A piece shorter than minPiece grows as any slice does.
const (
	minPiece = 8 << 10
	maxPiece = 256 << 10
)

// SetProtocol chooses RESP 2 or 3 for what is written from now on.
func (w *Writer) SetProtocol(version int) { w.resp3 = version >= 3 }

// RESP3 reports whether replies are written in RESP3. Handlers ask it only
// where the two protocols differ in more than the type of an element.
func (w *Writer) RESP3() bool { return w.resp3 }

// Bytes returns what has been written and not yet taken, in one slice: a copy if
// it is in several pieces. It is valid until the next write.
func (w *Writer) Bytes() []byte { return w.From(0) }

// From returns what Bytes does without its first n bytes, and copies no more than that.
func (w *Writer) From(n int) []byte {
	if n >= w.before {
		return w.buf[n-w.before:]
	}
	first, at := len(w.done), w.before
	for at > n {
		first--
		at -= len(w.done[first].Bytes)
	}
	rest := make([]byte, 0, w.Len()-at)
	for _, p := range w.done[first:] {
		rest = append(rest, p.Bytes...)
	}
	return append(rest, w.buf...)[n-at:]
}

// Len is the number of bytes written and not yet taken.
func (w *Writer) Len() int { return w.before + len(w.buf) }

// HasBuffer reports whether there is room for a reply. Take provides it.
func (w *Writer) HasBuffer() bool { return cap(w.buf) > 0 || len(w.done) > 0 }

// Truncate forgets all but the first n bytes: what a command that fails in the
// end had written.
func (w *Writer) Truncate(n int) {
	for n < w.before {
		last := w.done[len(w.done)-1]
		w.done[len(w.done)-1] = Piece{}
		w.done = w.done[:len(w.done)-1]
		w.before -= len(last.Bytes)
		if last.Shared {
			w.shared -= len(last.Bytes)
		}
		kept := max(0, n-w.before)
		w.buf = last.Bytes[:kept:kept] // what follows is not the Writer's to write to
		if last.Shared {
			w.end(w.buf, true)
			w.buf = nil
		}
	}
	if n < w.Len() {
		w.buf = w.buf[:n-w.before]
	}
	w.muting.truncate(n)
}

// Full reports whether strings have been left out, because there were more
// than MaxReply bytes or after Stop: what was written is no whole reply.
func (w *Writer) Full() bool { return w.full }

// Stop makes the Writer full: what follows is for nobody.
func (w *Writer) Stop() { w.full = true }

// Take hands over what was written, and not left out, and goes on in fresh, which may
// be nil. The Writer is not full any more. What was written is in pieces, if there are
// several, and in last, which may be empty.
func (w *Writer) Take(fresh []byte) (pieces []Piece, last []byte) {
	pieces, last = w.done, w.buf
	if w.muting.on || len(w.muting.spans) > 0 {
		pieces, last = w.muting.take(pieces, last)
	}
	w.buf, w.done, w.before, w.shared, w.full = fresh[:0], nil, 0, 0, false
	w.kept, w.keptFrom = 0, nil
	return pieces, last
}

// Raw appends what is encoded already.
func (w *Writer) Raw(p []byte) {
	w.grow(len(p))
	w.buf = append(w.buf, p...)
}

// Adopt appends what another Writer has written, which is not to be used any more.
func (w *Writer) Adopt(other *Writer) {
	for _, p := range other.done {
		if w.full = w.full || p.Shared && w.keepsTooMuch(p.Bytes); w.full {
			return
		}
		if p.Shared {
			w.share(p.Bytes)
		} else {
			w.Raw(p.Bytes)
		}
	}
	w.Raw(other.buf)
	w.full = w.full || other.full
}

// grow begins another piece if n bytes more would make a long one grow.
func (w *Writer) grow(n int) {
	if n > cap(w.buf)-len(w.buf) && len(w.buf) >= minPiece {
		size := max(n, min(2*cap(w.buf), maxPiece))
		w.end(w.buf, false)
		w.buf = make([]byte, 0, size)
	}
}

// share appends p by reference.
func (w *Writer) share(p []byte) { w.append(p, true) }

// keepsTooMuch counts p among what is kept by reference, unless that is too much.
func (w *Writer) keepsTooMuch(p []byte) bool {
	from := unsafe.SliceData(p)
	if _, known := w.keptFrom[from]; known {
		return false
	}
	if int64(len(p)) > MaxKept-w.kept {
		return true
	}
	if w.keptFrom == nil {
		w.keptFrom = make(map[*byte]struct{})
	}
	w.keptFrom[from] = struct{}{}
	w.kept += int64(len(p))
	return false
}

// append makes p a piece.
func (w *Writer) append(p []byte, shared bool) {
	rest := w.buf[len(w.buf):]
	w.end(w.buf, false)
	w.end(p, shared)
	w.buf = rest
}

// end puts a piece behind those that are complete.
func (w *Writer) end(p []byte, shared bool) {
	if len(p) == 0 {
		return
	}
	w.done = append(w.done, Piece{slices.Clip(p), shared})
	w.before += len(p)
	if shared {
		w.shared += len(p)
	}
}

// OK writes the status +OK.
func (w *Writer) OK() { w.buf = append(w.buf, "+OK\r\n"...) }

// Status writes a simple string. It must hold neither CR nor LF.
func (w *Writer) Status(s string) { w.buf = redcon.AppendString(w.buf, s) }

// Error writes an error reply; line breaks become spaces.
func (w *Writer) Error(err error) { w.buf = redcon.AppendError(w.buf, err.Error()) }

// shortElement is more than a number or the header of an aggregate takes, in bytes.
const shortElement = 64

// Int writes an integer.
func (w *Writer) Int(n int) {
	w.grow(shortElement)
	w.buf = redcon.AppendInt(w.buf, int64(n))
}

// Int64 writes an integer.
func (w *Writer) Int64(n int64) {
	w.grow(shortElement)
	w.buf = redcon.AppendInt(w.buf, n)
}

// Flag writes 1 or 0: the reply of commands that say whether something held or
// happened, which is an integer in both protocols.
func (w *Writer) Flag(yes bool) {
	if yes {
		w.Int(1)
	} else {
		w.Int(0)
	}
}

// Bulk writes a bulk string. One of LargeString bytes or more is kept by reference: p
// must not change any more.
func (w *Writer) Bulk(p []byte) {
	if len(p) < LargeString {
		w.short(p)
	} else if w.full = w.full || w.keepsTooMuch(p); !w.full {
		w.header('$', len(p))
		w.share(p)
		w.buf = append(w.buf, "\r\n"...)
	}
}

// BulkOwned is Bulk for a string that was made for this reply and that nobody else has:
// it is not copied, but counts as if it were.
func (w *Writer) BulkOwned(p []byte) {
	if len(p) < LargeString {
		w.short(p)
	} else if w.full = w.full || w.tooMuch(len(p)); !w.full {
		w.header('$', len(p))
		w.append(p, false)
		w.buf = append(w.buf, "\r\n"...)
	}
}

// short is Bulk for a string that is not large, which may be on the caller's stack.
func (w *Writer) short(p []byte) {
	if w.full = w.full || w.tooMuch(len(p)); !w.full {
		w.grow(len(p) + bulkFrame)
		w.buf = redcon.AppendBulk(w.buf, p)
	}
}

// bulkFrame is what a bulk string takes besides its text, at most.
const bulkFrame = len("$1073741824\r\n\r\n")

// tooMuch reports whether a string of n bytes more is to be left out.
func (w *Writer) tooMuch(n int) bool {
	return n > MaxReply-(w.Len()-w.shared)
}

// BulkString writes a bulk string.
func (w *Writer) BulkString(s string) {
	if len(s) >= LargeString {
		w.Bulk(unsafe.Slice(unsafe.StringData(s), len(s))) // only read, as all that is kept by reference
		return
	}
	if w.full = w.full || w.tooMuch(len(s)); !w.full {
		w.grow(len(s) + bulkFrame)
		w.buf = redcon.AppendBulkString(w.buf, s)
	}
}

// BulkInt writes a number as a bulk string.
func (w *Writer) BulkInt(n int64) {
	var text [20]byte
	w.short(strconv.AppendInt(text[:0], n, 10))
}

// BulkOrNull writes p, or null if there is none.
func (w *Writer) BulkOrNull(p []byte, ok bool) {
	if ok {
		w.Bulk(p)
	} else {
		w.Null()
	}
}

// Verbatim writes text meant for people. format has three letters, such as
// "txt". RESP2 knows it as a bulk string.
func (w *Writer) Verbatim(format, text string) {
	if !w.resp3 {
		w.BulkString(text)
		return
	}
	w.grow(len(text) + bulkFrame + 4)
	w.header('=', len(text)+4)
	w.buf = append(w.buf, format...)
	w.buf = append(w.buf, ':')
	w.buf = append(w.buf, text...)
	w.buf = append(w.buf, "\r\n"...)
}

// Null writes the null that stands where a string was asked for.
func (w *Writer) Null() {
	w.grow(shortElement)
	if w.resp3 {
		w.buf = append(w.buf, "_\r\n"...)
	} else {
		w.buf = redcon.AppendNull(w.buf)
	}
}

// NullArray writes the null that stands where an array was asked for. RESP3
// has one null for both.
func (w *Writer) NullArray() {
	if w.resp3 {
		w.buf = append(w.buf, "_\r\n"...)
	} else {
		w.buf = append(w.buf, "*-1\r\n"...)
	}
}

// Double writes a score: a bulk string in RESP2.
func (w *Writer) Double(f float64) {
	if !w.resp3 {
		var text [32]byte
		w.short(AppendDouble(text[:0], f))
		return
	}
	w.grow(shortElement)
	w.buf = append(w.buf, ',')
	w.buf = AppendDouble(w.buf, f)
	w.buf = append(w.buf, "\r\n"...)
}

// AppendDouble appends a score the way Redis 7.0 prints it: %.17g of C, and
// inf, -inf.
func AppendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case f == math.Trunc(f) && math.Abs(f) < 1e15 && !(f == 0 && math.Signbit(f)):
		return strconv.AppendInt(dst, int64(f), 10) // the same, several times quicker
	}
	return strconv.AppendFloat(dst, f, 'g', 17, 64)
}

// Array opens an array: n elements follow.
func (w *Writer) Array(n int) {
	w.grow(shortElement)
	w.buf = redcon.AppendArray(w.buf, n)
}

// Map opens a map: n keys, each followed by its value. RESP2 knows it as an
// array of 2n elements.
func (w *Writer) Map(n int) {
	if w.resp3 {
		w.header('%', n)
	} else {
		w.Array(2 * n)
	}
}

// Set opens a set: n elements in no order. RESP2 knows it as an array.
func (w *Writer) Set(n int) {
	if w.resp3 {
		w.header('~', n)
	} else {
		w.Array(n)
	}
}

// Push opens a message that answers no command: n elements follow. RESP2 knows
// it as an array.
func (w *Writer) Push(n int) {
	if w.resp3 {
		w.header('>', n)
	} else {
		w.Array(n)
	}
}

// Mark notes the place where the header of an aggregate goes whose length is
// not known yet. CloseArray, CloseMap or CloseSet puts it there.
func (w *Writer) Mark() int { return w.Len() }

// CloseArray makes what was written since mark an array of n elements.
func (w *Writer) CloseArray(mark, n int) { w.close(mark, func() { w.Array(n) }) }

// CloseMap makes what was written since mark a map of n pairs.
func (w *Writer) CloseMap(mark, n int) { w.close(mark, func() { w.Map(n) }) }

// CloseSet makes what was written since mark a set of n elements.
func (w *Writer) CloseSet(mark, n int) { w.close(mark, func() { w.Set(n) }) }

func (w *Writer) close(mark int, header func()) {
	w.grow(shortElement) // so that header begins no piece
	end := len(w.buf)
	header()
	var h [shortElement]byte
	n := copy(h[:], w.buf[end:])
	if w.buf = w.buf[:end]; mark >= w.before {
		w.buf = slices.Insert(w.buf, mark-w.before, h[:n]...)
	} else {
		w.insert(mark, bytes.Clone(h[:n]))
	}
	w.muting.insert(mark, n)
}

// insert puts h among the pieces that are complete.
func (w *Writer) insert(at int, h []byte) {
	i := 0
	for at > len(w.done[i].Bytes) {
		at -= len(w.done[i].Bytes)
		i++
	}
	p := w.done[i]
	cut := []Piece{{slices.Clip(p.Bytes[:at]), p.Shared}, {h, false}, {p.Bytes[at:], p.Shared}}
	w.done = slices.Replace(w.done, i, i+1, slices.DeleteFunc(cut, func(p Piece) bool { return len(p.Bytes) == 0 })...)
	w.before += len(h)
}

func (w *Writer) header(kind byte, n int) {
	w.grow(shortElement)
	w.buf = append(w.buf, kind)
	w.buf = strconv.AppendInt(w.buf, int64(n), 10)
	w.buf = append(w.buf, "\r\n"...)
}
