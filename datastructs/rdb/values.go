package rdb

import (
	"encoding/binary"
	"math"

	"github.com/parley-chat/parley/datastructs"
)

// The first byte of a value says what it is and how it is written. Those that
// are not written here are of older versions, or of kinds that there are not.
const (
	typeString       = 0
	typeList         = 1
	typeSet          = 2
	typeZSetText     = 3 // scores as text
	typeHash         = 4
	typeZSet         = 5 // scores in 8 bytes
	typeHashZipmap   = 9
	typeListZiplist  = 10
	typeIntset       = 11
	typeZSetZiplist  = 12
	typeHashZiplist  = 13
	typeQuicklist    = 14
	typeStream       = 15
	typeHashListpack = 16
	typeZSetListpack = 17
	typeQuicklist2   = 18
	typeStream2      = 19
)

// Append appends a value: its type and what it holds.
func Append(dst []byte, v datastructs.Value) []byte {
	w := writer{out: dst}
	switch v := v.(type) {
	case *datastructs.String:
		w.byte(typeString)
		w.string(v.Bytes())
	case *datastructs.Hash:
		w.hash(v)
	case *datastructs.Set:
		w.set(v)
	case *datastructs.SortedSet:
		w.sortedSet(v)
	}
	return w.out
}

func (w *writer) hash(h *datastructs.Hash) {
	if h.Encoding() != "hashtable" { // a listpackex, which 7.0 does not know, goes without its deadlines
		l := newListpack()
		for field, value := range h.All() {
			l.text(field)
			l.text(value)
		}
		w.byte(typeHashListpack)
		w.string(l.finish())
		return
	}
	w.byte(typeHash)
	w.length(uint64(h.Len()))
	for field, value := range h.All() {
		w.string(field)
		w.string(value)
	}
}

func (w *writer) set(s *datastructs.Set) {
	if width := s.IntWidth(); width > 0 {
		w.byte(typeIntset)
		w.string(intset(s, width))
		return
	}
	w.byte(typeSet)
	w.length(uint64(s.Len()))
	for member := range s.All() {
		w.string(member)
	}
}

// intsetHead is what an intset begins with: the width of its numbers and how
// many they are, in 4 bytes each.
const intsetHead = 4 + 4

func intset(s *datastructs.Set, width int) []byte {
	p := make([]byte, intsetHead, intsetHead+s.Len()*width)
	binary.LittleEndian.PutUint32(p, uint32(width))
	binary.LittleEndian.PutUint32(p[4:], uint32(s.Len()))
	for member := range s.All() {
		n, _ := datastructs.ParseInt(member)
		for range width {
			p = append(p, byte(n))
			n >>= 8
		}
	}
	return p
}

// sortedSet writes a large set from the last member to the first, so that a
// reader of Redis's inserts at the front.
func (w *writer) sortedSet(z *datastructs.SortedSet) {
	if z.Encoding() == "listpack" {
		l := newListpack()
		for member, score := range z.Range(0, z.Len(), false) {
			l.text(member)
			l.score(score)
		}
		w.byte(typeZSetListpack)
		w.string(l.finish())
		return
	}
	w.byte(typeZSet)
	w.length(uint64(z.Len()))
	for member, score := range z.Range(0, z.Len(), true) {
		w.string(member)
		w.out = binary.LittleEndian.AppendUint64(w.out, math.Float64bits(score))
	}
}

// score adds a score: an integer where it is one, within Redis's bounds for that.
func (l *listpack) score(f float64) {
	const most = 1 << 62
	if f >= -most && f <= most && f == math.Trunc(f) {
		l.int(int64(f))
		return
	}
	l.text(appendScore(nil, f))
}

// Read reads one value and returns what is left behind it. A string in it may
// be a part of p no more: all is copied.
func Read(p []byte) (v datastructs.Value, left []byte, err error) {
	r := reader{left: p, whole: len(p)}
	switch kind := r.byte(); {
	case r.failed:
	case kind == typeString:
		if text := r.string(); !r.failed {
			v = datastructs.NewString(text)
		}
	case kind == typeList, kind == typeListZiplist, kind == typeQuicklist, kind == typeQuicklist2, kind == typeStream, kind == typeStream2:
		return nil, nil, ErrUnsupported
	default:
		v = r.collection(kind)
	}
	if r.failed || v == nil {
		return nil, nil, ErrFormat
	}
	return v, r.left, nil
}

func (r *reader) collection(kind byte) datastructs.Value {
	switch kind {
	case typeSet:
		return r.set(r.strings(r.count()))
	case typeIntset:
		return r.intset(r.string())
	case typeHash:
		return r.hash(r.strings(2*r.pairs()), false)
	case typeHashZipmap:
		return r.hash(r.zipmap(r.string()), false)
	case typeHashZiplist:
		return r.hash(r.ziplist(r.string()), true)
	case typeHashListpack:
		return r.hash(r.listpack(r.string()), true)
	case typeZSet:
		return r.sortedSet(r.pairs(), (*reader).binaryScore)
	case typeZSetText:
		return r.sortedSet(r.pairs(), (*reader).textScore)
	case typeZSetZiplist:
		return r.packedSortedSet(r.ziplist(r.string()))
	case typeZSetListpack:
		return r.packedSortedSet(r.listpack(r.string()))
	}
	return nil
}
