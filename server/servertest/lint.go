package servertest

// tellFindings logs what lint has found, or fails the test with it.
func (s *Server) reportFindings() {
	s.t.Helper()
	for _, f := range s.Findings() {
		if f.Fail {
			s.t.Errorf("lint: %v", f)
		} else {
			s.t.Logf("lint: %v", f)
		}
	}
}
