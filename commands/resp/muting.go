package resp

import "slices"

// A muting is what of a Writer's bytes nobody is to have.
type muting struct {
	on    bool
	from  int    // where what is being left out begins
	spans []span // what was left out before, in order
}

type span struct{ start, end int }

// Mute makes what is written from now on be left out, but for messages, until it
// is called with false: the client wants no replies. It counts all the same in
// Len and for MaxReply, until Take: what is for nobody is not without bounds.
func (w *Writer) Mute(yes bool) {
	if yes == w.muting.on {
		return
	}
	w.muting.on = yes
	if yes {
		w.muting.from = len(w.buf)
	} else {
		w.muting.close(len(w.buf))
	}
}

// Message appends a push that is encoded already, whether or not the Writer is
// muted.
func (w *Writer) Message(p []byte) {
	if w.muting.on {
		w.muting.close(len(w.buf))
		w.muting.from = len(w.buf) + len(p)
	}
	w.buf = append(w.buf, p...)
}

func (m *muting) close(end int) {
	if end > m.from {
		m.spans = append(m.spans, span{m.from, end})
	}
}

// truncate follows Truncate.
func (m *muting) truncate(n int) {
	m.from = min(m.from, n)
	for len(m.spans) > 0 && m.spans[len(m.spans)-1].start >= n {
		m.spans = m.spans[:len(m.spans)-1]
	}
	if last := len(m.spans) - 1; last >= 0 {
		m.spans[last].end = min(m.spans[last].end, n)
	}
}

// insert follows the insertion of n bytes, which are left out if the Writer is
// muted.
func (m *muting) insert(at, n int) {
	covered := !m.on || m.from <= at
	if m.from > at {
		m.from += n
	}
	behind := len(m.spans)
	for i := len(m.spans) - 1; i >= 0 && m.spans[i].end > at; i-- {
		s := &m.spans[i]
		s.end += n
		if s.start <= at {
			covered = true
			break
		}
		s.start += n
		behind = i
	}
	if !covered {
		m.spans = slices.Insert(m.spans, behind, span{at, at + n})
	}
}

// take returns p without what is left out.
func (m *muting) take(p []byte) []byte {
	if m.on {
		m.close(len(p))
		m.from = 0 // of what comes next
	}
	if len(m.spans) == 0 {
		return p
	}
	kept := p[:m.spans[0].start]
	for i, s := range m.spans {
		next := len(p)
		if i+1 < len(m.spans) {
			next = m.spans[i+1].start
		}
		kept = append(kept, p[s.end:next]...)
	}
	m.spans = nil
	return kept
}
