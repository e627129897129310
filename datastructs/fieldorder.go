package datastructs

import (
	"fmt"

	"github.com/tidwall/btree"
)

// A fieldOrder has the hashes of a Keyspace that have fields with deadlines, in
// the order of the first deadline of each. The zero value is ready.
//
// The deadline with which a hash is in here stands in the hash: nothing else is
// kept for it, and nothing at all for hashes without.
type fieldOrder struct {
	order *btree.BTreeG[deadline]
}

func (o *fieldOrder) len() int {
	if o.order == nil {
		return 0
	}
	return o.order.Len()
}

func (o *fieldOrder) next() (key string, at int64, ok bool) {
	if o.order == nil {
		return "", 0, false
	}
	first, ok := o.order.Min()
	return first.key, first.at, ok
}

func isHash(v Value) bool { _, ok := v.(*Hash); return ok }

// follow is told each value of a key that has been put in place of another, or
// of itself after a change. nil is none.
func (o *fieldOrder) follow(k *Keyspace, key []byte, old, v Value) {
	h, ok := v.(*Hash)
	if ok {
		h.checkWritable()
	}
	if before, was := old.(*Hash); was && before != h {
		o.drop(key, before)
	}
	if !ok || h.mortal == nil {
		return
	}
	at, some := h.NextDeadline()
	if d := h.mortal; some && d.listed && at == d.listedAt {
		return
	}
	name, had := o.drop(key, h)
	switch {
	case !some:
		return
	case !had:
		name = k.name(key)
	}
	if o.order == nil {
		o.order = newOrder()
	}
	o.order.Set(deadline{at, name})
	h.mortal.listed, h.mortal.listedAt = true, at
}

// drop takes a hash out of the order, if it is there, and returns the key as it
// was kept.
func (o *fieldOrder) drop(key []byte, h *Hash) (kept string, had bool) {
	d := h.mortal
	if d == nil {
		return "", false
	}
	if d.listed {
		old, _ := o.order.Delete(deadline{d.listedAt, stringOf(key)})
		kept, had, d.listed = old.key, true, false
		if o.order.Len() == 0 {
			o.order = nil
		}
	}
	h.forgetDeadlines()
	return kept, had
}

// ExpireFields removes those fields of key's hash whose deadline is the first,
// at most limit of them, and returns how many. It tells each field before it
// goes. But if they are all that the hash has, it removes the key instead, in
// one step and whatever the limit.
func (k *Keyspace) ExpireFields(key []byte, limit int, gone func(field []byte)) (n int, emptied bool) {
	r, ok := k.keys.get(key)
	if !ok {
		return 0, false
	}
	h, ok := r.value.(*Hash)
	if !ok {
		return 0, false
	}
	at, ok := h.NextDeadline()
	switch {
	case !ok:
		return 0, false
	case h.spent(at + 1):
		n = h.Len()
		k.Delete(key)
		return n, true
	}
	before := Bytes(h)
	n = h.expireFirst(limit, gone)
	k.changed(h, before)
	k.fields.follow(k, key, h, h)
	k.recount()
	return n, false
}

// FieldDeadline returns the first of the deadlines that fields of key's hash
// have, if there is one.
func (k *Keyspace) FieldDeadline(key []byte) (at int64, ok bool) {
	r, ok := k.keys.get(key)
	if !ok {
		return 0, false
	}
	h, ok := r.value.(*Hash)
	if !ok {
		return 0, false
	}
	return h.NextDeadline()
}

func (o *fieldOrder) checkOne(h *Hash, key string) error {
	at, ok := h.NextDeadline()
	d := h.mortal
	if !ok || !d.listed || d.listedAt != at {
		return fmt.Errorf("keyspace: %q is kept by the deadline %d of a field, not %d", key, d.listedAt, at)
	}
	if _, ok := o.order.Get(deadline{at, key}); !ok {
		return fmt.Errorf("keyspace: deadline %d of a field of %q is not in order", at, key)
	}
	return nil
}
