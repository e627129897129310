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

// update is told each value of a key that has been put in place of another, or
// of itself after a change. nil is none.
func (o *fieldOrder) update(k *Keyspace, key []byte, old, v Value) {
	h, ok := v.(*Hash)
	if ok {
		h.checkWritable()
	}
	if before, was := old.(*Hash); was && before != h {
		o.drop(key, before)
	}
	if !ok || h.expiry == nil {
		return
	}
	at, some := h.firstDeadline()
	if d := h.expiry; some && d.listed && at == d.listedAt {
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
	h.expiry.listed, h.expiry.listedAt = true, at
}

// drop takes a hash out of the order, if it is there, and returns the key as it
// was kept.
func (o *fieldOrder) drop(key []byte, h *Hash) (kept string, had bool) {
	d := h.expiry
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
	h.dropEmptyExpiry()
	return kept, had
}

// ExpireFields removes those fields of key's hash whose deadline is the first,
// at most limit of them, and returns how many. It tells each field before it
// goes. But if they are all that the hash has, it removes the key instead, in
// one step and whatever the limit.
func (k *Keyspace) ExpireFields(key []byte, limit int, gone func(field []byte)) (n int, emptied bool) {
	h := k.hash(key)
	if h == nil {
		return 0, false
	}
	at, ok := h.firstDeadline()
	switch {
	case !ok:
		return 0, false
	case h.allExpired(at + 1):
		n = h.Len() + h.numHidden()
		k.Delete(key)
		return n, true
	}
	k.beforeChange(key)
	before := allocSize(h)
	n = h.expireFirst(limit, gone)
	k.accountChange(h, before)
	k.fields.update(k, key, h, h)
	k.updateAccount()
	return n, false
}

// ExpireField removes a field that key's hash hides, and reports whether it did.
func (k *Keyspace) ExpireField(key, field []byte) bool {
	h := k.hiding(key)
	if h == nil || !h.expiry.hides(stringOf(field)) {
		return false
	}
	k.beforeChange(key)
	before := allocSize(h)
	h.expiry.remove(stringOf(field))
	h.deleteLarge(field)
	h.dropEmptyExpiry()
	k.accountChange(h, before)
	k.fields.update(k, key, h, h)
	k.updateAccount()
	return true
}

// HideFields makes the fields of key's hash that have expired invisible to those
// who change it, as Hash.Hide does.
func (k *Keyspace) HideFields(key []byte, now int64) bool {
	h := k.hash(key)
	return h != nil && h.hide(now)
}

// Hides reports whether key's hash has fields that are hidden.
func (k *Keyspace) Hides(key []byte) bool { return k.hiding(key) != nil }

// HidingHash returns a key's hash, to be changed, if it hides all of its expired fields;
// otherwise nil.
func (k *Keyspace) HidingHash(key []byte, now int64) *Hash {
	h := k.hiding(key)
	if at, ok := h.nextDeadline(); ok && at < now {
		return nil
	}
	return h
}

// Fields is the number of fields of key's hash, expired and hidden ones included.
func (k *Keyspace) Fields(key []byte) int {
	h := k.hash(key)
	return h.Len() + h.numHidden()
}

func (k *Keyspace) hiding(key []byte) *Hash {
	if h := k.hash(key); h.numHidden() > 0 {
		return h
	}
	return nil
}

func (k *Keyspace) hash(key []byte) *Hash {
	r, ok := k.keys.get(key)
	if !ok {
		return nil
	}
	h, _ := r.value.(*Hash)
	return h
}

// FieldDeadline returns the first of the deadlines that fields of key's hash
// have, hidden ones aside, if there is one.
func (k *Keyspace) FieldDeadline(key []byte) (at int64, ok bool) {
	return k.hash(key).nextDeadline()
}

func (o *fieldOrder) checkOne(h *Hash, key string) error {
	at, ok := h.firstDeadline()
	d := h.expiry
	if !ok || !d.listed || d.listedAt != at {
		return fmt.Errorf("keyspace: %q is kept by the deadline %d of a field, not %d", key, d.listedAt, at)
	}
	if _, ok := o.order.Get(deadline{at, key}); !ok {
		return fmt.Errorf("keyspace: deadline %d of a field of %q is not in order", at, key)
	}
	return nil
}
