package servertest

// Dump returns all data as text: see rig.Rig.Dump.
func (s *Server) Dump() string {
	s.t.Helper()
	text, err := s.Rig.Dump()
	s.must(err)
	return text
}

// must ends the test if there is an error.
func (s *Server) must(err error) {
	if err != nil {
		s.t.Helper()
		s.t.Fatal(err)
	}
}
