package commands

import "sync"

// Standard is the table of all commands. It is made once: a table does not change.
var Standard = sync.OnceValue(func() *Table {
	return NewTable(stringRows, hashRows, hashExpiryRows, hashSetexRows, setRows, sortedSetRows, keyRows, scanRows, sortRows, dumpRows,
		transactionRows, pubsubRows, connectionRows, serverRows)
})
