package commands

import (
	"slices"
)

// Keys says where a call holds its keys and what is done to them.
type Keys []KeySpec

// A KeySpec finds one run of keys in a call and says what happens to them. It
// is Redis's key specification (https://redis.io/docs/latest/develop/reference/key-specs/).
//
// The run starts at word First (the command's name is word 0) and goes to Last:
// relative to its start if >= 0, to the end of the call if negative (-1 is the
// last word). With Count, the word at the start is instead the number of keys
// that follow it.
//
// Two kinds of keys have no such place, and COMMAND INFO calls theirs unknown.
// With Option, the key is the word behind the last such option from First on;
// Skip says how many words belong to other options (in lower case), which may look the same.
// With Patterns, no word is the key: keys are made of patterns in the call and
// of data.
type KeySpec struct {
	First    int
	Last     int
	Step     int // 0 means 1
	Count    bool
	Option   string // in upper case
	Skip     map[string]int
	Patterns bool
	Flags    KeyFlags
}

// KeyFlags say what a command does with a key and with the data behind it.
type KeyFlags uint32

// The flags of a key, in the order in which COMMAND INFO lists them.
const (
	RO            KeyFlags = 1 << iota // reads the value
	RW                                 // reads and changes it
	OW                                 // overwrites it unread
	RM                                 // removes the key
	Access                             // returns, copies or compares user data
	Update                             // the new value depends on the old
	Insert                             // adds data
	Delete                             // removes data
	NotKey                             // is no key, but stands where a cluster looks for one
	variableFlags                      // as given with the option GET, else OW | Update
)

var keyFlagNames = [...]string{
	"RO", "RW", "OW", "RM", "access", "update", "insert", "delete",
	"not_key", "variable_flags",
}

// names lists the flags in Redis's words.
func (f KeyFlags) names() []string { return bitNames(f, keyFlagNames[:]) }

// movable reports whether first, last and step cannot say it all.
func (k Keys) movable() bool {
	return slices.ContainsFunc(k, func(s KeySpec) bool { return s.Count || s.unknown() })
}

// unknown reports whether the keys have no place of their own.
func (s KeySpec) unknown() bool { return s.Option != "" || s.Patterns }

// legacyRange returns the positions of the keys in the old form: the first, the last
// (negative: from the end) and the step; zeros where that form cannot say it.
func (k Keys) legacyRange() (first, last, step int) {
	if len(k) == 0 || k[0].Count {
		return 0, 0, 0
	}
	first, last, step = k[0].First, k[0].Last, k[0].step()
	if last >= 0 {
		last += first
	}
	for _, s := range k[1:] {
		if s.Count || s.unknown() || s.step() != 1 {
			continue
		}
		// Runs that touch are one range in the old form (RENAME: 1 to 2).
		end := s.Last
		if end >= 0 {
			end += s.First
		}
		if last >= 0 && s.First == last+1 {
			last = end
		}
	}
	return first, last, step
}

func (s KeySpec) step() int {
	if s.Step == 0 {
		return 1
	}
	return s.Step
}

// any reports whether calls have keys.
func (k Keys) any() bool {
	return slices.ContainsFunc(k, func(s KeySpec) bool { return s.Flags&NotKey == 0 })
}

// A KeyUse is one key of a call and what the call does with it.
type KeyUse struct {
	Key   []byte
	Flags KeyFlags
	At    int // its place in the call
}

// In returns the keys of a call that has passed the arity check. ok is false
// where the call names a number of keys that it does not have.
func (k Keys) In(args [][]byte) (uses []KeyUse, ok bool) {
	for _, s := range k {
		first, last, found := s.span(args)
		if !found || s.Flags&NotKey != 0 {
			continue
		}
		if first < 0 || last >= len(args) {
			return nil, false
		}
		flags := s.flagsIn(args, last)
		for i := first; i <= last; i += s.step() {
			uses = append(uses, KeyUse{args[i], flags, i})
		}
	}
	return uses, true
}

// span returns the first and last position of a run; first is -1 for a number of
// keys that makes no sense.
func (s KeySpec) span(args [][]byte) (first, last int, found bool) {
	first = s.First
	if first >= len(args) {
		return 0, 0, false
	}
	switch {
	case s.unknown():
		first, found = s.behindOption(args)
		return first, first, found
	case s.Count:
		n, ok := ParseInt(args[first])
		n = int64(int32(n)) // an int of C
		if !ok || n < 1 || n > int64(len(args)-first-1) {
			return -1, -1, true
		}
		return first + 1, first + int(n), true
	case s.Last < 0:
		return first, len(args) + s.Last, true
	}
	return first, first + s.Last, true
}

// behindOption finds the word behind the last Option.
func (s KeySpec) behindOption(args [][]byte) (at int, found bool) {
	for i := s.First; i < len(args); i++ {
		if skipped := s.Skip[lowered(string(args[i]))]; skipped > 0 {
			i += skipped
		} else if s.Option != "" && Is(args[i], s.Option) && i+1 < len(args) {
			at, found = i+1, true
		}
	}
	return at, found
}

// flagsIn decides what VariableFlags leaves open, by the words behind the key
// and its value.
func (s KeySpec) flagsIn(args [][]byte, key int) KeyFlags {
	if s.Flags&variableFlags == 0 {
		return s.Flags
	}
	for _, word := range args[min(key+2, len(args)):] {
		if Is(word, "GET") {
			return s.Flags &^ variableFlags
		}
	}
	return OW | Update
}
