package servertest

import (
	"fmt"
	"strings"
)

// Restore makes all databases hold what they did at a snapshot of this server: see
// Kit.Restore.
func (s *Server) Restore(snap *Snapshot) {
	s.t.Helper()
	s.must(s.Kit.Restore(snap))
}

// Dump returns all data as text: see Kit.Dump.
func (s *Server) Dump() string {
	s.t.Helper()
	text, err := s.Kit.Dump()
	s.must(err)
	return text
}

// Load runs a list of commands that change data, as Dump writes it: see Kit.Load.
func (s *Server) Load(text string) {
	s.t.Helper()
	s.must(s.Kit.Load(text))
}

// Diff tells what has changed from one snapshot to another, or, where is is nil, until
// now: see Kit.Diff.
func (s *Server) Diff(was, is *Snapshot) string {
	s.t.Helper()
	text, err := s.Kit.Diff(was, is)
	s.must(err)
	return text
}

// RequireUnchanged ends the test if anything has changed since a snapshot.
func (s *Server) RequireUnchanged(since *Snapshot) {
	s.t.Helper()
	if changes := s.Diff(since, nil); changes != "" {
		s.t.Fatalf("servertest: the data is not what it was at the snapshot:\n%s", truncated(changes))
	}
}

// RequireChanges ends the test unless what has changed since a snapshot is what is
// wanted, in the form of Diff. Space around lines does not matter.
func (s *Server) RequireChanges(want string, since *Snapshot) {
	s.t.Helper()
	got := s.Diff(since, nil)
	if trimmed(want) != trimmed(got) {
		s.t.Fatalf("servertest: want these changes since the snapshot:\n%s\n\nnot these:\n%s", truncated(trimmed(want)), truncated(trimmed(got)))
	}
}

// RequireDump ends the test unless the data is what a list of commands makes in an
// empty server: a text of Dump, such as one in a golden file, or one written by hand.
func (s *Server) RequireDump(want string) {
	s.t.Helper()
	difference, err := s.DiffText(want)
	s.must(err)
	if difference != "" {
		s.t.Fatalf("servertest: the data is another (-: wanted, +: there):\n%s", truncated(difference))
	}
}

func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shortened leaves out what nobody would read.
func truncated(text string) string {
	const most = 200
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= most {
		return text
	}
	return strings.Join(lines[:most], "") + fmt.Sprintf("... and %d lines more", len(lines)-most)
}

// must ends the test if there is an error.
func (s *Server) must(err error) {
	if err != nil {
		s.t.Helper()
		s.t.Fatal(err)
	}
}
