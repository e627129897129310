package commands

import "sync"

// Standard is the table of all commands. It is made once: a table does not change.
var Standard = sync.OnceValue(func() *Table { return StandardWith(nil) })

// StandardWith returns a table of all commands, followed by more rows. NewTable says which
// rows are invalid. Each call of an added row is checked to write one whole reply; see
// Context.checkReply.
func StandardWith(more []Command) *Table {
	t := NewTable(stringRows, hashRows, hashExpiryRows, hashSetexRows, setRows, sortedSetRows, keyRows, scanRows, sortRows, dumpRows,
		transactionRows, pubsubRows, connectionRows, serverRows, more)
	for i := range more {
		t.byName[more[i].Name].markAdded()
	}
	return t
}

func (m *Command) markAdded() {
	m.added = true
	for _, sub := range m.subs {
		sub.markAdded()
	}
}
