package servertest

import (
	"testing"

	"github.com/parley-chat/parley/internal/testkit"
)

// Calls are those of the kit, with assertions. A line is a call as typed in
// redis-cli, "SET user:1 *"; testkit.Calls.Called documents which calls match
// it. A failed assertion fails the test and lists the calls.
type Calls struct {
	testkit.Calls
	t testing.TB
}

// Calls returns the calls that the server has received so far.
func (s *Server) Calls() Calls { return Calls{s.Kit.Calls(), s.t} }

// By returns the calls of clients with that name.
func (c Calls) By(name string) Calls { return Calls{c.Calls.By(name), c.t} }

// ByClient returns the calls of the client with that ID.
func (c Calls) ByClient(id int64) Calls { return Calls{c.Calls.ByClient(id), c.t} }

// Of returns the calls that match one of the lines.
func (c Calls) Of(lines ...string) Calls {
	c.t.Helper()
	of, err := c.Calls.Of(lines...)
	c.require(err)
	return Calls{of, c.t}
}

// RequireCalled ends the test unless a call matches the line.
func (c Calls) RequireCalled(line string) {
	c.t.Helper()
	c.require(c.Called(line))
}

// RequireNotCalled ends the test if a call matches the line.
func (c Calls) RequireNotCalled(line string) {
	c.t.Helper()
	c.require(c.NotCalled(line))
}

// RequireCalledTimes ends the test unless exactly n calls match the line.
func (c Calls) RequireCalledTimes(n int, line string) {
	c.t.Helper()
	c.require(c.CalledTimes(n, line))
}

// RequireCalledInOrder ends the test unless calls match the lines in that
// order.
func (c Calls) RequireCalledInOrder(lines ...string) {
	c.t.Helper()
	c.require(c.CalledInOrder(lines...))
}

func (c Calls) require(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}
