package servertest

import (
	"testing"

	"github.com/parley-chat/parley/internal/testkit"
)

// Calls are those of the kit, with assertions: a line is a call as one types it in
// redis-cli, "SET user:1 *"; see testkit.Calls.Called for what is like it. What does not
// hold fails the test, and the failure lists what was called instead.
type Calls struct {
	testkit.Calls
	t testing.TB
}

// Calls returns the calls that the server has received so far.
func (s *Server) Calls() Calls { return Calls{s.Kit.Calls(), s.t} }

// By returns the calls of clients of that name.
func (c Calls) By(name string) Calls { return Calls{c.Calls.By(name), c.t} }

// ByClient returns the calls of the client with that id.
func (c Calls) ByClient(id int64) Calls { return Calls{c.Calls.ByClient(id), c.t} }

// Of returns the calls that are like one of the lines.
func (c Calls) Of(lines ...string) Calls {
	c.t.Helper()
	of, err := c.Calls.Of(lines...)
	c.require(err)
	return Calls{of, c.t}
}

// RequireCalled holds that there was a call like the line.
func (c Calls) RequireCalled(line string) {
	c.t.Helper()
	c.require(c.Called(line))
}

// RequireNotCalled holds that there was none.
func (c Calls) RequireNotCalled(line string) {
	c.t.Helper()
	c.require(c.NotCalled(line))
}

// RequireCalledTimes holds that there were exactly n.
func (c Calls) RequireCalledTimes(n int, line string) {
	c.t.Helper()
	c.require(c.CalledTimes(n, line))
}

// RequireCalledInOrder holds that there were calls like the lines in that order.
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
