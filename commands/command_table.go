package commands

import (
	"fmt"
	"strings"
	"sync"
)

// A Table is rows found by name. It does not change, so servers share it.
type Table struct {
	rows   []*Command // in the order given
	byName map[string]*Command
	size   int // rows and sub-rows

	subjects subjects // of ACL rules
}

// NewTable makes a table of the given families. A row that contradicts itself
// or another panics: the table is wrong, not the input.
func NewTable(families ...[]Command) *Table {
	t := &Table{byName: make(map[string]*Command)}
	for _, family := range families {
		for i := range family {
			row := t.adopt(&family[i], nil)
			if t.byName[row.Name] != nil {
				panic(fmt.Sprintf("commands: two rows for %q", row.Name))
			}
			t.rows = append(t.rows, row)
			t.byName[row.Name] = row
		}
	}
	t.subjects = newSubjects(t)
	return t
}

func (t *Table) adopt(m, parent *Command) *Command {
	row := *m
	row.parent = parent
	row.arguments = sync.OnceValue(row.parseArguments)
	row.id = t.size
	t.size++
	if row.Run == nil && len(row.Subs) == 0 || row.Arity == 0 || row.Name != strings.ToLower(row.Name) {
		panic(fmt.Sprintf("commands: row %q is incomplete", row.FullName()))
	}
	if row.Keys.movable() {
		row.Flags |= movableKeys
	}
	if len(row.Subs) > 0 {
		row.subs = make(map[string]*Command, len(row.Subs))
		for i := range row.Subs {
			sub := t.adopt(&row.Subs[i], &row)
			if row.subs[sub.Name] != nil {
				panic(fmt.Sprintf("commands: two rows for %q", sub.FullName()))
			}
			row.subs[sub.Name] = sub
		}
	}
	return &row
}

// Rows lists the table in its order; Children do the same for a row's Subs.
func (t *Table) Rows() []*Command { return t.rows }

// Children lists the rows below this one.
func (m *Command) Children() []*Command {
	list := make([]*Command, 0, len(m.Subs))
	for i := range m.Subs {
		list = append(list, m.subs[m.Subs[i].Name])
	}
	return list
}

// eachRow calls f with all rows, those of Subs behind the one they belong to.
func (t *Table) eachRow(f func(*Command)) {
	for _, m := range t.rows {
		f(m)
		for _, sub := range m.Children() {
			f(sub)
		}
	}
}

// Find returns the row that a call names, a row of Subs where there are any.
// Errors are those of Redis for an unknown command or subcommand.
func (t *Table) Find(args [][]byte) (*Command, error) {
	m := lookup(t.byName, args[0])
	switch {
	case m == nil:
		return nil, unknownCommand(args)
	case m.subs == nil || len(args) < 2:
		return m, nil
	}
	sub := lookup(m.subs, args[1])
	if sub == nil {
		return nil, unknownSubcommand(m, args[1])
	}
	return sub, nil
}

// Named returns the row of a full name ("get", "client|list") in any case, or nil.
func (t *Table) Named(name []byte) *Command {
	first, second, nested := strings.Cut(string(name), "|")
	m := lookup(t.byName, []byte(first))
	if m == nil || !nested {
		return m
	}
	return lookup(m.subs, []byte(second))
}

// lookup finds a name in any case without allocating.
func lookup(rows map[string]*Command, name []byte) *Command {
	var lower [64]byte
	if len(name) > len(lower) {
		return nil
	}
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		lower[i] = b
	}
	return rows[string(lower[:len(name)])]
}
