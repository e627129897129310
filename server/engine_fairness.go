package server

import "runtime"

// Fair shares. A stay under the lock is short, but those who send very long
// pipelines are always back at once. Were there as many of them at work as there
// are processors, all others would come late: to the lock, behind each of them,
// and to a processor, since Go looks for input that has arrived only when one is
// idle, or after 10 ms.
//
// So a session's first batch after each piece of input runs as it comes, and all
// further ones go through a narrow way, first come first served, that leaves a
// processor to the others. Pipelines of up to 64 commands never notice.

// newPipelineSlots returns the narrow way: as many as it holds may be in a further batch
// at once.
func newPipelineSlots() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)) }

// batchThrottled is batch for a session that has just had one.
func (e *engine) batchThrottled(c *caller, batch []request, done func()) (n int) {
	e.pipelineSlots <- struct{}{}
	defer func() { <-e.pipelineSlots }()
	return e.batch(c, batch, done)
}
