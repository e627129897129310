package commands

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// A Policy says which keys are evicted when memory is full, and in which order. The zero
// Policy evicts none.
type Policy struct {
	volatile bool // only keys with a deadline
	order    evictionOrder
}

// An evictionOrder is the order in which a policy evicts keys.
type evictionOrder uint8

// What a policy may go by.
const (
	noEviction evictionOrder = iota // no key goes
	byLRU                           // the one that has not been used for the longest time
	byLFU                           // the one that is used most rarely
	byRandom
	byTTL // the one that would expire first
)

// policies are in the order in which Redis lists them.
var policies = []struct {
	name string
	Policy
}{
	{"volatile-lru", Policy{true, byLRU}},
	{"volatile-lfu", Policy{true, byLFU}},
	{"volatile-random", Policy{true, byRandom}},
	{"volatile-ttl", Policy{true, byTTL}},
	{"allkeys-lru", Policy{false, byLRU}},
	{"allkeys-lfu", Policy{false, byLFU}},
	{"allkeys-random", Policy{false, byRandom}},
	{"noeviction", Policy{}},
}

// name returns the policy's name in Redis.
func (p Policy) name() string {
	for _, known := range policies {
		if known.Policy == p {
			return known.name
		}
	}
	return ""
}

// Evicts reports whether the policy evicts keys at all.
func (p Policy) Evicts() bool { return p.order != noEviction }

// Configured must be called after Config has changed. It adapts how uses of keys are counted
// to the policy.
func (s *State) Configured() {
	now := datastructs.Counting{On: s.Config.Policy.order == byLFU, Factor: s.Config.LFUFactor, Decay: s.Config.LFUDecay}
	if now != s.Counting {
		s.Counting = now
		s.Eviction.clearPool()
	}
}

func setPolicy(draft *Config, v string) error {
	v = cutText(v)
	names := make([]string, len(policies))
	for i, known := range policies {
		if sameWord(known.name, v) {
			draft.Policy = known.Policy
			return nil
		}
		names[i] = known.name
	}
	return errors.New("argument(s) must be one of the following: " + strings.Join(names, ", "))
}

// setMaxMemory takes all that 64 bits hold, as Redis does.
func setMaxMemory(draft *Config, v string) error {
	n, ok := parseMemory(v)
	if !ok {
		return errNotMemory
	}
	draft.MaxMemory = n
	return nil
}

const (
	errNotPercent  = resp.Error("argument must be a memory or percent value")
	errHighPercent = resp.Error("percentage argument must be less or equal to 100")
)

// setMaxClientMemory takes bytes, or so many percent of maxmemory, which are kept as
// a negative number. As in Redis, bytes beyond 63 bits are read as percent.
func setMaxClientMemory(draft *Config, v string) error {
	text, percent := strings.CutSuffix(cutText(v), "%")
	n, ok := ParseInt([]byte(text))
	switch {
	case percent && (!ok || n < 0):
		return errNotPercent
	case percent:
		n = -n
	default:
		bytes, ok := parseMemory(v)
		if !ok {
			return errNotPercent
		}
		n = int64(bytes)
	}
	if n < -100 {
		return errHighPercent
	}
	draft.MaxClientMemory = n
	return nil
}

func maxClientMemoryText(c *Context) string {
	if n := c.Config.MaxClientMemory; n < 0 {
		return fmt.Sprintf("%d%%", -n)
	}
	return strconv.FormatInt(c.Config.MaxClientMemory, 10)
}

// minClientMemory is Redis's: below it nobody could tell a server to allow more.
const minClientMemory = 128 << 10

// ClientMemoryLimit is what all clients together may take, in bytes; 0: any amount.
func (c *Config) ClientMemoryLimit() int64 {
	limit := c.MaxClientMemory
	if limit < 0 { // first divided: the product may be too large
		limit = int64(min(c.MaxMemory/100, math.MaxInt64/100)) * -limit
	}
	if limit == 0 {
		return 0
	}
	return max(limit, minClientMemory)
}
