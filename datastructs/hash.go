package datastructs

import (
	"encoding/binary"
	"iter"
	"slices"
)

// A Hash maps fields to values. Its zero value is empty and ready; a nil *Hash
// reads as empty.
//
// A small hash is one packed blob; one that outgrows the blob becomes a table,
// for good. Either way its fields come in the order in which they were first
// set, whatever is updated or deleted, as long as Redis would keep it as a
// listpack, which has that order. Beyond that Redis gives no order; here a
// table's last field takes the place of a deleted one.
//
// A field may have a deadline; see fieldDeadlines, which a hash without any
// does not have.
//
// All slices that a Hash gives out alias its storage: they are valid until its
// next change and must never be written to. Nothing that a Hash is given may
// alias its storage. Reads write nothing.
type Hash struct {
	packed []byte // field, value, field, value, ...; unused once large is set
	large  *table[string]
	expiry *fieldDeadlines // nil if no field has a deadline
	n      int32           // fields in packed
	// hashtable and listpackex are what clients are told, not how the fields are
	// kept: whether the hash has ever been more than Redis puts into a listpack,
	// and whether a field has ever had a deadline.
	hashtable, listpackex bool
}

// Len returns the number of fields.
func (h *Hash) Len() int {
	switch {
	case h == nil:
		return 0
	case h.large != nil:
		return h.large.len() - h.expiry.hidden()
	}
	return int(h.n)
}

// Empty reports whether there are no fields; a key never holds an empty hash.
func (h *Hash) Empty() bool { return h.Len() == 0 }

// Kind is KindHash.
func (h *Hash) Kind() Kind { return KindHash }

// Encoding returns what Redis would answer to OBJECT ENCODING: "listpack" until
// the hash has had more than 512 fields or a field or value of more than 64
// bytes, "hashtable" from then on, whatever becomes of them. A listpack in which
// a field has ever had a deadline is a "listpackex", as from Redis 7.4 on.
func (h *Hash) Encoding() string {
	switch {
	case h != nil && h.hashtable:
		return "hashtable"
	case h != nil && h.listpackex:
		return "listpackex"
	}
	return "listpack"
}

// KeepListpack makes a hash that has just been read from another server's
// listpack one too, though its fields or values may be longer than ours are
// there: that server's limit was another. More than 512 fields are too many.
func (h *Hash) KeepListpack() {
	h.hashtable = h.Len() > HashListpackEntries
}

// Clone returns an independent copy, of the same order, encoding and deadlines.
func (h *Hash) Clone() Value {
	if h == nil {
		return &Hash{}
	}
	c := &Hash{packed: slices.Clone(h.packed), n: h.n, hashtable: h.hashtable, listpackex: h.listpackex}
	switch {
	case h.large == nil:
		c.expiry = h.expiry.clonePacked()
	case h.expiry.hidden() > 0 && h.expiry.view:
		h.copyVisible(c)
	default:
		large := h.large.clone(nil)
		c.large = &large
		c.expiry = h.expiry.cloneTable()
	}
	return c
}

// Get returns the value of a field.
func (h *Hash) Get(field []byte) ([]byte, bool) {
	switch {
	case h == nil:
		return nil, false
	case h.large != nil:
		v, ok := h.large.get(field)
		if !ok || h.expiry.hides(stringOf(field)) {
			return nil, false
		}
		return bytesOf(*v), true
	}
	value, _, _ := h.find(field)
	return value, value != nil
}

// Set gives a field its value, copying both unless they are large, and reports whether the field is
// new. A field that is there keeps its place, but not its deadline: one that had
// one goes behind the others.
func (h *Hash) Set(field, value []byte) (added bool) {
	if h.expiry != nil {
		h.ClearDeadline(field)
	}
	return h.Update(field, value)
}

// Update is Set for a field that keeps its deadline.
func (h *Hash) Update(field, value []byte) (added bool) {
	h.checkWritable()
	if len(field) > HashListpackValue || len(value) > HashListpackValue {
		h.hashtable = true
	}
	if h.large == nil {
		old, start, end := h.find(field)
		grown := int(h.n)
		if old == nil {
			grown++
		}
		if packedFits(h.packed[:len(h.packed)-(end-start)], grown, len(field), len(value)) {
			h.setPacked(field, value, start, end)
			h.n = int32(grown)
			return old == nil
		}
		h.convert()
	}
	v, added := h.large.put(field)
	h.large.bytes += textBytes(len(value)) - textBytes(len(*v))
	*v = textOf(value)
	if h.large.len() > HashListpackEntries {
		h.hashtable = true
	}
	return added
}

// Delete removes a field and reports whether it was there.
func (h *Hash) Delete(field []byte) bool {
	if h == nil {
		return false
	}
	if h.expiry != nil {
		h.ClearDeadline(field)
	}
	if h.large != nil {
		return h.deleteLarge(field)
	}
	value, start, end := h.find(field)
	if value == nil {
		return false
	}
	h.packed = resizeGap(h.packed, start, end, 0)
	h.n--
	return true
}

func (h *Hash) deleteLarge(field []byte) bool {
	if v, ok := h.large.get(field); ok {
		h.large.bytes -= textBytes(len(*v))
	}
	if !h.hashtable {
		return h.large.deleteInOrder(field)
	}
	return h.large.delete(field)
}

// At returns the i-th field in the order of All, 0 <= i < Len.
func (h *Hash) At(i int) (field, value []byte) {
	if h.large != nil {
		f, v := h.large.at(h.expiry.visible(h.large, i))
		return bytesOf(f), bytesOf(*v)
	}
	rest := h.packed
	for ; i >= 0; i-- {
		field, rest = unpack(rest)
		value, rest = unpack(rest)
	}
	return field, value
}

// All walks every field with its value. The hash must not change meanwhile.
func (h *Hash) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(field, value []byte) bool) {
		switch {
		case h == nil:
		case h.large != nil:
			hidden := h.expiry.hidden() > 0 // seldom, so that the others need not ask
			for i := range h.large.len() {
				f, v := h.large.at(i)
				if hidden && h.expiry.hides(f) {
					continue
				}
				if !yield(bytesOf(f), bytesOf(*v)) {
					return
				}
			}
		default:
			for rest := h.packed; len(rest) > 0; {
				var field, value []byte
				field, rest = unpack(rest)
				value, rest = unpack(rest)
				if !yield(field, value) {
					return
				}
			}
		}
	}
}

// Scan visits some fields, about count of them, and returns the cursor to go on
// with: 0 starts, and 0 returned means that all is done. A field that is there
// from the first step to the last is visited at least once, whatever changes
// between the steps; visit itself must change nothing.
//
// A hash that is packed, or that clients are told is a listpack, is visited
// whole in one step, as in Redis. So no cursor is ever given out before the
// hash has become a table, and a table stays one: the promise is that of
// table.scan.
func (h *Hash) Scan(cursor uint64, count int, visit func(field, value []byte)) uint64 {
	if h == nil {
		return 0
	}
	if h.large == nil || !h.hashtable {
		for f, v := range h.All() {
			visit(f, v)
		}
		return 0
	}
	return h.large.scan(cursor, count, func(f string, v *string) {
		if !h.expiry.hides(f) {
			visit(bytesOf(f), bytesOf(*v))
		}
	})
}

// find looks for a field in the blob: its value, never nil if it is there, and
// where the pair starts and ends. If it is not there, start and end are the end
// of the blob.
func (h *Hash) find(field []byte) (value []byte, start, end int) {
	for rest := h.packed; len(rest) > 0; {
		start = len(h.packed) - len(rest)
		var f []byte
		f, rest = unpack(rest)
		value, rest = unpack(rest)
		if string(f) == string(field) {
			return value, start, len(h.packed) - len(rest)
		}
	}
	return nil, len(h.packed), len(h.packed)
}

// setPacked writes a pair over the one between start and end, or at the end of
// the blob.
func (h *Hash) setPacked(field, value []byte, start, end int) {
	if start == end {
		h.packed = appendPacked(h.packed, field, value)
		return
	}
	start += packedLen(len(field))
	h.packed = resizeGap(h.packed, start, end, packedLen(len(value)))
	start += binary.PutUvarint(h.packed[start:], uint64(len(value)))
	copy(h.packed[start:], value)
}

// convert turns the blob into a table of the same order.
func (h *Hash) convert() {
	large := &table[string]{}
	for f, v := range h.All() {
		p, _ := large.put(f)
		*p = string(v)
		large.bytes += textBytes(len(v))
	}
	h.expiry.moveTo(large)
	h.large, h.packed, h.n = large, nil, 0
}
