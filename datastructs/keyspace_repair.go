package datastructs

// Repair makes a key sound whose value was being changed by something that
// panicked half way, so that nobody knows what was done. It returns the value, as
// it is from now on, or nil where there is none: one that is empty goes, and so
// does one that is damaged, as the next call might read nonsense in it, or not
// come to an end. Nothing in here panics or damages by itself; this is for bugs.
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

// succeeds reports whether f ends well.
func succeeds(f func() error) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return f() == nil
}
