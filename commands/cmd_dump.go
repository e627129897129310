package commands

import (
	"errors"
	"math"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
)

var dumpRows = []Command{
	{
		Name: "dump", Syntax: "key",
		Summary: "Gives a value in the form that RESTORE takes, of any Redis.",
		Since:   "2.6.0", Group: "generic", Complexity: "O(N), N being the size of the value",
		Arity: 2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  dump,
	},
	{
		Name: "restore", Syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
		Summary: "Makes a key of what DUMP has given.",
		Since:   "2.6.0", Group: "generic", Complexity: "O(N), N being the size of the value; O(N*log(N)) for sorted sets",
		Arity: -4, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}},
		ACL:  catKeyspace | catDangerous,
		Run:  restore,
	},
}

const (
	errBusyKey   = resp.Error("BUSYKEY Target key name already exists.")
	errTTL       = resp.Error("ERR Invalid TTL value, must be >= 0")
	errIdleTime  = resp.Error("ERR Invalid IDLETIME value, must be >= 0")
	errFrequency = resp.Error("ERR Invalid FREQ value, must be >= 0 and <= 255")
	errPayload   = resp.Error("ERR DUMP payload version or checksum are wrong")
	errFormat    = resp.Error("ERR Bad data format")

	// Redis would restore these.
	errNoSuchKind = resp.Error("ERR Bad data format: the payload holds a list or a stream, and this server has neither")
)

func dump(c *Context) error {
	v := c.Lookup(c.Args[1])
	if v == nil {
		c.Null()
		return nil
	}
	c.BulkOwned(rdb.Dump(v))
	return nil
}

// A restoring is what the options of RESTORE ask for.
type restoring struct {
	replace  bool
	absolute bool  // the TTL is a Unix time
	idle     int64 // seconds; negative: not given
	freq     int64 // likewise
}

func restore(c *Context) error {
	o, err := parseRestore(c)
	if err != nil {
		return err
	}
	key := c.Args[1]
	if !o.replace && c.DB.Peek(key, c.Now) != nil {
		return errBusyKey
	}
	ttl, err := c.IntArg(2)
	if err != nil {
		return err
	}
	if ttl < 0 {
		return errTTL
	}
	v, err := rdb.Restore(c.Args[3])
	switch {
	case errors.Is(err, rdb.ErrFooter):
		return errPayload
	case errors.Is(err, rdb.ErrUnsupported):
		return errNoSuchKind
	case err != nil:
		return errFormat
	}
	at, hasDeadline := ttl, ttl > 0
	if hasDeadline && !o.absolute {
		at += c.Now // beyond 64 bits it is long past, as in Redis
	}
	if hasDeadline && at <= c.Now {
		return restorePast(c, key)
	}
	if s, ok := v.(*datastructs.String); ok && c.Effects != nil {
		s.Bytes() // may be a part of the call, which the effect tells of: see newString
	}
	place(c, key, v, at, hasDeadline)
	switch {
	case c.Counting.On && o.freq >= 0:
		c.DB.SetFrequency(key, o.freq, c.Now)
	case !c.Counting.On && o.idle >= 0:
		c.DB.SetIdle(key, o.idle, c.Now)
	}
	c.Notify(EventGeneric, "restore", key)
	if hasDeadline && !o.absolute {
		c.EmitAs(restoreAt(c.Args, at)...)
	}
	c.OK()
	return nil
}

// restorePast does what is left of a RESTORE whose deadline has passed.
func restorePast(c *Context, key []byte) error {
	if c.Delete(key) {
		c.Notify(EventGeneric, "del", key)
		c.EmitAs("DEL", key)
	}
	c.OK()
	return nil
}

// restoreAt is the same call with a deadline in place of the TTL.
func restoreAt(args [][]byte, at int64) []any {
	words := make([]any, 0, len(args)+1)
	for _, a := range args {
		words = append(words, a)
	}
	words[2] = at
	return append(words, "ABSTTL")
}

func parseRestore(c *Context) (o restoring, err error) {
	o.idle, o.freq = -1, -1
	for i := 4; i < len(c.Args); i++ {
		option, more := c.Args[i], i+1 < len(c.Args)
		switch {
		case Is(option, "REPLACE"):
			o.replace = true
		case Is(option, "ABSTTL"):
			o.absolute = true
		case Is(option, "IDLETIME") && more && o.freq < 0:
			i++
			if o.idle, err = c.boundedArg(i, math.MaxInt64, errIdleTime); err != nil {
				return o, err
			}
		case Is(option, "FREQ") && more && o.idle < 0:
			i++
			if o.freq, err = c.boundedArg(i, math.MaxUint8, errFrequency); err != nil {
				return o, err
			}
		default:
			return o, ErrSyntax
		}
	}
	return o, nil
}

// boundedArg reads argument i as an integer from 0 to most.
func (c *Context) boundedArg(i int, most int64, otherwise error) (int64, error) {
	n, err := c.IntArg(i)
	if err == nil && (n < 0 || n > most) {
		err = otherwise
	}
	return n, err
}
