package commands

// A PauseKind says which calls a pause holds back.
type PauseKind int

// The kinds of pause, each stronger than the one before.
const (
	noPause     PauseKind = iota
	pauseWrites           // calls that may change data or reach replicas
	PauseAll              // all calls
)

// A Pause holds back calls of clients until it ends, by its time or by CLIENT
// UNPAUSE. Meanwhile data stays as it is: expired keys read as absent, but are
// not deleted. Calls that wait for keys are served and time out as ever.
type Pause struct {
	Kind PauseKind
	End  int64 // Unix ms
}

// On reports whether there is a pause.
func (p Pause) On() bool { return p.Kind != noPause }

// Holds reports whether a call has to wait for the end of the pause. A test's own
// does not: it may be the one that ends it.
func (p Pause) Holds(l *Client, m *Command) bool {
	if m.Has(Hidden) {
		return false
	}
	switch p.Kind {
	case PauseAll:
		return true
	case pauseWrites:
		return m.mayReplicate() || m.Has(EndsMulti) && l.Multi != nil && l.Multi.mayReplicate
	}
	return false
}

func (m *Command) mayReplicate() bool { return m.Flags&(Write|mayReplicate) != 0 }

// prolong makes a pause of what was one or was none. It never makes it shorter
// or weaker; one that has ended already is none.
func (p *Pause) prolong(kind PauseKind, end, now int64) {
	if !p.On() && end < now {
		return
	}
	p.Kind, p.End = max(p.Kind, kind), max(p.End, end)
}
