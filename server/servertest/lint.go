package servertest

// reportFindings logs the findings of Lint, or fails the test with them.
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
