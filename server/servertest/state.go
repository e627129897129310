package servertest

import (
	"fmt"
	"strings"
)

// Restore resets all databases to a snapshot of this server: see Kit.Restore.
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

// Load runs a list of commands that change data, as Dump writes it: see
// Kit.Load.
func (s *Server) Load(text string) {
	s.t.Helper()
	s.must(s.Kit.Load(text))
}

// Diff returns the changes from one snapshot to another, or to the current data
// if is is nil: see Kit.Diff.
func (s *Server) Diff(was, is *Snapshot) string {
	s.t.Helper()
	text, err := s.Kit.Diff(was, is)
	s.must(err)
	return text
}

// RequireUnchanged ends the test if data has changed since a snapshot.
func (s *Server) RequireUnchanged(since *Snapshot) {
	s.t.Helper()
	if changes := s.Diff(since, nil); changes != "" {
		s.t.Fatalf("servertest: the data has changed since the snapshot:\n%s", truncated(changes))
	}
}

// RequireChanges ends the test unless the changes since a snapshot are those in
// want, in the form of Diff. Space around lines is ignored.
func (s *Server) RequireChanges(want string, since *Snapshot) {
	s.t.Helper()
	got := s.Diff(since, nil)
	if trimmed(want) != trimmed(got) {
		s.t.Fatalf("servertest: want these changes since the snapshot:\n%s\n\nnot these:\n%s", truncated(trimmed(want)), truncated(trimmed(got)))
	}
}

// RequireDump ends the test unless the data is what a list of commands creates
// in an empty server. want may be a text of Dump, such as a golden file, or
// written by hand.
func (s *Server) RequireDump(want string) {
	s.t.Helper()
	difference, err := s.DiffText(want)
	s.must(err)
	if difference != "" {
		s.t.Fatalf("servertest: the data differs (-: want, +: got):\n%s", truncated(difference))
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

// truncated limits a text to a number of lines that can be read.
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
