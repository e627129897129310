package datastructs

import "slices"

// An Account is the sum of bytes that the keyspaces sharing it take. The zero value is
// ready; a nil Account holds 0.
//
// A value that is changed in place does not notify its keyspace. So a caller calls
// Keyspace.BeginChange before such a change, and Account.Update after it.
type Account struct {
	bytes  int
	opened []opened
}

// An opened value is one that may have grown or shrunk since.
type opened struct {
	of     *Keyspace
	value  Value
	before int
}

// Bytes returns the sum.
func (a *Account) Bytes() int {
	if a == nil {
		return 0
	}
	return a.bytes
}

// Update accounts for the values since BeginChange, whether or not a key still holds them.
func (a *Account) Update() {
	if a == nil || len(a.opened) == 0 {
		return
	}
	for _, o := range a.opened {
		o.of.values += allocSize(o.value) - o.before
		o.of.updateAccount()
	}
	clear(a.opened)
	a.opened = a.opened[:0]
}

// NewKeyspace returns a keyspace that adds its bytes to a, and counts uses as c says. Either
// may be nil.
func NewKeyspace(a *Account, c *Counting) *Keyspace { return &Keyspace{account: a, counting: c} }

// BeginChange must be called before a value, got from a key, is changed in place.
func (k *Keyspace) BeginChange(key []byte, v Value) {
	k.beforeChange(key)
	if k.account != nil && !k.account.isOpen(v) {
		k.account.opened = append(k.account.opened, opened{k, v, allocSize(v)})
	}
}

func (a *Account) isOpen(v Value) bool {
	return a != nil && slices.ContainsFunc(a.opened, func(o opened) bool { return o.value == v })
}

// accountChange accounts for a value that the keyspace itself has changed, unless
// Account.Update will. before is the size of it before the change.
func (k *Keyspace) accountChange(v Value, before int) {
	if !k.account.isOpen(v) {
		k.values += allocSize(v) - before
	}
}

// accountReplace counts a value that has taken the place of another; either may be nil.
func (k *Keyspace) accountReplace(old, v Value) {
	if old != v {
		k.values += allocSize(v) - allocSize(old)
	}
}

// updateAccount adds the change in bytes to the account.
func (k *Keyspace) updateAccount() {
	if k.account == nil {
		return
	}
	now := k.Bytes()
	k.account.bytes += now - k.counted
	k.counted = now
}
