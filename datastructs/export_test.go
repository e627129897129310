package datastructs

// NextDeadline returns the first deadline of the hash's fields; not ok if none has one.
func (h *Hash) NextDeadline() (at int64, ok bool) { return h.nextDeadline() }

// AppendTo appends the text of the string.
func (s *String) AppendTo(to []byte) []byte { return s.appendTo(to) }
