package rdb

import (
	"iter"
	"strconv"
)

// Forms of Redis before 7.0, which are only read.

// A ziplist is a head (all its bytes in 4, where the last entry begins in 4, the
// entries in 2), its entries, and a last byte. An entry begins with the length of
// the one before it: a byte, or a mark and 4 bytes. Then its form, and the rest.
const (
	ziplistHead = 4 + 4 + 2
	ziplistEnd  = 0xff
	longBefore  = 0xfe

	zlText14 = 0x40 // 01xxxxxx, and a byte: the length, the high bits first
	zlText32 = 0x80 // the length in 4 bytes, the high one first
	zlInt16  = 0xc0
	zlInt32  = 0xd0
	zlInt64  = 0xe0
	zlInt24  = 0xf0
	zlInt8   = 0xfe
	zlFirst  = 0xf1 // this and up to the last: 0 to 12
	zlLast   = 0xfd
)

// ziplist walks the entries of a ziplist, each as text.
func (r *reader) ziplist(p []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		z := reader{left: p}
		size, tail, announced := z.uint(4), z.uint(4), z.uint(2)
		if size != uint64(len(p)) {
			z.fail()
		}
		n, last, before := uint64(0), uint64(ziplistHead), uint64(0)
		for ; len(z.left) > 1; n++ {
			last = size - uint64(len(z.left))
			length := z.uint(1)
			if length == longBefore {
				length = z.uint(4)
			}
			if length != before {
				z.fail()
			}
			entry := z.ziplistEntry()
			before = size - uint64(len(z.left)) - last
			if z.failed || !yield(entry) {
				break
			}
		}
		if !z.failed && len(z.left) > 1 {
			return // nobody wants more
		}
		if z.byte() != ziplistEnd || z.failed || tail != last || announced != manyEntries && announced != n {
			r.fail()
		}
	}
}

// ziplistEntry reads an entry from its form on.
func (r *reader) ziplistEntry() []byte {
	var n int64
	switch head := r.byte(); {
	case head < zlText14:
		return r.take(uint64(head))
	case head < zlText32:
		return r.take(uint64(head&^zlText14)<<8 | r.uint(1))
	case head < zlInt16:
		var length uint64
		for _, b := range r.take(4) {
			length = length<<8 | uint64(b)
		}
		return r.text(length)
	case head == zlInt16:
		n = r.int(2)
	case head == zlInt32:
		n = r.int(4)
	case head == zlInt64:
		n = r.int(8)
	case head == zlInt24:
		n = r.int(3)
	case head == zlInt8:
		n = r.int(1)
	case head >= zlFirst && head <= zlLast:
		n = int64(head - zlFirst)
	default:
		r.fail()
	}
	return strconv.AppendInt(nil, n, 10)
}

// A zipmap is a byte with the number of its pairs, the pairs, and a last byte. A
// string in it is its length, in a byte or a mark and 4 bytes, and its bytes; a
// value has one more byte before its bytes, which counts those behind it that
// are not used.
const (
	zipmapLong = 0xfe // of a length; and as the number of pairs: too many to be told
	zipmapEnd  = 0xff
)

// zipmap walks the fields and values of a zipmap in turn.
func (r *reader) zipmap(p []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		z := reader{left: p}
		announced, n := z.uint(1), uint64(0)
		for len(z.left) > 1 {
			field := z.text(z.zipmapLength())
			length, unused := z.zipmapLength(), z.uint(1)
			value := z.text(length)
			z.take(unused)
			n++
			if z.failed {
				break
			}
			if !yield(field) || !yield(value) {
				return
			}
		}
		if z.byte() != zipmapEnd || z.failed || announced < zipmapLong && announced != n {
			r.fail()
		}
	}
}

func (r *reader) zipmapLength() uint64 {
	switch n := r.uint(1); n {
	case zipmapEnd:
		r.fail()
		return 0
	case zipmapLong:
		return r.uint(4)
	default:
		return n
	}
}
