//go:build !unix

package server

// openFiles returns want: no limit is known.
func openFiles(want uint64) (uint64, error) { return want, nil }
