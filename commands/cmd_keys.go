package commands

import "github.com/parley-chat/parley/datastructs"

var keyRows = []Command{
	{
		Name: "copy", Syntax: "source destination [DB destination-db] [REPLACE]",
		Summary: "Copies a value to another key.",
		Since:   "6.2.0", Group: "generic", Complexity: "O(N), N being the number of items in the value",
		Arity: -3, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: RO | Access}, {First: 2, Flags: OW | Update}},
		Run:  copyKey,
	},
	{
		Name: "del", Syntax: "key [key ...]",
		Summary: "Deletes keys.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(N), N being the number of keys",
		Arity: -2, Flags: Write,
		Keys: Keys{{First: 1, Last: -1, Flags: RM | Delete}},
		Tips: []string{"request_policy:multi_shard", "response_policy:agg_sum"},
		Run:  del,
	},
	{
		Name: "exists", Syntax: "key [key ...]",
		Summary: "Counts which of the keys exist.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(N), N being the number of keys",
		Arity: -2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Last: -1, Flags: RO}},
		Tips: []string{"request_policy:multi_shard", "response_policy:agg_sum"},
		Run:  exists,
	},
	{
		Name: "expire", Syntax: "key seconds [NX | XX | GT | LT]",
		Summary: "Lets a key expire after some seconds.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(1)",
		Arity: -3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  expire,
	},
	{
		Name: "expireat", Syntax: "key unix-time-seconds [NX | XX | GT | LT]",
		Summary: "Lets a key expire at a Unix time in seconds.",
		Since:   "1.2.0", Group: "generic", Complexity: "O(1)",
		Arity: -3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  expireat,
	},
	{
		Name: "expiretime", Syntax: "key",
		Summary: "Tells when a key expires, as a Unix time in seconds.",
		Since:   "7.0.0", Group: "generic", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  expiretime,
	},
	{
		Name: "keys", Syntax: "pattern",
		Summary: "Lists the keys that match a pattern.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(N), N being the number of keys in the database",
		Arity: 2, Flags: ReadOnly,
		ACL:  catKeyspace | catDangerous,
		Tips: []string{"request_policy:all_shards", "nondeterministic_output_order"},
		Run:  keysMatching,
	},
	{
		Name: "move", Syntax: "key db",
		Summary: "Moves a key to another database.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(1)",
		Arity: 3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  move,
	},
	objectRow,
	{
		Name: "persist", Syntax: "key",
		Summary: "Lets a key stay that was to expire.",
		Since:   "2.2.0", Group: "generic", Complexity: "O(1)",
		Arity: 2, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  persist,
	},
	{
		Name: "pexpire", Syntax: "key milliseconds [NX | XX | GT | LT]",
		Summary: "Lets a key expire after some milliseconds.",
		Since:   "2.6.0", Group: "generic", Complexity: "O(1)",
		Arity: -3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  pexpire,
	},
	{
		Name: "pexpireat", Syntax: "key unix-time-milliseconds [NX | XX | GT | LT]",
		Summary: "Lets a key expire at a Unix time in milliseconds.",
		Since:   "2.6.0", Group: "generic", Complexity: "O(1)",
		Arity: -3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  pexpireat,
	},
	{
		Name: "pexpiretime", Syntax: "key",
		Summary: "Tells when a key expires, as a Unix time in milliseconds.",
		Since:   "7.0.0", Group: "generic", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  pexpiretime,
	},
	{
		Name: "pttl", Syntax: "key",
		Summary: "Tells how many milliseconds a key has left.",
		Since:   "2.6.0", Group: "generic", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  pttl,
	},
	{
		Name: "randomkey", Syntax: "",
		Summary: "Picks any key.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(1)",
		Arity: 1, Flags: ReadOnly,
		Tips: []string{"request_policy:all_shards", "nondeterministic_output"},
		Run:  randomkey,
	},
	{
		Name: "rename", Syntax: "key newkey",
		Summary: "Gives a key another name, in place of any key of that name.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(1)",
		Arity: 3, Flags: Write,
		Keys: Keys{{First: 1, Flags: RW | Access | Delete}, {First: 2, Flags: OW | Update}},
		Run:  rename,
	},
	{
		Name: "renamenx", Syntax: "key newkey",
		Summary: "Gives a key another name if no key has it.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(1)",
		Arity: 3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Delete}, {First: 2, Flags: OW | Insert}},
		Run:  renamenx,
	},
	{
		Name: "touch", Syntax: "key [key ...]",
		Summary: "Marks keys as used.",
		Since:   "3.2.1", Group: "generic", Complexity: "O(N), N being the number of keys",
		Arity: -2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Last: -1, Flags: RO}},
		Tips: []string{"request_policy:multi_shard", "response_policy:agg_sum"},
		Run:  touch,
	},
	{
		Name: "ttl", Syntax: "key",
		Summary: "Tells how many seconds a key has left.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  ttl,
	},
	{
		Name: "type", Syntax: "key",
		Summary: "Tells what kind of value a key holds.",
		Since:   "1.0.0", Group: "generic", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO}},
		Run:  typeOf,
	},
	{
		Name: "unlink", Syntax: "key [key ...]",
		Summary: "Deletes keys.",
		Since:   "4.0.0", Group: "generic", Complexity: "O(N), N being the number of keys",
		Arity: -2, Flags: Write | Fast,
		Keys: Keys{{First: 1, Last: -1, Flags: RM | Delete}},
		Tips: []string{"request_policy:multi_shard", "response_policy:agg_sum"},
		Run:  del,
	},
	waitRow,
}

func del(c *Context) error {
	n := 0
	for _, key := range c.Args[1:] {
		if c.Delete(key) {
			c.Notify(EventGeneric, "del", key)
			n++
		}
	}
	c.Int(n)
	return nil
}

func exists(c *Context) error {
	n := 0
	for _, key := range c.Args[1:] {
		if c.Peek(key) != nil {
			n++
		}
	}
	c.Int(n)
	return nil
}

// touch marks keys for a client too whose calls do not count as use.
func touch(c *Context) error {
	n := 0
	for _, key := range c.Args[1:] {
		if c.recordLookup(key, c.DB.Get(key, c.Now, c.Rand)) != nil {
			n++
		}
	}
	c.Int(n)
	return nil
}

func typeOf(c *Context) error {
	c.Status(kindOf(c.Peek(c.Args[1])).String())
	return nil
}

// kindOf is the Kind of a value; the zero Kind for nil.
func kindOf(v datastructs.Value) datastructs.Kind {
	if v == nil {
		return 0
	}
	return v.Kind()
}

func keysMatching(c *Context) error {
	mark, n := c.Mark(), 0
	pattern := newPattern(c.Args[1])
	for key := range c.DB.All() {
		if pattern.matches([]byte(key)) && !c.DB.Expired([]byte(key), c.Now) {
			c.BulkString(key)
			n++
		}
	}
	c.CloseArray(mark, n)
	return nil
}

// randomkey picks again when it meets a key that has expired, which is seldom:
// such keys do not stay. In case many do, the rest of the walk is in order.
func randomkey(c *Context) error {
	n := c.DB.Len()
	const tries = 16
	for i, at := 0, 0; i < tries+n && n > 0; i++ {
		if i <= tries {
			at = c.Rand.IntN(n)
		} else {
			at = (at + 1) % n
		}
		if key, _ := c.DB.At(at); !c.DB.Expired([]byte(key), c.Now) {
			c.BulkString(key)
			return nil
		}
	}
	c.Null()
	return nil
}

func rename(c *Context) error {
	key, to := c.Args[1], c.Args[2]
	v := c.useForWrite(key)
	if v == nil {
		return errNoSuchKey
	}
	if string(key) != string(to) {
		renameKey(c, key, to, v)
	}
	c.OK()
	return nil
}

func renamenx(c *Context) error {
	key, to := c.Args[1], c.Args[2]
	v := c.useForWrite(key)
	if v == nil {
		return errNoSuchKey
	}
	free := c.use(to) == nil
	if free {
		renameKey(c, key, to, v)
	}
	c.Flag(free)
	return nil
}

func renameKey(c *Context, key, to []byte, v datastructs.Value) {
	at, hasDeadline := c.DB.Deadline(key)
	mark := c.DB.Mark(key)
	c.Delete(key)
	place(c, to, v, at, hasDeadline)
	c.DB.SetMark(to, mark)
	c.Notify(EventGeneric, "rename_from", key)
	c.Notify(EventGeneric, "rename_to", to)
}

// place stores a value that had another key under this one, with the deadline
// that it had there. It is a new key, for which some may have waited.
func place(c *Context, key []byte, v datastructs.Value, at int64, hasDeadline bool) {
	c.Delete(key)
	c.Store(key, v)
	if hasDeadline {
		c.SetDeadline(key, at)
	}
}

func move(c *Context) error {
	key := c.Args[1]
	db, err := c.dbArg(2)
	if err != nil {
		return err
	}
	if db == c.Index() {
		return errSameObject
	}
	v := c.useForWrite(key)
	if v == nil || c.Databases[db].Peek(key, c.Now) != nil {
		c.Flag(false)
		return nil
	}
	at, hasDeadline := c.DB.Deadline(key)
	mark := c.DB.Mark(key)
	c.Delete(key)
	c.In(db, func() {
		place(c, key, v, at, hasDeadline)
		c.DB.SetMark(key, mark)
	})
	c.Notify(EventGeneric, "move_from", key)
	c.In(db, func() { c.Notify(EventGeneric, "move_to", key) })
	c.Flag(true)
	return nil
}

func copyKey(c *Context) error {
	key, to := c.Args[1], c.Args[2]
	db, replace, err := parseCopy(c)
	if err != nil {
		return err
	}
	if db == c.Index() && string(key) == string(to) {
		return errSameObject
	}
	v := c.recordLookup(key, c.useForWrite(key))
	if v == nil || !replace && c.Databases[db].Peek(to, c.Now) != nil {
		c.Flag(false)
		return nil
	}
	at, hasDeadline := c.DB.Deadline(key)
	c.In(db, func() {
		place(c, to, v.Clone(), at, hasDeadline)
		c.Notify(EventGeneric, "copy_to", to)
	})
	c.Flag(true)
	return nil
}

func parseCopy(c *Context) (db int, replace bool, err error) {
	db = c.Index()
	for i := 3; i < len(c.Args); i++ {
		switch {
		case Is(c.Args[i], "REPLACE"):
			replace = true
		case Is(c.Args[i], "DB") && i+1 < len(c.Args):
			i++
			if db, err = c.dbArg(i); err != nil {
				return 0, false, err
			}
		default:
			return 0, false, ErrSyntax
		}
	}
	return db, replace, nil
}
