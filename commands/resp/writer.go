// Package resp is the Redis serialization protocol in both of its versions:
// a Writer that composes replies, a Reader and a Value that read them back.
//
// The rules are those of the protocol specification
// (https://redis.io/docs/latest/develop/reference/protocol-spec/) as
// redis-server 7.0.15 applies them.
package resp

import (
	"math"
	"slices"
	"strconv"

	"github.com/tidwall/redcon"
)

// An Error is a reply of the error type: its code, a space, the message, as in
// "WRONGTYPE Operation against ...". Two errors with one text are equal, so
// errors.Is works with the constants of package commands.
type Error string

// Error is the reply as it is sent.
func (e Error) Error() string { return string(e) }

// A Writer composes replies in the protocol a client chose. Each method writes
// one whole element, or the header of an aggregate whose elements follow; one
// set of calls gives the RESP2 shape and the RESP3 shape of a reply.
//
// The zero value writes RESP2 into a buffer of its own.
type Writer struct {
	buf    []byte
	resp3  bool
	full   bool
	muting muting
}

// MaxReply is the number of bytes that a Writer takes before it is full. It
// holds the longest string there is twice over.
const MaxReply = 1 << 30

// SetProtocol chooses RESP 2 or 3 for what is written from now on.
func (w *Writer) SetProtocol(version int) { w.resp3 = version >= 3 }

// RESP3 reports whether replies are written in RESP3. Handlers ask it only
// where the two protocols differ in more than the type of an element.
func (w *Writer) RESP3() bool { return w.resp3 }

// Bytes returns what has been written and not yet taken. It is valid until the
// next write.
func (w *Writer) Bytes() []byte { return w.buf }

// Len is the number of bytes written and not yet taken.
func (w *Writer) Len() int { return len(w.buf) }

// Truncate forgets all but the first n bytes: what a command that fails in the
// end had written.
func (w *Writer) Truncate(n int) {
	w.buf = w.buf[:n]
	w.muting.truncate(n)
}

// Full reports whether strings have been left out, because there were more
// than MaxReply bytes or after Stop: what was written is no whole reply.
func (w *Writer) Full() bool { return w.full }

// Stop makes the Writer full: what follows is for nobody.
func (w *Writer) Stop() { w.full = true }

// Take hands over what was written, and not left out, and goes on in fresh, which may be nil. The
// Writer is not full any more.
func (w *Writer) Take(fresh []byte) []byte {
	taken := w.muting.take(w.buf)
	w.buf, w.full = fresh[:0], false
	return taken
}

// Reserve makes room for n bytes more, unless there is, or they are more than a
// reply may hold. A large reply that grows as it is written is copied several times.
func (w *Writer) Reserve(n int) {
	if n > cap(w.buf)-len(w.buf) && n <= MaxReply-len(w.buf) {
		w.buf = append(make([]byte, 0, len(w.buf)+n), w.buf...)
	}
}

// Raw appends what is encoded already.
func (w *Writer) Raw(p []byte) { w.buf = append(w.buf, p...) }

// OK writes the status +OK.
func (w *Writer) OK() { w.buf = append(w.buf, "+OK\r\n"...) }

// Status writes a simple string. It must hold neither CR nor LF.
func (w *Writer) Status(s string) { w.buf = redcon.AppendString(w.buf, s) }

// Error writes an error reply; line breaks become spaces.
func (w *Writer) Error(err error) { w.buf = redcon.AppendError(w.buf, err.Error()) }

// Int writes an integer.
func (w *Writer) Int(n int) { w.buf = redcon.AppendInt(w.buf, int64(n)) }

// Int64 writes an integer.
func (w *Writer) Int64(n int64) { w.buf = redcon.AppendInt(w.buf, n) }

// Flag writes 1 or 0: the reply of commands that say whether something held or
// happened, which is an integer in both protocols.
func (w *Writer) Flag(yes bool) {
	if yes {
		w.Int(1)
	} else {
		w.Int(0)
	}
}

// Bulk writes a bulk string.
func (w *Writer) Bulk(p []byte) {
	if w.full = w.full || len(p) > MaxReply-len(w.buf); !w.full {
		w.buf = redcon.AppendBulk(w.buf, p)
	}
}

// BulkString writes a bulk string.
func (w *Writer) BulkString(s string) {
	if w.full = w.full || len(s) > MaxReply-len(w.buf); !w.full {
		w.buf = redcon.AppendBulkString(w.buf, s)
	}
}

// BulkInt writes a number as a bulk string.
func (w *Writer) BulkInt(n int64) {
	var text [20]byte
	w.Bulk(strconv.AppendInt(text[:0], n, 10))
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
	w.header('=', len(text)+4)
	w.buf = append(w.buf, format...)
	w.buf = append(w.buf, ':')
	w.buf = append(w.buf, text...)
	w.buf = append(w.buf, "\r\n"...)
}

// Null writes the null that stands where a string was asked for.
func (w *Writer) Null() {
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
		w.Bulk(AppendDouble(text[:0], f))
		return
	}
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
func (w *Writer) Array(n int) { w.buf = redcon.AppendArray(w.buf, n) }

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
func (w *Writer) Mark() int { return len(w.buf) }

// CloseArray makes what was written since mark an array of n elements.
func (w *Writer) CloseArray(mark, n int) { w.close(mark, func() { w.Array(n) }) }

// CloseMap makes what was written since mark a map of n pairs.
func (w *Writer) CloseMap(mark, n int) { w.close(mark, func() { w.Map(n) }) }

// CloseSet makes what was written since mark a set of n elements.
func (w *Writer) CloseSet(mark, n int) { w.close(mark, func() { w.Set(n) }) }

func (w *Writer) close(mark int, header func()) {
	end := len(w.buf)
	header()
	var h [32]byte
	n := copy(h[:], w.buf[end:])
	w.buf = slices.Insert(w.buf[:end], mark, h[:n]...)
	w.muting.insert(mark, n)
}

func (w *Writer) header(kind byte, n int) {
	w.buf = append(w.buf, kind)
	w.buf = strconv.AppendInt(w.buf, int64(n), 10)
	w.buf = append(w.buf, "\r\n"...)
}
