package datastructs

import "slices"

// An Account knows what the keyspaces that share it take, in bytes, at any time:
// they add what they gain and lose. The zero value is ready; to nil nothing is
// told, and it holds 0.
//
// A value that is changed in place does not tell its keyspace. So who is about to
// change one says so with Keyspace.Open, and calls Settle when done.
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

// Update counts what the values that have been opened take now, and forgets
// them. It does not matter whether a key still holds them.
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

// NewKeyspace returns a keyspace that tells an account, and asks whether to count
// uses. Either may be nil.
func NewKeyspace(a *Account, c *Counting) *Keyspace { return &Keyspace{account: a, counting: c} }

// BeginChange is to be told of a value, got from a key, that is about to be changed in
// place.
func (k *Keyspace) BeginChange(key []byte, v Value) {
	k.beforeChange(key)
	if k.account != nil && !k.account.isOpen(v) {
		k.account.opened = append(k.account.opened, opened{k, v, allocSize(v)})
	}
}

func (a *Account) isOpen(v Value) bool {
	return a != nil && slices.ContainsFunc(a.opened, func(o opened) bool { return o.value == v })
}

// accountChange counts a value that the keyspace itself has changed, which took so much
// before, unless Settle will.
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

// updateAccount tells the account what has changed.
func (k *Keyspace) updateAccount() {
	if k.account == nil {
		return
	}
	now := k.Bytes()
	k.account.bytes += now - k.counted
	k.counted = now
}
