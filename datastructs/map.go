package datastructs

import (
	"iter"
	"unsafe"
)

// A Map maps names to values of type V. Unlike a Go map it gives memory back as
// it shrinks, knows what it takes, and no change of it copies the whole. The zero
// value is ready. It is not safe for concurrent use.
type Map[V any] struct{ table table[V] }

// Len counts the entries.
func (m *Map[V]) Len() int { return m.table.len() }

// Get returns the value of a name, and whether there is one.
func (m *Map[V]) Get(name []byte) (v V, ok bool) {
	p, ok := m.table.get(name)
	if ok {
		v = *p
	}
	return v, ok
}

// Add enters a name that is not in the map, with a copy of it as the key. It
// returns that copy.
func (m *Map[V]) Add(name []byte, v V) (key string) {
	p, _ := m.table.put(name)
	*p = v
	key, _ = m.table.at(m.table.len() - 1) // new entries are the last
	return key
}

// Delete removes a name and reports whether it was there. The last entry takes
// its place.
func (m *Map[V]) Delete(name string) bool {
	deleted := m.table.delete(unsafe.Slice(unsafe.StringData(name), len(name)))
	if deleted && m.Len() == 0 {
		*m = Map[V]{} // a table keeps a page
	}
	return deleted
}

// At returns the i-th entry, 0 <= i < Len.
func (m *Map[V]) At(i int) (name string, v V) {
	name, p := m.table.at(i)
	return name, *p
}

// All iterates over the entries, in no order that means anything. The map must
// not be changed meanwhile.
func (m *Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for i := range m.Len() {
			if !yield(m.At(i)) {
				return
			}
		}
	}
}

// Bytes is what the map takes with its names, in bytes, without what its values
// point to.
func (m *Map[V]) Bytes() int { return m.table.bytes }
