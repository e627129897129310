package commands

import "github.com/parley-chat/parley/datastructs"

// Adversarial scans are what Redis permits, and seldom does: empty pages before the
// scan is over, elements of the page before once more, fewer elements than COUNT.
// They serve tests of programs that take for granted what they have always seen.
// What a scan promises holds: what is there all the time comes, and the scan ends.
// What Redis keeps packed it gives in one page, and so do these.
//
// A scan's cursor holds in bits that are otherwise 0 that its last page was an empty
// one, so that there is at most one between two others.
const emptyPageBit = 1 << 48 // below the 53 bits that JavaScript's numbers have

// mostAgain is how many elements of the page before may come again.
const maxRepeatedElements = 3

// perturb says what a step of a scan does instead: the walk from at with count, or
// nothing but to answer with a cursor, where empty is not 0.
func (c *Context) perturb(cursor uint64, count int) (at uint64, most int, empty uint64) {
	if !c.Host.AdversarialScans {
		return cursor, count, 0
	}
	at = cursor &^ emptyPageBit
	if cursor == at && c.Rand.IntN(3) == 0 {
		return at, count, cursor | emptyPageBit
	}
	most = count - c.Rand.IntN(count/2+1)
	if at == 0 {
		return at, most, 0
	}
	again := c.Rand.IntN(maxRepeatedElements + 1)
	return at + uint64(again), most + again, 0 // a cursor counts what is left
}

// repeatsMember reports whether a member is to come twice in one page: small sets of what is
// no integer have just one here, and are a hashtable for Redis.
func (c *Context) repeatsMember(s *datastructs.Set) bool {
	return c.Host.AdversarialScans && !packed(s) && c.Rand.IntN(8) == 0
}

// packed reports whether Redis has a value in one piece of memory.
func packed(v datastructs.Value) bool { return v.Encoding() == "listpack" || v.Encoding() == "intset" }
