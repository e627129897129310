package wire

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
		w.muting.from = w.Len()
	} else {
		w.muting.close(w.Len())
	}
}

// Message appends a push that is encoded already, whether or not the Writer is
// muted.
func (w *Writer) Message(p []byte) {
	if w.muting.on {
		w.muting.close(w.Len())
		w.muting.from = w.Len() + len(p)
	}
	w.Raw(p)
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

// take returns what is not left out of the pieces and of the last one.
func (m *muting) take(pieces []Piece, last []byte) ([]Piece, []byte) {
	end := len(last)
	for _, p := range pieces {
		end += len(p.Bytes)
	}
	if m.on {
		m.close(end)
		m.from = 0 // of what comes next
	}
	if len(m.spans) == 0 {
		return pieces, last
	}
	spans := append(m.spans, span{end, end})
	m.spans = nil
	if len(pieces) == 0 { // the usual case: what is kept moves together
		kept := last[:spans[0].start]
		for i, s := range spans[:len(spans)-1] {
			kept = append(kept, last[s.end:spans[i+1].start]...)
		}
		return nil, kept
	}
	var kept []Piece
	at, next := 0, 0 // where the piece begins, and the first of spans that ends behind it
	for _, p := range append(pieces, Piece{last, false}) {
		stop := at + len(p.Bytes)
		from := at
		for ; next < len(spans) && spans[next].start < stop; next++ {
			s := spans[next]
			if s.start > from {
				kept = append(kept, Piece{slices.Clip(p.Bytes[from-at : s.start-at]), p.Shared})
			}
			if from = max(from, min(s.end, stop)); s.end > stop {
				break // the next piece has more of it
			}
		}
		if from < stop {
			kept = append(kept, Piece{slices.Clip(p.Bytes[from-at:]), p.Shared})
		}
		at = stop
	}
	return kept, nil
}
