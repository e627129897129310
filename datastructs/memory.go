package datastructs

import (
	"math/bits"
	"unsafe"
)

// What data takes is counted in the blocks that the Go runtime hands out for it,
// with the structures that make it findable. Tables and orders keep the sum up to
// date as they change, so that to ask costs the same whatever the size. The
// parts of trees and maps, which do not tell what they take, count with a mean.

// allocSize returns what a value takes.
func allocSize(v Value) int {
	switch v := v.(type) {
	case *String:
		return stringBytes + blockOf(v.text)
	case *Hash:
		size := hashBytes + blockOf(v.packed) + v.expiry.bytes()
		if v.large != nil {
			size += tableBytes + v.large.bytes
		}
		return size
	case *Set:
		size := setBytes + blockOf(v.blob)
		if v.large != nil {
			size += tableBytes + v.large.bytes
		}
		return size
	case *SortedSet:
		size := sortedSetBytes + blockOf(v.list)
		if v.index != nil {
			size += indexBytes + v.index.scores.bytes + v.index.order.memory()
		}
		return size
	}
	return 0
}

// What the fixed parts of structures take.
var (
	stringBytes    = block(int(unsafe.Sizeof(String{})))
	hashBytes      = block(int(unsafe.Sizeof(Hash{})))
	setBytes       = block(int(unsafe.Sizeof(Set{})))
	sortedSetBytes = block(int(unsafe.Sizeof(SortedSet{})))
	tableBytes     = block(int(unsafe.Sizeof(table[string]{})))
	indexBytes     = block(int(unsafe.Sizeof(scoreIndex{})))
	segmentBytes   = block(int(unsafe.Sizeof(segment{})))
	chunkBytes     = block(int(unsafe.Sizeof(chunk{})))
	mortalBytes    = block(int(unsafe.Sizeof(fieldDeadlines{})))
)

// Means of what an entry takes in what does not tell.
const (
	deadlineBytes = 46 // in a tree of deadlines: 37 if they come in any order, 52 if they ascend
	spanBytes     = 56 // in the tree of a large sorted set's chunks
	mapEntryBytes = 35 // in a map from fields to deadlines
)

// Memory returns what a key with its value takes, and whether there is one.
func (k *Keyspace) Memory(key []byte, now int64) (int, bool) {
	v := k.Peek(key, now)
	if v == nil {
		return 0, false
	}
	size := allocSize(v) + textBytes(len(key)) + int(unsafe.Sizeof(entry[record]{})) + slotMemory
	if _, ok := k.Deadline(key); ok {
		size += deadlineBytes + 8
	}
	return size, true
}

// slotMemory is what a slot of an index takes with those that are free.
const slotMemory = 12

// Overhead returns what the tables of keys and of deadlines take, without keys
// and values.
func (k *Keyspace) Overhead() (keys, deadlines int) {
	return k.keys.frameBytes(), k.deadlines.bytes() + k.fields.len()*deadlineBytes
}

// Bytes returns what all of the keyspace takes.
func (k *Keyspace) Bytes() int {
	return k.keys.bytes + k.values + k.deadlines.bytes() + k.fields.len()*deadlineBytes
}

func (d *deadlines) bytes() int { return block(8*cap(d.times)) + d.len()*deadlineBytes }

// bytes is the same whether an empty one has been forgotten already or not.
func (d *fieldDeadlines) bytes() int {
	if d.len() == 0 {
		return 0
	}
	return mortalBytes + block(8*cap(d.times)) + len(d.at)*(mapEntryBytes+deadlineBytes)
}

// memory is what an order takes; the texts of its members are the table's.
func (o *scoreOrder) memory() int {
	if o.spans == nil {
		return 0
	}
	return o.bytes + o.spans.Len()*spanBytes + block(8*cap(o.counts))
}

func (c *chunk) bytes() int {
	return chunkBytes + blockOfPointers(cap(c.entries)*int(unsafe.Sizeof(scored{})))
}

// measure counts anew what a table keeps in bytes, for tests.
func (t *table[V]) measure() int {
	size := t.frameBytes()
	for i := range t.n {
		key, v := t.at(i)
		size += textBytes(len(key))
		if text, ok := any(v).(*string); ok {
			size += textBytes(len(*text))
		}
	}
	return size
}

// frameBytes is what a table takes without texts.
func (t *table[V]) frameBytes() int {
	size := t.dirBytes() + t.pagesBytes()
	for _, p := range t.pages {
		size += pageBytes[V](cap(p))
	}
	for i, s := range t.dir {
		if i&(1<<s.depth-1) == i { // else it has been seen already
			size += s.bytes()
		}
	}
	return size
}

func (t *table[V]) dirBytes() int { return blockOfPointers(8 * cap(t.dir)) }
func (t *table[V]) pagesBytes() int {
	return blockOfPointers(cap(t.pages) * int(unsafe.Sizeof([]entry[V]{})))
}

// pageBytes is what a page with room for n entries takes.
func pageBytes[V any](n int) int { return blockOfPointers(n * int(unsafe.Sizeof(entry[V]{}))) }

func (s *segment) bytes() int { return segmentBytes + block(8*cap(s.slots)) }

// textBytes is what a string of n bytes takes: nothing if it is of one byte, as
// the runtime has those.
func textBytes(n int) int {
	if n <= 1 {
		return 0
	}
	return block(n)
}

// blockOf is what a byte slice takes beside its header. The marks of an
// integer, of one or two bytes, are shared by all.
func blockOf(b []byte) int {
	if cap(b) <= cap(integer) {
		return 0
	}
	return block(cap(b))
}

// blockOfPointers is block for what has pointers: a large block of such has a
// word for the garbage collector.
func blockOfPointers(n int) int {
	if n > 512 {
		n += 8
	}
	return block(n)
}

// TextBytes is what a text of n bytes takes in memory, without its header.
func TextBytes(n int) int { return textBytes(n) }

// block rounds up to what the Go runtime hands out, or nearly: multiples of 8 up
// to 16 bytes and of 16 up to 128, then eight sizes for each power of two up to
// 32 KiB, and whole pages.
func block(n int) int {
	const page = 8 << 10
	step := page
	switch {
	case n <= 16:
		step = 8
	case n <= 128:
		step = 16
	case n <= 32<<10:
		step = 1 << (bits.Len(uint(n-1)) - 4)
	}
	return (n + step - 1) &^ (step - 1)
}
