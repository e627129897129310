package server

import "runtime"

// Fairness between clients. A critical section is short, but a client with a very long
// pipeline takes the lock again immediately. With as many such clients as processors, all
// others would be delayed: each waits for the lock behind all of them, and for a P, since
// Go polls the network only when a P is idle, or every 10 ms.
//
// So the first batch of a session after each read runs unlimited. Further batches take a
// slot of a semaphore of GOMAXPROCS-1 slots, in order of arrival, so one P stays free for
// other clients. Pipelines of up to maxBatch commands are not affected.

// newPipelineSlots returns the semaphore. Its capacity is the number of slots.
func newPipelineSlots() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)) }

// batchThrottled is batch for the further batches of a read.
func (e *engine) batchThrottled(c *caller, batch []request) (n int) {
	e.pipelineSlots <- struct{}{}
	defer func() { <-e.pipelineSlots }()
	return e.batch(c, batch)
}
