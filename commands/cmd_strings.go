package commands

import (
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

var stringRows = []Command{
	{
		Name: "append", Syntax: "key value",
		Summary: "Adds text at the end of a string.",
		Since:   "2.0.0", Group: "string", Complexity: "O(1) amortized",
		Arity: 3, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Insert}},
		Run:  appendValue,
	},
	{
		Name: "decr", Syntax: "key",
		Summary: "Takes one from the integer in a key.",
		Since:   "1.0.0", Group: "string", Complexity: "O(1)",
		Arity: 2, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  decr,
	},
	{
		Name: "decrby", Syntax: "key decrement",
		Summary: "Takes a number from the integer in a key.",
		Since:   "1.0.0", Group: "string", Complexity: "O(1)",
		Arity: 3, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  decrby,
	},
	{
		Name: "get", Syntax: "key",
		Summary: "Reads a string.",
		Since:   "1.0.0", Group: "string", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  get,
	},
	{
		Name: "getdel", Syntax: "key",
		Summary: "Reads a string and deletes its key.",
		Since:   "6.2.0", Group: "string", Complexity: "O(1)",
		Arity: 2, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Delete}},
		Run:  getdel,
	},
	{
		Name: "getex", Syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
		Summary: "Reads a string and changes when its key expires.",
		Since:   "6.2.0", Group: "string", Complexity: "O(1)",
		Arity: -2, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  getex,
	},
	{
		Name: "getrange", Syntax: "key start end",
		Summary: "Reads a part of a string.",
		Since:   "2.4.0", Group: "string", Complexity: "O(N), N being the length of the part",
		Arity: 4, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  getrange,
	},
	{
		Name: "getset", Syntax: "key value",
		Summary: "Sets a string and replies with the one that was there.",
		Since:   "1.0.0", Group: "string", Complexity: "O(1)",
		Arity: 3, Flags: Write | DenyOOM | Fast,
		Keys:       Keys{{First: 1, Flags: RW | Access | Update}},
		Deprecated: "6.2.0", ReplacedBy: "SET with GET",
		Run: getset,
	},
	{
		Name: "incr", Syntax: "key",
		Summary: "Adds one to the integer in a key.",
		Since:   "1.0.0", Group: "string", Complexity: "O(1)",
		Arity: 2, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  incr,
	},
	{
		Name: "incrby", Syntax: "key increment",
		Summary: "Adds a number to the integer in a key.",
		Since:   "1.0.0", Group: "string", Complexity: "O(1)",
		Arity: 3, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  incrby,
	},
	{
		Name: "incrbyfloat", Syntax: "key increment",
		Types:   map[string]string{"increment": "double"},
		Summary: "Adds a number with a fraction to the one in a key.",
		Since:   "2.6.0", Group: "string", Complexity: "O(1)",
		Arity: 3, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  incrbyfloat,
	},
	{
		Name: "lcs", Syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]",
		Summary: "Finds a longest sequence of bytes that two strings have in common.",
		Since:   "7.0.0", Group: "string", Complexity: "O(N*M), N and M being the lengths of the strings",
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Last: 1, Flags: RO | Access}},
		Run:  lcs,
	},
	{
		Name: "mget", Syntax: "key [key ...]",
		Summary: "Reads several strings.",
		Since:   "1.0.0", Group: "string", Complexity: "O(N), N being the number of keys",
		Arity: -2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Last: -1, Flags: RO | Access}},
		Tips: []string{"request_policy:multi_shard"},
		Run:  mget,
	},
	{
		Name: "mset", Syntax: "key value [key value ...]",
		Summary: "Sets several strings at once.",
		Since:   "1.0.1", Group: "string", Complexity: "O(N), N being the number of keys",
		Arity: -3, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Last: -1, Step: 2, Flags: OW | Update}},
		Tips: []string{"request_policy:multi_shard", "response_policy:all_succeeded"},
		Run:  mset,
	},
	{
		Name: "msetnx", Syntax: "key value [key value ...]",
		Summary: "Sets several strings at once if none of the keys exists.",
		Since:   "1.0.1", Group: "string", Complexity: "O(N), N being the number of keys",
		Arity: -3, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Last: -1, Step: 2, Flags: OW | Insert}},
		Tips: []string{"request_policy:multi_shard", "response_policy:agg_min"},
		Run:  msetnx,
	},
	{
		Name: "psetex", Syntax: "key milliseconds value",
		Summary: "Sets a string that expires after some milliseconds.",
		Since:   "2.6.0", Group: "string", Complexity: "O(1)",
		Arity: 4, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}},
		Run:  psetex,
	},
	{
		Name: "set", Syntax: "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
		Summary: "Sets a string, whatever the key held before.",
		Since:   "1.0.0", Group: "string", Complexity: "O(1)",
		Arity: -3, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: RW | Access | Update | variableFlags}},
		Run:  set,
	},
	{
		Name: "setex", Syntax: "key seconds value",
		Summary: "Sets a string that expires after some seconds.",
		Since:   "2.0.0", Group: "string", Complexity: "O(1)",
		Arity: 4, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}},
		Run:  setex,
	},
	{
		Name: "setnx", Syntax: "key value",
		Summary: "Sets a string if the key does not exist.",
		Since:   "1.0.0", Group: "string", Complexity: "O(1)",
		Arity: 3, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: OW | Insert}},
		Run:  setnx,
	},
	{
		Name: "setrange", Syntax: "key offset value",
		Summary: "Writes over a part of a string.",
		Since:   "2.2.0", Group: "string", Complexity: "O(N), N being the length of the value",
		Arity: 4, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  setrange,
	},
	{
		Name: "strlen", Syntax: "key",
		Summary: "Gives the length of a string in bytes.",
		Since:   "2.2.0", Group: "string", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO}},
		Run:  strlen,
	},
	{
		Name: "substr", Syntax: "key start end",
		Summary: "Reads a part of a string.",
		Since:   "1.0.0", Group: "string", Complexity: "O(N), N being the length of the part",
		Arity: 4, Flags: ReadOnly,
		Keys:       Keys{{First: 1, Flags: RO | Access}},
		Deprecated: "2.0.0", ReplacedBy: "GETRANGE",
		Run: getrange,
	},
}

const (
	errOffset    = resp.Error("ERR offset is out of range")
	errDecrement = resp.Error("ERR decrement would overflow")
)

// A setting is how SET or GETEX deals with a key beyond its value.
type setting struct {
	onlyNew bool // NX
	onlyOld bool // XX
	get     bool
	keep    bool      // KEEPTTL
	persist bool      // GETEX only
	form    *timeForm // nil: no time given
	time    []byte    // in that form; not checked yet
}

// parseSet reads the options of SET. Repeating one is no error; of two times
// in one form the last counts.
func parseSet(args [][]byte) (o setting, err error) {
	for len(args) > 0 && err == nil {
		option, rest := args[0], args[1:]
		switch {
		case Is(option, "NX") && !o.onlyOld:
			o.onlyNew = true
		case Is(option, "XX") && !o.onlyNew:
			o.onlyOld = true
		case Is(option, "GET"):
			o.get = true
		case Is(option, "KEEPTTL") && o.form == nil:
			o.keep = true
		default:
			rest, err = o.parseTime(args)
		}
		args = rest
	}
	return o, err
}

// parseGetex reads the options of GETEX.
func parseGetex(args [][]byte) (o setting, err error) {
	for len(args) > 0 && err == nil {
		if Is(args[0], "PERSIST") && o.form == nil {
			o.persist = true
			args = args[1:]
			continue
		}
		args, err = o.parseTime(args)
	}
	return o, err
}

// parseTime reads a time and returns the options behind it.
func (o *setting) parseTime(args [][]byte) (rest [][]byte, err error) {
	for _, f := range timeForms {
		if !Is(args[0], f.word) {
			continue
		}
		if len(args) < 2 || o.keep || o.persist || o.form != nil && o.form != f {
			break
		}
		o.form, o.time = f, args[1]
		return args[2:], nil
	}
	return nil, ErrSyntax
}

// deadline returns the time as Unix ms, 0 if none was given. Only what is above
// zero can be one here, unlike in EXPIRE.
func (o *setting) deadline(c *Context) (at int64, err error) {
	if o.form == nil {
		return 0, nil
	}
	n, ok := ParseInt(o.time)
	if !ok {
		return 0, errNotInteger
	}
	if n <= 0 {
		return 0, c.expireError()
	}
	return c.deadline(o.form, n)
}

func set(c *Context) error {
	o, err := parseSet(c.Args[3:])
	if err != nil {
		return err
	}
	at, err := o.deadline(c)
	if err != nil {
		return err
	}
	key, value := c.Args[1], c.Args[2]
	var old *datastructs.String
	if o.get {
		if old, err = Read[*datastructs.String](c, key); err != nil {
			return err
		}
		bulkString(c, old)
	}
	if (o.onlyNew || o.onlyOld) && o.onlyNew == (c.DB.Peek(key, c.Now) != nil) {
		c.use(key) // a value that is in the way has been looked at
		if !o.get {
			c.Null()
		}
		return nil
	}
	if o.keep {
		c.use(key)
		c.Save(key, newString(c, value), EventString, "set")
	} else {
		put(c, key, value, at)
	}
	if !o.get {
		c.OK()
	}
	return nil
}

// newString is a value that a call has brought. A large one is not copied: should an
// effect tell of it, too, later calls of the same transaction must not write over it.
func newString(c *Context, value []byte) *datastructs.String {
	s := datastructs.NewString(value)
	if c.Effects != nil {
		s.Bytes() // lends it
	}
	return s
}

// put sets a key to a value that lives until at, for ever if that is 0. A time
// that has passed is no error: the key expires after the call.
func put(c *Context, key, value []byte, at int64) {
	c.Replace(key, newString(c, value))
	c.Notify(EventString, "set", key)
	if at != 0 {
		c.SetDeadline(key, at)
		c.Notify(EventGeneric, "expire", key)
		c.EmitAs("SET", key, value, "PXAT", at)
	}
}

func setnx(c *Context) error {
	free := c.DB.Peek(c.Args[1], c.Now) == nil
	if free {
		put(c, c.Args[1], c.Args[2], 0)
	} else {
		c.use(c.Args[1])
	}
	c.Flag(free)
	return nil
}

func setex(c *Context) error  { return setFor(c, &inSeconds) }
func psetex(c *Context) error { return setFor(c, &inMillis) }

func setFor(c *Context, f *timeForm) error {
	o := setting{form: f, time: c.Args[2]}
	at, err := o.deadline(c)
	if err != nil {
		return err
	}
	put(c, c.Args[1], c.Args[3], at)
	c.OK()
	return nil
}

func getset(c *Context) error {
	old, err := Read[*datastructs.String](c, c.Args[1])
	if err != nil {
		return err
	}
	bulkString(c, old)
	put(c, c.Args[1], c.Args[2], 0)
	return nil
}

func get(c *Context) error {
	s, err := Read[*datastructs.String](c, c.Args[1])
	if err != nil {
		return err
	}
	bulkString(c, s)
	return nil
}

func getdel(c *Context) error {
	key := c.Args[1]
	s, err := Read[*datastructs.String](c, key)
	if err != nil {
		return err
	}
	bulkString(c, s)
	if s != nil {
		c.Delete(key)
		c.Notify(EventGeneric, "del", key)
		c.EmitAs("DEL", key)
	}
	return nil
}

// getex looks at the time only once it has a string, as Redis does: for an
// absent key any time will do.
func getex(c *Context) error {
	o, err := parseGetex(c.Args[2:])
	if err != nil {
		return err
	}
	key := c.Args[1]
	s, err := Read[*datastructs.String](c, key)
	if err != nil {
		return err
	}
	if s == nil {
		c.Null()
		return nil
	}
	at, err := o.deadline(c)
	if err != nil {
		return err
	}
	bulkString(c, s)
	switch {
	case o.form != nil:
		c.expireAt(key, at)
	case o.persist && c.ClearDeadline(key):
		c.Notify(EventGeneric, "persist", key)
		c.EmitAs("PERSIST", key)
	}
	return nil
}

// bulkString replies with a string; null for nil.
func bulkString(c *Context, s *datastructs.String) {
	switch {
	case s == nil:
		c.Null()
	case s.Encoding() == "int":
		n, _ := s.Int()
		c.BulkInt(n)
	default:
		c.Bulk(s.Bytes())
	}
}

// mget looks at all keys before it replies, so that no event comes in between.
func mget(c *Context) error {
	var few [16]*datastructs.String // keeps the usual call from allocating
	values := few[:0]
	for _, key := range c.Args[1:] {
		s, _ := Read[*datastructs.String](c, key) // of another kind: null
		values = append(values, s)
	}
	c.Array(len(values))
	for _, s := range values {
		bulkString(c, s)
	}
	return nil
}

func mset(c *Context) error {
	if len(c.Args)%2 == 0 {
		return c.arityError()
	}
	putAll(c)
	c.OK()
	return nil
}

func msetnx(c *Context) error {
	if len(c.Args)%2 == 0 {
		return c.arityError()
	}
	for i := 1; i < len(c.Args); i += 2 {
		if c.use(c.Args[i]) != nil {
			c.Flag(false)
			return nil
		}
	}
	putAll(c)
	c.Flag(true)
	return nil
}

func putAll(c *Context) {
	for i := 1; i < len(c.Args); i += 2 {
		put(c, c.Args[i], c.Args[i+1], 0)
	}
}
