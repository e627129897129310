package commands

import (
	"slices"

	"github.com/parley-chat/parley/datastructs"
)

// COMMAND tells clients what a server can do. All of it derives from the rows.

var introspectionRows = []Command{
	{
		Name: "command", Syntax: "",
		Summary: "Describes all commands, and holds the commands that describe some.",
		Since:   "2.8.13", Group: "server", Complexity: "O(N), N being the number of commands",
		Arity: -1, Flags: Loading | Stale,
		ACL:  catConnection,
		Tips: []string{"nondeterministic_output_order"},
		Run:  commandAll,
		Subs: []Command{
			{
				Name: "count", Syntax: "",
				Summary: "Counts the commands.",
				Since:   "2.8.13", Group: "server", Complexity: "O(1)",
				Arity: 2, Flags: Loading | Stale,
				ACL: catConnection,
				Run: commandCount,
			},
			{
				Name: "docs", Syntax: "[command-name [command-name ...]]",
				Summary: "Documents commands: what they do, and their arguments.",
				Since:   "7.0.0", Group: "server", Complexity: "O(N), N being the number of commands asked for",
				Arity: -2, Flags: Loading | Stale,
				ACL:  catConnection,
				Tips: []string{"nondeterministic_output_order"},
				Run:  commandDocs,
			},
			{
				Name: "getkeys", Syntax: "",
				Summary: "Finds the keys in a call.",
				Since:   "2.8.13", Group: "server", Complexity: "O(N), N being the number of arguments",
				Arity: -4, Flags: Loading | Stale,
				ACL: catConnection,
				Run: commandGetKeys,
			},
			{
				Name: "getkeysandflags", Syntax: "",
				Summary: "Finds the keys in a call and says what it does to each.",
				Since:   "7.0.0", Group: "server", Complexity: "O(N), N being the number of arguments",
				Arity: -4, Flags: Loading | Stale,
				ACL: catConnection,
				Run: commandGetKeysAndFlags,
			},
			{
				Name: "help", Syntax: "",
				Summary: "Lists these subcommands.",
				Since:   "5.0.0", Group: "server", Complexity: "O(1)",
				Arity: 2, Flags: Loading | Stale,
				ACL: catConnection,
				Run: Help,
			},
			{
				Name: "info", Syntax: "[command-name [command-name ...]]",
				Summary: "Describes commands in the form that client libraries read.",
				Since:   "2.8.13", Group: "server", Complexity: "O(N), N being the number of commands asked for",
				Arity: -2, Flags: Loading | Stale,
				ACL:  catConnection,
				Tips: []string{"nondeterministic_output_order"},
				Run:  commandInfo,
			},
			{
				Name: "list", Syntax: "[FILTERBY MODULE module-name | ACLCAT category | PATTERN pattern]",
				Summary: "Lists the names of commands and subcommands.",
				Since:   "7.0.0", Group: "server", Complexity: "O(N), N being the number of commands",
				Arity: -2, Flags: Loading | Stale,
				ACL:  catConnection,
				Tips: []string{"nondeterministic_output_order"},
				Run:  commandList,
			},
		},
	},
}

func commandAll(c *Context) error {
	rows := c.Table.Rows()
	c.Array(len(rows))
	for _, m := range rows {
		describeCommand(c, m)
	}
	return nil
}

func commandCount(c *Context) error {
	c.Int(len(c.Table.Rows()))
	return nil
}

func commandInfo(c *Context) error {
	names := c.Args[2:]
	if len(names) == 0 {
		return commandAll(c)
	}
	c.Array(len(names))
	for _, name := range names {
		if m := c.Table.Named(name); m != nil {
			describeCommand(c, m)
		} else {
			c.Null()
		}
	}
	return nil
}

// describeCommand writes the ten elements that COMMAND INFO has for a row.
func describeCommand(c *Context, m *Command) {
	first, last, step := m.Keys.legacyRange()
	c.Array(10)
	c.BulkString(m.FullName())
	c.Int(m.Arity)
	writeStatuses(c, m.Flags.names())
	c.Int(first)
	c.Int(last)
	c.Int(step)
	categories := m.Categories().names()
	for i := range categories {
		categories[i] = "@" + categories[i]
	}
	writeStatuses(c, categories)
	c.Set(len(m.Tips))
	for _, tip := range m.Tips {
		c.BulkString(tip)
	}
	c.Set(len(m.Keys))
	for _, s := range m.Keys {
		describeKeys(c, s)
	}
	if len(m.Subs) == 0 {
		c.Set(0) // as Redis has it; with subcommands it is an array
		return
	}
	c.Array(len(m.Subs))
	for _, sub := range m.Children() {
		describeCommand(c, sub)
	}
}

func writeStatuses(c *Context, words []string) {
	c.Set(len(words))
	for _, w := range words {
		c.Status(w)
	}
}

func describeKeys(c *Context, s KeySpec) {
	c.Map(3)
	c.BulkString("flags")
	writeStatuses(c, s.Flags.names())

	c.BulkString("begin_search")
	if s.unknown() {
		writeSpec(c, "unknown")
		c.BulkString("find_keys")
		writeSpec(c, "unknown")
		return
	}
	writeSpec(c, "index", "index", s.First)
	c.BulkString("find_keys")
	if s.Count {
		writeSpec(c, "keynum", "keynumidx", 0, "firstkey", 1, "keystep", s.step())
	} else {
		writeSpec(c, "range", "lastkey", s.Last, "keystep", s.step(), "limit", 0)
	}
}

// writeSpec writes one half of a key specification: its type, and names with
// their values.
func writeSpec(c *Context, kind string, pairs ...any) {
	c.Map(2)
	c.BulkString("type")
	c.BulkString(kind)
	c.BulkString("spec")
	c.Map(len(pairs) / 2)
	for _, p := range pairs {
		switch p := p.(type) {
		case string:
			c.BulkString(p)
		case int:
			c.Int(p)
		}
	}
}

func commandDocs(c *Context) error {
	rows := c.Table.Rows()
	if names := c.Args[2:]; len(names) > 0 {
		rows = nil
		for _, name := range names {
			if m := c.Table.Named(name); m != nil {
				rows = append(rows, m)
			}
		}
	}
	documentAll(c, rows)
	return nil
}

func documentAll(c *Context, rows []*Command) {
	c.Map(len(rows))
	for _, m := range rows {
		c.BulkString(m.FullName())
		document(c, m)
	}
}

// document writes what COMMAND DOCS has for a row: a map of what applies.
func document(c *Context, m *Command) {
	mark, n := c.Mark(), 0
	entry := func(name, text string) {
		if text != "" {
			c.BulkString(name)
			c.BulkString(text)
			n++
		}
	}
	entry("summary", m.Summary)
	entry("since", m.Since)
	entry("group", m.Group)
	entry("complexity", m.Complexity)
	if m.Has(SysCmd) {
		c.BulkString("doc_flags")
		writeStatuses(c, []string{"syscmd"})
		n++
	}
	if m.Deprecated != "" {
		c.BulkString("doc_flags")
		writeStatuses(c, []string{"deprecated"})
		n++
		entry("deprecated_since", m.Deprecated)
		entry("replaced_by", m.ReplacedBy)
	}
	if list := m.Arguments(); len(list) > 0 {
		c.BulkString("arguments")
		keys := keyArguments{specs: m.Keys}
		documentArguments(c, list, &keys)
		n++
	}
	if len(m.Subs) > 0 {
		c.BulkString("subcommands")
		documentAll(c, m.Children())
		n++
	}
	c.CloseMap(mark, n)
}

// keyArguments numbers the arguments that are keys: the first is found by the
// first key specification, and so on; the last has all that are left. Patterns
// that keys are made of have a specification for themselves.
type keyArguments struct {
	specs      Keys
	next, last int
}

// of returns the number of the specification that finds an argument's keys.
func (k *keyArguments) of(a Argument) (spec int, ok bool) {
	switch a.Type {
	case "pattern":
		spec = slices.IndexFunc(k.specs, func(s KeySpec) bool { return s.Patterns })
		return spec, spec >= 0
	case "key":
		for k.next < len(k.specs) {
			k.next++
			if !k.specs[k.next-1].Patterns {
				k.last = k.next - 1
				break
			}
		}
		return k.last, len(k.specs) > 0
	}
	return 0, false
}

func documentArguments(c *Context, list []Argument, keys *keyArguments) {
	c.Array(len(list))
	for _, a := range list {
		documentArgument(c, a, keys)
	}
}

func documentArgument(c *Context, a Argument, keys *keyArguments) {
	mark, n := c.Mark(), 2
	c.BulkString("name")
	c.BulkString(a.Name)
	c.BulkString("type")
	c.BulkString(a.Type)
	if spec, ok := keys.of(a); ok {
		c.BulkString("key_spec_index")
		c.Int(spec)
		n++
	}
	if a.Token != "" {
		c.BulkString("token")
		c.BulkString(a.Token)
		n++
	}
	if flags := a.flags(); len(flags) > 0 {
		c.BulkString("flags")
		writeStatuses(c, flags)
		n++
	}
	if len(a.Arguments) > 0 {
		c.BulkString("arguments")
		documentArguments(c, a.Arguments, keys)
		n++
	}
	c.CloseMap(mark, n)
}

func (a Argument) flags() (names []string) {
	if a.Optional {
		names = append(names, "optional")
	}
	if a.Multiple {
		names = append(names, "multiple")
	}
	if a.MultipleToken {
		names = append(names, "multiple_token")
	}
	return names
}

func commandGetKeys(c *Context) error {
	uses, err := keysOfCall(c)
	if err != nil {
		return err
	}
	c.Array(len(uses))
	for _, u := range uses {
		c.Bulk(u.Key)
	}
	return nil
}

func commandGetKeysAndFlags(c *Context) error {
	uses, err := keysOfCall(c)
	if err != nil {
		return err
	}
	c.Array(len(uses))
	for _, u := range uses {
		c.Array(2)
		c.Bulk(u.Key)
		writeStatuses(c, u.Flags.names())
	}
	return nil
}

// counted finds the keys of a call whose number of keys is none or too large,
// as Redis then does: it takes the number as atoi of C reads it, puts the keys
// it counts before the others, and forgets what is done to them.
func (k Keys) counted(args [][]byte) (uses []KeyUse, ok bool) {
	for _, s := range k {
		if !s.Count || s.First >= len(args) {
			continue
		}
		keys := args[s.First+1:]
		n := atoi(args[s.First])
		if n < 1 || n > len(keys) {
			return nil, false
		}
		for i, key := range keys[:n] {
			uses = append(uses, KeyUse{Key: key, At: s.First + 1 + i})
		}
	}
	counted := len(uses)
	for _, s := range k {
		if !s.Count && counted > 0 {
			uses = append(uses, KeyUse{Key: args[s.First], At: s.First}) // the destination
		}
	}
	return uses, counted > 0
}

// keysOfCall finds the keys in the call that the arguments hold.
func keysOfCall(c *Context) ([]KeyUse, error) {
	args := c.Args[2:]
	m, err := c.Table.Find(args)
	switch {
	case err != nil:
		return nil, Errorf("ERR Invalid command specified")
	case !m.Keys.any():
		return nil, Errorf("ERR The command has no key arguments")
	case !m.Accepts(len(args)):
		return nil, Errorf("ERR Invalid number of arguments specified for command")
	}
	uses, ok := m.Keys.In(args)
	if !ok {
		uses, ok = m.Keys.counted(args)
	}
	if !ok {
		return nil, Errorf("ERR Invalid arguments specified for command")
	}
	return uses, nil
}

func commandList(c *Context) error {
	keep := func(*Command) bool { return true }
	if len(c.Args) > 2 {
		if len(c.Args) != 5 || !Is(c.Args[2], "FILTERBY") {
			return ErrSyntax
		}
		by, word := c.Args[3], c.Args[4]
		switch {
		case Is(by, "MODULE"): // there are no modules
			keep = func(*Command) bool { return false }
		case Is(by, "ACLCAT"):
			category := CategoryNamed(word)
			keep = func(m *Command) bool { return m.Categories()&category != 0 }
		case Is(by, "PATTERN"):
			keep = func(m *Command) bool { return datastructs.Match(word, []byte(m.FullName()), true) }
		default:
			return ErrSyntax
		}
	}
	mark, n := c.Mark(), 0
	list := func(m *Command) {
		if keep(m) {
			c.BulkString(m.FullName())
			n++
		}
	}
	for _, m := range c.Table.Rows() {
		list(m)
		for _, sub := range m.Children() {
			list(sub)
		}
	}
	c.CloseArray(mark, n)
	return nil
}
