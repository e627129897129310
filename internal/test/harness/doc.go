// Package harness is what parley's own tests stand on: they close their servers
// with it, log to it, and a package whose tests leave goroutines behind fails. It
// imports nothing of parley, so that tests of what lies beneath can use it.
package harness
