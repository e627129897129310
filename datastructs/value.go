// Package datastructs holds the data of a server: keyspaces, and the strings, hashes, sets
// and sorted sets in them.
//
// No type has a lock or a clock: callers pass the time in and serialize changes.
//
// Any program may import the package, for example to read values in a test. The API may
// change in any minor version before 1.0. The promise of a stable API within a minor version
// covers packages server, servertest, ops and resp only.
package datastructs

// A Kind is the type of a value. A key holds one kind at a time, and commands
// of another kind refuse it.
type Kind uint8

// The kinds of values. The zero Kind is none of them, so that a forgotten one shows.
const (
	KindString Kind = iota + 1
	KindHash
	KindSet
	KindSortedSet
)

// String returns the word that TYPE answers; "none" for the zero Kind, as TYPE
// answers for an absent key.
func (k Kind) String() string {
	switch k {
	case KindString:
		return "string"
	case KindHash:
		return "hash"
	case KindSet:
		return "set"
	case KindSortedSet:
		return "zset"
	}
	return "none"
}

// Redis's limits of its small encodings, at their defaults. Clients see them in
// what OBJECT ENCODING and CONFIG GET answer.
const (
	HashListpackEntries      = 512 // fields
	HashListpackValue        = 64  // bytes of a field or a value
	SetIntsetEntries         = 512 // members
	SortedSetListpackEntries = 128 // members
	SortedSetListpackValue   = 64  // bytes of a member
)

// A Value is what a key holds: a *String, *Hash, *Set or *SortedSet.
//
// No structure locks. Any number of goroutines may read a value at once, since
// a read writes nothing, not even a cache; a change needs the value alone.
type Value interface {
	Kind() Kind

	// Empty reports whether nothing is left, so that the key must go: no key
	// holds an empty hash, set or sorted set. A String is never Empty: ""
	// is a value.
	Empty() bool

	// Encoding is the word that OBJECT ENCODING answers. It describes what
	// Redis would use for this history of changes, not our own layout.
	Encoding() string

	// Clone returns a copy that shares nothing which a later change of
	// either could touch.
	Clone() Value

	// Check reports a broken invariant. It looks at all there is, for tests.
	Check() error
}
