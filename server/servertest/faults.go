package servertest

// Inject makes something go wrong from now on, until the injection is undone or the
// test is over. A fault that has struck nothing by then fails the test: its aim was
// wrong, or the test never came to what it is about. Not so one that MayMiss, or
// whose Chance is below 1.
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
			s.t.Errorf("servertest: a fault that struck nothing: %s", i)
		}
	})
	return i
}
