// Package harness has helpers for parley's own tests: it closes servers,
// captures logs, and fails a package whose tests leave goroutines behind. It
// imports no package of parley, so that tests of every package can use it.
package harness
