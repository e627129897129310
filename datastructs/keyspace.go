package datastructs

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"sync/atomic"
)

// A Keyspace is one numbered database: keys, their values and deadlines. The
// zero value is ready.
//
// It knows no clock: whoever holds it hands in the time, in milliseconds since
// 1970. A key whose deadline has passed reads as absent from then on, but
// stays in memory, and in Len, At, All and Scan, until the holder deletes it:
// reads change nothing but the mark of the last use, which is atomic, so any
// number of them may run at once. The same goes for the fields of a hash: Get
// and Peek return it without those that have expired, and nothing if none is
// left. What they return is to be changed only after ExpireFields has left
// nothing to expire in it.
type Keyspace struct {
	keys      table[record]
	deadlines deadlines
	fields    fieldOrder
	layers    []*Layer // the last opened is the last; nil: none

	counting *Counting // of uses; nil: they are not counted
	account  *Account  // may be nil
	values   int       // bytes of the values
	counted  int       // of all, the account has been told
}

// A record is what is known of a key. There are millions: it has 24 bytes, and
// of a deadline, which few keys have, only its number.
type record struct {
	value    Value
	used     uint32 // seconds since 1970, as fine as Redis keeps it, or how often: see Counting; atomic
	deadline uint32 // within deadlines; 0: never
}

func (r *record) touch(now int64) {
	if s := seconds(now); atomic.LoadUint32(&r.used) != s { // spare the other readers a write
		atomic.StoreUint32(&r.used, s)
	}
}

func seconds(now int64) uint32 { return uint32(now / 1000) }

// Len is the number of keys. Expired ones that nobody deleted yet are included.
func (k *Keyspace) Len() int { return k.keys.len() }

// Get returns the value of key, nil if it is absent or expired, and marks its use.
// By chance it is that a use is counted, where uses are.
func (k *Keyspace) Get(key []byte, now int64, chance *rand.Rand) Value {
	r := k.live(key, now)
	if r == nil {
		return nil
	}
	k.markUse(r, now, chance)
	return visibleAt(r.value, now)
}

// Peek is Get without marking the use.
func (k *Keyspace) Peek(key []byte, now int64) Value {
	if r := k.live(key, now); r != nil {
		return visibleAt(r.value, now)
	}
	return nil
}

// visibleAt is a value as it is to be seen at a time.
func visibleAt(v Value, now int64) Value {
	if h, ok := v.(*Hash); ok && h.expiry != nil {
		return h.viewAt(now)
	}
	return v
}

// Put gives key a value, new or in place of another, and marks its use. A
// deadline is kept, unless it has passed: then the old key is gone, and this
// is a new one. Put reports whether it is. Nobody may put an empty value, or nil.
func (k *Keyspace) Put(key []byte, v Value, now int64) (added bool) {
	return k.put(key, v, now, true)
}

// PutNoTouch is Put without marking a use of a value that is already there.
func (k *Keyspace) PutNoTouch(key []byte, v Value, now int64) (added bool) {
	return k.put(key, v, now, false)
}

func (k *Keyspace) put(key []byte, v Value, now int64, used bool) (added bool) {
	k.beforeChange(key)
	r, added := k.keys.put(key)
	k.accountReplace(r.value, v)
	if !added && k.expired(r, now) {
		k.deadlines.remove(r, key)
		added = true
	}
	if isHash(r.value) || isHash(v) {
		k.fields.update(k, key, r.value, v)
	}
	switch {
	case added:
		k.markNew(r, now)
	case (used || r.value != v) && !k.counts(): // to get it was the use that counts
		r.touch(now)
	}
	r.value = v
	k.updateAccount()
	return added
}

// Delete removes key with its deadline and reports whether it was there,
// expired or not.
func (k *Keyspace) Delete(key []byte) bool {
	r, ok := k.keys.get(key)
	if !ok {
		return false
	}
	k.beforeChange(key)
	k.deadlines.remove(r, key)
	if isHash(r.value) {
		k.fields.update(k, key, r.value, nil)
	}
	k.accountReplace(r.value, nil)
	k.keys.delete(key)
	k.updateAccount()
	return true
}

// Deadline returns the last millisecond of key's life, if it has one.
func (k *Keyspace) Deadline(key []byte) (at int64, ok bool) {
	r, ok := k.keys.get(key)
	if !ok || r.deadline == 0 {
		return 0, false
	}
	return k.deadlines.at(r), true
}

// SetDeadline gives key a deadline in place of any other. The key is expired
// once the time is greater than at. An absent key gets none.
func (k *Keyspace) SetDeadline(key []byte, at int64) {
	r, ok := k.keys.get(key)
	if !ok {
		return
	}
	k.beforeChange(key)
	name, had := k.deadlines.remove(r, key)
	if !had {
		name = k.name(key)
	}
	k.deadlines.set(r, name, at)
	k.updateAccount()
}

// name returns a key that is there as the string that is kept already.
func (k *Keyspace) name(key []byte) string {
	if last, _ := k.keys.at(k.keys.len() - 1); last == string(key) { // the usual one to get a deadline
		return last
	}
	name, _ := k.keys.keyOf(key)
	return name
}

// ClearDeadline removes the deadline of a key and reports whether it had one.
func (k *Keyspace) ClearDeadline(key []byte) bool {
	r, ok := k.keys.get(key)
	if !ok {
		return false
	}
	k.beforeChange(key)
	_, had := k.deadlines.remove(r, key)
	k.updateAccount()
	return had
}

// Expired reports whether key is still here although its deadline has passed, or
// that of each field of the hash that it holds.
func (k *Keyspace) Expired(key []byte, now int64) bool {
	r, ok := k.keys.get(key)
	return ok && k.expired(r, now)
}

// A Due is what expires next: a key, or fields of the hash that it holds.
type Due struct {
	Key    string
	At     int64 // the last millisecond of its life
	Fields bool
}

// HasDeadlines reports whether any key or field has a deadline.
func (k *Keyspace) HasDeadlines() bool { return k.deadlines.order != nil || k.fields.order != nil }

// Next returns what expires first; not ok if nothing ever does. Of equal
// deadlines keys come first, and the smallest key.
func (k *Keyspace) Next() (Due, bool) {
	key, at, ok := k.deadlines.next()
	of, fieldsAt, fieldsOK := k.fields.next()
	if fieldsOK && (!ok || fieldsAt < at) {
		return Due{of, fieldsAt, true}, true
	}
	return Due{key, at, false}, ok
}

// Volatile is the number of keys with a deadline.
func (k *Keyspace) Volatile() int { return k.deadlines.len() }

// AverageTTL estimates the milliseconds that the keys with a deadline have
// left, from a few of them spread evenly over the order of deadlines; 0 if
// there are none.
func (k *Keyspace) AverageTTL(now int64) int64 { return k.deadlines.average(now) }

// Idle returns the whole seconds since key was last used; not ok if it is
// absent or expired.
func (k *Keyspace) Idle(key []byte, now int64) (int64, bool) {
	r := k.live(key, now)
	if r == nil {
		return 0, false
	}
	return max(0, int64(seconds(now))-int64(atomic.LoadUint32(&r.used))), true
}

// SetIdle makes key look as if it had not been used for so many seconds, or since
// 1970 at most. An absent key stays absent.
func (k *Keyspace) SetIdle(key []byte, idle, now int64) {
	if r := k.live(key, now); r != nil {
		used := max(0, int64(seconds(now))-idle)
		atomic.StoreUint32(&r.used, uint32(used))
	}
}

// At returns the i-th key, 0 <= i < Len, in an order that only changes when
// keys come or go: a random i makes a uniform pick. It may be expired.
func (k *Keyspace) At(i int) (key string, v Value) {
	key, r := k.keys.at(i)
	return key, r.value
}

// All walks all keys, expired ones included. The keyspace must not change meanwhile.
func (k *Keyspace) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for i := range k.keys.len() {
			if !yield(k.At(i)) {
				return
			}
		}
	}
}

// Scan visits some count keys, expired ones included, and returns the cursor
// for the next call; it starts and ends at 0. A key present from the first
// call to the last is visited at least once, whatever happens in between. The
// keyspace must not change during visit.
func (k *Keyspace) Scan(cursor uint64, count int, visit func(key string, v Value)) uint64 {
	return k.keys.scan(cursor, count, func(key string, r *record) { visit(key, r.value) })
}

// Clear removes everything, in one step.
func (k *Keyspace) Clear() {
	k.moveToLayer()
	*k = Keyspace{counting: k.counting, account: k.account, counted: k.counted, layers: k.layers}
	k.updateAccount()
}

// live returns the record of a key that is present and not expired, or nil.
func (k *Keyspace) live(key []byte, now int64) *record {
	r, ok := k.keys.get(key)
	if !ok || k.expired(r, now) {
		return nil
	}
	return r
}

// expired is Redis's keyIsExpired: a key still lives in the millisecond of its
// deadline. A hash of which no field lives any more is no longer there either.
func (k *Keyspace) expired(r *record, now int64) bool {
	if r.deadline != 0 && now > k.deadlines.at(r) {
		return true
	}
	h, ok := r.value.(*Hash)
	return ok && h.expiry != nil && h.allExpired(now)
}

// Check reports a broken invariant, of the values too, for tests.
func (k *Keyspace) Check() error {
	if err := k.keys.check(); err != nil {
		return fmt.Errorf("keyspace: %w", err)
	}
	listed, bytes := 0, 0
	var volatile []uint32
	for i := range k.keys.len() {
		key, r := k.keys.at(i)
		switch {
		case r.value == nil:
			return fmt.Errorf("keyspace: %q has no value", key)
		case r.value.Empty():
			return fmt.Errorf("keyspace: %q holds an empty %s", key, r.value.Kind())
		}
		bytes += allocSize(r.value)
		if err := r.value.Check(); err != nil {
			return fmt.Errorf("keyspace: %q: %w", key, err)
		}
		if r.deadline != 0 {
			volatile = append(volatile, r.deadline)
			if err := k.deadlines.checkOne(r, key); err != nil {
				return err
			}
		}
		if h, ok := r.value.(*Hash); ok && h.expiry != nil {
			listed++
			if err := k.fields.checkOne(h, key); err != nil {
				return err
			}
		}
	}
	if k.fields.len() != listed {
		return fmt.Errorf("keyspace: %d hashes in the order of fields that expire, %d with such", k.fields.len(), listed)
	}
	if err := k.deadlines.check(len(volatile)); err != nil {
		return err
	}
	if err := k.deadlines.checkAll(volatile); err != nil {
		return err
	}
	if err := k.checkLayers(); err != nil {
		return err
	}
	return k.checkBytes(bytes)
}

// checkBytes holds what is kept against what has been counted anew.
func (k *Keyspace) checkBytes(values int) error {
	switch {
	case k.account == nil: // no account is updated
		return nil
	case values != k.values:
		return fmt.Errorf("keyspace: the values take %d bytes, not %d", values, k.values)
	case k.counted != k.Bytes():
		return fmt.Errorf("keyspace: %d bytes, of which the account knows %d", k.Bytes(), k.counted)
	}
	return nil
}
