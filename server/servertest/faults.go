package servertest

// Inject puts a fault into effect until Undo or the end of the test. The test
// fails if the fault has applied to nothing by then: it matches no call, or the
// test never made that call. Faults with MayMiss or a Chance below 1 are
// excepted.
//
//	s.Inject(Fault{Command: "incr", Client: "app", Nth: 2, Cut: CutNoReply})
func (s *Server) Inject(f Fault) *Injection {
	s.t.Helper()
	i, err := s.Kit.Inject(f)
	if err != nil {
		s.t.Fatalf("servertest: %v", err)
	}
	s.t.Cleanup(func() {
		i.Undo()
		if mayMiss := f.MayMiss || f.Chance > 0 && f.Chance < 1; i.Strikes() == 0 && !mayMiss && !s.t.Failed() {
			s.t.Errorf("servertest: the fault applied to nothing: %s", i)
		}
	})
	return i
}
