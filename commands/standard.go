package commands

import "sync"

// Standard is the table of all commands. It is made once: a table does not change.
var Standard = sync.OnceValue(func() *Table { return Extended(nil) })

// Extended returns a table of all commands and more: rows that stand behind the
// others. See NewTable for rows that cannot be.
func Extended(more []Command) *Table {
	return NewTable(stringRows, hashRows, hashExpiryRows, hashSetexRows, setRows, sortedSetRows, keyRows, scanRows, sortRows, dumpRows,
		transactionRows, pubsubRows, connectionRows, serverRows, more)
}
