package commands

import (
	"math"
	"time"

	"github.com/parley-chat/parley/internal/wire"
)

var waitRow = Command{
	Name: "wait", Syntax: "numreplicas timeout",
	Summary: "Waits until so many replicas have what this connection has written, and counts them.",
	Since:   "3.0.0", Group: "generic", Complexity: "O(1)",
	Arity: 3, Flags: NoScript,
	ACL:  catConnection,
	Tips: []string{"request_policy:all_shards", "response_policy:agg_min"},
	Run:  waitForReplicas,
}

// waitForReplicas knows that there are none: who asks for one waits in vain, or
// for so many that an int of C is not positive: Redis then finds enough.
func waitForReplicas(c *Context) error {
	replicas, err := c.IntArg(1)
	if err != nil {
		return err
	}
	timeout, err := c.millisArg(2)
	if err != nil {
		return err
	}
	none := func(w *wire.Writer) { w.Int(0) }
	if replicas <= 0 || int32(replicas) <= 0 {
		none(c.Writer)
		return nil
	}
	if timeout > math.MaxInt64/int64(time.Millisecond) {
		timeout = 0 // longer than a time.Duration, some 292 years
	}
	return c.wait(&Wait{Timeout: timeout, OnTimeout: none})
}
