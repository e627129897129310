package schematest

import (
	"encoding/json"
	"strings"
)

// MarshalJSON writes a step for programs in other languages: its words, and its
// reply by the version of the protocol, in the form of Tree. map says that in
// RESP3 it is one.
func (s Step) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"words":     s.Words,
		"replies":   map[int]any{2: s.Tree(2), 3: s.Tree(3)},
		"map":       strings.HasPrefix(s.Reply(3), "1# "),
		"unordered": s.Unordered,
		"extension": s.Extension,
	})
}
