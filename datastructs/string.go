package datastructs

import (
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"unsafe"
)

// A String is a byte string, or an integer kept as one until somebody wants
// its text. The zero value, and nil, are the empty string.
type String struct {
	text []byte // integer, by address, when n is the value
	n    int64  // the value of an integer; for text, one of the marks below
}

// Redis makes a string raw when it changes in place, and never takes that back
// while the value lives. The other encodings follow from the value itself.
//
// A large text that others have a reference to is lent: it is copied before it is
// written over. Reads, which run side by side, set that mark atomically.
const (
	plain     = 0
	raw       = 1
	lent      = 2
	maxEmbstr = 44 // Redis's OBJ_ENCODING_EMBSTR_SIZE_LIMIT
)

// integer is the text of every String that is an integer: a mark that costs no
// field. Nothing is ever stored in it. An integer that came from Clone has copied
// instead, which differs in its capacity only.
var (
	integer = make([]byte, 0, 2)
	copied  = integer[:0:1]
)

// LargeText is the size in bytes from which texts are kept by reference instead of
// copied: a text that is given to be stored is then the structure's, and neither may be
// written to by others nor be part of something larger. A large text that is returned
// never changes.
const LargeText = 128 << 10

// NewString returns a String holding b, as SET stores it: what reads as a canonical
// integer becomes one. A text shorter than LargeText is copied.
func NewString(b []byte) *String {
	if n, ok := ParseInt(b); ok {
		return NewInt(n)
	}
	return NewText(b)
}

// NewText is NewString without the look for an integer: INCRBYFLOAT stores its
// result like this, so that "11" is embstr.
func NewText(b []byte) *String {
	if len(b) >= LargeText {
		return &String{text: slices.Clip(b)}
	}
	return &String{text: slices.Clone(b)}
}

// textOf returns b as a string, a copy unless it is large.
func textOf(b []byte) string {
	if len(b) >= LargeText {
		return unsafe.String(unsafe.SliceData(b), len(b))
	}
	return string(b)
}

// NewInt returns a String that is an integer.
func NewInt(n int64) *String {
	return &String{text: integer, n: n}
}

// Kind is KindString.
func (*String) Kind() Kind { return KindString }

// Empty is false: a key may hold the empty string.
func (*String) Empty() bool { return false }

// Encoding is "int", "embstr" or "raw". Append and SetRange make a String raw,
// and only SetInt takes that back.
func (s *String) Encoding() string {
	switch {
	case s.isInt():
		return "int"
	case s != nil && (len(s.text) > maxEmbstr || s.n == raw): // a large text may be lent meanwhile
		return "raw"
	}
	return "embstr"
}

// Clone returns a copy of the same encoding.
func (s *String) Clone() Value {
	if s == nil {
		return &String{}
	}
	if s.isInt() {
		return &String{text: copied, n: s.n}
	}
	return &String{text: slices.Clone(s.text), n: s.mark() &^ lent}
}

// mark is n of a text.
func (s *String) mark() int64 { return atomic.LoadInt64(&s.n) }

// Shared reports whether Redis would keep the String as one value for all keys
// that hold it, which OBJECT REFCOUNT shows: an integer from 0 to 9999, but not
// a copy that COPY made.
func (s *String) Shared() bool {
	const limit = 10000 // Redis's OBJ_SHARED_INTEGERS
	return s.isInt() && cap(s.text) == cap(integer) && s.n >= 0 && s.n < limit
}

// Len is the length of the text in bytes.
func (s *String) Len() int {
	switch {
	case s == nil:
		return 0
	case s.isInt():
		return intLen(s.n)
	}
	return len(s.text)
}

// Int reads the string as an integer. It wants the canonical form, whatever
// the encoding: "7" is 7 even when raw; "07", "+7", "-0" and " 7" are none.
func (s *String) Int() (int64, bool) {
	switch {
	case s == nil:
		return 0, false
	case s.isInt():
		return s.n, true
	}
	return ParseInt(s.text)
}

// Bytes returns the text. It may be the String's own memory: it is not to be
// written, and holds until the next change, that of a large text for good. AppendTo
// spares the allocation that an integer costs here.
func (s *String) Bytes() []byte {
	switch {
	case s == nil:
		return nil
	case s.isInt():
		return s.appendTo(nil)
	}
	s.lend(s.text)
	return s.text
}

// Range returns the bytes from first to last, 0 <= first <= last < Len, under the
// conditions of Bytes. A large part of something much larger is a copy: whoever keeps
// it does not keep the rest. lent: it is no copy.
func (s *String) Range(first, last int) (part []byte, lent bool) {
	if s.isInt() {
		return s.appendTo(nil)[first : last+1], false
	}
	part = s.text[first : last+1 : last+1]
	if len(part) >= LargeText && len(part) < cap(s.text)/2 {
		return slices.Clone(part), false
	}
	s.lend(part)
	return part, true
}

// lend marks the text as lent if a part of it is large.
func (s *String) lend(part []byte) {
	if len(part) >= LargeText && s.mark()&lent == 0 {
		atomic.OrInt64(&s.n, lent)
	}
}

// appendTo appends the text to dst.
func (s *String) appendTo(dst []byte) []byte {
	switch {
	case s == nil:
		return dst
	case s.isInt():
		return strconv.AppendInt(dst, s.n, 10)
	}
	return append(dst, s.text...)
}

// SetInt makes the String an integer, whatever it was.
func (s *String) SetInt(n int64) {
	s.text, s.n = integer, n
}

// Append adds b at the end and makes the String raw, even when b is empty. An
// APPEND to a missing key is no Append: Redis stores that as SET would.
func (s *String) Append(b []byte) {
	size := s.Len() + len(b)
	s.makeRaw(size)
	if size >= LargeText && size > cap(s.text) {
		s.move(make([]byte, len(s.text), size+size/8)) // what there was becomes garbage: the less of it the better
	}
	s.text = append(s.text, b...)
}

// SetRange overwrites the bytes from offset on with b and makes the String
// raw; zeros fill a gap between the old end and offset. An empty b changes
// nothing at all. The caller keeps offset+len(b) within what a string may be.
func (s *String) SetRange(offset int, b []byte) {
	if len(b) == 0 {
		return
	}
	end := offset + len(b)
	s.makeRaw(end)
	switch old := len(s.text); {
	case end > cap(s.text): // new memory is zero, and untouched where that is
		s.move(make([]byte, end, max(end, old+old/4)))
	case offset < old && s.n&lent != 0:
		s.move(make([]byte, max(end, old)))
	case end > old:
		s.text = s.text[:end]
		clear(s.text[old:])
	}
	copy(s.text[offset:], b)
}

// makeRaw turns the String into raw text that is about to be size bytes long.
func (s *String) makeRaw(size int) {
	if s.isInt() {
		s.text = strconv.AppendInt(make([]byte, 0, max(size, intLen(s.n))), s.n, 10)
		s.n = plain
	}
	s.n |= raw
}

// move puts the text into memory of its own.
func (s *String) move(to []byte) {
	copy(to, s.text)
	s.text = to
	s.n &^= lent
}

func (s *String) isInt() bool {
	return s != nil && unsafe.SliceData(s.text) == unsafe.SliceData(integer)
}

// Check reports a broken invariant, for tests.
func (s *String) Check() error {
	switch {
	case s == nil:
		return nil
	case s.isInt() && (len(s.text) != 0 || cap(s.text) > cap(integer)):
		return fmt.Errorf("string: text %q stored in the mark of integers", s.text)
	case !s.isInt() && s.mark()&^(raw|lent) != 0:
		return fmt.Errorf("string: mark %d is none of a text", s.n)
	case !s.isInt() && s.mark()&lent != 0 && len(s.text) < LargeText:
		return fmt.Errorf("string: a text of %d bytes is lent", len(s.text))
	}
	return nil
}
