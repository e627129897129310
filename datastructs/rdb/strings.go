package rdb

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/parley-chat/parley/datastructs"
)

// A length begins with two bits that say how it is written: in the six bits
// beside them, in these and a byte, or in 4 or 8 bytes behind. If both are set,
// the six bits are the form of a string that is not written as it stands.
const (
	short     = 0b00 << 6
	medium    = 0b01 << 6
	length32  = 0x80
	length64  = 0x81
	special   = 0b11 << 6
	asInt8    = special
	asInt16   = special | 1
	asInt32   = special | 2
	asLZF     = special | 3
	formBits  = 0b11 << 6
	valueBits = 1<<6 - 1
)

// A writer appends what it writes to out.
type writer struct {
	out []byte
	compressor
}

func (w *writer) byte(b byte) { w.out = append(w.out, b) }

func (w *writer) length(n uint64) {
	switch {
	case n <= valueBits:
		w.byte(short | byte(n))
	case n < 1<<14:
		w.out = append(w.out, medium|byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		w.byte(length32)
		w.out = binary.BigEndian.AppendUint32(w.out, uint32(n))
	default:
		w.byte(length64)
		w.out = binary.BigEndian.AppendUint64(w.out, n)
	}
}

// string writes a string in the shortest of its forms.
func (w *writer) string(p []byte) {
	const (
		longestInt = len("-2147483648")
		notPacked  = 20 // bytes up to which compression is not tried
		gain       = 4  // bytes that it has to save
	)
	if len(p) <= longestInt {
		if n, ok := datastructs.ParseInt(p); ok && n == int64(int32(n)) {
			w.int(int32(n))
			return
		}
	}
	if len(p) > notPacked {
		if packed, ok := w.compress(p, len(p)-gain); ok {
			w.byte(asLZF)
			w.length(uint64(len(packed)))
			w.length(uint64(len(p)))
			w.out = append(w.out, packed...)
			return
		}
	}
	w.length(uint64(len(p)))
	if len(p) >= datastructs.LargeText {
		w.out = slices.Grow(w.out, len(p)+footerLen) // exactly, should nothing else follow
	}
	w.out = append(w.out, p...)
}

func (w *writer) int(n int32) {
	switch {
	case n == int32(int8(n)):
		w.out = append(w.out, asInt8, byte(n))
	case n == int32(int16(n)):
		w.byte(asInt16)
		w.out = binary.LittleEndian.AppendUint16(w.out, uint16(n))
	default:
		w.byte(asInt32)
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(n))
	}
}

// A reader takes from the front of what is left. Once something is not there or
// makes no sense it has failed for good, and gives zeros.
type reader struct {
	left   []byte
	whole  int // bytes that there were; 0: they are part of something larger
	failed bool
}

func (r *reader) fail() { r.left, r.failed = nil, true }

// take returns the next n bytes, which are lent.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.left)) {
		r.fail()
		return nil
	}
	p := r.left[:n:n]
	r.left = r.left[n:]
	return p
}

// uint reads an integer of so many bytes, at most 8, the low one first.
func (r *reader) uint(size int) (n uint64) {
	p := r.take(uint64(size))
	for i := len(p) - 1; i >= 0; i-- {
		n = n<<8 | uint64(p[i])
	}
	return n
}

// int is uint for integers with a sign.
func (r *reader) int(size int) int64 {
	unused := 64 - 8*size
	return int64(r.uint(size)<<unused) >> unused
}

func (r *reader) byte() byte { return byte(r.uint(1)) }

// length reads a length, or the form of a string.
func (r *reader) length() (n uint64, form byte) {
	head := r.byte()
	switch {
	case head&formBits == short:
		return uint64(head & valueBits), 0
	case head&formBits == medium:
		return uint64(head&valueBits)<<8 | uint64(r.byte()), 0
	case head == length32:
		if p := r.take(4); p != nil {
			n = uint64(binary.BigEndian.Uint32(p))
		}
		return n, 0
	case head == length64:
		if p := r.take(8); p != nil {
			n = binary.BigEndian.Uint64(p)
		}
		return n, 0
	case head&formBits == special:
		return 0, head
	}
	r.fail()
	return 0, 0
}

// count reads a length that is none of a string.
func (r *reader) count() uint64 {
	n, form := r.length()
	if form != 0 {
		r.fail()
	}
	return n
}

// text is take for what may be stored. Large texts are kept by whoever stores them:
// unless one is nearly all that there was, it is copied, so as not to keep the rest.
func (r *reader) text(n uint64) []byte {
	p := r.take(n)
	if len(p) < datastructs.LargeText || r.whole > 0 && len(p) >= r.whole-r.whole/8 {
		return p
	}
	return bytes.Clone(p)
}

// string reads a string of any form. It may be lent.
func (r *reader) string() []byte {
	n, form := r.length()
	switch form {
	case 0:
		return r.text(n)
	case asInt8:
		return strconv.AppendInt(nil, r.int(1), 10)
	case asInt16:
		return strconv.AppendInt(nil, r.int(2), 10)
	case asInt32:
		return strconv.AppendInt(nil, r.int(4), 10)
	case asLZF:
		n, size := r.count(), r.count()
		packed := r.take(n)
		p, ok := decompress(packed, size)
		if !ok {
			r.fail()
			return nil
		}
		return p
	}
	r.fail()
	return nil
}
