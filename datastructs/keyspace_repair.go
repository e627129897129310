package datastructs

// Repair repairs a key after a panic during a change of its value. It returns the value, or
// nil if there is none. An empty or damaged value is deleted: the next call might read
// nonsense in it, or never end. Nothing in this package panics or damages values by itself;
// this is for bugs.
func (k *Keyspace) Repair(key []byte) Value {
	r, ok := k.keys.get(key)
	if !ok {
		return nil
	}
	if succeeds(func() error { return r.value.Check() }) && !r.value.Empty() &&
		succeeds(func() error { k.fields.update(k, key, r.value, r.value); return nil }) {
		return r.value
	}
	if !succeeds(func() error { k.Delete(key); return nil }) {
		k.keys.delete(key)
	}
	return nil
}

// succeeds reports whether f returns nil and does not panic.
func succeeds(f func() error) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return f() == nil
}
