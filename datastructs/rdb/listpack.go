package rdb

import (
	"encoding/binary"
	"iter"
	"strconv"

	"github.com/parley-chat/parley/datastructs"
)

// A listpack is a head (all its bytes in 4, its entries in 2), its entries, and
// a last byte. An entry is a byte that tells its form, the rest of it, and how
// long that is, written so that it can be read backwards
// (https://github.com/antirez/listpack/blob/master/listpack.md).
const (
	listpackHead = 4 + 2
	listpackEnd  = 0xff
	manyEntries  = 1<<16 - 1 // in the head: too many to be told there

	lpUint7  = 0x00 // 0xxxxxxx
	lpText6  = 0x80 // 10xxxxxx: the length
	lpInt13  = 0xc0 // 110xxxxx, and a byte
	lpText12 = 0xe0 // 1110xxxx, and a byte: the length
	lpText32 = 0xf0 // the length in 4 bytes
	lpInt16  = 0xf1
	lpInt24  = 0xf2
	lpInt32  = 0xf3
	lpInt64  = 0xf4
)

// A listpack is being made.
type listpack struct {
	bytes   []byte
	entries int
}

func newListpack() *listpack { return &listpack{bytes: make([]byte, listpackHead)} }

// text adds a string, as an integer if it is one.
func (l *listpack) text(p []byte) {
	if n, ok := datastructs.ParseInt(p); ok {
		l.int(n)
		return
	}
	from := len(l.bytes)
	switch n := len(p); {
	case n < 1<<6:
		l.bytes = append(l.bytes, lpText6|byte(n))
	case n < 1<<12:
		l.bytes = append(l.bytes, lpText12|byte(n>>8), byte(n))
	default:
		l.bytes = append(l.bytes, lpText32)
		l.bytes = binary.LittleEndian.AppendUint32(l.bytes, uint32(n))
	}
	l.bytes = append(l.bytes, p...)
	l.close(from)
}

func (l *listpack) int(n int64) {
	from := len(l.bytes)
	switch {
	case n >= 0 && n < 1<<7:
		l.bytes = append(l.bytes, lpUint7|byte(n))
	case n >= -1<<12 && n < 1<<12:
		l.bytes = append(l.bytes, lpInt13|byte(n>>8)&0x1f, byte(n))
	case n == int64(int16(n)):
		l.wide(lpInt16, 2, n)
	case n >= -1<<23 && n < 1<<23:
		l.wide(lpInt24, 3, n)
	case n == int64(int32(n)):
		l.wide(lpInt32, 4, n)
	default:
		l.wide(lpInt64, 8, n)
	}
	l.close(from)
}

func (l *listpack) wide(form byte, size int, n int64) {
	l.bytes = append(l.bytes, form)
	for range size {
		l.bytes = append(l.bytes, byte(n))
		n >>= 8
	}
}

// close ends the entry that begins there.
func (l *listpack) close(from int) {
	l.bytes = appendBackwards(l.bytes, len(l.bytes)-from)
	l.entries++
}

// appendBackwards appends a length in groups of 7 bits, the high ones first; all
// bytes but the first have their top bit set. The largest number that some bytes
// hold has one byte more, as in Redis.
func appendBackwards(dst []byte, n int) []byte {
	size := 1
	for n > 1<<7-1 && size < 5 && n >= 1<<(7*size)-1 {
		size++
	}
	for i := size - 1; i >= 0; i-- {
		b := byte(n>>(7*i)) & 0x7f
		if i < size-1 {
			b |= 0x80
		}
		dst = append(dst, b)
	}
	return dst
}

func (l *listpack) finish() []byte {
	p := append(l.bytes, listpackEnd)
	binary.LittleEndian.PutUint32(p, uint32(len(p)))
	binary.LittleEndian.PutUint16(p[4:], uint16(min(l.entries, manyEntries)))
	return p
}

// listpack walks the entries of a listpack, each as text.
func (r *reader) listpack(p []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		l := reader{left: p}
		size, announced := l.uint(4), l.uint(2)
		if size != uint64(len(p)) {
			l.fail()
		}
		n := uint64(0)
		for ; len(l.left) > 1; n++ {
			from := l.left
			entry := l.listpackEntry()
			var room [5]byte
			backwards := appendBackwards(room[:0], len(from)-len(l.left))
			if string(l.take(uint64(len(backwards)))) != string(backwards) {
				l.fail()
			}
			if l.failed || !yield(entry) {
				break
			}
		}
		if !l.failed && len(l.left) > 1 {
			return // nobody wants more
		}
		if l.byte() != listpackEnd || l.failed || announced != manyEntries && announced != n {
			r.fail()
		}
	}
}

// listpackEntry reads an entry up to where its own length stands.
func (r *reader) listpackEntry() []byte {
	var n int64
	switch head := r.byte(); {
	case head < lpText6:
		n = int64(head)
	case head < lpInt13:
		return r.take(uint64(head &^ lpText6))
	case head < lpText12:
		n = int64(head&^lpInt13)<<8 | int64(r.byte())
		n = n << (64 - 13) >> (64 - 13)
	case head < lpText32:
		high := uint64(head &^ lpText12)
		return r.take(high<<8 | r.uint(1))
	case head == lpText32:
		return r.text(r.uint(4))
	case head == lpInt16:
		n = r.int(2)
	case head == lpInt24:
		n = r.int(3)
	case head == lpInt32:
		n = r.int(4)
	case head == lpInt64:
		n = r.int(8)
	default:
		r.fail()
	}
	return strconv.AppendInt(nil, n, 10)
}
